/** Decoded instructions as the translator reads them: records of core/layout.ts, and which operation they are. */

import type { Instruction } from '../isa/instruction.ts';
import { systemHandlers, vectorCase, vectorHandlers } from '../isa/handlers.ts';
import { INSTRUCTION_ROWS } from '../isa/rows.ts';
import {
  ADDRESS, BASE_REGISTER, BYTES, COUNT, DISPLACEMENT, FORM, FORM_ADDRESS_SHIFT, FORM_ALIGNED, HANDLER, IMMEDIATE,
  INDEX_REGISTER, LENGTH, OFFSET, OP, OP_SYSTEM, OP_SYSTEM_END, OP_VECTOR, OP_VECTOR_LOAD, OP_VECTOR_STORE, OP_WIDE,
  OP_WIDE_LOAD, OP_WIDE_STORE, OPERAND, SCALE, SEGMENT_BASE, SHAPE_GENERAL, SHAPE_LANES, SHAPE_SOURCE_FIRST,
  SHAPE_WHOLE, TARGET, THIRD, WIDE, WIDE_LENGTH, WIDE_SHAPE, WIDE_SHAPE_MASK,
} from '../core/layout.ts';
import { type Operation, operationTable } from './operation.ts';
import { VECTOR_OPERATIONS, type VectorOperation, ZERO_UPPER } from './vector-operations.ts';

/** What the numbers in records mean. */
export interface Operations {
  readonly integer: readonly (Operation | undefined)[];
  /** Handlers of vector instructions that set arithmetic flags, and maybe a general register. */
  readonly comparing: ReadonlySet<number>;
  /** Handlers of system instructions, by number. */
  readonly systems: readonly string[];
  /** What regions do for a handler of a vector instruction. */
  readonly vectors: ReadonlyMap<number, VectorOperation>;
}

export function operationsByNumber(): Operations {
  const handlers = new Map(vectorHandlers(INSTRUCTION_ROWS).map((body, number) => [body, number]));
  const handlerOf = (row: Instruction): number => handlers.get(vectorCase(row)) as number;
  const comparing = INSTRUCTION_ROWS
    .filter(({ name }) => /^V?(U?COMIS[SD]|PTEST|TESTP[SD]|PCMP[EI]STR[IM])$/.test(name));
  const vectors = new Map<number, VectorOperation>();
  for (const row of INSTRUCTION_ROWS) {
    const operation = row.class === 'sse' || row.class === 'avx' ? VECTOR_OPERATIONS[row.op] : undefined;
    if (operation && !/[PQN]/.test(row.operands)) vectors.set(handlerOf(row), operation);
  }
  return {
    integer: operationTable(), systems: systemHandlers(INSTRUCTION_ROWS),
    comparing: new Set(comparing.map(handlerOf)), vectors,
  };
}

/** The engine's memory, as records are read. They are aligned. */
export class RecordMemory {
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Int32Array;
  readonly operations: Operations;

  constructor(buffer: ArrayBufferLike, operations: Operations) {
    this.bytes = new Uint8Array(buffer);
    this.halves = new Uint16Array(buffer);
    this.words = new Int32Array(buffer);
    this.operations = operations;
  }
}

/** Whether regions do an instruction with a VEX prefix of a shape, when they do the operation of a lane. */
function isWritten(operation: VectorOperation, wide: number): boolean {
  const shape = (wide >> WIDE_SHAPE) & WIDE_SHAPE_MASK;
  const isLong = (wide & WIDE_LENGTH) === 2;
  switch (operation.kind) {
    case 'splat': return shape === SHAPE_WHOLE;
    case 'order': return shape === SHAPE_GENERAL;
    case 'shift': return shape === SHAPE_SOURCE_FIRST;
    case 'shuffle': return shape === SHAPE_LANES || shape === SHAPE_SOURCE_FIRST;
    case 'binary': case 'unary': case 'choose': case 'whole': case 'mask': return shape === SHAPE_LANES;
    default: return shape === SHAPE_LANES && !isLong;
  }
}

/** One record. */
export class Decoded {
  readonly #memory: RecordMemory;
  readonly #from: number;
  /** Its address. */
  readonly at: number;
  /** Undefined: not one of the integer operations. */
  readonly operation: Operation | undefined;
  readonly op: number;
  /** Of a system instruction: its handler. One that ends a block has it, too. */
  readonly system: string | undefined;
  /** The core has a handler for it, after which a region goes on. */
  readonly hasHandler: boolean;
  readonly addressKind: number;
  /** Of a vector instruction: what regions do for it; undefined: the core does it. */
  readonly vector: VectorOperation | undefined;
  /** Of an instruction with a VEX prefix: as core/layout.ts's WIDE, else 0. */
  readonly wide: number;
  /** Of a vector instruction: it sets arithmetic flags. */
  readonly comparesVectors: boolean;
  readonly offset: number;
  readonly length: number;
  readonly count: number;
  /** Its page's linear address, from the page that the region is entered in. */
  readonly page: number;

