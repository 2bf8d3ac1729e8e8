// The x87's powers and logarithms (SDM volume 2: F2XM1 FYL2X FYL2XP1; special operands in their tables). The results
// come from series.ts with some 30 bits to spare and are rounded once, by RC and to 64 bits, whatever precision control
// says; processors stay within one unit in the last place of the same.

import { st } from "../cpu";
import { addFinite, multiplyFinite } from "./arithmetic";
import {
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
import { PE, signal, ZE } from "./rounding";
import { exponentialLessOne, logarithm, logarithmOnePlus, setOne } from "./series";
import { enterX87, finish, isEmpty, round80, roundInexact, takeTwo, underflow } from "./x87-stack";

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
