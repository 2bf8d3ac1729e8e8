/** Randomness as a port: what needs some takes it from outside, so that a run can be had twice. */

import { randomBytes } from 'node:crypto';

export interface RandomSource {
  bytes(count: number): Uint8Array<ArrayBuffer>;
}

/** The host's cryptographic generator. */
export class HostRandom implements RandomSource {
  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(randomBytes(count));
  }
}

/**
 * The same bytes for the same seed, and nothing that anybody could rely on as secret
 * [Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators"].
 */
export class SeededRandom implements RandomSource {
  #state: bigint;

  constructor(seed: bigint) {
    this.#state = seed;
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at += 8) {
      let word = this.#next();
      for (let n = at; n < Math.min(at + 8, count); n++, word >>= 8n) bytes[n] = Number(word & 0xffn);
    }
    return bytes;
  }

  #next(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e37_79b9_7f4a_7c15n);
    let word = this.#state;
    word = BigInt.asUintN(64, (word ^ (word >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    word = BigInt.asUintN(64, (word ^ (word >> 27n)) * 0x94d0_49bb_1331_11ebn);
    return word ^ (word >> 31n);
  }
}
