// x87 instructions on exponents and remainders (SDM volume 2: FRNDINT FSCALE FXTRACT FPREM FPREM1); all are exact but
// for rounding to an integer and to denormals.

import { st } from "../cpu";
import { compareTwice, reduceFinite } from "./arithmetic";
import {
  copy,
  EXPONENT,
  FINITE,
  fromInteger,
  HI,
  INFINITE,
  isNaN,
  kind,
  setKind,
  SIGN,
  slot,
  unpack80,
  ZERO
} from "./number";
import { add, invalid, propagate, propagateOne, signalDenormal } from "./operations";
import { maskUnderflow, roundToIntegral, setRoundedUp, signal, ZE } from "./rounding";
import {
  C0,
  C1,
  C2,
  C3,
  enterX87,
  finish,
  isEmpty,
  isRefused,
  leaveX87,
  moveTop,
  round80,
  setConditions,
  setRegister,
  takeTwo,
  underflow
} from "./x87-stack";

export function frndint(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  enterX87();
  if (isEmpty(0)) underflow(a);
  else {
    unpack80(a, st(0));
    if (isNaN(a)) propagateOne(a, a);
    else {
      signalDenormal(a);
      roundToIntegral(a);
    }
  }
  finish(0, a, 0);
}

/** Any exponent beyond this overflows or underflows every number. */
const SCALE_LIMIT: i32 = 0x10000;

/** The integer part of slot 1, limited. */
function scaleFactor(b: usize): i32 {
  const exponent = load<i32>(b, EXPONENT);
  if (exponent < 0) return 0;
  if (exponent >= 16) return load<u32>(b, SIGN) ? -SCALE_LIMIT : SCALE_LIMIT;
  const magnitude = <i32>(load<u64>(b, HI) >> <u64>(63 - exponent));
  return load<u32>(b, SIGN) ? -magnitude : magnitude;
}

function scale(a: usize, b: usize): void {
  if (isNaN(a) || isNaN(b)) {
    propagate(a, a, b);
    return;
  }
  const ka = kind(a);
  const kb = kind(b);
  const negative = load<u32>(b, SIGN);
  if (kb == INFINITE && ka == (negative ? INFINITE : ZERO)) {
    invalid(a);
    return;
  }
  signalDenormal(a);
  signalDenormal(b);
  if (kb == INFINITE) setKind(a, negative ? ZERO : INFINITE, load<u32>(a, SIGN));
  else if (ka == FINITE && kb == FINITE) store<i32>(a, load<i32>(a, EXPONENT) + scaleFactor(b), EXPONENT);
}

export function fscale(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  if (takeTwo()) {
    scale(a, slot(1));
    if (kind(slot(1)) == ZERO) maskUnderflow();
    round80(a);
  }
  finish(0, a, 0);
}

/** FXTRACT: the exponent replaces ST0, the significand is pushed. */
export function fxtract(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  const exponent = slot(1);
  enterX87();
  if (isEmpty(0) || !isEmpty(7)) {
    const full = !isEmpty(0);
    underflow(a);
    setRoundedUp(full);
    copy(exponent, a);
  } else {
    unpack80(a, st(0));
    splitNumber(a, exponent);
  }
  if (!isRefused()) {
    setRegister(0, exponent);
    moveTop(-1);
    setRegister(0, a);
  }
  leaveX87();
}

function splitNumber(a: usize, exponent: usize): void {
  if (isNaN(a)) {
    propagateOne(a, a);
    copy(exponent, a);
    return;
  }
  const what = kind(a);
  if (what == ZERO) {
    signal(ZE);
    setKind(exponent, INFINITE, 1);
    return;
  }
  if (what == INFINITE) {
    setKind(exponent, INFINITE, 0);
    return;
  }
  signalDenormal(a);
  fromInteger(exponent, load<i32>(a, EXPONENT));
  store<i32>(a, 0, EXPONENT);
}

/** What FPREM cannot divide; the result is then in slot 0. */
function isSpecialRemainder(a: usize, b: usize): boolean {
  if (isNaN(a) || isNaN(b)) {
    propagate(a, a, b);
    return true;
  }
  const ka = kind(a);
  const kb = kind(b);
  if (ka == INFINITE || kb == ZERO) {
    invalid(a);
    return true;
  }
  signalDenormal(a);
  signalDenormal(b);
  return ka == ZERO || kb == INFINITE;
}

/** Rounds the quotient to nearest: slot 0 holds the remainder of the truncated one. Returns the quotient. */
function nearestRemainder(a: usize, b: usize, quotient: u64): u64 {
  if (kind(a) == ZERO) return quotient;
  const order = compareTwice(a, b);
  if (order < 0 || (order == 0 && !(quotient & 1))) return quotient;
  const negate = u32(load<u32>(a, SIGN) == load<u32>(b, SIGN));
  add(a, a, b, negate);
  return quotient + 1;
}

/**
 * FPREM and FPREM1: C2 says that the exponents were too far apart to finish; else C0 C3 C1 are the quotient's low bits
 * (C0 and C3 stay when there is none).
 */
function partialRemainder(nearest: boolean): void {
  const a = slot(0);
  const b = slot(1);
  let conditions: u32 = 0;
  if (takeTwo() && !isSpecialRemainder(a, b)) {
    const sign = load<u32>(a, SIGN);
    const distance = load<i32>(a, EXPONENT) - load<i32>(b, EXPONENT);
    if (distance >= 64) {
      reduceFinite(a, b, 32 + (distance & 31));
      conditions = C2;
    } else {
      let quotient: u64 = distance < 0 ? 0 : reduceFinite(a, b, distance);
      if (nearest) quotient = nearestRemainder(a, b, quotient);
      conditions = (quotient & 4 ? C0 : 0) | (quotient & 2 ? C3 : 0) | (quotient & 1 ? C1 : 0);
    }
    if (kind(a) == ZERO) store<u32>(a, sign, SIGN);
  }
  if (kind(b) == INFINITE) maskUnderflow();
  round80(a);
  finish(0, a, 0);
  const which = isNaN(a) || isRefused() ? C1 | C2 : C0 | C1 | C2 | C3;
  setConditions(which, conditions & which & (isRefused() ? 0 : C0 | C1 | C2 | C3));
}

export function fprem(d: usize, s: usize, i: i32): void {
  partialRemainder(false);
}

export function fprem1(d: usize, s: usize, i: i32): void {
  partialRemainder(true);
}
