// Unpacked numbers, the one representation in which all floating-point work is done: a slot of 32 bytes of scratch
// memory that holds kind, sign, exponent and a significand of 128 bits.
//
//   finite: value = (-1)^SIGN × HI:LO / 2^127 × 2^EXPONENT, bit 63 of HI set (but after rounding to a denormal)
//   NaN:    HI holds the significand left-aligned as in the 80-bit format: bit 63 set, bit 62 the quiet bit
//
// Two 64-bit halves give every format enough guard bits: bit 0 of LO is sticky.

import { DESTINATION } from "../layout";
import { cpu } from "../cpu";

export const HI = 0; // u64
export const LO = 8; // u64
export const EXPONENT = 16; // i32
export const SIGN = 20; // u32
export const KIND = 24; // u32
export const DENORMAL = 28; // u32, 1: the operand was denormal in its format

export const ZERO: u32 = 0;
export const FINITE: u32 = 1;
export const INFINITE: u32 = 2;
export const QUIET: u32 = 3;
export const SIGNALLING: u32 = 4;
/** An 80-bit encoding that no x87 since the 80387 accepts (unnormal, pseudo-NaN, pseudo-infinity). */
export const UNSUPPORTED: u32 = 5;

export const TOP: u64 = 0x8000000000000000;
export const QUIET_BIT: u64 = 0x4000000000000000;

/** Address of scratch slot `n` (0 … 31); no operand that an instruction has in the scratch area is this long. */
// @ts-ignore: decorator
@inline
export function slot(n: usize): usize {
  return cpu + DESTINATION + 0xc00 + (n << 5);
}

// @ts-ignore: decorator
@inline
export function kind(a: usize): u32 {
  return load<u32>(a, KIND);
}

// @ts-ignore: decorator
@inline
export function isNaN(a: usize): boolean {
  return load<u32>(a, KIND) >= QUIET;
}

export function setKind(a: usize, value: u32, sign: u32): void {
  store<u32>(a, value, KIND);
  store<u32>(a, sign, SIGN);
}

export function setFinite(a: usize, sign: u32, exponent: i32, hi: u64, lo: u64): void {
  store<u64>(a, hi, HI);
  store<u64>(a, lo, LO);
  store<i32>(a, exponent, EXPONENT);
  store<u32>(a, sign, SIGN);
  store<u32>(a, FINITE, KIND);
  store<u32>(a, 0, DENORMAL);
}

/** The NaN that an invalid operation gives: negative, quiet, no payload. */
export function setDefaultNaN(a: usize): void {
  setFinite(a, 1, 0, TOP | QUIET_BIT, 0);
  store<u32>(a, QUIET, KIND);
}

export function copy(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
}

/** Brings bit 63 of HI to one; a significand of zero makes a zero. */
export function normalize(a: usize): void {
  let hi = load<u64>(a, HI);
  let lo = load<u64>(a, LO);
  if ((hi | lo) == 0) {
    store<u32>(a, ZERO, KIND);
    return;
  }
  let exponent = load<i32>(a, EXPONENT);
  if (hi == 0) {
    hi = lo;
    lo = 0;
    exponent -= 64;
  }
  const shift = clz<u64>(hi);
  if (shift != 0) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo = lo << shift;
  }
  store<u64>(a, hi, HI);
  store<u64>(a, lo, LO);
  store<i32>(a, exponent - <i32>shift, EXPONENT);
}

export function fromInteger(a: usize, value: i64): void {
  setFinite(a, u32(value < 0), 63, <u64>(value < 0 ? -value : value), 0);
  normalize(a);
}

function unpackNaN(a: usize, sign: u32, fraction: u64): void {
  setFinite(a, sign, 0, fraction | TOP, 0);
  store<u32>(a, fraction & QUIET_BIT ? QUIET : SIGNALLING, KIND);
}

