/**
 * What the parts of a region's translation share: the code written so far, its locals, and what is known of the guest's
 * registers and flags at this point of it.
 */

import { GPR, XMM, XMM_STRIDE, ZERO } from '../core/layout.ts';
import { CodeBuffer } from './code-buffer.ts';
import { type CoreCall, coreCallNumber } from './core-calls.ts';
import {
  CALL, I64_ADD, I64_SUB, IF, LOCAL_GET, LOCAL_SET, NO_RESULT, TYPE_I32, TYPE_I64, TYPE_V128,
} from './opcodes.ts';
import { type Pointer, Origins, Pointers } from './pointers.ts';
import { localOf, small, type Value, ValueWriter } from './value.ts';

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
  /** Registers that may differ from the processor's memory, as a mask. */
  dirty: number;
  /** The flags may. */
  dirtyFlags: boolean;
  /** Which vector instructions the system has enabled: SSE 1, AVX 2, both 3. */
  vectors: number;
  /** Where registers point to. */
  pointers: Pointers;
  /** Pages of code that are what they were, as blocks name them. */
  pages: readonly number[];
}

// Registers of the processor that have locals, by number: general ones in encoding order, then XMM ones.
export const FIRST_VECTOR = 16;
const REGISTERS = 32;

/** A register of the processor and its local. */
export interface RegisterLocal {
  readonly number: number;
  readonly local: number;
}

/** Number of the register at an offset of the processor; -1: none that has a local. */
export function registerAt(offset: number): number {
  if (offset < ZERO) return offset >> 3;
  const vector = (offset - XMM) / XMM_STRIDE;
  return vector >= 0 && vector < REGISTERS - FIRST_VECTOR ? FIRST_VECTOR + Math.floor(vector) : -1;
}

export function offsetOf(number: number): number {
  return number < FIRST_VECTOR ? GPR + number * 8 : XMM + (number - FIRST_VECTOR) * XMM_STRIDE;
}

/** Where anything may have come before. */
export function nothingKnown(): Knowledge {
  return {
    flags: FLAGS_UNKNOWN, upperZero: 0, dirty: -1, dirtyFlags: true, vectors: 0, pointers: new Pointers(), pages: [],
  };
}

export function copyOf(knowledge: Knowledge): Knowledge {
  return { ...knowledge, pointers: new Pointers(knowledge.pointers) };
}

