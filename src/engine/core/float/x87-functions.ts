// The x87's transcendental instructions (SDM volume 2: F2XM1 FYL2X FYL2XP1 FPATAN FSIN FCOS FSINCOS FPTAN; special operands
// in their tables). The results come from series.ts with some 30 bits to spare and are rounded once, by RC and to 64
// bits, whatever precision control says; processors stay within one unit in the last place of the same.

import { st } from "../cpu";
import { addFinite, divideFinite, multiplyFinite } from "./arithmetic";
import {
  compareMagnitudes,
  copy,
  EXPONENT,
  FINITE,
  HI,
  INFINITE,
  isNaN,
  kind,
  setFinite,
  setKind,
  SIGN,
  slot,
  TOP,
  unpack80,
  ZERO
} from "./number";
import { invalid, propagate, propagateOne, signalDenormal } from "./operations";
import { PE, raised, setRoundedUp, signal, UE, ZE } from "./rounding";
import {
  arctangent,
  cosine,
  exponentialLessOne,
  logarithm,
  logarithmOnePlus,
  reduceAngle,
  setOne,
  setPi,
  sine
} from "./series";
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
  setConditions,
  setRegister,
  takeTwo,
  underflow
} from "./x87-stack";

/** 2^a - 1; defined for |a| ≤ 1, beyond which processors leave ST0 as it is. */
function powerLessOne(a: usize): void {
  if (isNaN(a)) {
    propagateOne(a, a);
    return;
  }
  signalDenormal(a);
  const sign = load<u32>(a, SIGN);
  if (kind(a) == INFINITE && sign) {
    setFinite(a, 1, 0, TOP, 0);
    return;
  }
  if (kind(a) != FINITE) return;
  signal(PE);
  const exponent = load<i32>(a, EXPONENT);
  if (exponent >= 0) {
    if (exponent == 0 && sign && load<u64>(a, HI) == TOP) store<i32>(a, -1, EXPONENT);
    return;
  }
  const logarithmOfTwo = slot(20);
  setFinite(logarithmOfTwo, 0, -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af);
  multiplyFinite(a, a, logarithmOfTwo);
  exponentialLessOne(a, a);
}

export function f2xm1(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  enterX87();
  if (isEmpty(0)) underflow(a);
  else {
    unpack80(a, st(0));
    powerLessOne(a);
    round80(a);
  }
  finish(0, a, 0);
}

/** Rounds a result that counts as inexact, and as underflow when it is denormal, even if no bit is lost. */
function roundInexact(a: usize): void {
  round80(a);
  if (raised & PE && kind(a) == FINITE && !(load<u64>(a, HI) & TOP)) signal(UE);
}

/** The product of y and a logarithm of which only the sign, or that it is zero or infinite, matters; into `a`. */
function productWithLogarithm(a: usize, y: usize, logarithmKind: u32, sign: u32): void {
  const ky = kind(y);
  const negative = load<u32>(y, SIGN) ^ sign;
  if ((ky == INFINITE && logarithmKind == ZERO) || (ky == ZERO && logarithmKind == INFINITE)) invalid(a);
  else if (ky == INFINITE || logarithmKind == INFINITE) setKind(a, INFINITE, negative);
  else setKind(a, ZERO, negative);
}

/** a = y × log₂ a. */
function timesLogarithm(a: usize, y: usize): void {
  if (isNaN(a) || isNaN(y)) {
    propagate(a, a, y);
    return;
  }
  const ka = kind(a);
  const ky = kind(y);
  if (ka != ZERO && load<u32>(a, SIGN)) {
    invalid(a);
    return;
  }
  signalDenormal(a);
  if (ka == ZERO && ky == FINITE) signal(ZE);
  else signalDenormal(y);
  const below = ka == ZERO || (ka == FINITE && load<i32>(a, EXPONENT) < 0);
  if (ka != FINITE) {
    productWithLogarithm(a, y, INFINITE, u32(below));
    return;
  }
  const isOne = load<i32>(a, EXPONENT) == 0 && load<u64>(a, HI) == TOP;
  if (isOne || ky != FINITE) {
    productWithLogarithm(a, y, isOne ? ZERO : FINITE, u32(below));
    return;
  }
  signal(PE);
  logarithm(slot(2), a);
  multiplyFinite(a, slot(2), y);
}

export function fyl2x(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  if (takeTwo()) {
    timesLogarithm(a, slot(1));
    roundInexact(a);
  }
  finish(1, a, 1);
}

/** Where log₂ (1 + a) needs no care for a small a: |a| from about 1 - √½ on. */
function isFar(a: usize): boolean {
  return load<i32>(a, EXPONENT) >= -2 && (load<i32>(a, EXPONENT) > -2 || load<u64>(a, HI) > 0x95f619980c4336f7);
}

/** a = y × log₂ (1 + a); for an a of -1 and less, which is undefined, processors give it back. */
function timesLogarithmOnePlus(a: usize, y: usize): void {
  if (isNaN(a) || isNaN(y)) {
    propagate(a, a, y);
    return;
  }
  const ka = kind(a);
  const sign = load<u32>(a, SIGN);
  if (ka == INFINITE && sign) {
    invalid(a);
    return;
  }
  signalDenormal(a);
  signalDenormal(y);
  if (ka != FINITE || kind(y) != FINITE) {
    productWithLogarithm(a, y, ka, sign);
    return;
  }
  signal(PE);
  if (sign && load<i32>(a, EXPONENT) >= 0) return;
  if (isFar(a)) {
    setOne(slot(3));
    addFinite(slot(3), slot(3), a, 0);
    logarithm(slot(2), slot(3));
  } else logarithmOnePlus(slot(2), a);
  multiplyFinite(a, slot(2), y);
}

export function fyl2xp1(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  if (takeTwo()) {
    timesLogarithmOnePlus(a, slot(1));
    roundInexact(a);
  }
  finish(1, a, 1);
}

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

/** Whether slot 0 has no sine of its own: empty, NaN, infinite or zero. Then `a` is what the functions give, but for cos 0. */
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
