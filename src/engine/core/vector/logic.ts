// Bitwise operations and comparisons [SDM vol. 2: PAND, PANDN, POR, PXOR, PCMPEQ*, PCMPGT*, PTEST].

import { setArithmeticFlags } from "../flags";
import { CF, ZF } from "../layout";
import { low, setLow } from "./lanes";

export function pand(d: usize, s: usize, i: i32): void { v128.store(d, v128.and(v128.load(d), v128.load(s))); }
export function pandMmx(d: usize, s: usize, i: i32): void { setLow(d, v128.and(low(d), low(s))); }
export function pandn(d: usize, s: usize, i: i32): void { v128.store(d, v128.andnot(v128.load(s), v128.load(d))); }
export function pandnMmx(d: usize, s: usize, i: i32): void { setLow(d, v128.andnot(low(s), low(d))); }
export function por(d: usize, s: usize, i: i32): void { v128.store(d, v128.or(v128.load(d), v128.load(s))); }
export function porMmx(d: usize, s: usize, i: i32): void { setLow(d, v128.or(low(d), low(s))); }
export function pxor(d: usize, s: usize, i: i32): void { v128.store(d, v128.xor(v128.load(d), v128.load(s))); }
export function pxorMmx(d: usize, s: usize, i: i32): void { setLow(d, v128.xor(low(d), low(s))); }

export function pcmpeqb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.eq(v128.load(d), v128.load(s))); }
export function pcmpeqbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.eq(low(d), low(s))); }
export function pcmpgtb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.gt_s(v128.load(d), v128.load(s))); }
export function pcmpgtbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.gt_s(low(d), low(s))); }
export function pcmpeqw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.eq(v128.load(d), v128.load(s))); }
export function pcmpeqwMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.eq(low(d), low(s))); }
export function pcmpgtw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.gt_s(v128.load(d), v128.load(s))); }
export function pcmpgtwMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.gt_s(low(d), low(s))); }
export function pcmpeqd(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.eq(v128.load(d), v128.load(s))); }
export function pcmpeqdMmx(d: usize, s: usize, i: i32): void { setLow(d, i32x4.eq(low(d), low(s))); }
export function pcmpgtd(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.gt_s(v128.load(d), v128.load(s))); }
export function pcmpgtdMmx(d: usize, s: usize, i: i32): void { setLow(d, i32x4.gt_s(low(d), low(s))); }
export function pcmpeqq(d: usize, s: usize, i: i32): void { v128.store(d, i64x2.eq(v128.load(d), v128.load(s))); }
export function pcmpgtq(d: usize, s: usize, i: i32): void { v128.store(d, i64x2.gt_s(v128.load(d), v128.load(s))); }

export function ptest(d: usize, s: usize, i: i32): void {
  const first = v128.load(d);
  const second = v128.load(s);
  const zero = v128.any_true(v128.and(first, second)) ? 0 : ZF;
  const carry = v128.any_true(v128.andnot(second, first)) ? 0 : CF;
  setArithmeticFlags(zero | carry);
}
