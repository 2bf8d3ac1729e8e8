// Packs, unpacks and widening moves [SDM vol. 2: PACK*, PUNPCK*, PMOVSX*, PMOVZX*]. Memory operands are read exactly.

import { joined, low, setLow } from "./lanes";

export function packsswb(d: usize, s: usize, i: i32): void {
  v128.store(d, i8x16.narrow_i16x8_s(v128.load(d), v128.load(s)));
}

export function packsswbMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i8x16.narrow_i16x8_s(v, v));
}

export function packssdw(d: usize, s: usize, i: i32): void {
  v128.store(d, i16x8.narrow_i32x4_s(v128.load(d), v128.load(s)));
}

export function packssdwMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i16x8.narrow_i32x4_s(v, v));
}

export function packuswb(d: usize, s: usize, i: i32): void {
  v128.store(d, i8x16.narrow_i16x8_u(v128.load(d), v128.load(s)));
}

export function packuswbMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i8x16.narrow_i16x8_u(v, v));
}

export function packusdw(d: usize, s: usize, i: i32): void {
  v128.store(d, i16x8.narrow_i32x4_u(v128.load(d), v128.load(s)));
}

export function punpcklbw(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveBytesLow(v128.load(d), v128.load(s)));
}

export function punpcklbwMmx(d: usize, s: usize, i: i32): void {
  setLow(d, interleaveBytesLow(v128.load32_zero(d), v128.load32_zero(s)));
}

export function punpckhbw(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveBytesHigh(v128.load(d), v128.load(s)));
}

export function punpckhbwMmx(d: usize, s: usize, i: i32): void {
  v128.store64_lane(d, interleaveBytesLow(low(d), low(s)), 1);
}

export function punpcklwd(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveWordsLow(v128.load(d), v128.load(s)));
}

export function punpcklwdMmx(d: usize, s: usize, i: i32): void {
  setLow(d, interleaveWordsLow(v128.load32_zero(d), v128.load32_zero(s)));
}

export function punpckhwd(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveWordsHigh(v128.load(d), v128.load(s)));
}

export function punpckhwdMmx(d: usize, s: usize, i: i32): void {
  v128.store64_lane(d, interleaveWordsLow(low(d), low(s)), 1);
}

export function punpckldq(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveDwordsLow(v128.load(d), v128.load(s)));
}

export function punpckldqMmx(d: usize, s: usize, i: i32): void {
  setLow(d, interleaveDwordsLow(v128.load32_zero(d), v128.load32_zero(s)));
}

export function punpckhdq(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveDwordsHigh(v128.load(d), v128.load(s)));
}

export function punpckhdqMmx(d: usize, s: usize, i: i32): void {
  v128.store64_lane(d, interleaveDwordsLow(low(d), low(s)), 1);
}

export function punpcklqdq(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveQwordsLow(v128.load(d), v128.load(s)));
}

export function punpckhqdq(d: usize, s: usize, i: i32): void {
  v128.store(d, interleaveQwordsHigh(v128.load(d), v128.load(s)));
}

export function pmovsxbw(d: usize, s: usize, i: i32): void {
  v128.store(d, i16x8.extend_low_i8x16_s(v128.load64_zero(s)));
}

export function pmovsxbd(d: usize, s: usize, i: i32): void {
  v128.store(d, i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(s))));
}

export function pmovsxbq(d: usize, s: usize, i: i32): void {
  const bytes = i16x8.splat(load<i16>(s));
  v128.store(d, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes))));
}

export function pmovsxwd(d: usize, s: usize, i: i32): void {
  v128.store(d, i32x4.extend_low_i16x8_s(v128.load64_zero(s)));
}

export function pmovsxwq(d: usize, s: usize, i: i32): void {
  v128.store(d, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(v128.load32_zero(s))));
}

export function pmovsxdq(d: usize, s: usize, i: i32): void {
  v128.store(d, i64x2.extend_low_i32x4_s(v128.load64_zero(s)));
}

export function pmovzxbw(d: usize, s: usize, i: i32): void {
  v128.store(d, i16x8.extend_low_i8x16_u(v128.load64_zero(s)));
}

export function pmovzxbd(d: usize, s: usize, i: i32): void {
  v128.store(d, i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(s))));
}

export function pmovzxbq(d: usize, s: usize, i: i32): void {
  const bytes = i16x8.splat(load<i16>(s));
  v128.store(d, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes))));
}

export function pmovzxwd(d: usize, s: usize, i: i32): void {
  v128.store(d, i32x4.extend_low_i16x8_u(v128.load64_zero(s)));
}

export function pmovzxwq(d: usize, s: usize, i: i32): void {
  v128.store(d, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(v128.load32_zero(s))));
}

export function pmovzxdq(d: usize, s: usize, i: i32): void {
  v128.store(d, i64x2.extend_low_i32x4_u(v128.load64_zero(s)));
}

// @ts-ignore: decorator
@inline
function interleaveBytesLow(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function interleaveBytesHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// @ts-ignore: decorator
@inline
function interleaveWordsLow(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function interleaveWordsHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

// @ts-ignore: decorator
@inline
function interleaveDwordsLow(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 4, 1, 5);
}

// @ts-ignore: decorator
@inline
function interleaveDwordsHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 6, 3, 7);
}

// @ts-ignore: decorator
@inline
function interleaveQwordsLow(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 0, 2);
}

// @ts-ignore: decorator
@inline
function interleaveQwordsHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 1, 3);
}
