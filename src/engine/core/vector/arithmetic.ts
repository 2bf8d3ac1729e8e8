// Integer sums, differences, averages, minima, maxima, absolute values and signs [SDM vol. 2: PADD*, PSUB*, PAVG*,
// PMIN*, PMAX*, PABS*, PSIGN*]. The MMX forms compute on vectors whose upper half is zero and keep the lower half.

import { low, setLow } from "./lanes";

export function paddb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.add(v128.load(d), v128.load(s))); }
export function paddbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.add(low(d), low(s))); }
export function paddw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.add(v128.load(d), v128.load(s))); }
export function paddwMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.add(low(d), low(s))); }
export function paddd(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.add(v128.load(d), v128.load(s))); }
export function padddMmx(d: usize, s: usize, i: i32): void { setLow(d, i32x4.add(low(d), low(s))); }
export function paddq(d: usize, s: usize, i: i32): void { v128.store(d, i64x2.add(v128.load(d), v128.load(s))); }
export function paddqMmx(d: usize, s: usize, i: i32): void { setLow(d, i64x2.add(low(d), low(s))); }
export function paddsb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.add_sat_s(v128.load(d), v128.load(s))); }
export function paddsbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.add_sat_s(low(d), low(s))); }

export function paddusb(d: usize, s: usize, i: i32): void {
  v128.store(d, i8x16.add_sat_u(v128.load(d), v128.load(s)));
}

export function paddusbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.add_sat_u(low(d), low(s))); }
export function paddsw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.add_sat_s(v128.load(d), v128.load(s))); }
export function paddswMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.add_sat_s(low(d), low(s))); }

export function paddusw(d: usize, s: usize, i: i32): void {
  v128.store(d, i16x8.add_sat_u(v128.load(d), v128.load(s)));
}

export function padduswMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.add_sat_u(low(d), low(s))); }

export function psubb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.sub(v128.load(d), v128.load(s))); }
export function psubbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.sub(low(d), low(s))); }
export function psubw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.sub(v128.load(d), v128.load(s))); }
export function psubwMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.sub(low(d), low(s))); }
export function psubd(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.sub(v128.load(d), v128.load(s))); }
export function psubdMmx(d: usize, s: usize, i: i32): void { setLow(d, i32x4.sub(low(d), low(s))); }
export function psubq(d: usize, s: usize, i: i32): void { v128.store(d, i64x2.sub(v128.load(d), v128.load(s))); }
export function psubqMmx(d: usize, s: usize, i: i32): void { setLow(d, i64x2.sub(low(d), low(s))); }
export function psubsb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.sub_sat_s(v128.load(d), v128.load(s))); }
export function psubsbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.sub_sat_s(low(d), low(s))); }

export function psubusb(d: usize, s: usize, i: i32): void {
  v128.store(d, i8x16.sub_sat_u(v128.load(d), v128.load(s)));
}

export function psubusbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.sub_sat_u(low(d), low(s))); }
export function psubsw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.sub_sat_s(v128.load(d), v128.load(s))); }
export function psubswMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.sub_sat_s(low(d), low(s))); }

export function psubusw(d: usize, s: usize, i: i32): void {
  v128.store(d, i16x8.sub_sat_u(v128.load(d), v128.load(s)));
}

export function psubuswMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.sub_sat_u(low(d), low(s))); }

export function pavgb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.avgr_u(v128.load(d), v128.load(s))); }
export function pavgbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.avgr_u(low(d), low(s))); }
export function pavgw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.avgr_u(v128.load(d), v128.load(s))); }
export function pavgwMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.avgr_u(low(d), low(s))); }

export function pminub(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.min_u(v128.load(d), v128.load(s))); }
export function pminubMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.min_u(low(d), low(s))); }
export function pminsw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.min_s(v128.load(d), v128.load(s))); }
export function pminswMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.min_s(low(d), low(s))); }
export function pminsb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.min_s(v128.load(d), v128.load(s))); }
export function pminuw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.min_u(v128.load(d), v128.load(s))); }
export function pminsd(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.min_s(v128.load(d), v128.load(s))); }
export function pminud(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.min_u(v128.load(d), v128.load(s))); }
export function pmaxub(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.max_u(v128.load(d), v128.load(s))); }
export function pmaxubMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.max_u(low(d), low(s))); }
export function pmaxsw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.max_s(v128.load(d), v128.load(s))); }
export function pmaxswMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.max_s(low(d), low(s))); }
export function pmaxsb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.max_s(v128.load(d), v128.load(s))); }
export function pmaxuw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.max_u(v128.load(d), v128.load(s))); }
export function pmaxsd(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.max_s(v128.load(d), v128.load(s))); }
export function pmaxud(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.max_u(v128.load(d), v128.load(s))); }

export function pabsb(d: usize, s: usize, i: i32): void { v128.store(d, i8x16.abs(v128.load(s))); }
export function pabsbMmx(d: usize, s: usize, i: i32): void { setLow(d, i8x16.abs(low(s))); }
export function pabsw(d: usize, s: usize, i: i32): void { v128.store(d, i16x8.abs(v128.load(s))); }
export function pabswMmx(d: usize, s: usize, i: i32): void { setLow(d, i16x8.abs(low(s))); }
export function pabsd(d: usize, s: usize, i: i32): void { v128.store(d, i32x4.abs(v128.load(s))); }
export function pabsdMmx(d: usize, s: usize, i: i32): void { setLow(d, i32x4.abs(low(s))); }

export function psignb(d: usize, s: usize, i: i32): void { v128.store(d, signBytes(v128.load(d), v128.load(s))); }
export function psignbMmx(d: usize, s: usize, i: i32): void { setLow(d, signBytes(low(d), low(s))); }
export function psignw(d: usize, s: usize, i: i32): void { v128.store(d, signWords(v128.load(d), v128.load(s))); }
export function psignwMmx(d: usize, s: usize, i: i32): void { setLow(d, signWords(low(d), low(s))); }
export function psignd(d: usize, s: usize, i: i32): void { v128.store(d, signDwords(v128.load(d), v128.load(s))); }
export function psigndMmx(d: usize, s: usize, i: i32): void { setLow(d, signDwords(low(d), low(s))); }

// @ts-ignore: decorator
@inline
function signBytes(value: v128, sign: v128): v128 {
  const zero = i8x16.splat(0);
  const negative = i8x16.lt_s(sign, zero);
  return v128.andnot(i8x16.sub(v128.xor(value, negative), negative), i8x16.eq(sign, zero));
}

// @ts-ignore: decorator
@inline
function signWords(value: v128, sign: v128): v128 {
  const zero = i16x8.splat(0);
  const negative = i16x8.lt_s(sign, zero);
  return v128.andnot(i16x8.sub(v128.xor(value, negative), negative), i16x8.eq(sign, zero));
}

// @ts-ignore: decorator
@inline
function signDwords(value: v128, sign: v128): v128 {
  const zero = i32x4.splat(0);
  const negative = i32x4.lt_s(sign, zero);
  return v128.andnot(i32x4.sub(v128.xor(value, negative), negative), i32x4.eq(sign, zero));
}
