// Operations across lanes [SDM vol. 2: PHADD*, PHSUB*, PSADBW, MPSADBW, PHMINPOSUW].

import { joined, low, setLow } from "./lanes";

export function phaddw(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.add(evenWords(a, b), oddWords(a, b)));
}

export function phaddwMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i16x8.add(evenWords(v, v), oddWords(v, v)));
}

export function phaddsw(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.add_sat_s(evenWords(a, b), oddWords(a, b)));
}

export function phaddswMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i16x8.add_sat_s(evenWords(v, v), oddWords(v, v)));
}

export function phsubw(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.sub(evenWords(a, b), oddWords(a, b)));
}

export function phsubwMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i16x8.sub(evenWords(v, v), oddWords(v, v)));
}

export function phsubsw(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i16x8.sub_sat_s(evenWords(a, b), oddWords(a, b)));
}

export function phsubswMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i16x8.sub_sat_s(evenWords(v, v), oddWords(v, v)));
}

export function phaddd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i32x4.add(evenDwords(a, b), oddDwords(a, b)));
}

export function phadddMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i32x4.add(evenDwords(v, v), oddDwords(v, v)));
}

export function phsubd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  v128.store(d, i32x4.sub(evenDwords(a, b), oddDwords(a, b)));
}

export function phsubdMmx(d: usize, s: usize, i: i32): void {
  const v = joined(d, s);
  setLow(d, i32x4.sub(evenDwords(v, v), oddDwords(v, v)));
}

export function psadbw(d: usize, s: usize, i: i32): void {
  v128.store(d, differences(v128.load(d), v128.load(s)));
}

export function psadbwMmx(d: usize, s: usize, i: i32): void {
  setLow(d, differences(low(d), low(s)));
}

/** Eight sums of four absolute differences: a sliding window of the destination against one block of the source. */
export function mpsadbw(d: usize, s: usize, i: i32): void {
  const window = d + (i & 4);
  const block = s + ((i & 3) << 2);
  let sum = distance(window, block);
  sum = i16x8.add(sum, distance(window + 1, block + 1));
  sum = i16x8.add(sum, distance(window + 2, block + 2));
  v128.store(d, i16x8.add(sum, distance(window + 3, block + 3)));
}

export function phminposuw(d: usize, s: usize, i: i32): void {
  let minimum: u32 = 0x10000;
  let position: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) {
    const value: u32 = load<u16>(s + (n << 1));
    if (value < minimum) {
      minimum = value;
      position = n;
    }
  }
  v128.store(d, i64x2.replace_lane(i64x2.splat(0), 0, i64(minimum | (position << 16))));
}

// @ts-ignore: decorator
@inline
function evenWords(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}

// @ts-ignore: decorator
@inline
function oddWords(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

// @ts-ignore: decorator
@inline
function evenDwords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 2, 4, 6);
}

// @ts-ignore: decorator
@inline
function oddDwords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 1, 3, 5, 7);
}

/** Per quadword, the sum of the absolute differences of its bytes. */
// @ts-ignore: decorator
@inline
function differences(a: v128, b: v128): v128 {
  const bytes = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const dwords = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes));
  return i64x2.add(i64x2.shr_u(dwords, 32), v128.and(dwords, i64x2.splat(0xffffffff)));
}

/** Distances of eight neighbouring bytes from one byte. */
// @ts-ignore: decorator
@inline
function distance(bytes: usize, byte: usize): v128 {
  return i16x8.abs(i16x8.sub(v128.load8x8_u(bytes), i16x8.splat(load<u8>(byte))));
}