  /** Of one that reaches into the next page: the opening record of a block there, which holds while its bytes do. */
  readonly nextOpening: number;
  /** The arithmetic flags that it sets may be looked at. */
  areFlagsLive = true;

  /** `at` is the address of the interpreter's record, `from` where the instruction is described. */
  constructor(memory: RecordMemory, at: number, page: number, from = at, nextOpening = 0) {
    const { halves, bytes, operations } = memory;
    const op = halves[(from + OP) >>> 1] as number;
    this.#memory = memory;
    this.#from = from;
    this.nextOpening = nextOpening;
    this.at = at;
    this.page = page;
    const isWide = op === OP_WIDE || op === OP_WIDE_LOAD || op === OP_WIDE_STORE;
    // Where operands lie is what it is without the prefix.
    this.op = isWide ? op - OP_WIDE + OP_VECTOR : op;
    this.operation = operations.integer[op];
    this.wide = isWide ? bytes[from + WIDE] as number : 0;
    this.hasHandler = isWide || op === OP_SYSTEM || op === OP_VECTOR || op === OP_VECTOR_LOAD || op === OP_VECTOR_STORE;
    const isSystem = op === OP_SYSTEM || op === OP_SYSTEM_END;
    const handler = this.hasHandler || isSystem ? halves[(from + HANDLER) >>> 1] as number : 0;
    this.system = isSystem ? operations.systems[handler] : undefined;
    this.addressKind = bytes[from + ADDRESS] as number;
    const isVector = this.hasHandler && op !== OP_SYSTEM;
    const found = isVector ? operations.vectors.get(handler)
      : this.system === 'vzeroupper' ? ZERO_UPPER : undefined;
    const vector = found && isWide && !isWritten(found, this.wide) ? undefined : found;
    this.vector = this.addressKind <= 1 ? vector : undefined;
    this.comparesVectors = isVector && operations.comparing.has(handler);
    this.offset = halves[(from + OFFSET) >>> 1] as number;
    this.length = bytes[from + LENGTH] as number;
    this.count = bytes[from + COUNT] as number;
  }

  /** Its own linear address, from the page that the region is entered in. */
  get place(): number { return this.page + this.offset; }

  /** Operand size in bits. */
  get size(): number { return 8 << ((this.#memory.bytes[this.#from + FORM] as number) & 3); }
  /** MUL and DIV of 32 and 64 bits, which regions do though the core has a handler for them. */
  get isProduct(): boolean {
    return this.op === OP_SYSTEM && (this.system === 'mul' || this.system === 'div') && this.size >= 32
      && this.addressKind <= 1;
  }
  /** One that the core does for a region, which does some of them itself. */
  get isStep(): boolean { return this.hasHandler && this.vector === undefined && !this.isProduct; }
  /** Of a vector instruction: how many bytes its operand in memory has. */
  get bytes(): number { return this.#memory.halves[(this.#from + BYTES) >>> 1] as number; }
  /** Vectors are of 256 bits. */
  get isLong(): boolean { return (this.wide & WIDE_LENGTH) === 2; }
  /** What a vector instruction starts from: with a VEX prefix that is not the destination. */
  get first(): number {
    if (this.wide === 0) return this.target;
    const shape = (this.wide >> WIDE_SHAPE) & WIDE_SHAPE_MASK;
    if (shape === SHAPE_GENERAL) return this.target;
    return shape === SHAPE_SOURCE_FIRST ? this.operand : this.third;
  }
  /** They must be aligned to 16, or to as many as there are. */
  get isAligned(): boolean { return ((this.#memory.bytes[this.at + FORM] as number) & FORM_ALIGNED) !== 0; }
  get addressSize(): number { return ((this.#memory.bytes[this.at + FORM] as number) >> FORM_ADDRESS_SHIFT) & 3; }
  get target(): number { return this.#memory.halves[(this.#from + TARGET) >>> 1] as number; }
  get operand(): number { return this.#memory.halves[(this.#from + OPERAND) >>> 1] as number; }
  /** The register that VEX.vvvv names, of an instruction that reads it. */
  get third(): number { return this.#memory.halves[(this.#from + THIRD) >>> 1] as number; }
  get base(): number { return this.#memory.halves[(this.#from + BASE_REGISTER) >>> 1] as number; }
  get index(): number { return this.#memory.halves[(this.#from + INDEX_REGISTER) >>> 1] as number; }
  get scale(): number { return this.#memory.bytes[this.#from + SCALE] as number; }
  get segmentBase(): number { return this.#memory.halves[(this.#from + SEGMENT_BASE) >>> 1] as number; }
  get displacement(): number { return this.#memory.words[(this.#from + DISPLACEMENT) >>> 2] as number; }
  get immediateLow(): number { return this.#memory.words[(this.#from + IMMEDIATE) >>> 2] as number; }
  get immediateHigh(): number { return this.#memory.words[(this.#from + IMMEDIATE + 4) >>> 2] as number; }
}
