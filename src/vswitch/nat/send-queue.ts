/** Bytes on their way to the guest: kept until acknowledged, readable at any offset, so that they can be sent again. */

/** A chunk smaller than this is joined to the one before, so that many small ones cost no more than their bytes. */
const JOIN_BELOW_BYTES = 1024;

export class SendQueue {
  #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are acknowledged. */
  #headOffset = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.length + chunk.length <= JOIN_BELOW_BYTES) {
      const joined = new Uint8Array(last.length + chunk.length);
      joined.set(last);
      joined.set(chunk, last.length);
      this.#chunks[this.#chunks.length - 1] = joined;
    } else {
      this.#chunks.push(chunk);
    }
    this.#length += chunk.length;
  }

  discard(count: number): void {
    this.#length -= count;
    let left = this.#headOffset + count;
    let whole = 0;
    while (whole < this.#chunks.length && left >= this.#chunks[whole]!.length) left -= this.#chunks[whole++]!.length;
    if (whole > 0) this.#chunks.splice(0, whole);
    this.#headOffset = left;
  }

  /** Copies `count` bytes, `offset` after the first unacknowledged one; they must be there. */
  copy(offset: number, count: number, target: Uint8Array, at: number): void {
    let skip = this.#headOffset + offset;
    let left = count;
    let to = at;
    for (const chunk of this.#chunks) {
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = Math.min(left, chunk.length - skip);
      target.set(chunk.subarray(skip, skip + part), to);
      to += part;
      left -= part;
      skip = 0;
      if (left === 0) return;
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
    this.#headOffset = 0;
  }
}
