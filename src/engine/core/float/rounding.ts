// Rounding of unpacked numbers to a format, with the exceptions that it makes: overflow, underflow (tininess detected
// after rounding, as x86 does) and precision. The environment (mode, masks, flush to zero) is set when an instruction
// begins; the exceptions add up in `raised`, whose bits are those of MXCSR and FSW alike.

import { EXPONENT, FINITE, HI, INFINITE, KIND, LO, SIGN, TOP, ZERO } from "./number";
import { low, shiftRightSticky } from "./wide";

export const IE: u32 = 0x01;
export const DENORMAL_OPERAND: u32 = 0x02;
export const ZE: u32 = 0x04;
export const OE: u32 = 0x08;
export const UE: u32 = 0x10;
export const PE: u32 = 0x20;

export const NEAREST: u32 = 0;
export const DOWN: u32 = 1;
export const UP: u32 = 2;
export const TRUNCATE: u32 = 3;

/** Rounding mode: the RC field of MXCSR or FCW. */
export let mode: u32 = 0;
/** Exceptions that are masked. */
export let masked: u32 = 0;
/** SSE's flush to zero of tiny results. */
export let flush: boolean = false;
/** Exceptions raised since `begin`. */
export let raised: u32 = 0;
/** Whether the last rounding made the magnitude greater (x87's C1). */
export let roundedUp: boolean = false;

/** What the x87 adds to the exponent of a result whose unmasked underflow it reports, and takes off for overflow. */
const WRAP = 24576;

export function begin(rounding: u32, masks: u32, flushToZero: boolean): void {
  mode = rounding;
  masked = masks;
  flush = flushToZero;
  raised = 0;
  roundedUp = false;
}

export function setMode(rounding: u32): void {
  mode = rounding;
}

/** For an operand that is the result as it is: a denormal one is no underflow then, masked or not. */
export function maskUnderflow(): void {
  masked |= UE;
}

export function signal(exceptions: u32): void {
  raised |= exceptions;
}

export function setRaised(exceptions: u32): void {
  raised = exceptions;
}

export function setRoundedUp(value: boolean): void {
  roundedUp = value;
}

function increments(sign: u32, odd: boolean, half: boolean, rest: boolean): boolean {
  if (mode == NEAREST) return half && (rest || odd);
  if (mode == TRUNCATE) return false;
  return (half || rest) && (mode == UP ? sign == 0 : sign != 0);
}

/** Keeps the top `bits` (0 … 64) bits of the significand, rounded; returns whether anything was lost. */
export function roundAt(a: usize, bits: u32): boolean {
  const hi = load<u64>(a, HI);
  const lo = load<u64>(a, LO);
  const unit: u64 = bits == 0 ? 0 : <u64>1 << (64 - bits);
  let half: boolean;
  let rest: boolean;
  if (bits == 64) {
    half = (lo & TOP) != 0;
    rest = lo << 1 != 0;
  } else {
    half = ((hi << bits) & TOP) != 0;
    rest = ((hi << bits) << 1) != 0 || lo != 0;
  }
  const kept = bits == 0 ? 0 : hi & ~(unit - 1);
  store<u64>(a, 0, LO);
  store<u64>(a, kept, HI);
  roundedUp = increments(load<u32>(a, SIGN), (hi & unit) != 0, half, rest);
  if (roundedUp) {
    const sum = kept + unit;
    store<u64>(a, sum == 0 ? TOP : sum, HI);
    if (sum == 0) store<i32>(a, load<i32>(a, EXPONENT) + 1, EXPONENT);
  }
  return half || rest;
}

/** Whether rounding to `bits` carries into the next exponent. */
function carries(a: usize, bits: u32): boolean {
  const hi = load<u64>(a, HI);
  const lo = load<u64>(a, LO);
  const exponent = load<i32>(a, EXPONENT);
  roundAt(a, bits);
  const result = load<i32>(a, EXPONENT) != exponent;
  store<u64>(a, hi, HI);
  store<u64>(a, lo, LO);
  store<i32>(a, exponent, EXPONENT);
  return result;
}

/** Rounds to `bits` of precision and exponents from `least` to `most`. Anything but a finite number stays. */
export function round(a: usize, bits: u32, least: i32, most: i32): void {
  roundedUp = false;
  if (load<u32>(a, KIND) != FINITE) return;
  if (load<i32>(a, EXPONENT) < least) {
    roundTiny(a, bits, least);
    return;
  }
  if (roundAt(a, bits)) raised |= PE;
  if (load<i32>(a, EXPONENT) > most) overflow(a, bits, most);
}

