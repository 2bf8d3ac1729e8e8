/**
 * A network with one other station on it, in the test's own process: answers ARP and ICMP echo for its address, and TCP
 * connections on every port. Sees every frame, and what was said about it.
 */

import { FrameOffload, type FrameSink, type NetworkEndpoint } from '../src/kit/network-endpoint.ts';
import { PeerStream, SEGMENT_BYTES, STREAM_WINDOW } from './peer-stream.ts';

const STATION = Uint8Array.of(0x02, 0, 0, 0, 0, 1);
const ARP = 0x0806;
const IPV4 = 0x0800;
const ICMP = 1;
const TCP = 6;
const TCP_HEADER = 20;
const LARGEST_FRAME = 1514;

export class NetworkPeer implements NetworkEndpoint {
  isConnected = true;
  onConnectionChange: (() => void) | undefined;
  readonly address: readonly number[];
  /** By the station's port; the last connection to it. */
  readonly streams = new Map<number, PeerStream>();
  /** What connections to a port are given. */
  readonly gifts = new Map<number, Uint8Array>();
  /** Frames that the guest sent, and those whose checksums or IP lengths were wrong. */
  frames = 0;
  wrong = 0;
  largest = 0;
  /** The most that a connection is given in one segment; what is larger than a frame stands for several. */
  pieceBytes = SEGMENT_BYTES;
  /** Takes no frames while it is true. */
  isBusy = false;
  #guest: Uint8Array = new Uint8Array(6);
  #guestAddress: Uint8Array = new Uint8Array(4);
  #receiver: FrameSink | undefined;
  #onWritable: () => void = () => {};
  #waiting: { readonly frame: Uint8Array; readonly offload: number }[] = [];

  constructor(address: readonly number[]) {
    this.address = address;
  }

  setReceiver(receiver: FrameSink, onWritable: () => void): void {
    this.#receiver = receiver;
    this.#onWritable = onWritable;
  }

  deliver(buffer: Uint8Array, offset: number, length: number, offload: number): boolean {
    if (this.isBusy) return false;
    this.frames++;
    this.largest = Math.max(this.largest, length);
    const frame = buffer.slice(offset, offset + length);
    const view = new DataView(frame.buffer);
    if (view.getUint16(12) === ARP) this.#answerArp(frame);
    else if (view.getUint16(12) === IPV4) this.#takeIp(frame, view, offload);
    return true;
  }

