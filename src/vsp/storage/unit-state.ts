/**
 * What a logical unit has to remember when the thread that serves it ends, in shared memory: news for the guest, its
 * reservation, whether the guest locked a drive, and counters. The main thread reads it, too.
 *
 *   words  0 unit attention   1 condition   2 which reservation record is in force   3 medium locked   4 medium event
 *          8 … 15 and 16 … 23 the reservation records   from byte 128: counters, eight bytes each
 */

import { Sense } from '../../protocols/scsi.ts';

const UNIT_BYTES = 256;
const COUNTERS = 128;
const ATTENTION = 0;
const CONDITION = 1;
const RECORD_IN_FORCE = 2;
const LOCKED = 3;
const MEDIUM_EVENT = 4;
const RECORD = 8;
const RECORD_WORDS = 8;

export const MAX_UNITS = 64;
export const UNIT_STATES_BYTES = MAX_UNITS * UNIT_BYTES;

/** Whether a unit goes on. */
export const UnitCondition = { Fine: 0, HostFull: 1 } as const;
export type UnitCondition = (typeof UnitCondition)[keyof typeof UnitCondition];

export const UNIT_COUNTERS = [
  'reads', 'writes', 'bytesRead', 'bytesWritten', 'flushes', 'discards', 'failures', 'delays',
] as const;
export type UnitCounter = (typeof UNIT_COUNTERS)[number];
const COUNTER_INDEX = Object.fromEntries(UNIT_COUNTERS.map((name, index) => [name, index])) as
  Record<UnitCounter, number>;

/** A persistent reservation of the one initiator that there is. */
export interface Reservation {
  readonly isRegistered: boolean;
  readonly keyHigh: number;
  readonly keyLow: number;
  /** 0: nothing is reserved. */
  readonly type: number;
  /** How often registrations changed. */
  readonly generation: number;
}

export class UnitState {
  readonly #words: Int32Array;
  readonly #counters: Float64Array;

  /** A unit's part of a buffer of UNIT_STATES_BYTES. */
  constructor(buffer: SharedArrayBuffer, lun: number) {
    this.#words = new Int32Array(buffer, lun * UNIT_BYTES, COUNTERS / 4);
    this.#counters = new Float64Array(buffer, lun * UNIT_BYTES + COUNTERS, UNIT_COUNTERS.length);
  }

  /** Another unit is here from now on. */
  clear(): void {
    this.#words.fill(0);
    this.#counters.fill(0);
  }

  /** A number of `Sense` that the next command tells the guest; none when there is no news. */
  get attention(): number {
    return this.#words[ATTENTION] as number;
  }

  set attention(sense: number) {
    this.#words[ATTENTION] = sense;
  }

  takeAttention(): number {
    const sense = this.attention;
    this.attention = Sense.None;
    return sense;
  }

  get condition(): UnitCondition {
    return this.#words[CONDITION] as UnitCondition;
  }

  set condition(condition: UnitCondition) {
    this.#words[CONDITION] = condition;
  }

  get isLocked(): boolean {
    return this.#words[LOCKED] !== 0;
  }

  set isLocked(isLocked: boolean) {
    this.#words[LOCKED] = isLocked ? 1 : 0;
  }

  /** What GET EVENT STATUS NOTIFICATION tells next. */
  get mediumEvent(): number {
    return this.#words[MEDIUM_EVENT] as number;
  }

  set mediumEvent(event: number) {
    this.#words[MEDIUM_EVENT] = event;
  }

  get reservation(): Reservation {
    const at = this.#record(this.#words[RECORD_IN_FORCE] as number);
    return {
      isRegistered: this.#words[at] !== 0,
      keyHigh: (this.#words[at + 1] as number) >>> 0,
      keyLow: (this.#words[at + 2] as number) >>> 0,
      type: this.#words[at + 3] as number,
      generation: (this.#words[at + 4] as number) >>> 0,
    };
  }

  /** Whether it was this request that made the reservation what it is: then it is not to be carried out again. */
  wasReservedBy(queue: number, sequence: number): boolean {
    const at = this.#record(this.#words[RECORD_IN_FORCE] as number);
    return sequence !== 0 && this.#words[at + 5] === queue && this.#words[at + 6] === sequence;
  }

  /** In force with one store, so that a thread that ends in the middle leaves the old one. */
  reserve(reservation: Reservation, queue: number, sequence: number): void {
    const next = this.#words[RECORD_IN_FORCE] === 0 ? 1 : 0;
    const { isRegistered, keyHigh, keyLow, type, generation } = reservation;
    this.#words.set([isRegistered ? 1 : 0, keyHigh | 0, keyLow | 0, type, generation | 0, queue, sequence],
      this.#record(next));
    Atomics.store(this.#words, RECORD_IN_FORCE, next);
  }

  // Hot path: twice a request. No allocation.
  count(counter: UnitCounter, by = 1): void {
    const index = COUNTER_INDEX[counter];
    this.#counters[index] = (this.#counters[index] as number) + by;
  }

  get counters(): Record<UnitCounter, number> {
    return Object.fromEntries(UNIT_COUNTERS.map((name, index) => [name, this.#counters[index]])) as
      Record<UnitCounter, number>;
  }

  #record(which: number): number {
    return RECORD + which * RECORD_WORDS;
  }
}
