/**
 * What the adapter needs of guest memory: where a guest-physical address lies. Frames in pages that a packet of the
 * ring names are read through here [Linux include/linux/hyperv.h, struct vmdata_gpa_direct].
 */
import { SharedCopier } from '../../kit/shared-copy.ts';
import { GpaDirectHeader } from '../../protocols/vmbus/ring-layout.ts';

const PAGE = 4096;
const RANGE_HEADER = 8;
const PAGE_NUMBER = 8;

export interface GuestRam {
  readonly buffer: SharedArrayBuffer;
  /** Offset in the buffer of `length` bytes at `gpa`, or -1 when they are not all RAM. */
  offsetOf(gpa: number, length: number): number;
}

export class GpaReader {
  readonly #ram: GuestRam;
  readonly #copier: SharedCopier;

  constructor(ram: GuestRam) {
    this.#ram = ram;
    this.#copier = new SharedCopier(ram.buffer);
  }

  // Hot path: one a send with pages. A page costs a view or two.
  /**
   * Copies everything that the ranges between `at` and `end` of a packet name into `target` from `done` on. Returns
   * the bytes then in `target`, or -1 when the ranges make no sense, are not RAM, or do not fit.
   */
  read(packet: DataView, at: number, end: number, target: Uint8Array, done: number): number {
    if (end - at < GpaDirectHeader.$size) return -1;
    const count = GpaDirectHeader.rangeCount.get(packet, at);
    let next = at + GpaDirectHeader.$size;
    let filled = done;
    for (let i = 0; i < count; i++) {
      if (end - next < RANGE_HEADER) return -1;
      const length = packet.getUint32(next, true);
      const skip = packet.getUint32(next + 4, true);
      next += RANGE_HEADER;
      if (skip >= PAGE || length > target.length - filled) return -1;
      const pages = Math.ceil((skip + length) / PAGE);
      if (end - next < pages * PAGE_NUMBER) return -1;
      if (!this.#readRange(packet, next, skip, length, target, filled)) return -1;
      next += pages * PAGE_NUMBER;
      filled += length;
    }
    return filled;
  }

  #readRange(
    packet: DataView, at: number, skip: number, length: number, target: Uint8Array, filled: number,
  ): boolean {
    for (let done = 0, number = at, first = skip; done < length; number += PAGE_NUMBER, first = 0) {
      const page = packet.getUint32(number + 4, true) * 0x1_0000_0000 + packet.getUint32(number, true);
      const offset = this.#ram.offsetOf(page * PAGE, PAGE);
      if (offset < 0) return false;
      const count = Math.min(PAGE - first, length - done);
      this.#copier.read(offset + first, target, filled + done, count);
      done += count;
    }
    return true;
  }
}
