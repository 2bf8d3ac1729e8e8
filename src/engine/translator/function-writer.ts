/**
 * What the parts of a region's translation share: the code written so far, its locals, and what is known of the guest's
 * registers and flags at this point of it.
 */

import { CodeBuffer } from './code-buffer.ts';
import { LOCAL_GET, LOCAL_SET, TYPE_I32, TYPE_I64 } from './opcodes.ts';
import { type Value, ValueWriter } from './value.ts';

/** Where the flags stand is not known before the region runs. */
export const FLAGS_UNKNOWN = -1;
/** The kinds of core/lazy-flags.ts. */
export const FLAGS_RAW = 1;
export const FLAGS_SUM = 4;
export const FLAGS_DIFFERENCE = 8;
export const FLAGS_LOGIC = 12;

/** What is known at a point of the region. */
export interface Knowledge {
  /** How the flags were made. */
  flags: number;
  /** Registers whose upper half is 0, as a mask. */
  upperZero: number;
  /** Registers, and in bit 16 the flags, that may differ from the processor's memory. */
  dirty: number;
}

export const DIRTY_FLAGS = 1 << 16;
export const DIRTY_ALL = 0x1ffff;

/** What holds on both ways to a point. */
export function meet(a: Knowledge | undefined, b: Knowledge): Knowledge {
  if (a === undefined) return { ...b };
  return { flags: a.flags === b.flags ? a.flags : FLAGS_UNKNOWN, upperZero: a.upperZero & b.upperZero,
    dirty: a.dirty | b.dirty };
}

// Fixed locals of every region: i32 first, then i64.
export const LOCAL_HOST = 0; // host address of a memory operand
export const LOCAL_ENTRY = 1; // its entry of the TLB
export const LOCAL_TLB = 2;
export const LOCAL_BUDGET = 3;
export const LOCAL_FLAGS_KIND = 4;
export const LOCAL_FLAGS_A = 5;
export const LOCAL_FLAGS_B = 6;
export const LOCAL_CODE_BASE = 7;
export const LOCAL_ADDRESS = 8; // linear address of a memory operand
export const LOCAL_FIRST = 9;

// Functions that a region may call: of the core, in the order of the module's imports.
export const CALL_CONDITION = 0;
export const CALL_RESULT = 1;
export const CALL_AUX = 2;
export const CALL_MULTIPLY_HIGH = 3;
export const CALL_REACH = 4;
export const CALL_STEP = 5;

export class FunctionWriter {
  readonly code = new CodeBuffer();
  readonly values: ValueWriter;
  knowledge: Knowledge = { flags: FLAGS_UNKNOWN, upperZero: 0, dirty: DIRTY_ALL };
  #types: number[] = [];
  readonly #registers = new Int32Array(16);
  #written = 0;
  #free: { i32: number[]; i64: number[] } = { i32: [], i64: [] };
  #lent: { i32: number[]; i64: number[] } = { i32: [], i64: [] };

  constructor() {
    this.values = new ValueWriter(this.code, (narrow) => this.temporary(narrow));
  }

  start(): void {
    this.code.clear();
    this.#types = [TYPE_I32, TYPE_I32, TYPE_I32, TYPE_I32, TYPE_I32, TYPE_I64, TYPE_I64, TYPE_I64, TYPE_I64];
    this.#registers.fill(-1);
    this.#free = { i32: [], i64: [] };
    this.#lent = { i32: [], i64: [] };
    this.#written = 0;
    this.knowledge = { flags: FLAGS_UNKNOWN, upperZero: 0, dirty: 0 };
  }

  /** Local of a general register. */
  register(number: number): number {
    const known = this.#registers[number] as number;
    if (known >= 0) return known;
    this.#types.push(TYPE_I64);
    return this.#registers[number] = this.#types.length - 1;
  }

  /** General registers that have a local. */
  registers(): { number: number; local: number }[] {
    return [...this.#registers].map((local, number) => ({ number, local })).filter(({ local }) => local >= 0);
  }

  /** Some instruction of the region has written the register. */
  isWritten(number: number): boolean {
    return (this.#written & (1 << number)) !== 0;
  }

  /** The types of all locals, in order. */
  get localTypes(): readonly number[] { return this.#types; }

  /** A local until the instruction's end. */
  temporary(narrow: boolean): number {
    const kind = narrow ? 'i32' : 'i64';
    let local = this.#free[kind].pop();
    if (local === undefined) {
      this.#types.push(narrow ? TYPE_I32 : TYPE_I64);
      local = this.#types.length - 1;
    }
    this.#lent[kind].push(local);
    return local;
  }

  /** The instruction is through: its temporaries are free again. */
  endInstruction(): void {
    for (const kind of ['i32', 'i64'] as const) {
      this.#free[kind].push(...this.#lent[kind]);
      this.#lent[kind].length = 0;
    }
  }

  get(local: number): void {
    this.code.byte(LOCAL_GET);
    this.code.unsigned(local);
  }

  set(local: number): void {
    this.code.byte(LOCAL_SET);
    this.code.unsigned(local);
  }

  /** Gives a general register a value. */
  setRegister(number: number, value: Value): void {
    this.setTo(this.register(number), value);
    this.knowledge.dirty |= 1 << number;
    this.#written |= 1 << number;
    if (value.bits <= 32) this.knowledge.upperZero |= 1 << number;
    else this.knowledge.upperZero &= ~(1 << number);
  }

  setTo(local: number, value: Value): void {
    this.values.wide(value);
    this.set(local);
  }

  /** A memory instruction's operands: alignment hint 0, which is always right, and the offset. */
  memory(opcode: number, offset: number): void {
    this.code.byte(opcode);
    this.code.byte(0);
    this.code.unsigned(offset);
  }
}
