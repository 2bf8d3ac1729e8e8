/**
 * One client of the switch process. Its first message says what it is: a NIC, a capture, or somebody with a question.
 * What it sends is checked; a client that makes no sense is let go, and costs nobody else anything.
 */
import type { Socket } from 'node:net';
import { OperatingError } from '../../kit/errors.ts';
import { LinkMessageKind } from '../../protocols/switch-link.ts';
import { PcapWriter } from '../capture/pcap-writer.ts';
import { FrameBatch, writeTo } from '../link/frame-batch.ts';
import { controlMessage, message, MessageReader } from '../link/message-reader.ts';
import type { CaptureExtension } from '../switch/extension.ts';
import type { SwitchPort } from '../switch/switch-port.ts';
import type { HostedSwitch } from './hosted-switch.ts';
import {
  type AttachRequest, type CaptureRequest, type ClientRequest, readRequest, type ServerReply,
} from './requests.ts';

/**
 * What may wait for a client that does not read: more of it is lost, as a NIC without room loses it. The windows of
 * a few TCP connections, which a guest of some memory opens up to 6 MiB each, fit into it.
 */
const MAX_WAITING_BYTES = 16 << 20;

export interface ConnectionOwner {
  /** @throws OperatingError when there is none of that name. */
  switchNamed(name: string): HostedSwitch;
  /** The answer to a question. */
  answer(request: ClientRequest): unknown;
  /** It got a frame, the first since it was last flushed. */
  gotFrames(connection: Connection): void;
  /** Frames of a run have been switched: whoever got some sends them on. */
  flushAll(): void;
  closed(connection: Connection): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #batch: FrameBatch;
  readonly #reader: MessageReader;
  #port: SwitchPort | undefined;
  #hosted: HostedSwitch | undefined;
  #stopCapture: (() => void) | undefined;
  #isKnown = false;
  #hasFrames = false;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#batch = new FrameBatch((bytes) => writeTo(socket, bytes));
    this.#reader = new MessageReader({
      control: (value) => this.#control(value),
      frames: {
        deliver: (...frame) => {
          // Frames come from a NIC that is attached, and from nobody else.
          if (this.#port === undefined) socket.destroy();
          return this.#port?.deliver(...frame) ?? true;
        },
      },
      capture: () => { socket.destroy(); },
    });
    socket.on('data', (chunk) => {
      const isSound = this.#reader.push(chunk);
      this.#port?.flush();
      owner.flushAll();
      if (!isSound) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#close());
  }

  /** The switch that it is on as a NIC. */
  get nicOf(): HostedSwitch | undefined {
    return this.#hosted;
  }

  /** Sends what it got in this run. */
  flush(): void {
    this.#hasFrames = false;
    this.#batch.flush();
  }

  /** Lets the client go; what was sent to it arrives. */
  end(): void {
    this.#socket.end();
    this.#close();
  }

  #control(value: unknown): void {
    // A client says one thing. A NIC may say no more than its frames.
    if (this.#isKnown) {
      this.#socket.destroy();
      return;
    }
    this.#isKnown = true;
    try {
      const request = readRequest(value);
      if (request.kind === 'attach') this.#attach(request);
      else if (request.kind === 'capture') this.#capture(request);
      else this.#reply({ kind: 'answer', value: this.#owner.answer(request) });
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.#reply({ kind: 'refused', code: error.code, message: error.message });
      this.#socket.end();
    }
  }

  #attach(request: AttachRequest): void {
    const hosted = this.#owner.switchNamed(request.switch);
    if (hosted.portNamed(request.nic) !== undefined) {
      throw new OperatingError('usage', `there is a NIC ${request.nic} on the switch ${request.switch} already`);
    }
    const port = hosted.attach(request.nic, request.mac, request.settings);
    this.#port = port;
    this.#hosted = hosted;
    const socket = this.#socket;
    const batch = this.#batch;
    port.setReceiver({
      deliver: (buffer, offset, length, offload, segmentBytes) => {
        if (socket.writableLength > MAX_WAITING_BYTES) return false;
        if (!this.#hasFrames) {
          this.#hasFrames = true;
          this.#owner.gotFrames(this);
        }
        batch.add(buffer, offset, length, offload, segmentBytes);
        return true;
      },
    }, () => {});
    port.onConnectionChange = () => this.#reply({ kind: 'link', isUp: port.isConnected });
    this.#reply({ kind: 'attached' });
  }

  #capture({ switch: name, nic, points }: CaptureRequest): void {
    const hosted = this.#owner.switchNamed(name);
    const socket = this.#socket;
    this.#reply({ kind: 'answer', value: true });
    const writer = new PcapWriter({
      nowMicroseconds: () => Math.floor(performance.timeOrigin * 1000 + performance.now() * 1000),
      write: (block) => { socket.write(message(LinkMessageKind.Capture, block)); },
    });
    const extension: CaptureExtension = {
      kind: 'capture', name: 'capture',
      capture: (point, port, bytes, offset, length, reason) => {
        if (!points.includes(point) || (nic !== undefined && port.name !== nic)) return;
        // A reader that is too slow misses some.
        if (socket.writableLength <= MAX_WAITING_BYTES) writer.frame(point, port.name, bytes, offset, length, reason);
      },
    };
    this.#stopCapture = hosted.addCapture(extension);
  }

  #reply(reply: ServerReply): void {
    if (!this.#socket.destroyed) this.#socket.write(controlMessage(reply));
  }

  #close(): void {
    const port = this.#port;
    this.#port = undefined;
    this.#stopCapture?.();
    this.#stopCapture = undefined;
    if (port !== undefined) {
      port.onConnectionChange = undefined;
      this.#hosted?.detach(port);
    }
    this.#owner.closed(this);
  }
}
