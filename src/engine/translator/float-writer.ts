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

/** MXCSR without exception flags other than PE: nearest, all masked, PE set [core/float/sse-environment.ts]. */
const PLAIN = 0x1fa0;
const PLAIN_MASK = 0xffe0;
/** Where 32 and 64-bit integers end, as doubles. */
const INTEGER_ENDS = { narrow: [-2147483649, 2147483648], wide: [-(2 ** 63), 2 ** 63] } as const;

/**
 * An element's type: its instructions in WebAssembly, those of the integer of its bits among them, and integers in two
 * words: what masks the magnitude, 1, the magnitude less 1 from which on numbers are no denormals, the least magnitude
 * of a result that is certain to be right, and how many such there are.
 */
const DOUBLE = {
  wide: true, type: TYPE_F64, extract: F64X2_EXTRACT_LANE, replace: F64X2_REPLACE_LANE, equal: F64_EQ, less: F64_LT,
  bits: I64_REINTERPRET_F64, and: I64_AND, subtract: I64_SUB, below: I64_LT_U, notBelow: I64_GE_U,
  magnitude: [-1, 0x7fff_ffff], one: [1, 0], normal: [-1, 0x000f_ffff],
  settled: [0, 0x0020_0000], range: [0, 0x7fd0_0000],
} as const;
const SINGLE = {
  wide: false, type: TYPE_F32, extract: F32X4_EXTRACT_LANE, replace: F32X4_REPLACE_LANE, equal: F32_EQ, less: F32_LT,
  bits: I32_REINTERPRET_F32, and: I32_AND, subtract: I32_SUB, below: I32_LT_U, notBelow: I32_GE_U,
  magnitude: [0x7fff_ffff, 0], one: [1, 0], normal: [0x007f_ffff, 0],
  settled: [0x0100_0000, 0], range: [0x7e80_0000, 0],
} as const;
type Element = typeof DOUBLE | typeof SINGLE;
type Words = readonly [low: number, high: number];

function elementOf(double: boolean): Element {
  return double ? DOUBLE : SINGLE;
}

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
  #keepLowest({ type, extract }: Element): number {
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

  #constant({ wide }: Element, [low, high]: Words): void {
    if (wide) this.#writer.code.constant64(low, high);
    else this.#writer.code.constant32(low);
  }

  /** Pushes how an element's magnitude less `less` compares with `than`, both without a sign. */
  #pushComparison(element: Element, local: number, less: Words, than: Words, opcode: number): void {
    const { code } = this.#writer;
    this.#writer.get(local);
    code.byte(element.bits);
    this.#constant(element, element.magnitude);
    code.byte(element.and);
    this.#constant(element, less);
    code.byte(element.subtract);
    this.#constant(element, than);
    code.byte(opcode);
  }

  /** Pushes 1 when the element is denormal. */
  #pushDenormal(element: Element, local: number): void {
    this.#pushComparison(element, local, element.one, element.normal, element.below);
  }

  /** Pushes 1 when a result may have come by overflow, underflow or an invalid operation, or is zero. */
  #pushUnsettled(element: Element, local: number): void {
    this.#pushComparison(element, local, element.settled, element.range, element.notBelow);
  }

  scalar(record: Decoded, { opcode, double, unary }: VectorOperation & { kind: 'scalar' }): void {
    const { code } = this.#writer;
    const element = elementOf(double);
    this.#operands.pushSource(record);
    const source = this.#keepLowest(element);
    let target = source;
    if (!unary) {
      this.#operands.pushTarget(record);
      target = this.#keepLowest(element);
      this.#writer.get(target);
    }
    this.#writer.get(source);
    code.byte(opcode);
    const result = this.#writer.temporaryOf(element.type);
    this.#writer.set(result);
    this.#pushNotPlain();
    this.#pushUnsettled(element, result);
    code.byte(I32_OR);
    for (const operand of new Set([source, target])) {
      this.#pushDenormal(element, operand);
      code.byte(I32_OR);
    }
    this.#unless(record, () => this.#setLowest(record, result, element));
  }

  #setLowest(record: Decoded, local: number, { replace }: Element): void {
    this.#operands.pushTarget(record);
    this.#writer.get(local);
    this.#operands.lane(replace, 0);
    this.#operands.setTarget(record);
  }

  /** ZF, PF and CF, of ordinary numbers and infinities; as FLAGS_RESULT and FLAGS_AUX [core/flags.ts]. */
  order(record: Decoded, double: boolean): void {
    const { code } = this.#writer;
    const element = elementOf(double);
    const { equal, less } = element;
    this.#operands.pushSource(record);
    const source = this.#keepLowest(element);
    this.#operands.pushTarget(record);
    const target = this.#keepLowest(element);
    this.#pushDenormal(element, source);
    for (const operand of [source, target]) {
      this.#writer.get(operand);
      this.#writer.get(operand);
      code.byte(equal);
      code.byte(I32_EQZ);
      code.byte(I32_OR);
    }
    this.#pushDenormal(element, target);
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
    const set = (): void => this.#setLowest(record, result, DOUBLE);
    if (!wide) return set();
    this.#pushNotPlain();
    this.#unless(record, set);
  }

  toInteger(record: Decoded, wide: boolean): void {
    const { code } = this.#writer;
    this.#operands.pushSource(record);
    const source = this.#keepLowest(DOUBLE);
    const [least, most] = INTEGER_ENDS[wide ? 'wide' : 'narrow'];
    this.#pushNotPlain();
    this.#pushDenormal(DOUBLE, source);
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
