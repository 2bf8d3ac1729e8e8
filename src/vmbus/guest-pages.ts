/**
 * Guest pages in an order that the guest chose (a GPADL), read and written as one run of bytes. Every page was checked
 * to be RAM when the list was made, and slots of guest memory never move, so accesses need no further check but the
 * bounds of the run.
 */
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { SharedCopier } from '../kit/shared-copy.ts';

export const PAGE_SIZE = 4096;
const PAGE_SHIFT = 12;

/** Guest pages as a value that can go to another thread, which has the buffer. */
export interface GuestPagesValue {
  readonly offsets: Uint32Array;
  readonly skip: number;
  readonly byteCount: number;
}

export class GuestPages {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly byteCount: number;
  readonly #copier: SharedCopier;
  readonly #offsets: Uint32Array;
  readonly #skip: number;

  /** @param options.offsets where each page lies in the buffer; the run begins `skip` bytes into the first. */
  constructor(options: { buffer: SharedArrayBuffer; offsets: Uint32Array; skip: number; byteCount: number }) {
    this.buffer = options.buffer;
    this.words = new Int32Array(options.buffer);
    this.#copier = new SharedCopier(options.buffer);
    this.#offsets = options.offsets;
    this.#skip = options.skip;
    this.byteCount = options.byteCount;
  }

  /** The pages with these numbers, or undefined when one of them is not RAM. */
  static of(
    memory: GuestMemory, pageNumbers: Float64Array, skip: number, byteCount: number,
  ): GuestPages | undefined {
    const offsets = new Uint32Array(pageNumbers.length);
    for (let i = 0; i < pageNumbers.length; i++) {
      const offset = memory.offsetOf((pageNumbers[i] as number) * PAGE_SIZE, PAGE_SIZE);
      if (offset < 0) return undefined;
      offsets[i] = offset;
    }
    return new GuestPages({ buffer: memory.buffer, offsets, skip, byteCount });
  }

  toValue(): GuestPagesValue {
    return { offsets: this.#offsets, skip: this.#skip, byteCount: this.byteCount };
  }

  get pageCount(): number {
    return this.#offsets.length;
  }

  /** Whole pages `first` to `first + count - 1` as a run of their own. */
  slice(first: number, count: number): GuestPages {
    const offsets = this.#offsets.slice(first, first + count);
    return new GuestPages({ buffer: this.buffer, offsets, skip: 0, byteCount: count * PAGE_SIZE });
  }

  /** Where byte `position` lies in the buffer. */
  offsetOf(position: number): number {
    const at = position + this.#skip;
    return (this.#offsets[at >>> PAGE_SHIFT] as number) + (at & (PAGE_SIZE - 1));
  }

  // Hot path: every packet and every transfer. A run within a page costs a view or two, nothing else is allocated.

  /** Copies `length` bytes at `position` into `target` at `at`. The caller has checked the bounds. */
  read(position: number, target: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length;) {
      const count = Math.min(length - done, this.#leftInPage(position + done));
      this.#copier.read(this.offsetOf(position + done), target, at + done, count);
      done += count;
    }
  }

  /** Copies `length` bytes of `source` from `at` to `position`. The caller has checked the bounds. */
  write(position: number, source: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length;) {
      const count = Math.min(length - done, this.#leftInPage(position + done));
      this.#copier.write(this.offsetOf(position + done), source, at + done, count);
      done += count;
    }
  }

  #leftInPage(position: number): number {
    return PAGE_SIZE - ((position + this.#skip) & (PAGE_SIZE - 1));
  }
}
