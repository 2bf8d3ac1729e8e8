/**
 * SSE's arithmetic on single numbers in a region: WebAssembly's where that can't differ from the processor's, as in
 * core/float, else the core does the instruction.
 */

import { MXCSR } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import type { FlagsWriter } from './flags-writer.ts';
import type { FunctionWriter } from './function-writer.ts';
import {
  F32X4_EXTRACT_LANE, F32X4_REPLACE_LANE, F32_EQ, F32_LT, F64X2_EXTRACT_LANE, F64X2_REPLACE_LANE,
  F64_CONVERT_I32_S, F64_CONVERT_I64_S, F64_EQ, F64_GT, F64_LT, I32_AND, I32_EQZ, I32_GE_U, I32_LOAD, I32_LT_U, I32_NE,
  I32_OR, I32_REINTERPRET_F32, I32_SUB, I32_TRUNC_F64_S, I64_AND, I64_GE_U, I64_LT_U, I64_OR, I64_REINTERPRET_F64,
  I64_SHL, I64_SUB, I64_TRUNC_F64_S, I64_XOR, TYPE_F32, TYPE_F64,
} from './opcodes.ts';
import { binaryOf, localOf, smallConstant, type Value } from './value.ts';
import type { VectorOperands } from './vector-operands.ts';
import type { VectorOperation } from './vector-operations.ts';

const MAGNITUDE = [-1, 0x7fff_ffff] as const;
/** MXCSR without exception flags other than PE: nearest, all masked, PE set [core/float/sse-environment.ts]. */
const PLAIN = 0x1fa0;
const PLAIN_MASK = 0xffe0;
/** Where 32 and 64-bit integers end, as doubles. */
const INTEGER_ENDS = { narrow: [-2147483649, 2147483648], wide: [-(2 ** 63), 2 ** 63] } as const;

/** How an element's type is spelled in WebAssembly. */
const DOUBLE = {
  type: TYPE_F64, extract: F64X2_EXTRACT_LANE, replace: F64X2_REPLACE_LANE, equal: F64_EQ, less: F64_LT,
} as const;
const SINGLE = {
  type: TYPE_F32, extract: F32X4_EXTRACT_LANE, replace: F32X4_REPLACE_LANE, equal: F32_EQ, less: F32_LT,
} as const;

export class FloatWriter {
  readonly #writer: FunctionWriter;
  readonly #operands: VectorOperands;
  readonly #flags: FlagsWriter;
  readonly #unless: (record: Decoded, quickly: () => void) => void;

  /** `unless`: the core does the instruction when the i32 on the stack is not 0, else `quickly`. */
  constructor({ writer, operands, flags, unless }: {
    writer: FunctionWriter; operands: VectorOperands; flags: FlagsWriter;
    unless: (record: Decoded, quickly: () => void) => void;
  }) {
    this.#writer = writer;
    this.#operands = operands;
    this.#flags = flags;
    this.#unless = unless;
  }

