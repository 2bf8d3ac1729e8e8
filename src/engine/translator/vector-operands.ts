/** The operands of SSE instructions in a region: XMM registers are locals; one in memory lies at LOCAL_HOST. */

import { OP_VECTOR, OP_VECTOR_LOAD, ZERO } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import { type FunctionWriter, LOCAL_HOST, registerAt } from './function-writer.ts';
import {
  I32X4_EXTRACT_LANE, I32_LOAD, I32_WRAP, I64X2_EXTRACT_LANE, I64_LOAD, V128_LOAD, V128_LOAD32_ZERO, V128_LOAD64_ZERO,
} from './opcodes.ts';

const LANE_BYTES = 16;

export class VectorOperands {
  readonly #writer: FunctionWriter;
  readonly #processor: number;
  #upper = 0;

  constructor(writer: FunctionWriter, processor: number) {
    this.#writer = writer;
    this.#processor = processor;
  }

  /** Pushes a field of the processor. */
  field(opcode: number, offset: number): void {
    this.#writer.code.loadFrom(this.#processor + offset, opcode);
  }

  /** What is pushed meanwhile is of the upper lane, whose registers lie in the processor's memory alone. */
  inUpperLane(write: () => void): void {
    this.#upper = LANE_BYTES;
    write();
    this.#upper = 0;
  }

  /** Pushes a register. */
  push(offset: number): void {
    if (this.#upper !== 0) return this.field(V128_LOAD, offset + LANE_BYTES);
    this.#writer.get(this.#writer.register(registerAt(offset)));
  }

  /** Takes the stack's v128 into the destination. */
  setTarget({ target }: Decoded): void {
    this.#writer.setVector(registerAt(target));
  }

  /** Pushes what the operation starts from; where that is nothing, whatever there is. */
  pushTarget(record: Decoded): void {
    if (record.first < ZERO) this.pushSource(record);
    else this.push(record.first);
  }

  /** Pushes the source; what is short is zero-extended. */
  pushSource({ op, operand, bytes }: Decoded): void {
    if (op === OP_VECTOR) return this.push(operand);
    this.#writer.get(LOCAL_HOST);
    this.#writer.memory(bytes === 4 ? V128_LOAD32_ZERO : bytes === 8 ? V128_LOAD64_ZERO : V128_LOAD, this.#upper);
  }

  /** Pushes an i32 or i64 of the source. */
  pushPart({ op, operand }: Decoded, bytes: number, from: number): void {
    if (op === OP_VECTOR_LOAD) {
      this.#writer.get(LOCAL_HOST);
      this.#writer.memory(bytes === 4 ? I32_LOAD : I64_LOAD, 0);
      return;
    }
    this.push(operand);
    if (operand >= ZERO) {
      this.lane(bytes === 4 ? I32X4_EXTRACT_LANE : I64X2_EXTRACT_LANE, from / bytes);
    } else if (bytes === 4) this.#writer.code.byte(I32_WRAP);
  }

  /** An instruction on one lane of the vector on the stack. */
  lane(opcode: number, lane: number): void {
    this.#writer.code.opcode(opcode);
    this.#writer.code.byte(lane);
  }
}
