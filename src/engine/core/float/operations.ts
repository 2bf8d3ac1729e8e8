// The operations on unpacked operands with everything that is special: NaNs, infinities, zeros, and the exceptions that
// operands make (invalid, denormal, division by zero; SDM volume 1, 4.8.3 and 4.9). Rounding follows, by the caller.

import { addFinite, divideFinite, multiplyFinite, squareRootFinite } from "./arithmetic";
import {
  compareMagnitudes,
  copy,
  DENORMAL,
  FINITE,
  HI,
  INFINITE,
  isNaN,
  KIND,
  kind,
  QUIET,
  QUIET_BIT,
  setDefaultNaN,
  setKind,
  SIGN,
  SIGNALLING,
  UNSUPPORTED,
  ZERO
} from "./number";
import { DENORMAL_OPERAND, DOWN, IE, mode, signal, ZE } from "./rounding";

/** What `compare` returns when an operand is a NaN. */
export const UNORDERED = 2;

/** Whether two NaNs are chosen between as the x87 does (the larger significand) or as SSE does (the first). */
let largerNaN: boolean = false;

export function setNaNRule(larger: boolean): void {
  largerNaN = larger;
}

/** Raises IE; the result is the default NaN. */
export function invalid(r: usize): void {
  signal(IE);
  setDefaultNaN(r);
}

function quieten(r: usize, from: usize): void {
  copy(r, from);
  store<u64>(r, load<u64>(r, HI) | QUIET_BIT, HI);
  store<u32>(r, QUIET, KIND);
}

/** The NaN that an operation on `a` alone gives. */
export function propagateOne(r: usize, a: usize): void {
  const what = kind(a);
  if (what == UNSUPPORTED) {
    invalid(r);
    return;
  }
  if (what == SIGNALLING) signal(IE);
  quieten(r, a);
}

/** The NaN that an operation on `a` and `b` gives, one of which is a NaN. */
export function propagate(r: usize, a: usize, b: usize): void {
  const ka = kind(a);
  const kb = kind(b);
  if (ka == UNSUPPORTED || kb == UNSUPPORTED) {
    invalid(r);
    return;
  }
  if (ka == SIGNALLING || kb == SIGNALLING) signal(IE);
  if (ka < QUIET) quieten(r, b);
  else if (kb < QUIET || !largerNaN) quieten(r, a);
  else if (ka != kb) quieten(r, ka == QUIET ? a : b);
  else quieten(r, secondIsLarger(a, b) ? b : a);
}

function secondIsLarger(a: usize, b: usize): boolean {
  const ah = load<u64>(a, HI);
  const bh = load<u64>(b, HI);
  return ah == bh ? load<u32>(a, SIGN) > load<u32>(b, SIGN) : ah < bh;
}

export function signalDenormal(a: usize): void {
  if (load<u32>(a, KIND) == FINITE && load<u32>(a, DENORMAL)) signal(DENORMAL_OPERAND);
}

/** The sign of a zero that is the difference of equal numbers. */
function zeroSign(): u32 {
  return u32(mode == DOWN);
}

/** r = a + b, or a - b with `negate` 1. */
export function add(r: usize, a: usize, b: usize, negate: u32): void {
  if (isNaN(a) || isNaN(b)) {
    propagate(r, a, b);
    return;
  }
  signalDenormal(a);
  signalDenormal(b);
  const ka = kind(a);
  const kb = kind(b);
  const sa = load<u32>(a, SIGN);
  const sb = load<u32>(b, SIGN) ^ negate;
  if (ka == INFINITE || kb == INFINITE) {
    if (ka == kb && sa != sb) invalid(r);
    else setKind(r, INFINITE, ka == INFINITE ? sa : sb);
  } else if (ka == ZERO && kb == ZERO) {
    setKind(r, ZERO, sa == sb ? sa : zeroSign());
  } else if (kb == ZERO) {
    copy(r, a);
  } else if (ka == ZERO) {
    copy(r, b);
    store<u32>(r, sb, SIGN);
  } else {
    addFinite(r, a, b, negate);
    if (kind(r) == ZERO) store<u32>(r, zeroSign(), SIGN);
  }
}

export function multiply(r: usize, a: usize, b: usize): void {
  if (isNaN(a) || isNaN(b)) {
    propagate(r, a, b);
    return;
  }
  const ka = kind(a);
  const kb = kind(b);
  if ((ka == INFINITE && kb == ZERO) || (ka == ZERO && kb == INFINITE)) {
    invalid(r);
    return;
  }
  signalDenormal(a);
  signalDenormal(b);
  const sign = load<u32>(a, SIGN) ^ load<u32>(b, SIGN);
  if (ka == INFINITE || kb == INFINITE) setKind(r, INFINITE, sign);
  else if (ka == ZERO || kb == ZERO) setKind(r, ZERO, sign);
  else multiplyFinite(r, a, b);
}

export function divide(r: usize, a: usize, b: usize): void {
  if (isNaN(a) || isNaN(b)) {
    propagate(r, a, b);
    return;
  }
  const ka = kind(a);
  const kb = kind(b);
  if (ka == kb && ka != FINITE) {
    invalid(r);
    return;
  }
  const sign = load<u32>(a, SIGN) ^ load<u32>(b, SIGN);
  if (kb == ZERO) {
    if (ka != INFINITE) signal(ZE);
    setKind(r, INFINITE, sign);
    return;
  }
  signalDenormal(a);
  signalDenormal(b);
  if (ka == INFINITE) setKind(r, INFINITE, sign);
  else if (ka == ZERO || kb == INFINITE) setKind(r, ZERO, sign);
  else divideFinite(r, a, b);
}

export function squareRoot(r: usize, a: usize): void {
  if (isNaN(a)) {
    propagateOne(r, a);
    return;
  }
  const what = kind(a);
  if (what == ZERO) {
    copy(r, a);
    return;
  }
  if (load<u32>(a, SIGN)) {
    invalid(r);
    return;
  }
  signalDenormal(a);
  if (what == INFINITE) copy(r, a);
  else squareRootFinite(r, a);
}

/**
 * -1, 0, 1 or UNORDERED; a signalling NaN raises IE, and so does a quiet one when `signalling`.
 */
export function compare(a: usize, b: usize, signalling: boolean): i32 {
  if (isNaN(a) || isNaN(b)) {
    if (signalling || kind(a) > QUIET || kind(b) > QUIET) signal(IE);
    return UNORDERED;
  }
  signalDenormal(a);
  signalDenormal(b);
  const ka = kind(a);
  const kb = kind(b);
  if (ka == ZERO && kb == ZERO) return 0;
  const sa = load<u32>(a, SIGN);
  const sb = load<u32>(b, SIGN);
  if (ka == ZERO) return sb ? 1 : -1;
  if (kb == ZERO || sa != sb) return sa ? -1 : 1;
  let order: i32;
  if (ka == INFINITE || kb == INFINITE) order = ka == kb ? 0 : ka == INFINITE ? 1 : -1;
  else order = compareMagnitudes(a, b);
  return sa ? -order : order;
}
