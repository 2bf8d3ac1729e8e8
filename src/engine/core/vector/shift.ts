// Shifts of lanes and of whole registers [SDM vol. 2: PSLL*, PSRL*, PSRA*, PSLLDQ, PSRLDQ]. WebAssembly takes shift
// counts modulo the lane's width; x86 clears the lane, or fills it with its sign, when the count is larger.

import { low, positions, setLow } from "./lanes";

export function psllw(d: usize, s: usize, i: i32): void { v128.store(d, leftWords(v128.load(d), load<u64>(s))); }
export function psllwMmx(d: usize, s: usize, i: i32): void { setLow(d, leftWords(low(d), load<u64>(s))); }
export function psllwImmediate(d: usize, s: usize, i: i32): void { v128.store(d, leftWords(v128.load(d), i & 0xff)); }
export function psllwImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, leftWords(low(d), i & 0xff)); }
export function pslld(d: usize, s: usize, i: i32): void { v128.store(d, leftDwords(v128.load(d), load<u64>(s))); }
export function pslldMmx(d: usize, s: usize, i: i32): void { setLow(d, leftDwords(low(d), load<u64>(s))); }
export function pslldImmediate(d: usize, s: usize, i: i32): void { v128.store(d, leftDwords(v128.load(d), i & 0xff)); }
export function pslldImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, leftDwords(low(d), i & 0xff)); }
export function psllq(d: usize, s: usize, i: i32): void { v128.store(d, leftQwords(v128.load(d), load<u64>(s))); }
export function psllqMmx(d: usize, s: usize, i: i32): void { setLow(d, leftQwords(low(d), load<u64>(s))); }
export function psllqImmediate(d: usize, s: usize, i: i32): void { v128.store(d, leftQwords(v128.load(d), i & 0xff)); }
export function psllqImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, leftQwords(low(d), i & 0xff)); }
export function psrlw(d: usize, s: usize, i: i32): void { v128.store(d, rightWords(v128.load(d), load<u64>(s))); }
export function psrlwMmx(d: usize, s: usize, i: i32): void { setLow(d, rightWords(low(d), load<u64>(s))); }
export function psrlwImmediate(d: usize, s: usize, i: i32): void { v128.store(d, rightWords(v128.load(d), i & 0xff)); }
export function psrlwImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, rightWords(low(d), i & 0xff)); }
export function psrld(d: usize, s: usize, i: i32): void { v128.store(d, rightDwords(v128.load(d), load<u64>(s))); }
export function psrldMmx(d: usize, s: usize, i: i32): void { setLow(d, rightDwords(low(d), load<u64>(s))); }
export function psrldImmediate(d: usize, s: usize, i: i32): void { v128.store(d, rightDwords(v128.load(d), i & 0xff)); }
export function psrldImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, rightDwords(low(d), i & 0xff)); }
export function psrlq(d: usize, s: usize, i: i32): void { v128.store(d, rightQwords(v128.load(d), load<u64>(s))); }
export function psrlqMmx(d: usize, s: usize, i: i32): void { setLow(d, rightQwords(low(d), load<u64>(s))); }
export function psrlqImmediate(d: usize, s: usize, i: i32): void { v128.store(d, rightQwords(v128.load(d), i & 0xff)); }
export function psrlqImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, rightQwords(low(d), i & 0xff)); }
export function psraw(d: usize, s: usize, i: i32): void { v128.store(d, signedWords(v128.load(d), load<u64>(s))); }
export function psrawMmx(d: usize, s: usize, i: i32): void { setLow(d, signedWords(low(d), load<u64>(s))); }
export function psrawImmediate(d: usize, s: usize, i: i32): void { v128.store(d, signedWords(v128.load(d), i & 0xff)); }
export function psrawImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, signedWords(low(d), i & 0xff)); }
export function psrad(d: usize, s: usize, i: i32): void { v128.store(d, signedDwords(v128.load(d), load<u64>(s))); }
export function psradMmx(d: usize, s: usize, i: i32): void { setLow(d, signedDwords(low(d), load<u64>(s))); }

export function psradImmediate(d: usize, s: usize, i: i32): void {
  v128.store(d, signedDwords(v128.load(d), i & 0xff));
}

export function psradImmediateMmx(d: usize, s: usize, i: i32): void { setLow(d, signedDwords(low(d), i & 0xff)); }

export function pslldq(d: usize, s: usize, i: i32): void {
  const count = i8x16.splat(i8(min<i32>(i & 0xff, 16)));
  v128.store(d, v128.swizzle(v128.load(d), i8x16.sub(positions(), count)));
}

export function psrldq(d: usize, s: usize, i: i32): void {
  const count = i8x16.splat(i8(min<i32>(i & 0xff, 16)));
  v128.store(d, v128.swizzle(v128.load(d), i8x16.add(positions(), count)));
}

// @ts-ignore: decorator
@inline
function leftWords(value: v128, count: u64): v128 {
  return count > 15 ? i16x8.splat(0) : i16x8.shl(value, i32(count));
}

// @ts-ignore: decorator
@inline
function leftDwords(value: v128, count: u64): v128 {
  return count > 31 ? i32x4.splat(0) : i32x4.shl(value, i32(count));
}

// @ts-ignore: decorator
@inline
function leftQwords(value: v128, count: u64): v128 {
  return count > 63 ? i64x2.splat(0) : i64x2.shl(value, i32(count));
}

// @ts-ignore: decorator
@inline
function rightWords(value: v128, count: u64): v128 {
  return count > 15 ? i16x8.splat(0) : i16x8.shr_u(value, i32(count));
}

// @ts-ignore: decorator
@inline
function rightDwords(value: v128, count: u64): v128 {
  return count > 31 ? i32x4.splat(0) : i32x4.shr_u(value, i32(count));
}

// @ts-ignore: decorator
@inline
function rightQwords(value: v128, count: u64): v128 {
  return count > 63 ? i64x2.splat(0) : i64x2.shr_u(value, i32(count));
}

// @ts-ignore: decorator
@inline
function signedWords(value: v128, count: u64): v128 {
  return i16x8.shr_s(value, i32(min<u64>(count, 15)));
}

// @ts-ignore: decorator
@inline
function signedDwords(value: v128, count: u64): v128 {
  return i32x4.shr_s(value, i32(min<u64>(count, 31)));
}