  /** Sends what had no room before. */
  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#give(next.frame, next.offload)) return;
      this.#waiting.shift();
    }
  }

  close(): void {
    this.#receiver = undefined;
  }

  setBusy(isBusy: boolean): void {
    this.isBusy = isBusy;
    if (!isBusy) this.#onWritable();
  }

  setConnected(isConnected: boolean): void {
    this.isConnected = isConnected;
    this.onConnectionChange?.();
  }

  #answerArp(frame: Uint8Array): void {
    if (!this.address.every((byte, i) => frame[38 + i] === byte) || frame[21] !== 1) return;
    this.#guest = frame.slice(6, 12);
    this.#guestAddress = frame.slice(28, 32);
    const answer = frame.slice();
    answer.set(frame.subarray(6, 12), 0);
    answer.set(STATION, 6);
    answer[21] = 2;
    answer.set(STATION, 22);
    answer.set(frame.subarray(38, 42), 28);
    answer.set(frame.subarray(22, 32), 32);
    this.#send(answer, 0);
  }

  #takeIp(frame: Uint8Array, view: DataView, offload: number): void {
    const total = view.getUint16(16);
    if (checksum(frame, 14, 34) !== 0 || 14 + total > frame.length) {
      this.wrong++;
      return;
    }
    if (!this.address.every((byte, i) => frame[30 + i] === byte)) return;
    if (frame[23] === ICMP && frame[34] === 8) this.#answerEcho(frame, total);
    if (frame[23] === TCP) this.#takeSegment(frame, view, total, offload);
  }

  #answerEcho(frame: Uint8Array, total: number): void {
    if (checksum(frame, 34, 14 + total) !== 0) this.wrong++;
    const answer = frame.slice();
    answer.set(frame.subarray(6, 12), 0);
    answer.set(STATION, 6);
    answer.set(frame.subarray(30, 34), 26);
    answer.set(frame.subarray(26, 30), 30);
    answer[34] = 0;
    const answerView = new DataView(answer.buffer);
    answerView.setUint16(36, 0);
    answerView.setUint16(36, checksum(answer, 34, 14 + total));
    this.#send(answer, 0);
  }

  #takeSegment(frame: Uint8Array, view: DataView, total: number, offload: number): void {
    const isPartial = (offload & FrameOffload.TransportChecksumPartial) !== 0;
    const pseudo = pseudoSum(frame, total - 20);
    const isRight = isPartial ? view.getUint16(50) === pseudo : fold(sum(frame, 34, 14 + total) + pseudo) === 0xffff;
    if (!isRight) this.wrong++;
    const [guestPort, port] = [view.getUint16(34), view.getUint16(36)];
    const flags = frame[47] as number;
    let stream = this.streams.get(port);
    if ((flags & 2) !== 0 || stream === undefined) {
      stream = new PeerStream(this.gifts.get(port) ?? new Uint8Array(0), (sequence, acknowledged, answer, data) =>
        this.#sendSegment(port, guestPort, [sequence, acknowledged], answer, data), this.pieceBytes);
      this.streams.set(port, stream);
    }
    stream.take({
      sequence: view.getUint32(38), acknowledged: view.getUint32(42), flags, window: view.getUint16(48),
      data: frame.subarray(34 + ((frame[46] as number) >>> 4) * 4, 14 + total),
    });
  }

  /** Its checksum is left to the adapter. */
  #sendSegment(
    from: number, to: number, [sequence, acknowledged]: readonly [number, number], flags: number, data: Uint8Array,
  ): void {
    const frame = new Uint8Array(34 + TCP_HEADER + data.length);
    const view = new DataView(frame.buffer);
    frame.set(this.#guest);
    frame.set(STATION, 6);
    view.setUint16(12, IPV4);
    frame[14] = 0x45;
    view.setUint16(16, 20 + TCP_HEADER + data.length);
    frame[22] = 64;
    frame[23] = TCP;
    frame.set(this.address, 26);
    frame.set(this.#guestAddress, 30);
    view.setUint16(24, checksum(frame, 14, 34));
    view.setUint16(34, from);
    view.setUint16(36, to);
    view.setUint32(38, sequence);
    view.setUint32(42, acknowledged);
    frame[46] = (TCP_HEADER / 4) << 4;
    frame[47] = flags;
    view.setUint16(48, STREAM_WINDOW);
    view.setUint16(50, pseudoSum(frame, TCP_HEADER + data.length));
    frame.set(data, 54);
    this.#send(frame, FrameOffload.Ipv4ChecksumGood | FrameOffload.TransportChecksumPartial);
  }

  #send(frame: Uint8Array, offload: number): void {
    if (this.#waiting.length > 0 || !this.#give(frame, offload)) this.#waiting.push({ frame, offload });
  }

  #give(frame: Uint8Array, offload: number): boolean {
    const segmentBytes = frame.length > LARGEST_FRAME ? SEGMENT_BYTES : 0;
    return this.#receiver?.deliver(frame, 0, frame.length, offload, segmentBytes) ?? true;
  }
}

function sum(bytes: Uint8Array, start: number, end: number): number {
  let total = 0;
  for (let i = start; i < end; i += 2) total += ((bytes[i] ?? 0) << 8) | (i + 1 < end ? bytes[i + 1] ?? 0 : 0);
  return total;
}

function fold(total: number): number {
  let value = total;
  while (value > 0xffff) value = (value & 0xffff) + Math.floor(value / 0x1_0000);
  return value;
}

function checksum(bytes: Uint8Array, start: number, end: number): number {
  return ~fold(sum(bytes, start, end)) & 0xffff;
}

function pseudoSum(frame: Uint8Array, length: number): number {
  return fold(sum(frame, 26, 34) + TCP + length);
}
