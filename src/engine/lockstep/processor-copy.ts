/** A copy of what a region can change in a processor's memory: registers and the TLBs that it may use. */

import {
  BUDGET, CODE_BASE, CODE_PHYSICAL, DATA, EXIT_REQUEST, FAULT_VECTOR, FILLED, FILLED_COUNT, FLAGS_AUX, FLAGS_RESULT,
  GPR, INSTRUCTION, LARGE_LOW, LAZY_A, PAUSES, RFLAGS, RIP, STOP, TLB, TLB_KINDS, TLB_SIZE,
} from '../core/layout.ts';

const REGISTER_BYTES = 0x640;
/** How many entries the lists have. */
const FILLED_BYTES = 8;
const RF = 0x10000;

/** Fields that may differ behind the same instructions: where the processor is in its code, and scratch. */
const NO_STATE: readonly (readonly [at: number, bytes: number])[] = [
  [CODE_BASE, 8], [RIP, 8], [FLAGS_RESULT, 8], [FLAGS_AUX, 4], [INSTRUCTION, 4], [EXIT_REQUEST, 4], [BUDGET, 4],
  [LAZY_A, 20], [PAUSES, 8], [FAULT_VECTOR, 24], [CODE_PHYSICAL, 8], [STOP, 4], [LARGE_LOW, 16], [DATA, 32],
];

export class ProcessorCopy {
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  readonly #at: number;
  readonly #registers = new Uint8Array(REGISTER_BYTES);
  /** The TLBs, behind the lists of what they hold. */
  readonly #tlb = new Uint8Array(TLB + TLB_KINDS * TLB_SIZE - FILLED);
  readonly #filled = new Uint8Array(FILLED_BYTES);

  constructor(memory: WebAssembly.Memory, at: number) {
    this.#memory = new Uint8Array(memory.buffer);
    this.#view = new DataView(this.#registers.buffer);
    this.#at = at;
  }

  take(): void {
    this.#registers.set(this.#memory.subarray(this.#at, this.#at + REGISTER_BYTES));
    this.#tlb.set(this.#memory.subarray(this.#at + FILLED, this.#at + FILLED + this.#tlb.length));
    this.#filled.set(this.#memory.subarray(this.#at + FILLED_COUNT, this.#at + FILLED_COUNT + FILLED_BYTES));
  }

  /** All but what other threads ask. */
  putBack(): void {
    this.#memory.set(this.#registers.subarray(0, EXIT_REQUEST), this.#at);
    this.#memory.set(this.#registers.subarray(EXIT_REQUEST + 4), this.#at + EXIT_REQUEST + 4);
    this.#memory.set(this.#tlb, this.#at + FILLED);
    this.#memory.set(this.#filled, this.#at + FILLED_COUNT);
  }

  word(at: number): number { return this.#view.getUint32(at, true); }
  long(at: number): bigint { return this.#view.getBigUint64(at, true); }

  get budget(): number { return this.#view.getInt32(BUDGET, true); }
  get rip(): bigint { return this.long(RIP); }

  /** Where it differs from another copy, in words. */
  differences(other: ProcessorCopy): string[] {
    const found: string[] = [];
    for (let at = GPR; at < REGISTER_BYTES; at += 4) {
      if (NO_STATE.some(([from, bytes]) => at >= from && at < from + bytes)) continue;
      let [mine, its] = [this.word(at), other.word(at)];
      if (at === RFLAGS) [mine, its] = [mine & ~RF, its & ~RF];
      if (mine !== its) found.push(`0x${at.toString(16)}: 0x${mine.toString(16)} and 0x${its.toString(16)}`);
    }
    return found;
  }
}
