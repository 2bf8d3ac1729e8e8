/**
 * The guest's arithmetic flags in a region. What made them is kept in three locals, in the kinds of core/lazy-flags.ts;
 * conditions are compared from these when the kind is known where they are read.
 */

import type { Size } from '../isa/semantics.ts';
import {
  CALL_AUX, CALL_CONDITION, CALL_RESULT, FLAGS_DIFFERENCE, FLAGS_LOGIC,
  FLAGS_RAW, FLAGS_SUM, FLAGS_UNKNOWN,
  type FunctionWriter, LOCAL_FLAGS_A, LOCAL_FLAGS_B, LOCAL_FLAGS_KIND,
} from './function-writer.ts';
import {
  CALL, I32_LE_S, I32_LT_S, I64_ADD, I64_AND, I64_EQ, I64_EQZ, I64_EXTEND16_S, I64_EXTEND32_S, I64_EXTEND8_S,
  I64_EXTEND_I32_U, I64_LE_S, I64_LE_U, I64_LT_S, I64_LT_U, I64_OR, I64_POPCNT, I64_SHL, I64_SHR_U, I64_SUB, I64_XOR,
} from './opcodes.ts';
import {
  binaryOf, comparison, comparison32, constantOf, localOf, not, smallConstant, unaryOf, type Value,
} from './value.ts';

export function logOf(size: Size): number {
  return size === 8 ? 0 : size === 16 ? 1 : size === 32 ? 2 : 3;
}

const ONE = smallConstant(1);

export function maskTo(value: Value, size: Size): Value {
  if (size === 64 || value.bits <= size) return value;
  return binaryOf(I64_AND, value, size === 32 ? constantOf(-1, 0) : smallConstant(2 ** size - 1));
}

export function signExtend(value: Value, size: Size): Value {
  if (size === 64 || value.bits < size) return value;
  return unaryOf(size === 8 ? I64_EXTEND8_S : size === 16 ? I64_EXTEND16_S : I64_EXTEND32_S, value);
}

const bit = (value: Value, n: number): Value => binaryOf(I64_AND, binaryOf(I64_SHR_U, value, smallConstant(n)), ONE);
const exclusive = (a: Value, b: Value): Value => binaryOf(I64_XOR, a, b);

export class FlagsWriter {
  readonly #writer: FunctionWriter;

  constructor(writer: FunctionWriter) {
    this.#writer = writer;
  }

  #a(bits: number): Value { return localOf(LOCAL_FLAGS_A, bits); }
  #b(bits: number): Value { return localOf(LOCAL_FLAGS_B, bits); }