/** Unpacks an IEEE interchange format: `fraction` left-aligned below bit 63. */
function unpack(a: usize, sign: u32, exponent: i32, fraction: u64, bias: i32): void {
  if (exponent == bias * 2 + 1) {
    if (fraction != 0) {
      unpackNaN(a, sign, fraction);
      return;
    }
    setFinite(a, sign, 0, TOP, 0);
    store<u32>(a, INFINITE, KIND);
    return;
  }
  if (exponent != 0) {
    setFinite(a, sign, exponent - bias, fraction | TOP, 0);
    return;
  }
  setFinite(a, sign, 1 - bias, fraction, 0);
  store<u32>(a, u32(fraction != 0), DENORMAL);
  normalize(a);
}

export function unpack32(a: usize, bits: u32): void {
  unpack(a, bits >> 31, (bits >> 23) & 0xff, (<u64>bits << 40) & ~TOP, 127);
}

export function unpack64(a: usize, bits: u64): void {
  unpack(a, <u32>(bits >> 63), <i32>(bits >> 52) & 0x7ff, (bits << 11) & ~TOP, 1023);
}

/** Unpacks the 80-bit format: mantissa at `p`, sign and exponent at `p + 8`. */
export function unpack80(a: usize, p: usize): void {
  const mantissa = load<u64>(p);
  const head = <u32>load<u16>(p, 8);
  const exponent = <i32>(head & 0x7fff);
  const sign = head >> 15;
  if (exponent != 0) {
    setFinite(a, sign, exponent - 16383, mantissa, 0);
    if (!(mantissa & TOP)) store<u32>(a, UNSUPPORTED, KIND);
    else if (exponent == 0x7fff) {
      if (mantissa == TOP) store<u32>(a, INFINITE, KIND);
      else unpackNaN(a, sign, mantissa & ~TOP);
    }
    return;
  }
  setFinite(a, sign, -16382, mantissa, 0);
  store<u32>(a, u32(mantissa != 0), DENORMAL);
  normalize(a);
}

/** Exponent field of a rounded number: a denormal's is 0, whose exponent is the same as the smallest normal's. */
function exponentField(a: usize, bias: i32): u64 {
  return load<u64>(a, HI) & TOP ? <u64>(load<i32>(a, EXPONENT) + bias) : 0;
}

export function pack32(a: usize): u32 {
  const sign = load<u32>(a, SIGN) << 31;
  const what = kind(a);
  if (what == ZERO) return sign;
  if (what == INFINITE) return sign | 0x7f800000;
  const fraction = <u32>((load<u64>(a, HI) & ~TOP) >> 40);
  if (what == FINITE) return sign | (<u32>exponentField(a, 127) << 23) | fraction;
  return sign | 0x7f800000 | fraction;
}

export function pack64(a: usize): u64 {
  const sign = <u64>load<u32>(a, SIGN) << 63;
  const what = kind(a);
  if (what == ZERO) return sign;
  if (what == INFINITE) return sign | 0x7ff0000000000000;
  const fraction = (load<u64>(a, HI) & ~TOP) >> 11;
  if (what == FINITE) return sign | (exponentField(a, 1023) << 52) | fraction;
  return sign | 0x7ff0000000000000 | fraction;
}

export function pack80(a: usize, p: usize): void {
  const what = kind(a);
  const mantissa: u64 = what == ZERO ? 0 : what == INFINITE ? TOP : load<u64>(a, HI);
  const exponent: u64 = what == ZERO ? 0 : what == FINITE ? exponentField(a, 16383) : 0x7fff;
  store<u64>(p, mantissa);
  store<u16>(p, <u16>((load<u32>(a, SIGN) << 15) | <u32>exponent), 8);
}

/** -1, 0 or 1 as |a| is less than, equal to or greater than |b|; both finite. */
export function compareMagnitudes(a: usize, b: usize): i32 {
  const ea = load<i32>(a, EXPONENT);
  const eb = load<i32>(b, EXPONENT);
  if (ea != eb) return ea < eb ? -1 : 1;
  const ah = load<u64>(a, HI);
  const bh = load<u64>(b, HI);
  if (ah != bh) return ah < bh ? -1 : 1;
  const al = load<u64>(a, LO);
  const bl = load<u64>(b, LO);
  return al == bl ? 0 : al < bl ? -1 : 1;
}
