// Shuffles, alignments and blends [SDM vol. 2: PSHUFB, PSHUFW, PSHUFD, PSHUFLW, PSHUFHW, PALIGNR, PBLENDW, PBLENDVB].

import { xmm } from "../cpu";
import { joined, low, positions, setLow } from "./lanes";

/** Index bytes with bit 7 become larger than 15, for which WebAssembly too gives zero. */
export function pshufb(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.swizzle(v128.load(d), v128.and(v128.load(s), i8x16.splat(-0x71))));
}

export function pshufbMmx(d: usize, s: usize, i: i32): void {
  setLow(d, v128.swizzle(low(d), v128.and(low(s), i8x16.splat(-0x79))));
}

export function pshufw(d: usize, s: usize, i: i32): void {
  setLow(d, words(s, low(s), i));
}

export function pshuflw(d: usize, s: usize, i: i32): void {
  v128.store(d, words(s, v128.load(s), i));
}

export function pshufhw(d: usize, s: usize, i: i32): void {
  let value = v128.load(s);
  value = v128.load16_lane(wordAt(s + 8, i), value, 4);
  value = v128.load16_lane(wordAt(s + 8, i >> 2), value, 5);
  value = v128.load16_lane(wordAt(s + 8, i >> 4), value, 6);
  v128.store(d, v128.load16_lane(wordAt(s + 8, i >> 6), value, 7));
}

export function pshufd(d: usize, s: usize, i: i32): void {
  let value = v128.load32_zero(dwordAt(s, i));
  value = v128.load32_lane(dwordAt(s, i >> 2), value, 1);
  value = v128.load32_lane(dwordAt(s, i >> 4), value, 2);
  v128.store(d, v128.load32_lane(dwordAt(s, i >> 6), value, 3));
}

/** Bytes from 32 on are zero: any larger distance is 32, and indices outside a register give zero. */
export function palignr(d: usize, s: usize, i: i32): void {
  const distance = i8x16.splat(i8(min<i32>(i & 0xff, 32)));
  const fromSource = i8x16.add(positions(), distance);
  const fromDestination = i8x16.sub(fromSource, i8x16.splat(16));
  v128.store(d, v128.or(v128.swizzle(v128.load(s), fromSource), v128.swizzle(v128.load(d), fromDestination)));
}

export function palignrMmx(d: usize, s: usize, i: i32): void {
  const distance = i8x16.splat(i8(min<i32>(i & 0xff, 16)));
  setLow(d, v128.swizzle(joined(s, d), i8x16.add(positions(), distance)));
}

export function pblendw(d: usize, s: usize, i: i32): void {
  const bits = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
  const mask = i16x8.eq(v128.and(i16x8.splat(i16(i)), bits), bits);
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), mask));
}

export function pblendvb(d: usize, s: usize, i: i32): void {
  const mask = i8x16.lt_s(v128.load(xmm(0)), i8x16.splat(0));
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), mask));
}

/** `value` with its lower four words chosen from those at `s` by the bit pairs of `order`. */
// @ts-ignore: decorator
@inline
function words(s: usize, value: v128, order: i32): v128 {
  value = v128.load16_lane(wordAt(s, order), value, 0);
  value = v128.load16_lane(wordAt(s, order >> 2), value, 1);
  value = v128.load16_lane(wordAt(s, order >> 4), value, 2);
  return v128.load16_lane(wordAt(s, order >> 6), value, 3);
}

// @ts-ignore: decorator
@inline
function wordAt(base: usize, index: i32): usize {
  return base + ((index & 3) << 1);
}

// @ts-ignore: decorator
@inline
function dwordAt(base: usize, index: i32): usize {
  return base + ((index & 3) << 2);
}