  /** The flags are of `kind` from here on. */
  #setKind(kind: number): void {
    this.#writer.knowledge.flags = kind;
    this.#writer.knowledge.dirtyFlags = true;
    this.#writer.code.constant32(kind);
    this.#writer.set(LOCAL_FLAGS_KIND);
  }

  setOperands(kind: number, a: Value, b: Value, size: Size): void {
    this.#writer.setTo(LOCAL_FLAGS_A, a);
    this.#writer.setTo(LOCAL_FLAGS_B, b);
    this.#setKind(kind + logOf(size));
  }

  setLogic(result: Value, size: Size): void {
    this.#writer.setTo(LOCAL_FLAGS_A, maskTo(result, size));
    this.#setKind(FLAGS_LOGIC + logOf(size));
  }

  /** FLAGS_RESULT and FLAGS_AUX. Both are computed before either is kept: they may read the old ones. */
  setRaw(result: Value | undefined, aux: Value): void {
    const { values } = this.#writer;
    if (result) values.wide(result);
    values.wide(aux);
    this.#writer.set(LOCAL_FLAGS_B);
    if (result) this.#writer.set(LOCAL_FLAGS_A);
    this.#setKind(FLAGS_RAW);
  }

  /** Makes FLAGS_RESULT and FLAGS_AUX of whatever there is. */
  toRaw(): void {
    if (this.#writer.knowledge.flags === FLAGS_RAW) return;
    this.#callLazy(CALL_RESULT);
    this.#callLazy(CALL_AUX);
    this.#writer.code.byte(I64_EXTEND_I32_U);
    this.#writer.set(LOCAL_FLAGS_B);
    this.#writer.set(LOCAL_FLAGS_A);
    this.#setKind(FLAGS_RAW);
  }

  #callLazy(callee: number): void {
    this.#writer.get(LOCAL_FLAGS_KIND);
    this.#writer.get(LOCAL_FLAGS_A);
    this.#writer.get(LOCAL_FLAGS_B);
    this.#writer.code.byte(CALL);
    this.#writer.code.unsigned(callee);
  }

  get aux(): Value { return this.#b(32); }

  /** A condition code's value. It is to be used before the flags change. */
  condition(code: number): Value {
    const { flags } = this.#writer.knowledge;
    if (flags === FLAGS_UNKNOWN) return this.#called(code);
    const positive = this.#known(flags, code >> 1);
    if ((code & 1) === 0) return positive;
    return not(positive);
  }

  #called(code: number): Value {
    const { code: bytes } = this.#writer;
    bytes.constant32(code);
    this.#callLazy(CALL_CONDITION);
    const local = this.#writer.temporary(true);
    this.#writer.set(local);
    return localOf(local, 1, true);
  }

  #known(flags: number, which: number): Value {
    if (flags < FLAGS_SUM) return this.#raw(which);
    const size = (8 << (flags & 3)) as Size;
    if (flags >= FLAGS_LOGIC) return this.#logic(size, which);
    return flags >= FLAGS_DIFFERENCE ? this.#difference(size, which) : this.#sum(size, which);
  }

  #raw(which: number): Value {
    const a = this.#a(64);
    const aux = this.#b(32);
    const carry = bit(aux, 31);
    const overflow = (): Value => exclusive(carry, bit(aux, 30));
    const sign = (): Value => exclusive(binaryOf(I64_SHR_U, a, smallConstant(63)), bit(aux, 16));
    const zero = unaryOf(I64_EQZ, a, 1, true);
    switch (which) {
      case 0: return overflow();
      case 1: return carry;
      case 2: return zero;
      case 3: return binaryOf(I64_OR, carry, zero);
      case 4: return sign();
      case 5: return this.#parity(exclusive(a, binaryOf(I64_SHR_U, aux, smallConstant(8))));
      case 6: return exclusive(sign(), overflow());
      default: return binaryOf(I64_OR, zero, exclusive(sign(), overflow()));
    }
  }

  #parity(value: Value): Value {
    return not(binaryOf(I64_AND, unaryOf(I64_POPCNT, maskTo(value, 8)), ONE));
  }

  #logic(size: Size, which: number): Value {
    const result = this.#a(size);
    const zero = unaryOf(I64_EQZ, result, 1, true);
    const sign = bit(result, size - 1);
    switch (which) {
      case 0: case 1: return smallConstant(0);
      case 2: case 3: return zero;
      case 4: case 6: return sign;
      case 5: return this.#parity(result);
      default: return binaryOf(I64_OR, zero, sign);
    }
  }

  /** Moves a value's sign to the top, so that signed compares of 64 bits see it. */
  #toTop(value: Value, size: Size): Value {
    return binaryOf(I64_SHL, value, smallConstant(64 - size));
  }

  #difference(size: Size, which: number): Value {
    const a = this.#a(size);
    const b = this.#b(size);
    const difference = binaryOf(I64_SUB, a, b);
    switch (which) {
      case 0: return bit(binaryOf(I64_AND, exclusive(a, b), exclusive(a, difference)), size - 1);
      case 1: return comparison(I64_LT_U, a, b);
      case 2: return comparison(I64_EQ, a, b);
      case 3: return comparison(I64_LE_U, a, b);
      case 4: return bit(difference, size - 1);
      case 5: return this.#parity(difference);
      case 6: return size === 32 ? comparison32(I32_LT_S, a, b)
        : comparison(I64_LT_S, this.#toTop(a, size), this.#toTop(b, size));
      default: return size === 32 ? comparison32(I32_LE_S, a, b)
        : comparison(I64_LE_S, this.#toTop(a, size), this.#toTop(b, size));
    }
  }

  #sum(size: Size, which: number): Value {
    const a = this.#a(size);
    const b = this.#b(size);
    const sum = maskTo(binaryOf(I64_ADD, a, b), size);
    const carry = (): Value => comparison(I64_LT_U, sum, a);
    const zero = (): Value => unaryOf(I64_EQZ, sum, 1, true);
    const sign = (): Value => bit(sum, size - 1);
    const overflow = (): Value =>
      bit(binaryOf(I64_AND, exclusive(a, sum), exclusive(b, sum)), size - 1);
    switch (which) {
      case 0: return overflow();
      case 1: return carry();
      case 2: return zero();
      case 3: return binaryOf(I64_OR, carry(), zero());
      case 4: return sign();
      case 5: return this.#parity(sum);
      case 6: return exclusive(sign(), overflow());
      default: return binaryOf(I64_OR, zero(), exclusive(sign(), overflow()));
    }
  }
}