  /** Keeps the lowest element of the vector on the stack. */
  #keepLowest(double: boolean): number {
    const { type, extract } = double ? DOUBLE : SINGLE;
    const local = this.#writer.temporaryOf(type);
    this.#operands.lane(extract, 0);
    this.#writer.set(local);
    return local;
  }

  /** Pushes 1 when MXCSR asks for anything unusual or would come to show that a result is not exact. */
  #pushNotPlain(): void {
    const { code } = this.#writer;
    this.#operands.field(I32_LOAD, MXCSR);
    code.constant32(PLAIN_MASK);
    code.byte(I32_AND);
    code.constant32(PLAIN);
    code.byte(I32_NE);
  }

  /** Pushes an element's magnitude less `less`, as an integer of its bits. */
  #pushMagnitude(local: number, double: boolean, less: number): void {
    const { code } = this.#writer;
    this.#writer.get(local);
    if (double) {
      code.byte(I64_REINTERPRET_F64);
      code.constant64(...MAGNITUDE);
      code.byte(I64_AND);
      code.constant64(less === 1 ? 1 : 0, less === 1 ? 0 : less);
      code.byte(I64_SUB);
    } else {
      code.byte(I32_REINTERPRET_F32);
      code.constant32(0x7fff_ffff);
      code.byte(I32_AND);
      code.constant32(less);
      code.byte(I32_SUB);
    }
  }

  /** Pushes 1 when the element is denormal. */
  #pushDenormal(local: number, double: boolean): void {
    const { code } = this.#writer;
    this.#pushMagnitude(local, double, 1);
    if (double) code.constant64(-1, 0x000f_ffff);
    else code.constant32(0x007f_ffff);
    code.byte(double ? I64_LT_U : I32_LT_U);
  }

  /** Pushes 1 when a result may have come by overflow, underflow or an invalid operation, or is zero. */
  #pushUnsettled(local: number, double: boolean): void {
    const { code } = this.#writer;
    this.#pushMagnitude(local, double, double ? 0x0020_0000 : 0x0100_0000);
    if (double) code.constant64(0, 0x7fd0_0000);
    else code.constant32(0x7e80_0000);
    code.byte(double ? I64_GE_U : I32_GE_U);
  }

  scalar(record: Decoded, { opcode, double, unary }: VectorOperation & { kind: 'scalar' }): void {
    const { code } = this.#writer;
    this.#operands.pushSource(record);
    const source = this.#keepLowest(double);
    let target = source;
    if (!unary) {
      this.#operands.pushTarget(record);
      target = this.#keepLowest(double);
      this.#writer.get(target);
    }
    this.#writer.get(source);
    code.byte(opcode);
    const result = this.#writer.temporaryOf(double ? TYPE_F64 : TYPE_F32);
    this.#writer.set(result);
    this.#pushNotPlain();
    this.#pushUnsettled(result, double);
    code.byte(I32_OR);
    for (const operand of new Set([source, target])) {
      this.#pushDenormal(operand, double);
      code.byte(I32_OR);
    }
    this.#unless(record, () => this.#setLowest(record, result, double));
  }

  #setLowest(record: Decoded, local: number, double: boolean): void {
    this.#operands.pushTarget(record);
    this.#writer.get(local);
    this.#operands.lane(double ? F64X2_REPLACE_LANE : F32X4_REPLACE_LANE, 0);
    this.#operands.setTarget(record);
  }

  /** ZF, PF and CF, of ordinary numbers and infinities; as FLAGS_RESULT and FLAGS_AUX [core/flags.ts]. */
  order(record: Decoded, double: boolean): void {
    const { code } = this.#writer;
    const { equal, less } = double ? DOUBLE : SINGLE;
    this.#operands.pushSource(record);
    const source = this.#keepLowest(double);
    this.#operands.pushTarget(record);
    const target = this.#keepLowest(double);
    this.#pushDenormal(source, double);
    for (const operand of [source, target]) {
      this.#writer.get(operand);
      this.#writer.get(operand);
      code.byte(equal);
      code.byte(I32_EQZ);
      code.byte(I32_OR);
    }
    this.#pushDenormal(target, double);
    code.byte(I32_OR);
    const compare = (opcode: number): Value => {
      const local = this.#writer.temporary(true);
      this.#writer.get(target);
      this.#writer.get(source);
      code.byte(opcode);
      this.#writer.set(local);
      return localOf(local, 1, true);
    };
    this.#unless(record, () => {
      const zero = compare(equal);
      const carry = compare(less);
      const carries = binaryOf(I64_OR, binaryOf(I64_SHL, carry, smallConstant(31)),
        binaryOf(I64_SHL, carry, smallConstant(30)));
      this.#flags.setRaw(binaryOf(I64_XOR, zero, smallConstant(1)),
        binaryOf(I64_OR, carries, binaryOf(I64_SHL, zero, smallConstant(8))));
    });
  }

  fromInteger(record: Decoded, wide: boolean): void {
    const { code } = this.#writer;
    const result = this.#writer.temporaryOf(TYPE_F64);
    this.#operands.pushPart(record, wide ? 8 : 4, 0);
    code.byte(wide ? F64_CONVERT_I64_S : F64_CONVERT_I32_S);
    this.#writer.set(result);
    const set = (): void => this.#setLowest(record, result, true);
    if (!wide) return set();
    this.#pushNotPlain();
    this.#unless(record, set);
  }

  toInteger(record: Decoded, wide: boolean): void {
    const { code } = this.#writer;
    this.#operands.pushSource(record);
    const source = this.#keepLowest(true);
    const [least, most] = INTEGER_ENDS[wide ? 'wide' : 'narrow'];
    this.#pushNotPlain();
    this.#pushDenormal(source, true);
    code.byte(I32_OR);
    for (const [end, opcode] of [[least, F64_GT], [most, F64_LT]] as const) {
      this.#writer.get(source);
      code.float64(end);
      code.byte(opcode);
      code.byte(I32_EQZ);
      code.byte(I32_OR);
    }
    this.#unless(record, () => {
      const local = this.#writer.temporary(!wide);
      this.#writer.get(source);
      code.byte(wide ? I64_TRUNC_F64_S : I32_TRUNC_F64_S);
      this.#writer.set(local);
      this.#writer.setRegister(record.target >> 3, localOf(local, wide ? 64 : 32, !wide));
    });
  }
}
