/** Frames and control messages to the guest. Frames that come together go in one packet. */
import { ChecksumVerdict, PacketIdFlag } from '../../protocols/rndis.ts';
import { FrameOffload, type FrameSink } from '../../kit/network-endpoint.ts';
import type { Channel } from '../../vmbus/channel.ts';
import type { GuestPages } from '../../vmbus/guest-pages.ts';
import type { Adapter } from './adapter.ts';
import { completeChecksum, finishPiece, FrameHeaders, segmentHeaderBytes } from './frame.ts';
import type { AdapterJournal, NumberedControl } from './journal.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { MAX_HEAD_BYTES } from './receive-head.ts';
import { type Range, ReceiveQueue } from './receive-queue.ts';
import type { NetworkStatistics } from './statistics.ts';

/** Allocations that frames leave to control messages. */
const RESERVED_ALLOCATIONS = 4;

const ETHERNET_HEADER = 14;
const VLAN_TAG = 4;
/** A coalesced segment is one IP packet in the end. */
const MAX_COALESCED_BYTES = 0xffff + ETHERNET_HEADER + VLAN_TAG;
const ALLOCATION_SPARE = 214;
const ALLOCATION_UNIT = 64;
/** Eight of them hold the longest segment; a buffer should have that many. */
const COALESCED_ALLOCATION_BYTES = 8320;
const COALESCED_ALLOCATIONS = 1024;
/** Parts of a segment are multiples of it, and lie in our memory as in the guest's behind their heads. */
const WORD_BYTES = 8;
const COPY_SKIP = 4;
const ANY_CHECKSUM = FrameOffload.TransportChecksumGood | FrameOffload.TransportChecksumPartial;

/**
 * Room for a frame of that many bytes and all that goes before it. Where segments are coalesced, and the buffer is
 * large, it is larger: a segment then takes a few parts, of which each costs the guest as much as a frame.
 */
export function allocationBytes(frameBytes: number, bufferBytes: number, isCoalescing: boolean): number {
  const least = Math.ceil((frameBytes + ALLOCATION_SPARE) / ALLOCATION_UNIT) * ALLOCATION_UNIT;
  const isLarge = isCoalescing && bufferBytes >= COALESCED_ALLOCATIONS * COALESCED_ALLOCATION_BYTES;
  return isLarge ? Math.max(least, COALESCED_ALLOCATION_BYTES) : least;
}

export interface ReceiveState {
  readonly allocationBytes: number;
  /** Allocations that the guest holds, by transfer. */
  readonly transfers: readonly (readonly number[])[];
  /** Messages that wait for room in a ring, by channel. */
  readonly pending: readonly (readonly Range[])[];
  readonly controls: readonly Uint8Array[];
}

interface ReceiveOptions {
  /** Channels that the guest may have. */
  readonly queueCount: number;
  readonly adapter: Adapter;
  readonly statistics: NetworkStatistics;
  readonly journal: AdapterJournal;
  /** There is room again after a frame was refused. */
  readonly onRoom: () => void;
}

export class ReceivePath implements FrameSink {
  readonly #adapter: Adapter;
  readonly #statistics: NetworkStatistics;
  readonly #onRoom: () => void;
  readonly #queues: readonly ReceiveQueue[];
  readonly #buffer: ReceiveBuffer;
  readonly #headers = new FrameHeaders();
  readonly #copy = new Uint8Array(COPY_SKIP + MAX_COALESCED_BYTES);
  #isScheduled = false;
  #hasRefused = false;
  /** Allocations that what was refused needs. */
  #wanted = 1;

  constructor(options: ReceiveOptions) {
    this.#adapter = options.adapter;
    this.#statistics = options.statistics;
    this.#buffer = new ReceiveBuffer(options.journal);
    this.#onRoom = options.onRoom;
    this.#queues = Array.from({ length: options.queueCount }, (_, index) => new ReceiveQueue(index));
  }

  get allocationBytes(): number {
    return this.#buffer.allocationBytes;
  }

  get allocationCount(): number {
    return this.#buffer.count;
  }

  /** Allocations that the guest holds. */
  get heldAllocations(): number {
    const waiting = this.#queues.reduce((sum, { pending }) => sum + pending.length, 0);
    return this.#buffer.count - this.#buffer.freeCount - waiting;
  }

  /** What the guest is still to be told. */
  get controls(): readonly NumberedControl[] {
    return this.#buffer.controls;
  }

  attach(channel: Channel, index: number): void {
    this.#primaryOr(index).channel = channel;
  }

  /** A channel is closed: what waits for it goes to the first one. */
  detach(index: number): void {
    const queue = this.#primaryOr(index);
    queue.channel = undefined;
    if (index > 0) this.#primaryOr(0).pending.push(...queue.pending.splice(0));
  }

  /** As `ReceiveBuffer.set` says. */
  setBuffer(pages: GuestPages, bytes: number, isTakenOver = false): boolean {
    return this.#buffer.set(pages, bytes, isTakenOver);
  }

