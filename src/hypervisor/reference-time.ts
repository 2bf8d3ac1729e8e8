/**
 * The partition's one clock. The virtual time-stamp counter runs at 1 GHz, so it counts nanoseconds of virtual time;
 * reference time (TIME_REF_COUNT, the reference TSC page, synthetic timers) is that by 100 [TLFS 12]. While the
 * partition is paused virtual time stands still, and the guest never notices: nothing in the TSC page has to change.
 *
 * Every thread has a `ReferenceTime` of its own over the same control buffer. The origin changes only while every
 * processor is paused, so reading needs no lock.
 */
import type { Clock } from '../kit/clock.ts';
import { REFERENCE_TIME_HZ, ReferenceTscPage, TSC_SEQUENCE_INVALID } from '../protocols/tlfs/reference-tsc.ts';
import type { ControlBuffer } from './control-buffer.ts';
import type { GuestMemory } from './guest-memory.ts';
import { PartitionControl } from './partition-layout.ts';

export const TSC_HZ = 1_000_000_000;
/** The local APIC timer's clock before its divider. */
export const APIC_HZ = 200_000_000;
export const NS_PER_REFERENCE_UNIT = 1_000_000_000 / REFERENCE_TIME_HZ;

/**
 * ceil(2^64 / 100). Rounded up, the page gives floor(TSC / 100) exactly for every counter below 2^63 / 100, just as
 * TIME_REF_COUNT does; rounded down it would lag by one unit at each multiple of 100.
 */
const TSC_SCALE_HIGH = 0x028f_5c28;
const TSC_SCALE_LOW = 0xf5c2_8f5d;

const FROZEN = PartitionControl.timeFrozen.offset >> 2;
const ORIGIN = PartitionControl.timeOriginNs.offset >> 3;
const FROZEN_AT = PartitionControl.timeFrozenAtNs.offset >> 3;

export class ReferenceTime {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #clock: Clock;
  /** The last reading, in a buffer so that keeping it allocates nothing. */
  readonly #last = new Float64Array(1);

  constructor(options: { control: ControlBuffer; clock: Clock }) {
    this.#words = options.control.words;
    this.#floats = options.control.floats;
    this.#clock = options.clock;
  }

  // Hot path: RDTSC. No allocation.
  /**
   * Virtual nanoseconds, which is the virtual time-stamp counter: whole, below 2^53. Never less than the last reading
   * on this thread, though the owner that thaws time may see its clock a little ahead of ours.
   */
  nowNs(): number {
    if (Atomics.load(this.#words, FROZEN) !== 0) return this.#floats[FROZEN_AT] as number;
    const elapsed = Math.floor(this.#clock.nowNs() - (this.#floats[ORIGIN] as number));
    const last = this.#last[0] as number;
    if (elapsed <= last) return last;
    this.#last[0] = elapsed;
    return elapsed;
  }

  /** Reference time: units of 100 ns. */
  now100ns(): number {
    return Math.floor(this.nowNs() / NS_PER_REFERENCE_UNIT);
  }

  /** Stops virtual time. Owner only, every processor paused. */
  freeze(): void {
    this.#floats[FROZEN_AT] = this.nowNs();
    Atomics.store(this.#words, FROZEN, 1);
  }

  /** Lets virtual time go on from where it was frozen. Owner only, every processor paused. */
  thaw(): void {
    if (Atomics.load(this.#words, FROZEN) === 0) return;
    this.#floats[ORIGIN] = this.#clock.nowNs() - (this.#floats[FROZEN_AT] as number);
    Atomics.store(this.#words, FROZEN, 0);
  }

  /** Freezes virtual time at `ns`. Owner only, every processor paused. */
  freezeAt(ns: number): void {
    this.forget();
    this.#floats[FROZEN_AT] = ns;
    Atomics.store(this.#words, FROZEN, 1);
  }

  /** Forgets the last reading: time may have been set back while this thread was paused. */
  forget(): void {
    this.#last[0] = 0;
  }
}

/**
 * Publishes the reference TSC page at `gpa`: invalid first, then the fields, then the new sequence, so that a processor
 * that reads it meanwhile starts again. False when there is no RAM.
 */
export function writeReferenceTscPage(memory: GuestMemory, gpa: number, sequence: number): boolean {
  const at = memory.offsetOf(gpa, 4096);
  if (at < 0) return false;
  const words = new Int32Array(memory.buffer, at, ReferenceTscPage.$size >> 2);
  const store = (field: { offset: number }, value: number) => Atomics.store(words, field.offset >> 2, value | 0);
  store(ReferenceTscPage.tscSequence, TSC_SEQUENCE_INVALID);
  store(ReferenceTscPage.reserved, 0);
  store(ReferenceTscPage.tscScaleLow, TSC_SCALE_LOW);
  store(ReferenceTscPage.tscScaleHigh, TSC_SCALE_HIGH);
  store(ReferenceTscPage.tscOffsetLow, 0);
  store(ReferenceTscPage.tscOffsetHigh, 0);
  store(ReferenceTscPage.tscSequence, sequence);
  return true;
}
