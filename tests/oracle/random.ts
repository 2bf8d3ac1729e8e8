/** Deterministic pseudo-random numbers (sfc32, Chris Doty-Humphrey's PractRand), seeded by text. */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    // FNV-1a, three times with different beginnings.
    const hash = (begin: number): number => {
      let h = begin;
      for (let n = 0; n < seed.length; n++) h = Math.imul(h ^ seed.charCodeAt(n), 0x0100_0193);
      return h >>> 0;
    };
    this.#a = hash(0x811c_9dc5);
    this.#b = hash(0x1234_5678);
    this.#c = hash(0x9e37_79b9);
    for (let n = 0; n < 12; n++) this.u32();
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return this.u32() % limit;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `times` on average. */
  once(times: number): boolean {
    return this.u32() % times === 0;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
