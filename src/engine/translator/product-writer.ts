/**
 * MUL and DIV of 32 and 64 bits in a region: their results are two registers, so they are no semantics of ../isa. The
 * core does a division whose quotient may not fit.
 */

import { RAX, RDX } from '../core/layout.ts';
import type { Size } from '../isa/semantics.ts';
import type { Decoded } from './decoded.ts';
import { type FlagsWriter, signExtend } from './flags-writer.ts';
import { CALL_MULTIPLY_HIGH, type FunctionWriter } from './function-writer.ts';
import type { MemoryWriter } from './memory-writer.ts';
import {
  I64_ADD, I64_AND, I64_DIV_U, I64_GE_U, I64_MUL, I64_NE, I64_OR, I64_SHL, I64_SHR_S, I64_SHR_U, I64_SUB,
} from './opcodes.ts';
import { binaryOf, callOf, comparison, not, smallConstant, type Value } from './value.ts';

const ZERO = smallConstant(0);

export class ProductWriter {
  readonly #writer: FunctionWriter;
  readonly #memory: MemoryWriter;
  readonly #flags: FlagsWriter;
  readonly #unless: (record: Decoded, quickly: () => void) => void;

  /** `unless`: the core does the instruction when the i32 on the stack is not 0, else `quickly`. */
  constructor({ writer, memory, flags, unless }: {
    writer: FunctionWriter; memory: MemoryWriter; flags: FlagsWriter;
    unless: (record: Decoded, quickly: () => void) => void;
  }) {
    this.#writer = writer;
    this.#memory = memory;
    this.#flags = flags;
    this.#unless = unless;
  }

  write(record: Decoded): void {
    const size = record.size as 32 | 64;
    const source = record.addressKind === 1
      ? this.#memory.readOperand(record, size)
      : this.#writer.keep(this.#memory.register(record.target, size));
    if (record.system === 'mul') this.#multiply(size, source);
    else this.#divide(record, size, source);
    this.#writer.endInstruction();
  }

  /** CF and OF tell that the upper half is not 0, and the lower half makes the others. */
  #multiply(size: Size, source: Value): void {
    const factor = this.#writer.keep(this.#memory.register(RAX, size));
    const product = this.#writer.keep(binaryOf(I64_MUL, factor, source));
    const upper = this.#writer.keep(size === 32 ? binaryOf(I64_SHR_U, product, smallConstant(32))
      : this.#upperProduct(factor, source));
    this.#memory.writeRegister(RAX, size, product);
    this.#memory.writeRegister(RDX, size, upper);
    const carry = binaryOf(I64_SHL, comparison(I64_NE, upper, ZERO), smallConstant(31));
    this.#flags.setRaw(signExtend(product, size), carry);
  }

  /** Of the unsigned product: the signed one, and each factor once more for the other's sign. */
  #upperProduct(a: Value, b: Value): Value {
    const signed = callOf(CALL_MULTIPLY_HIGH, a, b);
    const more = (sign: Value, value: Value): Value =>
      binaryOf(I64_AND, binaryOf(I64_SHR_S, sign, smallConstant(63)), value);
    return binaryOf(I64_ADD, signed, binaryOf(I64_ADD, more(a, b), more(b, a)));
  }

  #divide(record: Decoded, size: Size, divisor: Value): void {
    const upper = this.#memory.register(RDX, size);
    const lower = this.#memory.register(RAX, size);
    const dividend = this.#writer.keep(size === 64 ? lower
      : binaryOf(I64_OR, binaryOf(I64_SHL, upper, smallConstant(32)), lower));
    // A divisor that is not above the upper half: the quotient does not fit, or there is none.
    this.#writer.values.condition(size === 64
      ? binaryOf(I64_OR, comparison(I64_NE, upper, ZERO), not(comparison(I64_NE, divisor, ZERO)))
      : comparison(I64_GE_U, upper, divisor));
    this.#unless(record, () => {
      const quotient = this.#writer.keep(binaryOf(I64_DIV_U, dividend, divisor));
      const remainder = this.#writer.keep(binaryOf(I64_SUB, dividend, binaryOf(I64_MUL, quotient, divisor)));
      this.#memory.writeRegister(RAX, size, quotient);
      this.#memory.writeRegister(RDX, size, remainder);
    });
  }
}

