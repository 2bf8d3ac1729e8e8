/**
 * A file that loses power: what was written since the last flush is forgotten, kept or torn, sector by sector, as a
 * seed says. It stops at the N-th write, flush or change of size; a test makes N grow until its whole work gets
 * through.
 */

import type { BlockFile } from '../block-file.ts';

const PAGE_BYTES = 4096;

/** What the operation that met the loss of power throws, and every one after it. */
export class PowerLoss extends Error {}

/** Counts operations over all files of a test, and ends the power of all at once. */
export class Power {
  #left: number;
  #isLost = false;

  constructor(operations: number) {
    this.#left = operations;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** True when the operation may happen. */
  spend(): boolean {
    if (this.#left === 0) this.#isLost = true;
    else this.#left--;
    return !this.#isLost;
  }
}

/** Bytes that survive. Pages are replaced, never changed, so that copies cost little. */
export class Medium {
  sizeBytes = 0;
  readonly #pages = new Map<number, Uint8Array>();

  copy(): Medium {
    const copy = new Medium();
    copy.sizeBytes = this.sizeBytes;
    for (const [number, page] of this.#pages) copy.#pages.set(number, page);
    return copy;
  }

  read(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    target.fill(0, targetOffset, targetOffset + lengthBytes);
    this.#eachPart(lengthBytes, position, (number, within, done, length) => {
      const page = this.#pages.get(number);
      if (page !== undefined) target.set(page.subarray(within, within + length), targetOffset + done);
    });
  }

  write(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void {
    this.#eachPart(lengthBytes, position, (number, within, done, length) => {
      const page = this.#pages.get(number)?.slice() ?? new Uint8Array(PAGE_BYTES);
      page.set(source.subarray(sourceOffset + done, sourceOffset + done + length), within);
      this.#pages.set(number, page);
    });
    this.sizeBytes = Math.max(this.sizeBytes, position + lengthBytes);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.sizeBytes) {
      for (const number of this.#pages.keys()) if (number * PAGE_BYTES >= sizeBytes) this.#pages.delete(number);
      const last = this.#pages.get(Math.floor(sizeBytes / PAGE_BYTES))?.slice();
      if (last !== undefined) this.#pages.set(Math.floor(sizeBytes / PAGE_BYTES), last.fill(0, sizeBytes % PAGE_BYTES));
    }
    this.sizeBytes = sizeBytes;
  }

  #eachPart(
    lengthBytes: number, position: number,
    visit: (page: number, within: number, done: number, length: number) => void,
  ): void {
    for (let done = 0; done < lengthBytes;) {
      const within = (position + done) % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - within, lengthBytes - done);
      visit(Math.floor((position + done) / PAGE_BYTES), within, done, length);
      done += length;
    }
  }
}

type Pending =
  | { readonly kind: 'write'; readonly bytes: Uint8Array; readonly position: number }
  | { readonly kind: 'truncate'; readonly sizeBytes: number };

export class CrashFile implements BlockFile {
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly #power: Power;
  readonly #sectorBytes: number;
  #stable: Medium;
  #current: Medium;
  #pending: Pending[] = [];

  /** @param sectorBytes what the medium writes whole or not at all. */
  constructor(medium: Medium, power = new Power(Infinity),
    { name = 'image', readOnly = false, sectorBytes = 512 } = {}) {
    this.name = name;
    this.isReadOnly = readOnly;
    this.#power = power;
    this.#sectorBytes = sectorBytes;
    this.#stable = medium;
    this.#current = medium.copy();
  }

  get sizeBytes(): number {
    return this.#current.sizeBytes;
  }

  /** What is left when the power goes now. */
  survivors(next: (limit: number) => number): Medium {
    const medium = this.#stable.copy();
    // Some losses take everything, some nothing, most a part.
    const mood = next(4);
    for (const change of this.#pending) {
      if (change.kind === 'truncate') {
        if (mood === 1 || next(2) === 0) medium.truncate(change.sizeBytes);
        continue;
      }
      const whole = mood === 1 || (mood > 1 && next(2) === 0);
      for (let at = 0; at < change.bytes.length; at += this.#sectorBytes) {
        const isKept = whole || (mood === 3 && next(2) === 0);
        const length = Math.min(this.#sectorBytes, change.bytes.length - at);
        if (isKept) medium.write(change.bytes, at, length, change.position + at);
      }
    }
    return medium;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    if (this.#power.isLost) throw new PowerLoss('the power is lost');
    this.#current.read(target, targetOffset, lengthBytes, position);
  }

  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void {
    if (lengthBytes === 0) return;
    const mayHappen = this.#power.spend();
    // The write that meets the loss may have reached the medium in part.
    this.#pending.push({ kind: 'write', bytes: source.slice(sourceOffset, sourceOffset + lengthBytes), position });
    if (!mayHappen) throw new PowerLoss('the power is lost');
    this.#current.write(source, sourceOffset, lengthBytes, position);
  }

  truncateSync(sizeBytes: number): void {
    if (!this.#power.spend()) throw new PowerLoss('the power is lost');
    this.#pending.push({ kind: 'truncate', sizeBytes });
    this.#current.truncate(sizeBytes);
  }

  flushSync(): void {
    if (!this.#power.spend()) throw new PowerLoss('the power is lost');
    this.#pending = [];
    this.#stable = this.#current.copy();
  }

  closeSync(): void {}
}

/** Numbers below a limit, the same ones for the same seed [Marsaglia, "Xorshift RNGs"]. */
export function generator(seed: number): (limit: number) => number {
  let state = (Math.imul(seed, 0x9e37_79b1) ^ 0x85eb_ca6b) | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
