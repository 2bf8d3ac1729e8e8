/** What BMI1, BMI2, LZCNT and MOVBE do, over the emitter of semantics.ts [SDM vol. 2]. */

import type { Emitter, Semantic, Size } from './semantics.ts';

/** A source of 0 sets CF. */
function countZeros(count: <V>(e: Emitter<V>, size: Size, source: V) => V): Semantic {
  return {
    form: 'move',
    emit(e, size, _a, source) {
      const value = e.let(source);
      const result = e.let(count(e, size, value));
      e.setShiftFlags(result, e.equal(value, e.constant(0)), e.constant(0), size);
      e.write(result);
    },
  };
}

/** Of the lowest 1 of the source; CF says that there is none, or for BLSI one. */
function lowestBit(change: <V>(e: Emitter<V>, value: V) => V, carryWhenZero: boolean): Semantic {
  return {
    form: 'move',
    emit(e, size, _a, source) {
      const value = e.let(source);
      const result = e.let(change(e, value));
      const none = e.equal(value, e.constant(0));
      e.setShiftFlags(result, carryWhenZero ? none : e.xor(none, e.constant(1)), e.constant(0), size);
      e.write(result);
    },
  };
}

/** Shifts by a register, without flags. */
function shiftBy(shifted: <V>(e: Emitter<V>, size: Size, value: V, count: V) => V): Semantic {
  return {
    form: 'second',
    emit: (e, size, a, b) => e.write(shifted(e, size, b, e.and(a, e.constant(size - 1)))),
  };
}

const below = <V>(e: Emitter<V>, value: V): V => e.sub(value, e.constant(1));

export const BIT_MANIPULATION: Readonly<Record<string, Semantic>> = {
  LZCNT: countZeros((e, size, value) => e.sub(e.leadingZeros(value), e.constant(64 - size))),
  TZCNT: countZeros((e, size, value) =>
    e.trailingZeros(size === 64 ? value : e.or(value, e.shiftLeft(e.constant(1), e.constant(size))))),
  BLSR: lowestBit((e, value) => e.and(value, below(e, value)), true),
  BLSMSK: lowestBit((e, value) => e.xor(value, below(e, value)), true),
  BLSI: lowestBit((e, value) => e.and(value, e.sub(e.constant(0), value)), false),
  ANDN: {
    form: 'second',
    emit(e, size, a, b) {
      const result = e.let(e.and(e.xor(a, e.constant(-1)), b));
      e.setLogicFlags(result, size);
      e.write(result);
    },
  },
  BZHI: {
    form: 'second',
    emit(e, size, a, b) {
      const value = e.let(b);
      const index = e.let(e.and(a, e.constant(0xff)));
      const beyond = e.let(e.xor(e.equal(e.shiftRight(index, e.constant(Math.log2(size))), e.constant(0)),
        e.constant(1)));
      const result = e.let(
        e.select(beyond, value, e.and(value, below(e, e.shiftLeft(e.constant(1), index)))));
      e.setShiftFlags(result, beyond, e.constant(0), size);
      e.write(result);
    },
  },
  BEXTR: {
    form: 'second',
    emit(e, size, a, b) {
      const start = e.let(e.and(a, e.constant(0xff)));
      const length = e.let(e.and(e.shiftRight(a, e.constant(8)), e.constant(0xff)));
      const from = e.let(e.select(e.shiftRight(start, e.constant(6)), e.constant(0), e.shiftRight(b, start)));
      const all = e.shiftRight(length, e.constant(6));
      const result = e.let(e.select(all, from, e.and(from, below(e, e.shiftLeft(e.constant(1), length)))));
      e.setLogicFlags(result, size);
      e.write(result);
    },
  },
  SHLX: shiftBy((e, _size, value, count) => e.shiftLeft(value, count)),
  SHRX: shiftBy((e, _size, value, count) => e.shiftRight(value, count)),
  SARX: shiftBy((e, size, value, count) => e.shiftRightSigned(e.signed(value, size), count)),
  RORX: {
    form: 'three',
    emit(e, size, a, b) {
      const value = e.let(a);
      const count = e.let(e.and(b, e.constant(size - 1)));
      const back = e.and(e.sub(e.constant(size), count), e.constant(size - 1));
      e.write(e.or(e.shiftRight(value, count), e.shiftLeft(value, back)));
    },
  },
  MOVBE: {
    form: 'move',
    emit(e, size, _a, b) {
      if (size !== 16) return e.write(e.swapBytes(b, size));
      const value = e.let(b);
      e.write(e.or(e.shiftLeft(value, e.constant(8)), e.shiftRight(value, e.constant(8))));
    },
  },
};
