/**
 * A clock that counts the instructions of the only processor, one a nanosecond, and what it has slept. It says the same
 * to every thread while the processor stands still, and to the processor's own thread in the middle of an instruction.
 */

import type { Clock } from '../kit/clock.ts';
import { BUDGET, COUNT, INSTRUCTION, INSTRUCTIONS, SLICE_START } from './core/layout.ts';
import { type EngineMemoryHandle, processorAddress } from './memory-handle.ts';

export class InstructionClock implements Clock {
  static readonly sharedBytes = 8;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #slept: Float64Array;
  readonly #at: number;
  readonly #startMs: number;

  /** @param startMs wall time when the clock shows 0 */
  constructor(options: { handle: EngineMemoryHandle; shared: SharedArrayBuffer; startMs: number }) {
    this.#words = new Int32Array(options.handle.memory.buffer);
    this.#bytes = new Uint8Array(options.handle.memory.buffer);
    this.#slept = new Float64Array(options.shared);
    this.#at = processorAddress(0);
    this.#startMs = options.startMs;
  }

  // Hot path: RDTSC. No allocation.
  nowNs(): number {
    const instructions = (this.#word(INSTRUCTIONS) >>> 0) + (this.#word(INSTRUCTIONS + 4) >>> 0) * 0x1_0000_0000;
    return instructions + this.#ofThisSlice() + (this.#slept[0] as number);
  }

  wallMs(): number {
    return this.#startMs + Math.floor(this.nowNs() / 1e6);
  }

  /** The processor sleeps. */
  sleep(ns: number): void {
    this.#slept[0] = (this.#slept[0] as number) + ns;
  }

  /** Instructions before the one that runs. A block's are taken off the budget at its end. */
  #ofThisSlice(): number {
    const start = this.#word(SLICE_START);
    if (start === 0) return 0;
    const record = this.#word(INSTRUCTION) >>> 0;
    const inBlock = record === 0 ? 0 : (this.#bytes[record + COUNT] as number) - 1;
    return start - this.#word(BUDGET) + inBlock;
  }

  #word(field: number): number {
    return this.#words[(this.#at + field) >>> 2] as number;
  }
}
