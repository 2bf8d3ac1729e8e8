/**
 * What the integer instructions do, written once over an abstract `Emitter`. The interpreter's generator instantiates
 * it with text (AssemblyScript), a translator with whatever it emits. A value `V` is 64 bits wide; operands come
 * zero-extended from their size, and results are cut to it where they are written.
 *
 * A semantic names the shape of its operands (`form`) and so which cases are made of it: with a destination in a
 * register or memory, a source in a register, memory or immediate, in each operand size.
 */

import { BIT_MANIPULATION } from './bit-semantics.ts';

/** Operand size in bits. */
export type Size = 8 | 16 | 32 | 64;

export interface Emitter<V> {
  constant(value: number): V;
  add(a: V, b: V): V;
  sub(a: V, b: V): V;
  mul(a: V, b: V): V;
  and(a: V, b: V): V;
  or(a: V, b: V): V;
  xor(a: V, b: V): V;
  shiftLeft(a: V, b: V): V;
  shiftRight(a: V, b: V): V;
  shiftRightSigned(a: V, b: V): V;
  /** `a` when the condition is not 0, else `b`. */
  select(condition: V, a: V, b: V): V;
  /** 1 when a == b, else 0. */
  equal(a: V, b: V): V;
  /** Signed high 64 bits of the 128-bit product. */
  mulHighSigned(a: V, b: V): V;
  swapBytes(a: V, size: Size): V;
  /** 0 bits below the lowest 1, of 64. */
  trailingZeros(a: V): V;
  /** 0 bits above the highest 1, of 64. */
  leadingZeros(a: V): V;
  /** Sign-extends from `size` to 64 bits. */
  signed(a: V, size: Size): V;
  /** Zero-extends from `size`. */
  unsigned(a: V, size: Size): V;
  /** Evaluates once; the result may be used many times. */
  let(a: V): V;
  /** 1 or 0. */
  flag(name: 'carry'): V;
  condition(code: number): V;
  /** All six flags of a + b, which is `sum`. */
  setSumFlags(a: V, b: V, sum: V, size: Size): void;
  /** All six flags of a - b, which is `difference`. */
  setDifferenceFlags(a: V, b: V, difference: V, size: Size): void;
  /** All six flags: result (any upper bits) and the vector of carries out of each bit. */
  setFlags(result: V, carries: V, size: Size): void;
  /** SF ZF PF by the result; CF OF AF cleared. */
  setLogicFlags(result: V, size: Size): void;
  /** As `setFlags`, but CF stays. */
  setFlagsKeepCarry(result: V, carries: V, size: Size): void;
  /** SF ZF PF by the result, CF and OF as given (0 or 1), AF cleared. */
  setShiftFlags(result: V, carry: V, overflow: V, size: Size): void;
  /** Only CF and OF. */
  setCarryOverflow(carry: V, overflow: V): void;
  setCarry(carry: V): void;
  /** Does `body` only when `condition` is not 0. */
  when(condition: V, body: () => void): void;
  /** Does `body` unless `count` is 0; then the destination stays `value`, whose upper half a 32-bit register loses. */
  whenShifted(count: V, value: V, body: () => void): void;
  /** Writes the destination. */
  write(value: V): void;
}

/**
 * binary: destination ← f(destination, source), source register, memory or immediate
 * compare: the same without writing            move: destination ← f(source)
 * load: register ← f(source of another size)   unary: destination ← f(destination)
 * set: destination written only                shift: as binary; the count is an immediate or CL
 * three: register ← f(source, immediate)       none: no operands
 * second: register ← f(register of VEX.vvvv, source)
 */
export type Form = 'binary' | 'compare' | 'move' | 'load' | 'unary' | 'set' | 'shift' | 'three' | 'second' | 'none';

export interface Semantic {
  readonly form: Form;
  /** Operand size of the source when it differs from the destination's. */
  readonly sourceSize?: Size;
  emit<V>(e: Emitter<V>, size: Size, destination: V, source: V): void;
}

const top = (size: Size): number => size - 1;

function addition<V>(e: Emitter<V>, size: Size, a: V, b: V, carryIn?: V): void {
  const sum = e.let(carryIn === undefined ? e.add(a, b) : e.add(e.add(a, b), carryIn));
  if (carryIn === undefined) e.setSumFlags(a, b, sum, size);
  else e.setFlags(sum, carriesOf(e, a, b, sum), size);
  e.write(sum);
}

