/**
 * What is known of where general registers point to, relative to each other: a register that is copied, or moved by a
 * constant, points into the same thing. So an operand in memory that lies near another one is known to be in its page.
 */

import { FS_BASE, GS_BASE, ZERO } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';

/** Somewhere in memory: `delta` bytes behind an unknown address that has this number. */
export interface Pointer {
  readonly origin: number;
  readonly delta: number;
}

/** Bytes that lie in one page, whose host address is in a local, or 0 when they can't be reached at once. */
export interface Window {
  readonly origin: number;
  /** Its bytes are those from `low` to in front of `high`, behind the origin. */
  readonly low: number;
  readonly high: number;
  readonly isWritable: boolean;
  readonly local: number;
}

const REGISTERS = 16;
/** Of absolute addresses and those from the region's first page; numbers above it are given as they are needed. */
const NOTHING = 0;
const CODE = 1;
const FIRST = 2;
const SEGMENTS = 0x1000;

/** Gives numbers to origins; the same one to the same sum of others. */
export class Origins {
  #next = FIRST;
  readonly #sums = new Map<number, number>();

  clear(): void {
    this.#next = FIRST;
    this.#sums.clear();
  }

  new(): number {
    return this.#next++;
  }

  /** Of an origin, another one shifted, and a segment's base. */
  sum(base: number, index: number, scale: number, segment: number): number {
    const key = ((base * 0x8000 + index) * 4 + scale) * SEGMENTS + segment;
    let origin = this.#sums.get(key);
    if (origin === undefined) {
      origin = this.new();
      this.#sums.set(key, origin);
    }
    return origin;
  }
}

/** What is known at a point of the region. */
export class Pointers {
  /** By register; 0: nobody has asked yet. */
  readonly #origins: Uint16Array;
  readonly #deltas: Float64Array;
  windows: readonly Window[];

  constructor(from?: Pointers) {
    this.#origins = from === undefined ? new Uint16Array(REGISTERS) : from.#origins.slice();
    this.#deltas = from === undefined ? new Float64Array(REGISTERS) : from.#deltas.slice();
    this.windows = from === undefined ? [] : from.windows;
  }

  register(number: number, origins: Origins): Pointer {
    if (this.#origins[number] === NOTHING) this.#origins[number] = origins.new();
    return { origin: this.#origins[number] as number, delta: this.#deltas[number] as number };
  }

  /** The register points there from now on; undefined: to somewhere else. */
  setRegister(number: number, pointer: Pointer | undefined): void {
    this.#origins[number] = pointer?.origin ?? NOTHING;
    this.#deltas[number] = pointer?.delta ?? 0;
  }

  /** Where an operand lies. */
  operand({ base, index, scale, segmentBase, displacement, page }: Decoded, origins: Origins): Pointer {
    let sum: Pointer = { origin: CODE, delta: page };
    if (base < ZERO) sum = this.register(base >> 3, origins);
    else if (base === ZERO) sum = { origin: NOTHING, delta: 0 };
    let { delta } = sum;
    let other: Pointer = { origin: NOTHING, delta: 0 };
    if (index !== ZERO) {
      other = this.register(index >> 3, origins);
      delta += other.delta * 2 ** scale;
    }
    const segment = segmentBase === FS_BASE || segmentBase === GS_BASE ? segmentBase : 0;
    const isPlain = index === ZERO && segment === 0;
    return { delta: delta + displacement,
      origin: isPlain ? sum.origin : origins.sum(sum.origin, other.origin, scale, segment) };
  }

  /** A window that holds `bytes` from there. */
  window({ origin, delta }: Pointer, bytes: number, write: boolean): Window | undefined {
    return this.windows.find((window) => window.origin === origin && window.low <= delta
      && delta + bytes <= window.high && (window.isWritable || !write));
  }

  addWindow(window: Window): void {
    this.windows = [...this.windows, window];
  }

  /** What holds on both ways to a point. */
  meet(other: Pointers): Pointers {
    const both = new Pointers(this);
    for (let number = 0; number < REGISTERS; number++) {
      const isSame = other.#origins[number] === this.#origins[number]
        && other.#deltas[number] === this.#deltas[number];
      if (!isSame) both.setRegister(number, undefined);
    }
    both.windows = this.windows.filter((window) => other.windows.includes(window));
    return both;
  }
}
