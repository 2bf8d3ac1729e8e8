/**
 * A value in shared memory, which is either as it was or as it became: a thread that ends in the middle of writing has
 * written nothing. One thread at a time writes; it may be read by others.
 *
 *   word 0  which of two areas counts: 1 or 2, 0 for none       word 1, 2  how long they are        then the areas
 */
import { deserialize, serialize } from 'node:v8';
import { assert } from './assert.ts';

const HEADER_BYTES = 16;

/** The memory that values of up to `maxBytes`, as Node serializes them, need. */
export function sharedValueBytes(maxBytes: number): number {
  return HEADER_BYTES + 2 * maxBytes;
}

export class SharedValue<T extends object> {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #maxBytes: number;

  /** @param offset where in the buffer its `sharedValueBytes` begin; a multiple of four. */
  constructor(buffer: SharedArrayBuffer, offset: number, maxBytes: number) {
    this.#words = new Int32Array(buffer, offset, HEADER_BYTES >>> 2);
    this.#bytes = new Uint8Array(buffer, offset + HEADER_BYTES, 2 * maxBytes);
    this.#maxBytes = maxBytes;
  }

  /** Undefined before the first was written, and after `clear`. */
  read(): T | undefined {
    const area = Atomics.load(this.#words, 0);
    if (area === 0) return undefined;
    const at = (area - 1) * this.#maxBytes;
    return deserialize(this.#bytes.slice(at, at + (this.#words[area] as number))) as T;
  }

  write(value: T): void {
    const bytes = serialize(value);
    assert(bytes.length <= this.#maxBytes, 'a value is longer than it can be');
    const area = Atomics.load(this.#words, 0) === 1 ? 2 : 1;
    this.#bytes.set(bytes, (area - 1) * this.#maxBytes);
    this.#words[area] = bytes.length;
    Atomics.store(this.#words, 0, area);
  }

  clear(): void {
    Atomics.store(this.#words, 0, 0);
  }
}