/** A carry leaves a bit where both operands have it, or one has it and the sum has not. */
export function carriesOf<V>(e: Emitter<V>, a: V, b: V, sum: V): V {
  return e.let(e.or(e.and(a, b), e.and(e.or(a, b), e.xor(sum, e.constant(-1)))));
}

export function borrowsOf<V>(e: Emitter<V>, a: V, b: V, difference: V): V {
  const notA = e.let(e.xor(a, e.constant(-1)));
  return e.let(e.or(e.and(notA, b), e.and(e.or(notA, b), difference)));
}

function subtraction<V>(e: Emitter<V>, size: Size, a: V, b: V, write: boolean, borrowIn?: V): void {
  const difference = e.let(borrowIn === undefined ? e.sub(a, b) : e.sub(e.sub(a, b), borrowIn));
  if (borrowIn === undefined) e.setDifferenceFlags(a, b, difference, size);
  else e.setFlags(difference, borrowsOf(e, a, b, difference), size);
  if (write) e.write(difference);
}

function logic(operation: <V>(e: Emitter<V>, a: V, b: V) => V, write: boolean): Semantic {
  return {
    form: write ? 'binary' : 'compare',
    emit(e, size, a, b) {
      const result = e.let(operation(e, a, b));
      e.setLogicFlags(result, size);
      if (write) e.write(result);
    },
  };
}

/** Shifts mask their count to 5 bits, 6 for 64-bit operands; a count of 0 changes nothing. */
function shift(body: <V>(e: Emitter<V>, size: Size, value: V, count: V) => void): Semantic {
  return {
    form: 'shift',
    emit(e, size, value, source) {
      const count = e.let(e.and(source, e.constant(size === 64 ? 63 : 31)));
      e.whenShifted(count, value, () => body(e, size, value, count));
    },
  };
}

function rotate(left: boolean): Semantic {
  return {
    form: 'shift',
    emit(e, size, value, source) {
      const masked = e.let(e.and(source, e.constant(size === 64 ? 63 : 31)));
      e.whenShifted(masked, value, () => {
        const count = e.let(e.and(masked, e.constant(size - 1)));
        const back = e.let(e.and(e.sub(e.constant(size), count), e.constant(size - 1)));
        const leftBy = left ? count : back;
        const rightBy = left ? back : count;
        const result = e.let(
          e.unsigned(e.or(e.shiftLeft(value, leftBy), e.shiftRight(value, rightBy)), size));
        const msb = e.let(e.and(e.shiftRight(result, e.constant(top(size))), e.constant(1)));
        if (left) {
          const carry = e.let(e.and(result, e.constant(1)));
          e.setCarryOverflow(carry, e.xor(carry, msb));
        } else {
          const next = e.and(e.shiftRight(result, e.constant(size - 2)), e.constant(1));
          e.setCarryOverflow(msb, e.xor(msb, next));
        }
        e.write(result);
      });
    },
  };
}

/** RCL and RCR rotate through CF: the value has one bit more. */
function rotateThroughCarry(left: boolean): Semantic {
  return {
    form: 'shift',
    emit(e, size, value, source) {
      const masked = e.let(e.and(source, e.constant(size === 64 ? 63 : 31)));
      const count = size >= 32 ? masked : e.let(modulo(e, masked, size + 1));
      e.whenShifted(count, value, () => {
        const one = e.constant(1);
        const carryIn = e.let(e.flag('carry'));
        // The bits that come in from the other end pass the carry's place: shift by one less, then by one.
        const width = e.constant(size);
        const rest = e.let(e.sub(width, count));
        const less = e.let(e.sub(count, one));
        const result = left
          ? e.let(e.unsigned(e.or(
            e.or(e.shiftLeft(value, count), e.shiftLeft(carryIn, less)),
            e.shiftRight(e.shiftRight(value, one), rest)), size))
          : e.let(e.unsigned(e.or(
            e.or(e.shiftRight(value, count), e.shiftLeft(carryIn, rest)),
            e.shiftLeft(e.shiftLeft(value, one), rest)), size));
        const carry = e.let(e.and(e.shiftRight(value, left ? rest : less), one));
        const msb = e.and(e.shiftRight(result, e.constant(top(size))), one);
        const overflow = left
          ? e.xor(carry, msb)
          : e.xor(msb, e.and(e.shiftRight(result, e.constant(size - 2)), one));
        const overflowOnce = e.let(overflow);
        e.setCarryOverflow(carry, overflowOnce);
        e.write(result);
      });
    },
  };
}

