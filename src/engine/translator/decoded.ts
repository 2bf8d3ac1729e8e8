/** Decoded instructions as the translator reads them: records of core/layout.ts, and which operation they are. */

import type { Instruction } from '../isa/instruction.ts';
import { BRANCH_FAR_DELTA, isDirectBranch } from '../isa/interpreter-text.ts';
import { systemHandlers, vectorCase, vectorHandlers } from '../isa/handlers.ts';
import { integerOperations } from '../isa/operations.ts';
import { INSTRUCTION_ROWS } from '../isa/rows.ts';
import type { Size } from '../isa/semantics.ts';
import {
  ADDRESS, BASE_REGISTER, BYTES, COUNT, DISPLACEMENT, FORM, FORM_ADDRESS_SHIFT, FORM_ALIGNED, HANDLER, IMMEDIATE,
  INDEX_REGISTER, LENGTH, OFFSET, OP, OP_SYSTEM, OP_VECTOR, OP_VECTOR_LOAD, OP_VECTOR_STORE, OPERAND, SCALE,
  SEGMENT_BASE, TARGET, THIRD,
} from '../core/layout.ts';
import { VECTOR_OPERATIONS, type VectorOperation } from './vector-operations.ts';

/** An integer operation of the interpreter. */
export interface Operation {
  /** The semantic, or what the interpreter calls it: `ADD`, `JZ`, `PUSH` … */
  readonly family: string;
  /** Where the operands are: `rr`, `rm`, `mi` … */
  readonly form: string;
  readonly size: Size;
  /** A direct branch whose target lies in another page. */
  readonly far: boolean;
}

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
  const comparing = INSTRUCTION_ROWS.filter(({ name }) => /^(U?COMIS[SD]|PTEST|PCMP[EI]STR[IM])$/.test(name));
  const vectors = new Map<number, VectorOperation>();
  for (const row of INSTRUCTION_ROWS) {
    const operation = row.class === 'sse' ? VECTOR_OPERATIONS[row.op] : undefined;
    if (operation && !/[PQN]/.test(row.operands)) vectors.set(handlerOf(row), operation);
  }
  return {
    integer: integerTable(), systems: systemHandlers(INSTRUCTION_ROWS),
    comparing: new Set(comparing.map(handlerOf)), vectors,
  };
}

function integerTable(): readonly (Operation | undefined)[] {
  const table: (Operation | undefined)[] = [];
  for (const { family, form, size, number } of integerOperations().numbers.all()) {
    if (!isDirectBranch(family)) table[number] = { family, form, size, far: false };
    else {
      if (size !== 16) table[number] = { family, form, size, far: false };
      table[number + BRANCH_FAR_DELTA] = { family, form, size, far: true };
    }
  }
  return table;
}

/** One record. */
export class Decoded {
  readonly #view: DataView;
  /** Its address. */
  readonly at: number;
  /** Undefined: not one of the integer operations. */
  readonly operation: Operation | undefined;
  readonly op: number;
  /** Of a system instruction: its handler. */
  readonly system: string | undefined;
  /** Of a vector instruction: what regions do for it. */
  readonly vector: VectorOperation | undefined;
  /** Of a vector instruction: it sets arithmetic flags. */
  readonly comparesVectors: boolean;
  readonly offset: number;
  readonly length: number;
  readonly count: number;
  /** Its page's linear address, from the page that the region is entered in. */
  readonly page: number;

  constructor(view: DataView, at: number, page: number, operations: Operations) {
    this.#view = view;
    this.at = at;
    this.page = page;
    this.op = view.getUint16(at + OP, true);
    this.operation = operations.integer[this.op];
    this.system = this.op === OP_SYSTEM ? operations.systems[view.getUint16(at + HANDLER, true)] : undefined;
    const isVector = this.op === OP_VECTOR || this.op === OP_VECTOR_LOAD || this.op === OP_VECTOR_STORE;
    this.vector = isVector ? operations.vectors.get(view.getUint16(at + HANDLER, true)) : undefined;
    this.comparesVectors = operations.comparing.has(view.getUint16(at + HANDLER, true));
    this.offset = view.getUint16(at + OFFSET, true);
    this.length = view.getUint8(at + LENGTH);
    this.count = view.getUint8(at + COUNT);
  }

  /** Its own linear address, from the page that the region is entered in. */
  get place(): number { return this.page + this.offset; }

  get addressKind(): number { return this.#view.getUint8(this.at + ADDRESS); }
  /** Operand size in bits. */
  get size(): number { return 8 << (this.#view.getUint8(this.at + FORM) & 3); }
  /** Of a vector instruction: how many bytes its operand in memory has. */
  get bytes(): number { return this.#view.getUint16(this.at + BYTES, true); }
  /** They must be aligned to 16. */
  get isAligned(): boolean { return (this.#view.getUint8(this.at + FORM) & FORM_ALIGNED) !== 0; }
  get addressSize(): number { return (this.#view.getUint8(this.at + FORM) >> FORM_ADDRESS_SHIFT) & 3; }
  get target(): number { return this.#view.getUint16(this.at + TARGET, true); }
  get operand(): number { return this.#view.getUint16(this.at + OPERAND, true); }
  /** The register that VEX.vvvv names, of an instruction that reads it. */
  get third(): number { return this.#view.getUint16(this.at + THIRD, true); }
  get base(): number { return this.#view.getUint16(this.at + BASE_REGISTER, true); }
  get index(): number { return this.#view.getUint16(this.at + INDEX_REGISTER, true); }
  get scale(): number { return this.#view.getUint8(this.at + SCALE); }
  get segmentBase(): number { return this.#view.getUint16(this.at + SEGMENT_BASE, true); }
  get displacement(): number { return this.#view.getInt32(this.at + DISPLACEMENT, true); }
  get immediateLow(): number { return this.#view.getInt32(this.at + IMMEDIATE, true); }
  get immediateHigh(): number { return this.#view.getInt32(this.at + IMMEDIATE + 4, true); }
}
