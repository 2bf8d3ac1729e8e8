/**
 * A guest in memory on a NAT network: frames in and out over a link that may lose, double and delay them, and a TCP
 * client. Its TCP halves are the network's own; the handshake and the frames are read and written here.
 */
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { IpProtocol } from '../../protocols/ip.ts';
import { TcpFlag } from '../../protocols/tcp.ts';
import { readIpv4, transportChecksumHolds, type Ipv4Packet } from '../packet/ipv4-packet.ts';
import { ipv6ChecksumHolds, readIpv6 } from '../packet/ipv6-packet.ts';
import type { IpOutput, Station } from '../nat/ip-output.ts';
import { Ipv4Output } from '../nat/ipv4-output.ts';
import type { Ipv6Addresses } from '../nat/ipv6-addresses.ts';
import { Ipv6Output } from '../nat/ipv6-output.ts';
import { TcpReceiver } from '../nat/tcp-receiver.ts';
import { completeSegment, readSegment, writeSegment, type TcpSegment } from '../nat/tcp-segment.ts';
import { TcpSender } from '../nat/tcp-sender.ts';

export const GATEWAY_MAC = 0x5255_0a00_0001;
export const GUEST_MAC = 0x0015_5d00_0001;
const WINDOW = 1 << 20;
const SHIFT = 7;
const TICK_MS = 20;

export interface NatGuestOptions {
  readonly endpoint: NetworkEndpoint;
  readonly ip: number;
  /** When `ip` is an IPv6 address: what it is a number of. */
  readonly addresses?: Ipv6Addresses;
  /** Says what becomes of the next frame on the link. */
  readonly fate?: () => 'pass' | 'lose' | 'double' | 'late';
}

export class NatGuest {
  readonly ip: number;
  readonly output: IpOutput;
  readonly station: Station;
  /** Every frame that is not TCP for one of its connections. */
  readonly frames: Uint8Array[] = [];
  readonly connections = new Map<number, GuestConnection>();
  badChecksums = 0;
  #late: (() => void)[] = [];

