/** Which MiB of a VHDX file are in use, so that room that was given back is taken again before the file grows. */

import { MIB } from '../../protocols/vhdx.ts';
import { assert } from '../../kit/assert.ts';

/** As much as the largest BAT takes: more is never one thing. */
const CLAIM_UNITS_MAX = 1024;

export class Space {
  /** One byte for each MiB: 1 is in use. */
  #used: Uint8Array;
  /** The end of the last MiB in use or free: the file need not reach so far, or may reach farther. */
  #unitCount: number;
  #freeCount = 0;
  #searchFrom = 0;

  constructor(fileSizeBytes: number) {
    this.#unitCount = Math.ceil(fileSizeBytes / MIB);
    this.#used = new Uint8Array(Math.max(64, 2 ** Math.ceil(Math.log2(this.#unitCount + 1))));
    this.#freeCount = this.#unitCount;
  }

  get freeBytes(): number {
    return this.#freeCount * MIB;
  }

  /**
   * False when some of it is in use already (two things claim the same place), or it is all behind the end. It may end
   * there: the last block of a file need not be whole.
   */
  claim(offset: number, lengthBytes: number): boolean {
    const from = Math.floor(offset / MIB);
    const to = Math.ceil((offset + lengthBytes) / MIB);
    if (from >= this.#unitCount || to - from > CLAIM_UNITS_MAX) return false;
    if (to > this.#unitCount) {
      this.#freeCount += to - this.#unitCount;
      this.#grow(to);
    }
    if (this.#used.subarray(from, to).includes(1)) return false;
    this.#used.fill(1, from, to);
    this.#freeCount -= to - from;
    return true;
  }

  /** A place for whole MiB; behind everything when there is no gap that fits. */
  take(lengthBytes: number): number {
    const length = lengthBytes / MIB;
    const gap = this.#freeCount >= length ? this.#findGap(length) : undefined;
    const from = gap ?? this.#unitCount;
    if (gap === undefined) {
      this.#grow(from + length);
      this.#freeCount += length;
    }
    this.#used.fill(1, from, from + length);
    this.#freeCount -= length;
    return from * MIB;
  }

  give(offset: number, lengthBytes: number): void {
    const from = offset / MIB;
    const to = from + lengthBytes / MIB;
    assert(!this.#used.subarray(from, to).includes(0), 'room is given back that was not taken');
    this.#used.fill(0, from, to);
    this.#freeCount += to - from;
    this.#searchFrom = Math.min(this.#searchFrom, from);
  }

  /** Where the last thing in use ends. */
  endOfUse(): number {
    return (this.#used.lastIndexOf(1) + 1) * MIB;
  }

  /** The file was cut there. */
  cut(sizeBytes: number): void {
    const count = sizeBytes / MIB;
    this.#freeCount -= this.#unitCount - count;
    this.#unitCount = count;
    this.#searchFrom = Math.min(this.#searchFrom, count);
  }

  #findGap(length: number): number | undefined {
    let from = this.#used.indexOf(0, this.#searchFrom);
    if (from >= 0) this.#searchFrom = from;
    while (from >= 0 && from + length <= this.#unitCount) {
      const blocker = this.#used.subarray(from, from + length).lastIndexOf(1);
      if (blocker < 0) return from;
      from = this.#used.indexOf(0, from + blocker + 1);
    }
    return undefined;
  }

  #grow(unitCount: number): void {
    if (unitCount > this.#used.length) {
      const used = new Uint8Array(2 ** Math.ceil(Math.log2(unitCount + 1)));
      used.set(this.#used);
      this.#used = used;
    }
    this.#unitCount = unitCount;
  }
}
