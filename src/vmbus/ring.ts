/**
 * The two rings of a channel, in place over guest pages [Linux include/linux/hyperv.h, struct hv_ring_buffer]. The
 * guest owns one index of each ring and can set it to anything: an index or a packet that makes no sense breaks the
 * ring, which closes its channel. Our own index is kept here and only shown in guest memory.
 *
 * A packet is copied out whole before anything looks at it, so that it does not change meanwhile.
 */
import { PACKET_TRAILER_SIZE, PacketDescriptor, RingControl, RingFeature } from '../protocols/vmbus/ring-layout.ts';
import { type GuestPages, PAGE_SIZE } from './guest-pages.ts';

const WRITE_INDEX = RingControl.writeIndex.offset >> 2;
const READ_INDEX = RingControl.readIndex.offset >> 2;
const INTERRUPT_MASK = RingControl.interruptMask.offset >> 2;
const PENDING_SEND_SIZE = RingControl.pendingSendSize.offset >> 2;
const FEATURE_BITS = RingControl.featureBits.offset >> 2;
const DESCRIPTOR_SIZE = PacketDescriptor.$size;

/** A control page and at least one page of data. */
export const MIN_RING_PAGES = 2;

export const ReadResult = { Packet: 0, Empty: 1, Broken: 2 } as const;
export type ReadResult = (typeof ReadResult)[keyof typeof ReadResult];

export const WriteResult = { Written: 0, Full: 1, Broken: 2 } as const;
export type WriteResult = (typeof WriteResult)[keyof typeof WriteResult];

/** What both directions share: the data area and the words of the control page. */
class RingArea {
  readonly size: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly at: number;
  readonly #pages: GuestPages;

  constructor(pages: GuestPages) {
    this.#pages = pages;
    this.size = (pages.pageCount - 1) * PAGE_SIZE;
    this.words = pages.words;
    this.at = pages.offsetOf(0) >>> 2;
  }

  load(word: number): number {
    return Atomics.load(this.words, this.at + word) >>> 0;
  }

  store(word: number, value: number): void {
    Atomics.store(this.words, this.at + word, value | 0);
  }

  isIndex(value: number): boolean {
    return value < this.size && (value & 7) === 0;
  }

  /** Copies out, going round at the end. */
  copyOut(index: number, target: Uint8Array, length: number): void {
    const first = Math.min(length, this.size - index);
    this.#pages.read(PAGE_SIZE + index, target, 0, first);
    if (first < length) this.#pages.read(PAGE_SIZE, target, first, length - first);
  }

  /** Copies in, going round at the end; returns the index behind. */
  copyIn(index: number, source: Uint8Array, length: number): number {
    const first = Math.min(length, this.size - index);
    this.#pages.write(PAGE_SIZE + index, source, 0, first);
    if (first < length) this.#pages.write(PAGE_SIZE, source, first, length - first);
    return this.advance(index, length);
  }

  advance(index: number, length: number): number {
    const next = index + length;
    return next >= this.size ? next - this.size : next;
  }

  used(write: number, read: number): number {
    return write >= read ? write - read : this.size - read + write;
  }
}

/** The guest's packets to us. */
export class IncomingRing {
  /** The last packet, from its descriptor on, and the descriptor's fields. Valid until the next `next`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  type = 0;
  flags = 0;
  transactionLow = 0;
  transactionHigh = 0;
  /** Where the payload begins, and the length of all but the trailer. */
  dataOffset = 0;
  length = 0;
  /** The guest waits for the room that reading has made: it wants to be signalled. Reset by whoever signals. */
  writerWaits = false;
  readonly #area: RingArea;
  readonly #maxPacketBytes: number;
  #read: number;
  /** What the guest was told of that. */
  #released: number;

  /**
   * @param options.maxPacketBytes a longer packet, less its trailer, breaks the ring.
   * @param options.position where to go on, when that is not what the ring says.
   */
  constructor(pages: GuestPages, options: { maxPacketBytes: number; position?: number | undefined }) {
    this.#area = new RingArea(pages);
    this.#maxPacketBytes = options.maxPacketBytes;
    this.bytes = new Uint8Array(options.maxPacketBytes);
    this.view = new DataView(this.bytes.buffer);
    this.#released = this.#area.load(READ_INDEX);
    this.#read = options.position ?? this.#released;
  }

  /** Where the next packet begins. */
  get position(): number {
    return this.#read;
  }

  /** While masked the guest does not ring: for as long as packets are being read anyway. */
  mask(): void {
    this.#area.store(INTERRUPT_MASK, 1);
  }

  /** After this look for packets once more: the guest may have written one just before it could know. */
  unmask(): void {
    this.#area.store(INTERRUPT_MASK, 0);
  }

