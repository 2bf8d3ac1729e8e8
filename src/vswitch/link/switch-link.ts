/**
 * A NIC's end of the way to a switch in the switch process. While there is no way the link is down; the way is looked
 * for, and the process started, until it is closed.
 */
import type { OnReadOpts, Socket } from 'node:net';
import { OperatingError } from '../../kit/errors.ts';
import type { FrameSink, NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { HostTimers, type Timer, type Timers } from '../../kit/timers.ts';
import { readReply, requestText } from '../service/requests.ts';
import type { NicSettings } from '../service/configuration.ts';
import { FrameBatch, writeTo } from './frame-batch.ts';
import { controlMessage, MessageReader } from './message-reader.ts';

/** What may wait to be sent before the NIC waits. */
const MAX_WAITING_BYTES = 1 << 20;
const FIRST_RETRY_MS = 20;
const LONGEST_RETRY_MS = 200;
/** What is read at once: a few large segments. */
const READ_BYTES = 1 << 18;

export interface SwitchLinkOptions {
  readonly switch: string;
  /** Unique on the switch, and the same when the VM comes back. */
  readonly nic: string;
  /** 48 bits. */
  readonly mac: number;
  readonly settings?: Partial<NicSettings>;
  /** A new connection to the switch process, which reads by `reading`. */
  readonly reach: (reading: OnReadOpts) => Promise<Socket>;
  readonly timers?: Timers;
}

export class SwitchLink implements NetworkEndpoint {
  onConnectionChange: (() => void) | undefined;
  readonly #options: SwitchLinkOptions;
  readonly #timers: Timers;
  #receiver: FrameSink | undefined;
  #onWritable: () => void = () => {};
  #socket: Socket | undefined;
  #batch: FrameBatch | undefined;
  readonly #chunk = new Uint8Array(READ_BYTES);
  #isUp = false;
  #isClosed = false;
  #hasRefused = false;
  #retry: Timer | undefined;
  #retryMs = FIRST_RETRY_MS;
  /** Frames of what was read last for which the NIC had no room. While there are some no more is read. */
  #queue: { readonly bytes: Uint8Array; readonly offload: number; readonly segmentBytes: number }[] = [];
  /** Why the link is down. */
  reason = 'not connected yet';

  constructor(options: SwitchLinkOptions) {
    this.#options = options;
    this.#timers = options.timers ?? new HostTimers();
    void this.#connect();
  }

  get isConnected(): boolean {
    return this.#isUp;
  }

  setReceiver(receiver: FrameSink, onWritable: () => void): void {
    this.#receiver = receiver;
    this.#onWritable = onWritable;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (!this.#isUp || this.#socket === undefined) return true;
    if (this.#socket.writableLength > MAX_WAITING_BYTES) {
      this.#hasRefused = true;
      return false;
    }
    this.#batch?.add(buffer, offset, length, offload, segmentBytes);
    return true;
  }

  flush(): void {
    this.#giveQueued();
    if (this.#isUp) this.#batch?.flush();
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#socket?.destroy();
    this.#setUp(false);
  }

  async #connect(): Promise<void> {
    const reader = new MessageReader({
      control: (message) => this.#control(message),
      frames: { deliver: (...frame) => this.#give(...frame) },
      capture: () => {},
    });
    try {
      const socket: Socket = await this.#options.reach({
        buffer: this.#chunk,
        callback: (count, chunk) => {
          if (!reader.push(chunk.subarray(0, count))) socket.destroy();
          // What the NIC has no room for waits at the switch, which counts what it cannot keep.
          return this.#queue.length === 0;
        },
      });
      if (this.#isClosed) socket.destroy();
      else this.#use(socket);
    } catch (error) {
      this.reason = error instanceof Error ? error.message : String(error);
      this.#again();
    }
  }

  #use(socket: Socket): void {
    const { switch: name, nic, mac, settings = {} } = this.#options;
    this.#socket = socket;
    this.#batch = new FrameBatch((bytes) => writeTo(socket, bytes));
    socket.on('drain', () => {
      if (!this.#hasRefused) return;
      this.#hasRefused = false;
      this.#onWritable();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#batch = undefined;
      if (this.#isUp) this.reason = 'the switch process has gone';
      this.#setUp(false);
      this.#again();
    });
    socket.write(controlMessage(requestText({ kind: 'attach', switch: name, nic, mac, settings })));
    // A VM that has ended otherwise is not kept by its network.
    socket.unref();
  }

  #control(message: unknown): void {
    try {
      const reply = readReply(message);
      if (reply.kind === 'attached') {
        this.#retryMs = FIRST_RETRY_MS;
        this.#setUp(true);
      } else if (reply.kind === 'link') {
        this.reason = 'the NIC is disconnected';
        this.#setUp(reply.isUp);
      }
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.reason = error.message;
      this.#socket?.destroy();
    }
  }

  #setUp(isUp: boolean): void {
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    this.#hasRefused = false;
    if (!isUp) this.#forgetQueued();
    this.onConnectionChange?.();
  }

  #again(): void {
    if (this.#isClosed) return;
    this.#retry = this.#timers.after(this.#retryMs, () => void this.#connect());
    this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
  }

  #give(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    const receiver = this.#receiver;
    if (receiver === undefined) return true;
    if (this.#queue.length === 0 && receiver.deliver(buffer, offset, length, offload, segmentBytes)) return true;
    this.#queue.push({ bytes: buffer.slice(offset, offset + length), offload, segmentBytes });
    return true;
  }

  #forgetQueued(): void {
    this.#queue = [];
    this.#socket?.resume();
  }

  /** The NIC may have room again. */
  #giveQueued(): void {
    let given = 0;
    for (const { bytes, offload, segmentBytes } of this.#queue) {
      if (this.#receiver?.deliver(bytes, 0, bytes.length, offload, segmentBytes) !== true) break;
      given++;
    }
    if (given === 0) return;
    if (given === this.#queue.length) this.#forgetQueued();
    else this.#queue.splice(0, given);
  }
}
