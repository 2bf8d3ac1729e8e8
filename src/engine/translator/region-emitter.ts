/** The emitter that writes WebAssembly: the semantics of ../isa/semantics.ts become the code of one instruction. */

import type { Emitter, Size } from '../isa/semantics.ts';
import {
  CALL_MULTIPLY_HIGH, FLAGS_DIFFERENCE, FLAGS_SUM, copyOf, type FunctionWriter, meet,
} from './function-writer.ts';
import type { Decoded } from './decoded.ts';
import { type FlagsWriter, maskTo, signExtend } from './flags-writer.ts';
import type { MemoryWriter } from './memory-writer.ts';
import {
  END, I64_ADD, I64_AND, I64_CLZ, I64_CTZ, I64_EQ, I64_MUL, I64_OR, I64_SHL, I64_SHR_S, I64_SHR_U, I64_SUB, I64_XOR,
  IF, LOCAL_SET, NO_RESULT,
} from './opcodes.ts';
import type { Operation } from './operation.ts';
import {
  binaryOf, callOf, comparison, constantOf, localOf, selectOf, sharedOf, small, smallConstant, unaryOf, type Value,
} from './value.ts';

const ONE = smallConstant(1);
const AUX_KEPT = smallConstant(0x3fff_ffff);

export class RegionEmitter implements Emitter<Value> {
  readonly #writer: FunctionWriter;
  readonly #flags: FlagsWriter;
  readonly #memory: MemoryWriter;
  #live = true;
  #toMemory = false;
  #size: Size = 64;
  #target = 0;

  constructor({ writer, flags, memory }: { writer: FunctionWriter; flags: FlagsWriter; memory: MemoryWriter }) {
    this.#writer = writer;
    this.#flags = flags;
    this.#memory = memory;
  }

  /** An instruction begins; its destination is a register, or lies in memory at LOCAL_HOST. */
  begin({ target, areFlagsLive }: Decoded, { size }: Operation, toMemory: boolean): void {
    this.#size = size;
    this.#live = areFlagsLive;
    this.#toMemory = toMemory;
    this.#target = target;
  }

  constant(value: number): Value { return smallConstant(value); }
  add(a: Value, b: Value): Value { return binaryOf(I64_ADD, a, b); }
  sub(a: Value, b: Value): Value { return binaryOf(I64_SUB, a, b); }
  mul(a: Value, b: Value): Value { return binaryOf(I64_MUL, a, b); }
  and(a: Value, b: Value): Value { return binaryOf(I64_AND, a, b); }
  or(a: Value, b: Value): Value { return binaryOf(I64_OR, a, b); }
  xor(a: Value, b: Value): Value { return binaryOf(I64_XOR, a, b); }
  shiftLeft(a: Value, b: Value): Value { return binaryOf(I64_SHL, a, b); }
  shiftRight(a: Value, b: Value): Value { return binaryOf(I64_SHR_U, a, b); }
  shiftRightSigned(a: Value, b: Value): Value { return binaryOf(I64_SHR_S, a, b); }
  select(condition: Value, a: Value, b: Value): Value {
    return selectOf(condition, a, b);
  }
  equal(a: Value, b: Value): Value { return comparison(I64_EQ, a, b); }
  mulHighSigned(a: Value, b: Value): Value {
    return callOf(CALL_MULTIPLY_HIGH, a, b);
  }

  swapBytes(a: Value, size: Size): Value {
    if (size === 16) return smallConstant(0);
    // Bytes, then pairs, then for 64 bits halves change places.
    const swap = (value: Value, shift: number, low: number): Value => {
      const once = this.let(value);
      const mask = constantOf(low, size === 64 ? low : 0);
      return this.or(this.shiftLeft(this.and(once, mask), smallConstant(shift)),
        this.and(this.shiftRight(once, smallConstant(shift)), mask));
    };
    const pairs = swap(swap(a, 8, 0x00ff_00ff), 16, 0x0000_ffff);
    if (size === 32) return pairs;
    const once = this.let(pairs);
    return this.or(this.shiftLeft(once, smallConstant(32)), this.shiftRight(once, smallConstant(32)));
  }

  trailingZeros(a: Value): Value { return unaryOf(I64_CTZ, a, 7); }
  leadingZeros(a: Value): Value { return unaryOf(I64_CLZ, a, 7); }
  signed(a: Value, size: Size): Value { return signExtend(a, size); }
  unsigned(a: Value, size: Size): Value { return maskTo(a, size); }

  let(a: Value): Value {
    if (a.kind === 'constant' || a.kind === 'local' || a.kind === 'shared') return a;
    return sharedOf(a);
  }