  // Hot path: one a packet. Nothing is allocated but the views of the copy.
  /** Copies out the next packet. The one before is done with: the guest gets back its room. */
  next(): ReadResult {
    this.release();
    const area = this.#area;
    const write = area.load(WRITE_INDEX);
    if (!area.isIndex(write) || !area.isIndex(this.#read)) return ReadResult.Broken;
    const available = area.used(write, this.#read);
    if (available === 0) return ReadResult.Empty;
    if (available < DESCRIPTOR_SIZE + PACKET_TRAILER_SIZE) return ReadResult.Broken;
    area.copyOut(this.#read, this.bytes, DESCRIPTOR_SIZE);
    const length = PacketDescriptor.length8.get(this.view, 0) * 8;
    const dataOffset = PacketDescriptor.dataOffset8.get(this.view, 0) * 8;
    if (dataOffset < DESCRIPTOR_SIZE || dataOffset > length) return ReadResult.Broken;
    if (length + PACKET_TRAILER_SIZE > available || length > this.#maxPacketBytes) return ReadResult.Broken;
    area.copyOut(this.#read, this.bytes, length);
    // The second copy is the one that counts: its descriptor may differ from what was checked.
    PacketDescriptor.length8.set(this.view, 0, length / 8);
    PacketDescriptor.dataOffset8.set(this.view, 0, dataOffset / 8);
    this.type = PacketDescriptor.type.get(this.view, 0);
    this.flags = PacketDescriptor.flags.get(this.view, 0);
    this.transactionLow = PacketDescriptor.transactionLow.get(this.view, 0);
    this.transactionHigh = PacketDescriptor.transactionHigh.get(this.view, 0);
    this.dataOffset = dataOffset;
    this.length = length;
    this.#read = area.advance(this.#read, length + PACKET_TRAILER_SIZE);
    return ReadResult.Packet;
  }

  /**
   * Gives back the room of what was read, and notes when that is what the guest's writer waits for. Until then a packet
   * is in the ring whatever becomes of its reader. The writer may have filled the ring since the packet was found, so
   * what is free is asked once the room is given.
   */
  release(): void {
    if (this.#released === this.#read) return;
    const area = this.#area;
    const count = area.used(this.#read, this.#released);
    this.#released = this.#read;
    area.store(READ_INDEX, this.#read);
    const pending = area.load(PENDING_SEND_SIZE);
    if (pending === 0) return;
    const free = area.size - area.used(area.load(WRITE_INDEX), this.#read);
    if (free > pending && free - count <= pending) this.writerWaits = true;
  }
}

const NOTHING = new Uint8Array(0);
const PADDING = new Uint8Array(8);

/** Our packets to the guest. */
export class OutgoingRing {
  /** Something was written into an empty ring and the guest does not poll: signal it. Reset by the caller. */
  readerWaits = false;
  readonly #area: RingArea;
  readonly #descriptor = new Uint8Array(DESCRIPTOR_SIZE);
  readonly #descriptorView = new DataView(this.#descriptor.buffer);
  readonly #trailer = new Uint8Array(PACKET_TRAILER_SIZE);
  readonly #trailerView = new DataView(this.#trailer.buffer);
  #write: number;
  #waitsForRoom = false;

  constructor(pages: GuestPages) {
    this.#area = new RingArea(pages);
    this.#write = this.#area.load(WRITE_INDEX);
    this.#area.store(FEATURE_BITS, RingFeature.PendingSendSize);
  }

  get position(): number {
    return this.#write;
  }

  /** Bytes of payload that an in-band packet of one part could have now; 0 when the ring is broken. */
  get room(): number {
    const free = this.#free();
    return free < 0 ? 0 : Math.max(0, ((free - 1) & ~7) - DESCRIPTOR_SIZE - PACKET_TRAILER_SIZE);
  }

  /**
   * Whether the guest has read everything but the last `exceptBytes`. When it has not, it is asked to signal once it
   * has: its reader signals when more than `pendingSendSize` bytes become free.
   */
  isDrained(exceptBytes: number): boolean {
    const enough = this.#area.size - exceptBytes;
    if (this.#free() >= enough) return true;
    this.#area.store(PENDING_SEND_SIZE, enough - 1);
    this.#waitsForRoom = true;
    return this.#free() >= enough;
  }

  // Hot path: one a packet. Nothing is allocated.
  /**
   * Writes a packet of two parts; the payload begins `dataOffset` bytes into it. When there is no room the guest is
   * asked to signal once there is: try again then.
   */
  write(
    type: number, flags: number, transactionLow: number, transactionHigh: number,
    dataOffset: number, head: Uint8Array, body: Uint8Array = NOTHING,
  ): WriteResult {
    const area = this.#area;
    const content = DESCRIPTOR_SIZE + head.length + body.length;
    const length = (content + 7) & ~7;
    const total = length + PACKET_TRAILER_SIZE;
    let free = this.#free();
    if (free >= 0 && free <= total) {
      area.store(PENDING_SEND_SIZE, total);
      this.#waitsForRoom = true;
      free = this.#free();
    }
    if (free < 0 || !area.isIndex(this.#write)) return WriteResult.Broken;
    if (free <= total) return WriteResult.Full;
    if (this.#waitsForRoom) {
      this.#waitsForRoom = false;
      area.store(PENDING_SEND_SIZE, 0);
    }
    const view = this.#descriptorView;
    PacketDescriptor.type.set(view, 0, type);
    PacketDescriptor.dataOffset8.set(view, 0, dataOffset >> 3);
    PacketDescriptor.length8.set(view, 0, length >> 3);
    PacketDescriptor.flags.set(view, 0, flags);
    PacketDescriptor.transactionLow.set(view, 0, transactionLow);
    PacketDescriptor.transactionHigh.set(view, 0, transactionHigh);
    const start = this.#write;
    let at = area.copyIn(start, this.#descriptor, DESCRIPTOR_SIZE);
    at = area.copyIn(at, head, head.length);
    at = area.copyIn(at, body, body.length);
    at = area.copyIn(at, PADDING, length - content);
    this.#trailerView.setUint32(4, start, true);
    this.#write = area.copyIn(at, this.#trailer, PACKET_TRAILER_SIZE);
    area.store(WRITE_INDEX, this.#write);
    // Read after the index is published: a guest that found the ring empty before will not look again by itself.
    if (area.load(INTERRUPT_MASK) === 0 && area.load(READ_INDEX) === start) this.readerWaits = true;
    return WriteResult.Written;
  }

  /** Free bytes, or -1 when the guest's index makes no sense. */
  #free(): number {
    const read = this.#area.load(READ_INDEX);
    return this.#area.isIndex(read) ? this.#area.size - this.#area.used(this.#write, read) : -1;
  }
}
