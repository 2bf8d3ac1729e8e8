/**
 * The data of one request: a run of bytes in pages of the guest, which the packet of the ring names [Linux
 * include/linux/hyperv.h, struct vmbus_packet_mpb_array]. Checked once, when the packet has been copied; guest memory
 * does not move, so that nothing needs a check afterwards. One object serves request after request.
 *
 * The disk reads and writes a run that is one piece of the host's memory in place. A run of scattered pages goes
 * through a buffer of ours: one system call and a copy are cheaper than a system call for each page.
 */

import { pageAlignedBytes } from '../../kit/page-aligned.ts';
import { GpaDirectHeader } from '../../protocols/vmbus/ring-layout.ts';
import type { StorageDisk } from './disk-port.ts';

const PAGE = 4096;
const RANGE_HEADER = 8;
const PAGE_NUMBER = 8;

export const MAX_TRANSFER_BYTES = 0x4_0000;
export const MAX_TRANSFER_PAGES = MAX_TRANSFER_BYTES / PAGE + 1;

/** Tells the engine that memory was written behind its back: it may have decoded instructions there. */
export type MemoryWritten = (offset: number, lengthBytes: number) => void;

/** Where the guest's RAM lies; -1 for what is none. */
export interface GuestRam {
  readonly buffer: SharedArrayBuffer;
  offsetOf(gpa: number, length: number): number;
}

export interface TransferOptions {
  readonly memory: GuestRam;
  readonly onMemoryWritten: MemoryWritten;
}

export class Transfer {
  /** Bytes that the guest has room for, or gives. */
  length = 0;
  readonly #memory: GuestRam;
  readonly #guest: Uint8Array;
  readonly #onMemoryWritten: MemoryWritten;
  readonly #bounce = pageAlignedBytes(MAX_TRANSFER_BYTES);
  /** Pieces of the run: offset in guest memory and length, two numbers each. */
  readonly #pieces = new Float64Array(MAX_TRANSFER_PAGES * 2);
  #pieceCount = 0;

  constructor(options: TransferOptions) {
    this.#memory = options.memory;
    this.#guest = new Uint8Array(options.memory.buffer);
    this.#onMemoryWritten = options.onMemoryWritten;
  }

  /** There is no data. */
  clear(): void {
    this.length = 0;
    this.#pieceCount = 0;
  }

  // Hot path: one a request. No allocation.
  /** Takes the range that lies between `at` and `end` of a packet. False: it makes no sense, or is not all RAM. */
  take(packet: DataView, at: number, end: number): boolean {
    this.clear();
    if (end - at < GpaDirectHeader.$size + RANGE_HEADER) return false;
    if (GpaDirectHeader.rangeCount.get(packet, at) !== 1) return false;
    const range = at + GpaDirectHeader.$size;
    const length = packet.getUint32(range, true);
    const first = packet.getUint32(range + 4, true);
    if (length > MAX_TRANSFER_BYTES || first >= PAGE) return false;
    const pageCount = Math.ceil((first + length) / PAGE);
    if (range + RANGE_HEADER + pageCount * PAGE_NUMBER > end) return false;
    for (let page = 0, done = 0; page < pageCount; page++) {
      const number = range + RANGE_HEADER + page * PAGE_NUMBER;
      const gpa = (packet.getUint32(number + 4, true) * 0x1_0000_0000 + packet.getUint32(number, true)) * PAGE;
      const offset = this.#memory.offsetOf(gpa, PAGE);
      if (offset < 0) return false;
      const skip = page === 0 ? first : 0;
      const count = Math.min(PAGE - skip, length - done);
      this.#add(offset + skip, count);
      done += count;
    }
    this.length = length;
    return true;
  }

  /** Bytes from `source` to the guest, as many as it has room for; says how many. */
  put(source: Uint8Array, lengthBytes: number): number {
    const length = Math.min(lengthBytes, this.length);
    this.#scatter(source, length);
    return length;
  }

  /** Bytes from the guest into `target`; says how many. */
  get(target: Uint8Array, lengthBytes: number): number {
    const length = Math.min(lengthBytes, this.length);
    this.#gather(target, length);
    return length;
  }

  /** From a disk to the guest. The caller has checked the length. */
  read(disk: StorageDisk, lengthBytes: number, position: number): void {
    if (this.#pieceCount === 1) {
      const offset = this.#pieces[0] as number;
      // Told before and after: a reader that fails in the middle has written, too.
      this.#onMemoryWritten(offset, lengthBytes);
      disk.readSync(this.#guest, offset, lengthBytes, position);
      this.#onMemoryWritten(offset, lengthBytes);
      return;
    }
    disk.readSync(this.#bounce, 0, lengthBytes, position);
    this.#scatter(this.#bounce, lengthBytes);
  }

  /** From the guest to a disk. The caller has checked the length. */
  write(disk: StorageDisk, lengthBytes: number, position: number): void {
    if (this.#pieceCount === 1) {
      disk.writeSync(this.#guest, this.#pieces[0] as number, lengthBytes, position);
      return;
    }
    this.#gather(this.#bounce, lengthBytes);
    disk.writeSync(this.#bounce, 0, lengthBytes, position);
  }

  #add(offset: number, count: number): void {
    const last = (this.#pieceCount - 1) * 2;
    if (last >= 0 && (this.#pieces[last] as number) + (this.#pieces[last + 1] as number) === offset) {
      this.#pieces[last + 1] = (this.#pieces[last + 1] as number) + count;
      return;
    }
    this.#pieces[this.#pieceCount * 2] = offset;
    this.#pieces[this.#pieceCount * 2 + 1] = count;
    this.#pieceCount++;
  }

  // A piece costs one view of memory; nothing else is allocated.
  #scatter(source: Uint8Array, length: number): void {
    for (let piece = 0, done = 0; done < length; piece++) {
      const offset = this.#pieces[piece * 2] as number;
      const count = Math.min(this.#pieces[piece * 2 + 1] as number, length - done);
      this.#guest.set(source.subarray(done, done + count), offset);
      this.#onMemoryWritten(offset, count);
      done += count;
    }
  }

  #gather(target: Uint8Array, length: number): void {
    for (let piece = 0, done = 0; done < length; piece++) {
      const offset = this.#pieces[piece * 2] as number;
      const count = Math.min(this.#pieces[piece * 2 + 1] as number, length - done);
      target.set(this.#guest.subarray(offset, offset + count), done);
      done += count;
    }
  }
}