  /** The guest takes its buffer back, or is gone. */
  clear(): void {
    this.#buffer.clear();
    for (const queue of this.#queues) queue.pending = [];
    this.#hasRefused = false;
  }

  // Hot path: one a frame.
  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (this.#buffer.isHeld) return this.#refuse(1);
    if (segmentBytes > 0 && length > this.#limit) return this.#deliverSegment(buffer, offset, length, segmentBytes);
    const adapter = this.#adapter;
    const cause = this.#reasonToDrop(buffer, offset, length);
    if (cause !== undefined) {
      this.#statistics.drop(cause);
      return true;
    }
    const queue = this.#queueFor(buffer, offset, length);
    if (this.#buffer.freeCount <= RESERVED_ALLOCATIONS || queue.isFull) return this.#refuse(1);
    let [source, at, verdict] = [buffer, offset, 0];
    if ((offload & ANY_CHECKSUM) !== 0) {
      if ((offload & FrameOffload.TransportChecksumPartial) !== 0) {
        this.#copy.set(buffer.subarray(offset, offset + length));
        [source, at] = [this.#copy, 0];
        if (!completeChecksum(source, 0, length, this.#headers)) {
          this.#statistics.drop('receiveMalformed');
          return true;
        }
      } else if (!this.#headers.find(buffer, offset, length)) offload &= ~FrameOffload.TransportChecksumGood;
      if (adapter.receiveChecksums) verdict = this.#verdict(offload);
    }
    this.#buffer.place(queue, source, at, length, verdict);
    this.#statistics.received(length);
    if (queue.isFull) this.#buffer.sendFrames(queue);
    else this.#schedule();
    return true;
  }

  /** A TCP segment larger than the guest takes as a frame: it gets all of it or nothing. */
  #deliverSegment(buffer: Uint8Array, offset: number, length: number, segmentBytes: number): boolean {
    const cause = this.#reasonToDrop(buffer, offset, ETHERNET_HEADER);
    const isTcp = this.#headers.find(buffer, offset, length) && this.#headers.isTcp;
    const headerBytes = isTcp ? segmentHeaderBytes(buffer, offset, this.#headers) : length;
    const payload = length - headerBytes;
    const isSound = isTcp && payload > 0 && headerBytes + segmentBytes <= this.#limit;
    const isCoalesced = isSound && length <= MAX_COALESCED_BYTES && this.#adapter.coalesces(this.#headers.isIpv6);
    const pieces = isCoalesced ? Math.ceil(length / this.#partBytes) : Math.ceil(payload / segmentBytes);
    // What needs more than the whole buffer can never be taken.
    if (cause !== undefined || !isSound || pieces + RESERVED_ALLOCATIONS > this.#buffer.count) {
      this.#statistics.drop(cause ?? 'receiveOversized');
      return true;
    }
    const queue = this.#queueFor(buffer, offset, length);
    if (this.#buffer.freeCount < pieces + RESERVED_ALLOCATIONS || queue.isFull) return this.#refuse(pieces);
    if (!isCoalesced) this.#cut(queue, buffer, offset, headerBytes, payload, segmentBytes);
    else if (!this.#coalesce(queue, buffer, offset, length)) return this.#refuse(pieces);
    this.#buffer.sendFrames(queue);
    return true;
  }

  /** The guest gets the pieces for which the segment stands. */
  #cut(
    queue: ReceiveQueue, buffer: Uint8Array, offset: number, headerBytes: number, payload: number, segmentBytes: number,
  ): void {
    for (let index = 0, skip = 0; skip < payload; index++, skip += segmentBytes) {
      const count = Math.min(segmentBytes, payload - skip);
      const from = offset + headerBytes + skip;
      this.#copy.set(buffer.subarray(offset, offset + headerBytes));
      this.#copy.set(buffer.subarray(from, from + count), headerBytes);
      const pieceBytes = headerBytes + count;
      const isLast = skip + count === payload;
      if (!finishPiece(this.#copy, pieceBytes, index, skip, isLast, this.#headers)) {
        this.#statistics.drop('receiveMalformed');
        continue;
      }
      const verdict = this.#adapter.receiveChecksums ? ChecksumVerdict.TcpGood : 0;
      this.#buffer.place(queue, this.#copy, 0, pieceBytes, verdict);
      this.#statistics.received(pieceBytes);
    }
  }

  /** The guest gets the segment as one, its bytes in parts that lie in one packet. False: that has no room now. */
  #coalesce(queue: ReceiveQueue, buffer: Uint8Array, offset: number, length: number): boolean {
    this.#buffer.sendFrames(queue);
    if (queue.pending.length > 0) return false;
    this.#copy.set(buffer.subarray(offset, offset + length), COPY_SKIP);
    if (!completeChecksum(this.#copy, COPY_SKIP, length, this.#headers)) {
      this.#statistics.drop('receiveMalformed');
      return true;
    }
    for (let at = 0; at < length; at += this.#partBytes) {
      const count = Math.min(this.#partBytes, length - at);
      const verdict = at === 0 && this.#adapter.receiveChecksums ? ChecksumVerdict.TcpGood : 0;
      const place = (at === 0 ? PacketIdFlag.First : 0) | (at + count === length ? PacketIdFlag.Last : 0);
      this.#buffer.place(queue, this.#copy, COPY_SKIP + at, count, verdict, PacketIdFlag.Part | place);
    }
    this.#statistics.received(length);
    return true;
  }

  get #partBytes(): number {
    return Math.max(WORD_BYTES, (this.#buffer.allocationBytes - MAX_HEAD_BYTES) & -WORD_BYTES);
  }

  #refuse(wanted: number): boolean {
    this.#hasRefused = true;
    this.#wanted = wanted;
    return false;
  }

  #queueFor(buffer: Uint8Array, offset: number, length: number): ReceiveQueue {
    const queue = this.#primaryOr(this.#adapter.scaling.queueOf(buffer, offset, length));
    return queue.channel === undefined ? this.#primaryOr(0) : queue;
  }

  #primaryOr(index: number): ReceiveQueue {
    return (this.#queues[index] ?? this.#queues[0]) as ReceiveQueue;
  }

  /** The longest frame that the guest takes. */
  get #limit(): number {
    return Math.min(this.#adapter.frameBytes + VLAN_TAG, this.#buffer.allocationBytes - MAX_HEAD_BYTES);
  }

  /** As `ReceiveBuffer.addControl` says. */
  addControl(message: Uint8Array): boolean {
    return this.#buffer.addControl(message);
  }

  sendControls(): void {
    this.#buffer.sendControls(this.#primaryOr(0));
  }

  /** Nothing is written to the guest from now on, and no frame is taken. */
  hold(): void {
    this.#buffer.isHeld = true;
  }

  goOn(): void {
    this.#buffer.isHeld = false;
    this.turn();
  }

  /** As `ReceiveBuffer.completed` says. */
  completed(low: number, high: number): boolean {
    return this.#buffer.completed(low, high);
  }

  /** Sends what there is room for, and asks for more if some was refused. */
  turn(): void {
    if (this.#buffer.isHeld) return;
    this.sendControls();
    for (const queue of this.#queues) this.#buffer.sendFrames(queue);
    const { freeCount } = this.#buffer;
    const hasRoom = freeCount >= RESERVED_ALLOCATIONS + this.#wanted && !this.#queues.some(({ isFull }) => isFull);
    if (!this.#hasRefused || !hasRoom) return;
    this.#hasRefused = false;
    this.#onRoom();
  }

  saveState(): ReceiveState {
    return {
      allocationBytes: this.#buffer.allocationBytes, transfers: this.#buffer.transfers(),
      pending: this.#queues.map(({ pending }) => [...pending]),
      controls: this.controls.map(({ message }) => message.slice()),
    };
  }

  /** After `setBuffer` with the saved size, if there was a buffer. */
  restoreState({ transfers, pending, controls }: ReceiveState): void {
    this.#buffer.restore(transfers, pending.flat().map(({ allocation }) => allocation), controls);
    pending.forEach((ranges, index) => this.#primaryOr(index).pending.push(...ranges));
  }

  /** After `setBuffer`, if there was a buffer: what another thread has not sent. Frames of that are lost. */
  takeOver(controls: readonly NumberedControl[]): void {
    this.#buffer.takeOver(controls);
  }

  #reasonToDrop(
    buffer: Uint8Array, offset: number, length: number,
  ): 'receiveNotReady' | 'receiveMalformed' | 'receiveOversized' | 'receiveFiltered' | undefined {
    if (!this.#buffer.isThere || this.#primaryOr(0).channel === undefined) return 'receiveNotReady';
    if (!this.#adapter.isInitialized || this.#adapter.packetFilter === 0) return 'receiveNotReady';
    if (!this.#adapter.options.isConnected()) return 'receiveNotReady';
    if (length < ETHERNET_HEADER) return 'receiveMalformed';
    if (length > this.#limit) return 'receiveOversized';
    return this.#adapter.wants(buffer, offset) ? undefined : 'receiveFiltered';
  }

  #verdict(offload: number): number {
    let verdict = (offload & FrameOffload.Ipv4ChecksumGood) === 0 ? 0 : ChecksumVerdict.IpHeaderGood;
    if ((offload & ANY_CHECKSUM) !== 0) {
      verdict |= this.#headers.isTcp ? ChecksumVerdict.TcpGood : ChecksumVerdict.UdpGood;
    }
    return verdict;
  }

  /** Frames that come in the same run of the network's code go together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      for (const queue of this.#queues) this.#buffer.sendFrames(queue);
    });
  }
}