/** What holds on both ways to a point. */
export function meet(a: Knowledge | undefined, b: Knowledge): Knowledge {
  if (a === undefined) return copyOf(b);
  return {
    flags: a.flags === b.flags ? a.flags : FLAGS_UNKNOWN, upperZero: a.upperZero & b.upperZero,
    dirty: a.dirty | b.dirty, dirtyFlags: a.dirtyFlags || b.dirtyFlags, vectors: a.vectors & b.vectors,
    pointers: a.pointers.meet(b.pointers), pages: a.pages.filter((page) => b.pages.includes(page)),
  };
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
export const CALL_HOLDS = 6;
/** The first of core-calls.ts. */
export const CALL_FIRST_VECTOR = 7;

export class FunctionWriter {
  readonly code = new CodeBuffer();
  /** Where in `code` the branches lie that are hardly ever taken. */
  readonly unlikely: number[] = [];
  /** Some instruction calls a function of core-calls.ts. */
  callsCore = false;
  readonly values: ValueWriter;
  knowledge = nothingKnown();
  #types: number[] = [];
  readonly #registers = new Array<number>(REGISTERS).fill(-1);
  /** Of general registers: by their locals. */
  readonly #numbers = new Map<number, number>();
  readonly origins = new Origins();
  /** Locals of windows, and how many of them are in use. */
  readonly #windowLocals: number[] = [];
  windows = 0;
  #written = 0;
  /** Temporary locals that nobody uses, and those that the instruction does, by type. */
  readonly #free = new Map<number, number[]>();
  readonly #lent: number[] = [];

  constructor() {
    this.values = new ValueWriter(this.code, (narrow) => this.temporary(narrow));
  }

  start(): void {
    this.code.clear();
    this.unlikely.length = 0;
    this.callsCore = false;
    this.#types = [TYPE_I32, TYPE_I32, TYPE_I32, TYPE_I32, TYPE_I32, TYPE_I64, TYPE_I64, TYPE_I64, TYPE_I64];
    this.#registers.fill(-1);
    this.#numbers.clear();
    this.origins.clear();
    this.#windowLocals.length = 0;
    this.windows = 0;
    this.#free.clear();
    this.#lent.length = 0;
    this.#written = 0;
    this.knowledge = { ...nothingKnown(), dirty: 0, dirtyFlags: false, pages: [0] };
  }

  /** Local of a register. */
  register(number: number): number {
    const known = this.#registers[number] as number;
    if (known >= 0) return known;
    this.#types.push(number < FIRST_VECTOR ? TYPE_I64 : TYPE_V128);
    const local = this.#types.length - 1;
    if (number < FIRST_VECTOR) this.#numbers.set(local, number);
    return this.#registers[number] = local;
  }

  /** Registers that have a local. */
  registers(): RegisterLocal[] {
    const registers: RegisterLocal[] = [];
    for (let number = 0; number < REGISTERS; number++) {
      const local = this.#registers[number] as number;
      if (local >= 0) registers.push({ number, local });
    }
    return registers;
  }

  /** Some instruction of the region has written the register. */
  isWritten(number: number): boolean {
    return (this.#written & (1 << number)) !== 0;
  }

  /** The types of all locals, in order. */
  get localTypes(): readonly number[] { return this.#types; }

  /** Gives an XMM register the v128 on the stack. */
  setVector(number: number): void {
    this.set(this.register(number));
    this.#noteWritten(number);
  }

  #noteWritten(number: number): void {
    this.knowledge.dirty |= 1 << number;
    this.#written |= 1 << number;
  }

  /** A local for an i32 or i64 until the instruction's end. */
  temporary(narrow: boolean): number {
    return this.temporaryOf(narrow ? TYPE_I32 : TYPE_I64);
  }

  /** A local until the instruction's end. */
  temporaryOf(type: number): number {
    let local = this.#free.get(type)?.pop();
    if (local === undefined) {
      this.#types.push(type);
      local = this.#types.length - 1;
    }
    this.#lent.push(local);
    return local;
  }

  /** A local for the host address of a window. */
  windowLocal(): number {
    if (this.windows === this.#windowLocals.length) {
      this.#types.push(TYPE_I32);
      this.#windowLocals.push(this.#types.length - 1);
    }
    return this.#windowLocals[this.windows++] as number;
  }

  /** The instruction is through: its temporaries are free again. */
  endInstruction(): void {
    for (const local of this.#lent) {
      const type = this.#types[local] as number;
      const free = this.#free.get(type);
      if (free) free.push(local);
      else this.#free.set(type, [local]);
    }
    this.#lent.length = 0;
  }

  /** Opens a block that hardly ever runs, for when the i32 on the stack is not 0. */
  ifUnlikely(): void {
    this.unlikely.push(this.code.length);
    this.code.byte(IF);
    this.code.byte(NO_RESULT);
  }

  /** Calls a function of core-calls.ts with what lies on the stack. */
  callCore(name: CoreCall): void {
    this.code.byte(CALL);
    this.code.unsigned(CALL_FIRST_VECTOR + coreCallNumber(name));
    this.callsCore = true;
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
    const pointer = this.#pointerOf(value);
    this.setTo(this.register(number), value);
    this.#noteWritten(number);
    this.knowledge.pointers.setRegister(number, pointer);
    if (value.bits <= 32) this.knowledge.upperZero |= 1 << number;
    else this.knowledge.upperZero &= ~(1 << number);
  }

  /** Where a value points to when it is a register's, or that moved by a constant. */
  #pointerOf(value: Value): Pointer | undefined {
    if (value.kind === 'local') {
      const number = this.#numbers.get(value.local);
      return number === undefined ? undefined : this.knowledge.pointers.register(number, this.origins);
    }
    if (value.kind !== 'binary' || value.a.kind !== 'local') return undefined;
    const { opcode, a, b } = value;
    const by = opcode === I64_ADD || opcode === I64_SUB ? small(b) : undefined;
    const pointer = by === undefined ? undefined : this.#pointerOf(a);
    if (pointer === undefined || by === undefined) return undefined;
    return { origin: pointer.origin, delta: pointer.delta + (opcode === I64_ADD ? by : -by) };
  }

  /** A value in a local of its own, until the instruction's end. */
  keep(value: Value): Value {
    const local = this.temporary(false);
    this.setTo(local, value);
    return localOf(local, value.bits);
  }

  setTo(local: number, value: Value): void {
    this.values.wide(value);
    this.set(local);
  }

  memory(opcode: number, offset: number): void {
    this.code.memory(opcode, offset);
  }
}