  constructor({ endpoint, ip, addresses, fate = () => 'pass' }: NatGuestOptions) {
    this.ip = ip;
    this.output = addresses === undefined ? new Ipv4Output(GUEST_MAC, 1500)
      : new Ipv6Output(addresses, GUEST_MAC, 1500);
    const through = (go: () => void): void => {
      const what = fate();
      if (what === 'late') {
        this.#late.push(go);
        return;
      }
      if (what !== 'lose') go();
      if (what === 'double') go();
      for (const late of this.#late.splice(0)) late();
    };
    this.station = {
      mac: GATEWAY_MAC,
      send: (frame, length) => {
        const copy = frame.slice(0, length);
        through(() => endpoint.deliver(copy, 0, length, 0, 0));
        return true;
      },
    };
    endpoint.setReceiver({
      deliver: (buffer, offset, length) => {
        const copy = buffer.slice(offset, offset + length);
        through(() => setImmediate(() => this.#receive(copy)));
        return true;
      },
    }, () => {});
  }

  #receive(frame: Uint8Array): void {
    const packet: Ipv4Packet = { source: 0, destination: 0, protocol: 0, payload: 0, payloadBytes: 0 };
    const view = new DataView(frame.buffer);
    const isFour = frame[12] === 8 && frame[13] === 0 && readIpv4(view, frame.length, 0, 0, packet) === undefined;
    const isSix = frame[12] === 0x86 && readIpv6(view, frame.length, 0, packet) === undefined;
    if ((isFour || isSix) && packet.protocol === IpProtocol.Tcp) {
      const holds = isFour ? transportChecksumHolds(frame, packet, packet.payloadBytes, 0, 0)
        : ipv6ChecksumHolds(frame, packet, packet.payloadBytes, 0, 0);
      if (!holds) this.badChecksums++;
      const segment = readSegment(view, packet.payload, packet.payloadBytes);
      const connection = segment === undefined ? undefined : this.connections.get(segment.destinationPort);
      if (connection !== undefined && segment !== undefined) return connection.receive(segment);
    }
    this.frames.push(frame);
  }

  connect(remote: number, port: number, localPort: number): GuestConnection {
    const connection = new GuestConnection(this, remote, port, localPort);
    this.connections.set(localPort, connection);
    return connection;
  }
}

type GuestState = 'syn-sent' | 'open' | 'reset';

export class GuestConnection {
  state: GuestState = 'syn-sent';
  /** When false nothing is read: the window closes. */
  isReading = true;
  receivedBytes = 0;
  onData: (chunk: Uint8Array) => void = () => {};
  readonly #guest: NatGuest;
  readonly #remote: number;
  readonly #port: number;
  readonly #localPort: number;
  readonly #sequence: number;
  readonly #timer: NodeJS.Timeout;
  #sender: TcpSender | undefined;
  #receiver: TcpReceiver | undefined;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #waiting: Uint8Array[] = [];
  #isFinishing = false;
  #lastSynMs = 0;

  constructor(guest: NatGuest, remote: number, port: number, localPort: number) {
    this.#guest = guest;
    this.#remote = remote;
    this.#port = port;
    this.#localPort = localPort;
    this.#sequence = (0xffff_ff00 + localPort) >>> 0;
    this.#sendSyn();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get isEnded(): boolean {
    return this.#receiver?.finReceived === true;
  }

  get isFinished(): boolean {
    return this.#sender?.isFinished === true;
  }

  get unsentBytes(): number {
    return this.#sender?.queue.length ?? 0;
  }

  write(chunk: Uint8Array): void {
    if (this.#sender === undefined) this.#waiting.push(chunk);
    else this.#sender.queue.push(chunk);
    this.#pump();
  }

  end(): void {
    this.#isFinishing = true;
    this.#sender?.finish();
    this.#pump();
  }

  reset(): void {
    this.#emit(TcpFlag.Rst | TcpFlag.Ack, this.#sender?.next ?? this.#sequence, 0, 0);
    this.#stop('reset');
  }

  close(): void {
    clearInterval(this.#timer);
    this.#guest.connections.delete(this.#localPort);
  }

  read(): void {
    for (const chunk of this.#unread.splice(0)) {
      this.receivedBytes += chunk.length;
      this.onData(chunk);
    }
    this.#unreadBytes = 0;
  }

  receive(segment: TcpSegment): void {
    if ((segment.flags & TcpFlag.Rst) !== 0) return this.#stop('reset');
    if ((segment.flags & TcpFlag.Syn) !== 0) return this.#onSyn(segment);
    if (this.#sender === undefined || this.#receiver === undefined) return;
    const fin = (segment.flags & TcpFlag.Fin) !== 0;
    const occupies = segment.payload.length > 0 || fin;
    const window = segment.window << SHIFT;
    this.#sender.acknowledge(segment.acknowledgment, segment.sequence, window, occupies, performance.now());
    if (occupies) this.#receiver.accept(segment.sequence, segment.payload, fin);
    if (this.isReading) this.read();
    if (occupies) this.#acknowledge();
    this.#pump();
  }

  #onSyn(segment: TcpSegment): void {
    if (this.state === 'open') return this.#acknowledge();
    this.state = 'open';
    const next = (segment.sequence + 1) >>> 0;
    this.#sender = new TcpSender({
      sequence: (this.#sequence + 1) >>> 0, window: segment.window, windowSequence: segment.sequence,
      segmentBytes: Math.min(segment.maximumSegment, 1460),
    });
    this.#receiver = new TcpReceiver(next, 0xffff, (chunk) => {
      this.#unread.push(chunk);
      this.#unreadBytes += chunk.length;
    });
    for (const chunk of this.#waiting.splice(0)) this.#sender.queue.push(chunk);
    if (this.#isFinishing) this.#sender.finish();
    this.#acknowledge();
    this.#pump();
  }

  #stop(state: GuestState): void {
    this.state = state;
    this.close();
  }

  #tick(): void {
    const nowMs = performance.now();
    if (this.state === 'syn-sent' && nowMs - this.#lastSynMs > 200) this.#sendSyn();
    if (this.#sender !== undefined && this.#sender.deadlineMs > 0 && nowMs >= this.#sender.deadlineMs) {
      this.#sender.expire(nowMs);
      this.#pump();
    }
    if (this.isReading && this.#unreadBytes > 0) {
      this.read();
      this.#acknowledge();
    }
  }

  #sendSyn(): void {
    this.#lastSynMs = performance.now();
    this.#emit(TcpFlag.Syn, this.#sequence, 0, 0);
  }

  #acknowledge(): void {
    this.#emit(TcpFlag.Ack, this.#sender!.next, 0, 0);
  }

  #pump(): void {
    this.#sender?.pump(performance.now(), (sequence, offset, length, fin) =>
      this.#emit(TcpFlag.Ack | (fin ? TcpFlag.Fin : 0), sequence, offset, length));
  }

  #emit(flags: number, sequence: number, offset: number, length: number): boolean {
    const isSyn = (flags & TcpFlag.Syn) !== 0;
    const window = this.#receiver?.window(WINDOW - this.#unreadBytes, 2920) ?? 0;
    const header = {
      source: this.#guest.ip, sourcePort: this.#localPort, destination: this.#remote, destinationPort: this.#port,
      sequence, acknowledgment: this.#receiver?.next ?? 0, flags,
      window: isSyn ? 0xffff : Math.min(window >>> SHIFT, 0xffff),
      ...(isSyn ? { maximumSegment: 1460, windowShift: SHIFT } : {}),
    };
    const { output, station } = this.#guest;
    const at = writeSegment(output, header);
    if (length > 0) this.#sender!.queue.copy(offset, length, output.bytes, at);
    const bytes = completeSegment(output, header, at + length);
    return output.send(station, this.#guest.ip, this.#remote, IpProtocol.Tcp, bytes, false);
  }
}
