/** The operands of SSE instructions in a region: XMM registers are locals; one in memory lies at LOCAL_HOST. */

import { OP_VECTOR, OP_VECTOR_LOAD, XMM, XMM_STRIDE, ZERO } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import { type FunctionWriter, LOCAL_HOST } from './function-writer.ts';
import {
  I32X4_EXTRACT_LANE, I32_LOAD, I32_WRAP, I64X2_EXTRACT_LANE, I64_LOAD, V128_LOAD, V128_LOAD32_ZERO, V128_LOAD64_ZERO,
} from './opcodes.ts';

export class VectorOperands {
  readonly #writer: FunctionWriter;
  readonly #processor: number;

  constructor(writer: FunctionWriter, processor: number) {
    this.#writer = writer;
    this.#processor = processor;
  }

  /** Pushes a field of the processor. */
  field(opcode: number, offset: number): void {
    this.#writer.code.constant32(0);
    this.#writer.memory(opcode, this.#processor + offset);
  }

  /** The local of an XMM register. */
  vector(offset: number): number {
    return this.#writer.vector((offset - XMM) / XMM_STRIDE);
  }

  /** Takes the stack's v128 into the destination. */
  setTarget({ target }: Decoded): void {
    this.#writer.setVector((target - XMM) / XMM_STRIDE);
  }

  pushTarget({ target }: Decoded): void {
    this.#writer.get(this.vector(target));
  }

  /** Pushes the source; what is short is zero-extended. */
  pushSource({ op, operand, bytes }: Decoded): void {
    if (op === OP_VECTOR) return this.#writer.get(this.vector(operand));
    this.#writer.get(LOCAL_HOST);
    this.#writer.memory(bytes === 4 ? V128_LOAD32_ZERO : bytes === 8 ? V128_LOAD64_ZERO : V128_LOAD, 0);
  }

  /** Pushes an i32 or i64 of the source. */
  pushPart({ op, operand }: Decoded, bytes: number, from: number): void {
    const { code } = this.#writer;
    if (op === OP_VECTOR_LOAD) {
      this.#writer.get(LOCAL_HOST);
      this.#writer.memory(bytes === 4 ? I32_LOAD : I64_LOAD, 0);
    } else if (operand < ZERO) {
      this.#writer.get(this.#writer.register(operand >> 3));
      if (bytes === 4) code.byte(I32_WRAP);
    } else {
      this.#writer.get(this.vector(operand));
      this.lane(bytes === 4 ? I32X4_EXTRACT_LANE : I64X2_EXTRACT_LANE, from / bytes);
    }
  }

  /** An instruction on one lane of the vector on the stack. */
  lane(opcode: number, lane: number): void {
    this.#writer.code.opcode(opcode);
    this.#writer.code.byte(lane);
  }
}