  flag(): Value { return this.condition(2); }

  /** Kept at once: what follows may change the flags before it is used. */
  condition(code: number): Value {
    const value = this.#flags.condition(code);
    if (value.kind === 'constant') return value;
    const local = this.#writer.temporary(true);
    this.#writer.values.condition(value);
    this.#writer.set(local);
    return localOf(local, 1, true);
  }

  setSumFlags(a: Value, b: Value, _sum: Value, size: Size): void {
    if (this.#live) this.#flags.setOperands(FLAGS_SUM, a, b, size);
  }
  setDifferenceFlags(a: Value, b: Value, _difference: Value, size: Size): void {
    if (this.#live) this.#flags.setOperands(FLAGS_DIFFERENCE, a, b, size);
  }
  setFlags(result: Value, carries: Value, size: Size): void {
    if (!this.#live) return;
    const top = this.shiftLeft(this.and(this.shiftRight(carries, smallConstant(size - 2)), smallConstant(3)),
      smallConstant(30));
    this.#flags.setRaw(signExtend(result, size), this.or(this.and(carries, smallConstant(8)), top));
  }
  setLogicFlags(result: Value, size: Size): void {
    if (this.#live) this.#flags.setLogic(result, size);
  }
  setFlagsKeepCarry(result: Value, carries: Value, size: Size): void {
    if (!this.#live) return;
    const carry = this.flag();
    const overflow = this.and(this.xor(this.shiftRight(carries, smallConstant(size - 1)),
      this.shiftRight(carries, smallConstant(size - 2))), ONE);
    const adjust = this.and(carries, smallConstant(8));
    this.#flags.setRaw(signExtend(result, size), this.or(adjust, this.#carries(carry, overflow)));
  }
  setShiftFlags(result: Value, carry: Value, overflow: Value, size: Size): void {
    if (!this.#live) return;
    this.#flags.setRaw(signExtend(result, size), this.#carries(carry, overflow));
  }

  /** CF and OF as they lie in FLAGS_AUX. */
  #carries(carry: Value, overflow: Value): Value {
    return this.or(this.shiftLeft(carry, smallConstant(31)),
      this.shiftLeft(this.xor(carry, overflow), smallConstant(30)));
  }

  setCarryOverflow(carry: Value, overflow: Value): void {
    if (!this.#live) return;
    const kept = this.let(this.#carries(carry, overflow));
    this.#evaluate(kept);
    this.#flags.toRaw();
    this.#flags.setRaw(undefined, this.or(this.and(this.#flags.aux, AUX_KEPT), kept));
  }
  setCarry(carry: Value): void {
    if (!this.#live) return;
    const value = this.let(carry);
    this.#evaluate(value);
    this.#flags.toRaw();
    const { aux } = this.#flags;
    const overflow = this.and(this.xor(this.shiftRight(aux, smallConstant(31)),
      this.shiftRight(aux, smallConstant(30))), ONE);
    this.#flags.setRaw(undefined, this.or(this.and(aux, AUX_KEPT), this.#carries(value, overflow)));
  }

  /** Computes a shared value now. */
  #evaluate(value: Value): void {
    if (value.kind !== 'shared' || value.local >= 0) return;
    value.local = this.#writer.temporary(value.narrow);
    if (value.narrow) this.#writer.values.condition(value.inner);
    else this.#writer.values.wide(value.inner);
    this.#writer.code.byte(LOCAL_SET);
    this.#writer.code.unsigned(value.local);
  }

  when(condition: Value, body: () => void): void {
    const known = small(condition);
    if (known !== undefined) {
      if (known !== 0) body();
      return;
    }
    const { code } = this.#writer;
    this.#writer.values.condition(condition);
    const before = this.#writer.knowledge;
    this.#writer.knowledge = copyOf(before);
    code.byte(IF);
    code.byte(NO_RESULT);
    body();
    code.byte(END);
    this.#writer.knowledge = meet(before, this.#writer.knowledge);
  }
  whenShifted(count: Value, value: Value, body: () => void): void {
    // A 32-bit register loses its upper half also when nothing is shifted.
    if (!this.#toMemory && this.#size === 32 && small(count) === undefined) this.write(value);
    if (small(count) === 0) {
      if (!this.#toMemory && this.#size === 32) this.write(value);
      return;
    }
    this.when(count, body);
  }
  write(value: Value): void {
    if (this.#toMemory) this.#memory.store(this.#size, value);
    else this.#memory.writeRegister(this.#target, this.#size, value);
  }
}