function roundTiny(a: usize, bits: u32, least: i32): void {
  const exponent = load<i32>(a, EXPONENT);
  const tiny = exponent < least - 1 || !carries(a, bits);
  if (tiny && !(masked & UE)) {
    raised |= UE;
    if (roundAt(a, bits)) raised |= PE;
    store<i32>(a, load<i32>(a, EXPONENT) + WRAP, EXPONENT);
    if (load<i32>(a, EXPONENT) < least) {
      raised |= PE;
      store<u32>(a, ZERO, KIND);
    }
    return;
  }
  if (tiny && flush) {
    raised |= UE | PE;
    store<u32>(a, ZERO, KIND);
    return;
  }
  store<u64>(a, shiftRightSticky(load<u64>(a, HI), load<u64>(a, LO), <u32>(least - exponent)), HI);
  store<u64>(a, low, LO);
  store<i32>(a, least, EXPONENT);
  if (roundAt(a, bits)) raised |= tiny ? UE | PE : PE;
  if (load<u64>(a, HI) == 0) store<u32>(a, ZERO, KIND);
}

function overflow(a: usize, bits: u32, most: i32): void {
  raised |= OE;
  if (!(masked & OE)) {
    store<i32>(a, load<i32>(a, EXPONENT) - WRAP, EXPONENT);
    if (load<i32>(a, EXPONENT) > most) {
      raised |= PE;
      roundedUp = true;
      store<u32>(a, INFINITE, KIND);
    }
    return;
  }
  raised |= PE;
  const sign = load<u32>(a, SIGN);
  roundedUp = mode == NEAREST || (mode == UP && sign == 0) || (mode == DOWN && sign != 0);
  if (roundedUp) {
    store<u32>(a, INFINITE, KIND);
    return;
  }
  store<u64>(a, bits == 64 ? u64.MAX_VALUE : ~((<u64>1 << (64 - bits)) - 1), HI);
  store<i32>(a, most, EXPONENT);
}

export function round32(a: usize): void {
  round(a, 24, -126, 127);
}

export function round64(a: usize): void {
  round(a, 53, -1022, 1023);
}

/** Rounds a finite number to an integral value (significand and exponent stay normalised). */
export function roundToIntegral(a: usize): void {
  roundedUp = false;
  const exponent = load<i32>(a, EXPONENT);
  if (load<u32>(a, KIND) != FINITE || exponent >= 63) return;
  if (exponent < -1) {
    store<u64>(a, shiftRightSticky(load<u64>(a, HI), load<u64>(a, LO), <u32>(-1 - exponent)), HI);
    store<u64>(a, low, LO);
    store<i32>(a, -1, EXPONENT);
  }
  if (roundAt(a, exponent < 0 ? 0 : <u32>exponent + 1)) raised |= PE;
  if (load<u64>(a, HI) == 0) store<u32>(a, ZERO, KIND);
}

/** `toInteger` could not: NaN, infinity or out of range. */
export let outOfRange: boolean = false;

/**
 * The number as an integer of `width` bits (16, 32, 64), sign-extended; raises PE when it isn't one. Out of range it
 * raises IE instead and gives the integer indefinite.
 */
export function toInteger(a: usize, width: u32): i64 {
  const indefinite: i64 = i64.MIN_VALUE >> (64 - width);
  outOfRange = true;
  roundedUp = false;
  if (load<u32>(a, KIND) > FINITE) {
    raised |= IE;
    return indefinite;
  }
  const before = raised;
  roundToIntegral(a);
  outOfRange = false;
  if (load<u32>(a, KIND) == ZERO) return 0;
  const sign = load<u32>(a, SIGN);
  const exponent = load<i32>(a, EXPONENT);
  const limit = <i32>width - 1;
  const hi = load<u64>(a, HI);
  if (exponent < limit || (exponent == limit && sign && hi == TOP)) {
    const magnitude = <i64>(hi >> <u64>(63 - exponent));
    return sign ? -magnitude : magnitude;
  }
  outOfRange = true;
  roundedUp = false;
  raised = before | IE;
  return indefinite;
}