/** count mod 9 or 17 for a count below 32, by subtraction. */
function modulo<V>(e: Emitter<V>, count: V, by: number): V {
  let value = count;
  for (let multiple = 31 - (31 % by); multiple >= by; multiple -= by) {
    // Subtracts `by` once for each multiple that was reached: (count >= multiple) as 0 or 1.
    const reached =
      e.sub(e.constant(1), e.and(e.shiftRight(e.sub(count, e.constant(multiple)), e.constant(63)), e.constant(1)));
    value = e.sub(value, e.mul(reached, e.constant(by)));
  }
  return value;
}

/** A zero source leaves the destination as it was; of the flags only ZF is defined. */
function scan(index: <V>(e: Emitter<V>, source: V) => V): Semantic {
  return {
    form: 'binary',
    emit(e, size, _a, source) {
      const value = e.let(source);
      e.setLogicFlags(value, size);
      e.when(value, () => e.write(index(e, value)));
    },
  };
}

/** A bit of the destination goes to CF and is changed. */
function bitChange(change: <V>(e: Emitter<V>, value: V, mask: V) => V): Semantic {
  return {
    form: 'binary',
    emit(e, size, a, b) {
      const value = e.let(a);
      const number = e.let(e.and(b, e.constant(size - 1)));
      const result = e.let(change(e, value, e.shiftLeft(e.constant(1), number)));
      e.setCarry(e.and(e.shiftRight(value, number), e.constant(1)));
      e.write(result);
    },
  };
}

