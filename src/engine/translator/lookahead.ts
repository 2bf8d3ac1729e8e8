/**
 * How much memory around an operand the code behind it accesses by the same registers. Only what pays depends on it: it
 * follows one way through the code, and looks at what commonly happens to an address on it.
 */

import { RSP, ZERO } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import { isPop, isPush, movementOf, SLOT } from './movement.ts';
import type { Block } from './region-graph.ts';

/** Bytes from `low` to in front of `high`, behind the operand's first one. */
export interface Surroundings {
  readonly low: number;
  readonly high: number;
}

const MOST_RECORDS = 40;
/** What lies farther away is looked up for itself. */
const MOST_DISTANCE = 128;

export class Lookahead {
  #blocks: readonly Block[] = [];
  #places: readonly number[] = [];
  #block = 0;
  #record = 0;
  /** The register that is followed, and how far it has moved. */
  #base = 0;
  #moved = 0;
  #low = 0;
  #high = 0;
  #others = 0;

  /** `places`: of the blocks in their order. */
  start(blocks: readonly Block[], places: readonly number[]): void {
    this.#blocks = blocks;
    this.#places = places;
  }

  /** The instruction that is being written. */
  at(block: number, record: number): void {
    this.#block = block;
    this.#record = record;
  }

  /** Around an operand in memory; undefined: nothing else is accessed there. */
  operand(record: Decoded, bytes: number): Surroundings | undefined {
    this.#begin(record.base, 0, bytes);
    if (this.#steps(record)) this.#walk(record, record.displacement);
    return this.#others === 0 ? undefined : { low: this.#low, high: this.#high };
  }

  /** Around the slot that an instruction pushes, or pops. */
  stack(pushes: boolean): Surroundings | undefined {
    this.#begin(RSP, pushes ? -SLOT : SLOT, SLOT);
    this.#walk(undefined, pushes ? -SLOT : 0);
    return this.#others === 0 ? undefined : { low: this.#low, high: this.#high };
  }

  #begin(base: number, moved: number, bytes: number): void {
    this.#base = base;
    this.#moved = moved;
    this.#low = 0;
    this.#high = bytes;
    this.#others = 0;
  }

  #note(from: number, bytes: number): void {
    if (from < -MOST_DISTANCE || from + bytes > MOST_DISTANCE) return;
    this.#low = Math.min(this.#low, from);
    this.#high = Math.max(this.#high, from + bytes);
    this.#others++;
  }

  /** `first`: where the operand lies behind the register. */
  #walk(like: Decoded | undefined, first: number): void {
    let block = this.#block;
    let next = this.#record + 1;
    for (let left = MOST_RECORDS; left > 0; left--) {
      const { records, edges, end } = this.#blocks[block] as Block;
      const record = records[next++];
      if (record === undefined) {
        // The way on when no branch is taken; into what is called.
        const to = end === 'branch' ? edges[1]?.to : edges[0]?.to;
        if (to === undefined || to < 0 || (this.#places[to] as number) <= (this.#places[block] as number)) return;
        block = to;
        next = 0;
        continue;
      }
      this.#look(record, like, first);
      if (!this.#steps(record)) return;
    }
  }

  /** Notes what the instruction accesses. */
  #look(record: Decoded, like: Decoded | undefined, first: number): void {
    const { operation } = record;
    const isOperand = operation === undefined ? record.vector !== undefined : operation.inMemory;
    if (isOperand && record.base === this.#base && isAlike(record, like))
      this.#note(this.#moved + record.displacement - first, operation ? operation.size / 8 : record.bytes);
    if (this.#base !== RSP) return;
    if (isPush(record)) this.#note(this.#moved - SLOT - first, SLOT);
    else if (isPop(record)) this.#note(this.#moved - first, SLOT);
  }

  /** Follows the register over the instruction; false when it is something else behind it. */
  #steps(record: Decoded): boolean {
    this.#moved += movementOf(record, this.#base);
    return !Number.isNaN(this.#moved);
  }
}

function isAlike(record: Decoded, like: Decoded | undefined): boolean {
  if (like === undefined) return record.index === ZERO;
  return record.index === like.index && record.scale === like.scale && record.segmentBase === like.segmentBase;
}
