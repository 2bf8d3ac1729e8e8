/** Pages of code in a region: each holds while it is where it was, and its code what it was. */

import { CODE_BASE, CODE_PHYSICAL, OP, OP_ENTER, PAGE_NUMBER, TAG_EXECUTE } from '../core/layout.ts';
import { type FunctionWriter, LOCAL_CODE_BASE, LOCAL_ENTRY } from './function-writer.ts';
import type { InstructionWriter } from './instruction-writer.ts';
import { I32_LOAD, I32_LOAD16_U, I32_NE, I32_OR, I64_LOAD, I64_NE, I64_STORE } from './opcodes.ts';
import { constantOf, localOf } from './value.ts';

export class PageWriter {
  readonly #writer: FunctionWriter;
  readonly #instructions: InstructionWriter;
  readonly #processor: number;

  constructor(writer: FunctionWriter, instructions: InstructionWriter, processor: number) {
    this.#writer = writer;
    this.#instructions = instructions;
    this.#processor = processor;
  }

  /**
   * Leaves an i32 on the stack that is not 0 when the page at a distance from the one that runs is not that of this
   * guest-physical number, or the block that the record opened there has changed. Returns the local of its address.
   */
  differs(number: number, distance: number, opening: number): number {
    const { code } = this.#writer;
    const base = this.#writer.temporary(false);
    this.#writer.setTo(base, this.#instructions.pointer(distance));
    this.#instructions.memory.findEntry(localOf(base));
    this.#writer.memory(I64_LOAD, TAG_EXECUTE);
    this.#writer.get(base);
    code.byte(I64_NE);
    this.#writer.get(LOCAL_ENTRY);
    this.#writer.memory(I32_LOAD, PAGE_NUMBER);
    code.constant32(number);
    code.byte(I32_NE);
    code.byte(I32_OR);
    code.loadFrom(opening + OP, I32_LOAD16_U);
    code.constant32(OP_ENTER);
    code.byte(I32_NE);
    code.byte(I32_OR);
    return base;
  }

  /** It is the one that runs from now on. */
  enter(number: number, base: number): void {
    const { code } = this.#writer;
    this.#writer.setTo(LOCAL_CODE_BASE, localOf(base));
    code.constant32(0);
    this.#writer.get(base);
    this.#writer.memory(I64_STORE, this.#processor + CODE_BASE);
    code.constant32(0);
    this.#writer.values.wide(constantOf(number << 12, number >>> 20));
    this.#writer.memory(I64_STORE, this.#processor + CODE_PHYSICAL);
  }
}