const conditionNames = ['O', 'NO', 'B', 'NB', 'Z', 'NZ', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'];

function multiply<V>(e: Emitter<V>, size: Size, a: V, b: V): void {
  const x = e.let(e.signed(a, size));
  const y = e.let(e.signed(b, size));
  const product = e.let(e.mul(x, y));
  const extended = e.let(e.signed(product, size));
  const fits = size === 64
    ? e.equal(e.mulHighSigned(x, y), e.shiftRightSigned(product, e.constant(63)))
    : e.equal(extended, product);
  const overflow = e.let(e.xor(fits, e.constant(1)));
  e.setShiftFlags(product, overflow, overflow, size);
  e.write(product);
}

/** Every semantic by the name that the rows use. */
export const SEMANTICS: Readonly<Record<string, Semantic>> = {
  ADD: { form: 'binary', emit: (e, size, a, b) => addition(e, size, a, b) },
  ADC: { form: 'binary', emit: (e, size, a, b) => addition(e, size, a, b, e.let(e.flag('carry'))) },
  SUB: { form: 'binary', emit: (e, size, a, b) => subtraction(e, size, a, b, true) },
  SBB: { form: 'binary', emit: (e, size, a, b) => subtraction(e, size, a, b, true, e.let(e.flag('carry'))) },
  CMP: { form: 'compare', emit: (e, size, a, b) => subtraction(e, size, a, b, false) },
  OR: logic((e, a, b) => e.or(a, b), true),
  AND: logic((e, a, b) => e.and(a, b), true),
  XOR: logic((e, a, b) => e.xor(a, b), true),
  TEST: logic((e, a, b) => e.and(a, b), false),

  MOV: { form: 'move', emit: (e, _size, _a, b) => e.write(b) },
  MOVZX8: { form: 'load', sourceSize: 8, emit: (e, _size, _a, b) => e.write(b) },
  MOVZX16: { form: 'load', sourceSize: 16, emit: (e, _size, _a, b) => e.write(b) },
  MOVSX8: { form: 'load', sourceSize: 8, emit: (e, _size, _a, b) => e.write(e.signed(b, 8)) },
  MOVSX16: { form: 'load', sourceSize: 16, emit: (e, _size, _a, b) => e.write(e.signed(b, 16)) },
  MOVSX32: { form: 'load', sourceSize: 32, emit: (e, _size, _a, b) => e.write(e.signed(b, 32)) },

  INC: {
    form: 'unary',
    emit(e, size, a) {
      const result = e.let(e.add(a, e.constant(1)));
      e.setFlagsKeepCarry(result, e.let(e.and(a, e.xor(result, e.constant(-1)))), size);
      e.write(result);
    },
  },
  DEC: {
    form: 'unary',
    emit(e, size, a) {
      const result = e.let(e.sub(a, e.constant(1)));
      e.setFlagsKeepCarry(result, e.let(e.and(e.xor(a, e.constant(-1)), result)), size);
      e.write(result);
    },
  },
  NOT: { form: 'unary', emit: (e, _size, a) => e.write(e.xor(a, e.constant(-1))) },
  NEG: {
    form: 'unary',
    emit(e, size, a) {
      const result = e.let(e.sub(e.constant(0), a));
      e.setFlags(result, e.let(e.or(a, result)), size);
      e.write(result);
    },
  },

  SHL: shift((e, size, value, count) => {
    const one = e.constant(1);
    const result = e.let(e.shiftLeft(value, count));
    // Beyond the operand's width the last bit out is 0: shift in two steps, as a count of 64 would wrap.
    const out = e.let(e.and(e.shiftRight(e.shiftLeft(value, e.sub(count, one)), e.constant(top(size))), one));
    const msb = e.and(e.shiftRight(result, e.constant(top(size))), one);
    e.setShiftFlags(result, out, e.let(e.xor(out, msb)), size);
    e.write(result);
  }),
  SHR: shift((e, size, value, count) => {
    const one = e.constant(1);
    const before = e.let(e.shiftRight(value, e.sub(count, one)));
    const result = e.let(e.shiftRight(before, one));
    const msb = e.and(e.shiftRight(value, e.constant(top(size))), one);
    e.setShiftFlags(result, e.let(e.and(before, one)), e.let(msb), size);
    e.write(result);
  }),
  SAR: shift((e, size, value, count) => {
    const one = e.constant(1);
    const before = e.let(e.shiftRightSigned(e.signed(value, size), e.sub(count, one)));
    const result = e.let(e.shiftRightSigned(before, one));
    e.setShiftFlags(result, e.let(e.and(before, one)), e.constant(0), size);
    e.write(result);
  }),
  ROL: rotate(true),
  ROR: rotate(false),
  RCL: rotateThroughCarry(true),
  RCR: rotateThroughCarry(false),

  IMUL: { form: 'binary', emit: (e, size, a, b) => multiply(e, size, a, b) },
  IMUL3: { form: 'three', emit: (e, size, a, b) => multiply(e, size, a, b) },
  BSWAP: { form: 'unary', emit: (e, size, a) => e.write(e.swapBytes(a, size)) },
  BT: {
    form: 'compare',
    emit: (e, size, a, b) =>
      e.setCarry(e.and(e.shiftRight(a, e.and(b, e.constant(size - 1))), e.constant(1))),
  },
  BTS: bitChange((e, value, mask) => e.or(value, mask)),
  BTR: bitChange((e, value, mask) => e.and(value, e.xor(mask, e.constant(-1)))),
  BTC: bitChange((e, value, mask) => e.xor(value, mask)),
  BSF: scan((e, value) => e.trailingZeros(value)),
  BSR: scan((e, value) => e.sub(e.constant(63), e.leadingZeros(value))),
  ...BIT_MANIPULATION,
  CLC: { form: 'none', emit: (e) => e.setCarry(e.constant(0)) },
  STC: { form: 'none', emit: (e) => e.setCarry(e.constant(1)) },
  CMC: { form: 'none', emit: (e) => e.setCarry(e.xor(e.flag('carry'), e.constant(1))) },

  ...Object.fromEntries(conditionNames.map((name, code): [string, Semantic] => [
    `SET${name}`, { form: 'set', emit: (e) => e.write(e.condition(code)) },
  ])),
  ...Object.fromEntries(conditionNames.map((name, code): [string, Semantic] => [
    `CMOV${name}`, { form: 'binary', emit: (e, _size, a, b) => e.write(e.select(e.condition(code), b, a)) },
  ])),
};
