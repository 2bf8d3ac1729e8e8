// Integer products [SDM vol. 2: PMULLW, PMULHW, PMULHUW, PMULHRSW, PMULLD, PMULUDQ, PMULDQ, PMADDWD, PMADDUBSW].

import { low, setLow } from "./lanes";

export function pmullw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.mul(v128.load(d), v128.load(s))); }
export function pmullwMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.mul(low(d), low(s))); }
export function pmulhw(d: usize, s: usize, i: i32): void { v128.store(d, highSigned(v128.load(d), v128.load(s))); }
export function pmulhwMmx(d: usize, s: usize, i: i32): void { setLow(d, highSigned(low(d), low(s))); }
export function pmulhuw(d: usize, s: usize, i: i32): void { v128.store(d, highUnsigned(v128.load(d), v128.load(s))); }
export function pmulhuwMmx(d: usize, s: usize, i: i32): void { setLow(d, highUnsigned(low(d), low(s))); }
export function pmulhrsw(d: usize, s: usize, i: i32): void { v128.store(d, highRounded(v128.load(d), v128.load(s))); }
export function pmulhrswMmx(d: usize, s: usize, i: i32): void { setLow(d, highRounded(low(d), low(s))); }
export function pmulld(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.mul(v128.load(d), v128.load(s))); }

export function pmaddwd(d: usize, s: usize, i: i32): void {
  v128.store(d, i32x4.dot_i16x8_s(v128.load(d), v128.load(s)));
}

export function pmaddwdMmx(d: usize, s: usize, i: i32): void { setLow(d, i32x4.dot_i16x8_s(low(d), low(s))); }
export function pmaddubsw(d: usize, s: usize, i: i32): void { v128.store(d, bytePairs(v128.load(d), v128.load(s))); }
export function pmaddubswMmx(d: usize, s: usize, i: i32): void { setLow(d, bytePairs(low(d), low(s))); }

export function pmuludq(d: usize, s: usize, i: i32): void {
  v128.store(d, i64x2.extmul_low_i32x4_u(evenDwords(v128.load(d)), evenDwords(v128.load(s))));
}

export function pmuludqMmx(d: usize, s: usize, i: i32): void { store<u64>(d, <u64>load<u32>(d) * <u64>load<u32>(s)); }

export function pmuldq(d: usize, s: usize, i: i32): void {
  v128.store(d, i64x2.extmul_low_i32x4_s(evenDwords(v128.load(d)), evenDwords(v128.load(s))));
}

// @ts-ignore: decorator
@inline
function highSigned(a: v128, b: v128): v128 {
  return i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.extmul_low_i16x8_s(a, b), 16),
    i32x4.shr_s(i32x4.extmul_high_i16x8_s(a, b), 16)
  );
}

// @ts-ignore: decorator
@inline
function highUnsigned(a: v128, b: v128): v128 {
  return i16x8.narrow_i32x4_u(
    i32x4.shr_u(i32x4.extmul_low_i16x8_u(a, b), 16),
    i32x4.shr_u(i32x4.extmul_high_i16x8_u(a, b), 16)
  );
}

/** WebAssembly saturates -1 × -1 (0x8000 × 0x8000) to 0x7fff, PMULHRSW wraps it to 0x8000. */
// @ts-ignore: decorator
@inline
function highRounded(a: v128, b: v128): v128 {
  const minimum = i16x8.splat(-0x8000);
  const wraps = v128.and(i16x8.eq(a, minimum), i16x8.eq(b, minimum));
  return v128.xor(i16x8.q15mulr_sat_s(a, b), wraps);
}

/** Unsigned bytes of `a` times signed bytes of `b`; neighbouring products added with saturation. */
// @ts-ignore: decorator
@inline
function bytePairs(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  return i16x8.add_sat_s(even, odd);
}

// @ts-ignore: decorator
@inline
function evenDwords(value: v128): v128 {
  return v128.shuffle<i32>(value, value, 0, 2, 0, 2);
}
