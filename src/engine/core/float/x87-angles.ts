// The x87's trigonometric functions (SDM volume 2: FPATAN FSIN FCOS FSINCOS FPTAN; special operands in their tables),
// from series.ts as the logarithms are.

import { st } from "../cpu";
import { addFinite, divideFinite } from "./arithmetic";
import {
  compareMagnitudes,
  copy,
  EXPONENT,
  FINITE,
  INFINITE,
  isNaN,
  kind,
  setFinite,
  setKind,
  SIGN,
  slot,
  unpack80,
  ZERO
} from "./number";
import { invalid, propagate, propagateOne, signalDenormal } from "./operations";
import { PE, setRoundedUp, signal } from "./rounding";
import { arctangent, cosine, reduceAngle, setOne, setPi, sine } from "./series";
import {
  C1,
  C2,
  enterX87,
  finish,
  isEmpty,
  isRefused,
  leaveX87,
  moveTop,
  round80,
  roundInexact,
  setConditions,
  setRegister,
  takeTwo,
  underflow
} from "./x87-stack";

/** a = 3π ÷ 4. */
function setThreeQuarters(a: usize): void {
  setFinite(a, 0, 1, 0x96cbe3f9990e91a7, 0x9394c9e8a0a5159c);
}

/** Angles of operands that are zero or infinite: multiples of π ÷ 4, or zero. */
function specialAngle(a: usize, ky: u32, kx: u32, negativeX: u32): void {
  if (ky == INFINITE && kx == INFINITE) {
    if (negativeX) setThreeQuarters(a);
    else setPi(a, -1);
  } else if (ky == INFINITE || (kx == ZERO && ky != ZERO)) setPi(a, 0);
  else if (negativeX) setPi(a, 1);
  else setKind(a, ZERO, 0);
}

/** r = the angle of the point (x, y), both positive and finite. */
function angle(r: usize, y: usize, x: usize): void {
  if (compareMagnitudes(y, x) <= 0) {
    arctangent(r, y, x);
    return;
  }
  arctangent(r, x, y);
  setPi(slot(20), 0);
  addFinite(r, slot(20), r, 1);
}

/** r = the angle of (x, y) in all quadrants: y's sign, and measured from π for a negative x. */
function angleOf(r: usize, y: usize, x: usize): void {
  if (isNaN(x) || isNaN(y)) {
    propagate(r, x, y);
    return;
  }
  signalDenormal(x);
  signalDenormal(y);
  const negativeY = load<u32>(y, SIGN);
  const negativeX = load<u32>(x, SIGN);
  store<u32>(x, 0, SIGN);
  store<u32>(y, 0, SIGN);
  if (kind(x) != FINITE || kind(y) != FINITE) specialAngle(r, kind(y), kind(x), negativeX);
  else {
    signal(PE);
    angle(r, y, x);
    if (negativeX) {
      setPi(slot(20), 1);
      addFinite(r, slot(20), r, 1);
    }
  }
  store<u32>(r, negativeY, SIGN);
}

export function fpatan(d: usize, s: usize, i: i32): void {
  const r = slot(2);
  if (takeTwo()) {
    angleOf(r, slot(1), slot(0));
    round80(r);
  } else copy(r, slot(0));
  finish(1, r, 1);
}

/** From 2^63 on an argument is out of range: C2 says so, and nothing else happens. */
const ANGLE_LIMIT = 63;

/**
 * Takes ST0 to slot 0 as the argument of a trigonometric function that needs `room` for a push. False when it is out of
 * range: then the instruction has ended.
 */
function takeAngle(room: boolean): boolean {
  enterX87();
  setConditions(C1 | C2, 0);
  unpack80(slot(0), st(0));
  if (isEmpty(0) || (room && !isEmpty(7))) return true;
  if (kind(slot(0)) == FINITE && load<i32>(slot(0), EXPONENT) >= ANGLE_LIMIT) {
    setConditions(C2, C2);
    return false;
  }
  return true;
}

/**
 * Whether slot 0 has no sine of its own: empty, NaN, infinite or zero. Then `a` is the result (but for zero's cosine).
 */
function isSpecialAngle(a: usize): boolean {
  if (isEmpty(0)) underflow(a);
  else if (isNaN(a)) propagateOne(a, a);
  else if (kind(a) == INFINITE) invalid(a);
  else if (kind(a) == FINITE) {
    signalDenormal(a);
    signal(PE);
    return false;
  }
  return true;
}

/** r = sin (a + count × π ÷ 2). */
function sineOf(r: usize, a: usize, count: u32): void {
  if (count & 1) cosine(r, a);
  else sine(r, a);
  if (count & 2) store<u32>(r, load<u32>(r, SIGN) ^ 1, SIGN);
}

function sineAndCosine(sin: usize, cos: usize, a: usize): void {
  const sign = load<u32>(a, SIGN);
  const count = reduceAngle(a);
  sineOf(sin, a, count);
  sineOf(cos, a, count + 1);
  store<u32>(sin, load<u32>(sin, SIGN) ^ sign, SIGN);
}

export function fsin(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  if (!takeAngle(false)) return;
  if (!isSpecialAngle(a)) {
    const sign = load<u32>(a, SIGN);
    const count = reduceAngle(a);
    sineOf(a, a, count);
    store<u32>(a, load<u32>(a, SIGN) ^ sign, SIGN);
  }
  round80(a);
  finish(0, a, 0);
}

export function fcos(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  if (!takeAngle(false)) return;
  if (!isSpecialAngle(a)) {
    const count = reduceAngle(a);
    sineOf(a, a, count + 1);
  } else if (kind(a) == ZERO) setOne(a);
  round80(a);
  finish(0, a, 0);
}

/** Ends FSINCOS and FPTAN: ST0 = slot 0, then slot 1 is pushed. */
function finishPair(): void {
  if (!isRefused()) {
    setRegister(0, slot(0));
    moveTop(-1);
    setRegister(0, slot(1));
  }
  leaveX87();
}

/** The stack faults of an instruction that replaces ST0 and pushes: an empty ST0, or no room. */
function faultsPair(): boolean {
  const full = !isEmpty(7);
  if (!full && !isEmpty(0)) return false;
  underflow(slot(0));
  copy(slot(1), slot(0));
  setRoundedUp(full);
  return true;
}

export function fsincos(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  const cos = slot(1);
  if (!takeAngle(true)) return;
  if (!faultsPair()) {
    if (!isSpecialAngle(a)) {
      sineAndCosine(slot(2), cos, a);
      copy(a, slot(2));
      round80(a);
      round80(cos);
    } else if (kind(a) == ZERO) setOne(cos);
    else copy(cos, a);
  }
  finishPair();
}

export function fptan(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  if (!takeAngle(true)) return;
  if (!faultsPair()) {
    setOne(slot(1));
    if (!isSpecialAngle(a)) {
      sineAndCosine(slot(2), slot(3), a);
      divideFinite(a, slot(2), slot(3));
      roundInexact(a);
    } else if (isNaN(a)) copy(slot(1), a);
  }
  finishPair();
}
