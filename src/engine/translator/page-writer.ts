/** Pages of code in a region: each holds while it is where it was, and its code what it was. */

import { CODE_BASE, CODE_PHYSICAL, ENTER_PAGE, ENTER_TAG, JUMP_TAG } from '../core/layout.ts';
import { CALL_HOLDS, type FunctionWriter, LOCAL_CODE_BASE } from './function-writer.ts';
import type { InstructionWriter } from './instruction-writer.ts';
import { CALL, I32_EQZ, I64_LOAD, I64_LOAD32_U, I64_NE, I64_OR, I64_STORE, I64_XOR } from './opcodes.ts';
import { constantOf, localOf } from './value.ts';

/** Another page of code. */
export interface CodePage {
  /** As blocks name it. */
  readonly place: number;
  /** Guest-physical. */
  readonly number: number;
  /** From the page that runs. */
  readonly distance: number;
  /** The record that opens a block of it. */
  readonly opening: number;
}

export class PageWriter {
  readonly #writer: FunctionWriter;
  readonly #instructions: InstructionWriter;
  readonly #processor: number;
  readonly #ifUnlikely: (body: () => void) => void;

  /** `ifUnlikely` has code written for when the i32 on the stack is not 0, which it hardly ever is. */
  constructor({ writer, instructions, processor, ifUnlikely }: {
    writer: FunctionWriter; instructions: InstructionWriter; processor: number;
    ifUnlikely: (body: () => void) => void;
  }) {
    this.#writer = writer;
    this.#instructions = instructions;
    this.#processor = processor;
    this.#ifUnlikely = ifUnlikely;
  }

  /**
   * Has `leave` written for when the page is not there any more, or the block, and with it all others that the region
   * has of the page; unless that is known already. Returns the local of its address.
   */
  hold({ place, number, distance, opening }: CodePage, leave: () => void): number {
    const { code, knowledge } = this.#writer;
    const base = this.#writer.temporary(false);
    this.#writer.setTo(base, this.#instructions.pointer(distance));
    if (knowledge.pages.includes(place)) return base;
    knowledge.pages = [...knowledge.pages, place];
    code.loadFrom(opening + ENTER_PAGE, I64_LOAD);
    this.#writer.get(base);
    code.byte(I64_XOR);
    code.loadFrom(opening + ENTER_TAG, I64_LOAD32_U);
    code.loadFrom(this.#processor + JUMP_TAG, I64_LOAD32_U);
    code.byte(I64_XOR);
    code.byte(I64_OR);
    code.constant64(0, 0);
    code.byte(I64_NE);
    this.#ifUnlikely(() => {
      code.constant32(opening);
      this.#writer.get(base);
      code.constant32(number);
      code.byte(CALL);
      code.unsigned(CALL_HOLDS);
      code.byte(I32_EQZ);
      this.#ifUnlikely(leave);
    });
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
