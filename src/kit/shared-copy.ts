/**
 * Copies between memory that other threads write, as a guest's is, and memory of our own. The engine copies shared
 * memory in words only where source and target lie alike within eight bytes, and otherwise byte by byte: then a copy by
 * way of a place of our own that lies like the shared one is three times as fast.
 */

/** A multiple of a word: each place-full lies like the first. */
const PLACE_BYTES = 4096;
const WORD = 7;
/** What is shorter is copied byte by byte no slower. */
const LEAST_BYTES = 192;

export class SharedCopier {
  readonly #shared: Uint8Array<SharedArrayBuffer>;
  #place: Uint8Array | undefined;

  constructor(buffer: SharedArrayBuffer) {
    this.#shared = new Uint8Array(buffer);
  }

  // Hot path: the caller has checked the bounds. A view or two for each 4 KiB is all that is allocated.

  /** Copies `length` bytes of shared memory at `from` into `target` at `at`. */
  read(from: number, target: Uint8Array, at: number, length: number): void {
    this.#copy(this.#shared, from, target, at, length, from & WORD);
  }

  /** Copies `length` bytes of `source` at `at` into shared memory at `to`. */
  write(to: number, source: Uint8Array, at: number, length: number): void {
    this.#copy(source, at, this.#shared, to, length, to & WORD);
  }

  /** `skip`: how the shared one of them lies. */
  #copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number, skip: number): void {
    if (length < LEAST_BYTES || ((source.byteOffset + from ^ target.byteOffset + to) & WORD) === 0) {
      target.set(source.subarray(from, from + length), to);
      return;
    }
    this.#place ??= new Uint8Array(PLACE_BYTES + WORD);
    for (let done = 0; done < length;) {
      const count = Math.min(length - done, PLACE_BYTES);
      this.#place.set(source.subarray(from + done, from + done + count), skip);
      target.set(this.#place.subarray(skip, skip + count), to + done);
      done += count;
    }
  }
}
