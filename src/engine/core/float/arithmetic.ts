// Arithmetic on unpacked finite numbers, before rounding: sums, products, quotients and roots with a sticky last bit.
// Operands are normalised; `r` may be one of them. Special values and exceptions are the caller's (see operations.ts).

import { compareMagnitudes, EXPONENT, HI, LO, normalize, setFinite, SIGN, TOP } from "./number";
import {
  addWide,
  divideWide,
  low,
  multiplyTop,
  multiplyWide,
  remainder,
  shiftRightSticky,
  subtractWide
} from "./wide";

/** r = a + b, or a - b with `negate` 1. A zero result has KIND ZERO and a sign that the caller decides. */
export function addFinite(r: usize, a: usize, b: usize, negate: u32): void {
  let large = a;
  let small = b;
  let signLarge = load<u32>(a, SIGN);
  let signSmall = load<u32>(b, SIGN) ^ negate;
  if (compareMagnitudes(a, b) < 0) {
    large = b;
    small = a;
    const sign = signLarge;
    signLarge = signSmall;
    signSmall = sign;
  }
  let exponent = load<i32>(large, EXPONENT);
  const distance = <u32>(exponent - load<i32>(small, EXPONENT));
  const sh = shiftRightSticky(load<u64>(small, HI), load<u64>(small, LO), distance);
  const sl = low;
  const lh = load<u64>(large, HI);
  const ll = load<u64>(large, LO);
  let hi: u64;
  if (signLarge != signSmall) {
    hi = subtractWide(lh, ll, sh, sl);
    setFinite(r, signLarge, exponent, hi, low);
    normalize(r);
    return;
  }
  hi = addWide(lh, ll, sh, sl);
  let lo = low;
  if (hi < lh || (hi == lh && lo < ll)) {
    hi = shiftRightSticky(hi, lo, 1) | TOP;
    lo = low;
    exponent++;
  }
  setFinite(r, signLarge, exponent, hi, lo);
}

export function multiplyFinite(r: usize, a: usize, b: usize): void {
  const al = load<u64>(a, LO);
  const bl = load<u64>(b, LO);
  let hi: u64;
  if ((al | bl) == 0) hi = multiplyWide(load<u64>(a, HI), load<u64>(b, HI));
  else hi = multiplyTop(load<u64>(a, HI), al, load<u64>(b, HI), bl);
  let lo = low;
  let exponent = load<i32>(a, EXPONENT) + load<i32>(b, EXPONENT);
  if (hi & TOP) exponent++;
  else {
    hi = (hi << 1) | (lo >> 63);
    lo = lo << 1;
  }
  setFinite(r, load<u32>(a, SIGN) ^ load<u32>(b, SIGN), exponent, hi, lo);
}

export function divideFinite(r: usize, a: usize, b: usize): void {
  const sign = load<u32>(a, SIGN) ^ load<u32>(b, SIGN);
  const exponent = load<i32>(a, EXPONENT) - load<i32>(b, EXPONENT);
  if ((load<u64>(a, LO) | load<u64>(b, LO)) != 0) {
    divideLong(r, a, b, sign, exponent);
    return;
  }
  const ah = load<u64>(a, HI);
  const bh = load<u64>(b, HI);
  const half = ah >= bh;
  const hi = half ? divideWide(ah >> 1, ah << 63, bh) : divideWide(ah, 0, bh);
  const lo = divideWide(remainder, 0, bh);
  setFinite(r, sign, half ? exponent : exponent - 1, hi, lo | u64(remainder != 0));
}

/** Long division, bit by bit, for significands that use all 128 bits. */
function divideLong(r: usize, a: usize, b: usize, sign: u32, exponent: i32): void {
  const bh = load<u64>(b, HI);
  const bl = load<u64>(b, LO);
  let hi = load<u64>(a, HI);
  let lo = load<u64>(a, LO);
  let over = false;
  let qh: u64 = 0;
  let ql: u64 = 0;
  if (hi < bh || (hi == bh && lo < bl)) {
    exponent--;
    over = true;
    hi = (hi << 1) | (lo >> 63);
    lo = lo << 1;
  }
  for (let n = 0; n < 128; n++) {
    qh = (qh << 1) | (ql >> 63);
    ql = ql << 1;
    if (over || hi > bh || (hi == bh && lo >= bl)) {
      hi = subtractWide(hi, lo, bh, bl);
      lo = low;
      ql |= 1;
    }
    over = (hi & TOP) != 0;
    hi = (hi << 1) | (lo >> 63);
    lo = lo << 1;
  }
  setFinite(r, sign, exponent, qh, ql | u64((hi | lo) != 0 || over));
}

/** r = √a, for a positive number whose significand fits 64 bits. */
export function squareRootFinite(r: usize, a: usize): void {
  const exponent = load<i32>(a, EXPONENT);
  const significand = load<u64>(a, HI);
  const odd = <u32>exponent & 1;
  // The radicand as 128 bits is m × 2^126, so that its root is the significand. Two bits a step join the rest.
  let nh = odd ? significand : significand >> 1;
  let nl: u64 = odd ? 0 : significand << 63;
  let root: u64 = 0;
  let restHigh: u64 = 0;
  let rest: u64 = 0;
  for (let n = 0; n < 64; n++) {
    restHigh = (restHigh << 2) | (rest >> 62);
    rest = (rest << 2) | (nh >> 62);
    nh = (nh << 2) | (nl >> 62);
    nl = nl << 2;
    const trialHigh = root >> 62;
    const trial = (root << 2) | 1;
    root = root << 1;
    if (restHigh > trialHigh || (restHigh == trialHigh && rest >= trial)) {
      restHigh = subtractWide(restHigh, rest, trialHigh, trial);
      rest = low;
      root |= 1;
    }
  }
  const exact = (restHigh | rest) == 0;
  const half = restHigh != 0 || rest > root;
  setFinite(r, 0, exponent >> 1, root, exact ? 0 : half ? TOP | 1 : 1);
}

/**
 * a = |a| - |b| × q for q = |a| ÷ |b| truncated, where a's exponent is the greater by `steps` (0 …); or that many
 * steps of it, for an a that is left larger. Returns q's low 64 bits; a keeps its sign and may become KIND ZERO.
 */
export function reduceFinite(a: usize, b: usize, steps: i32): u64 {
  const bh = load<u64>(b, HI);
  const bl = load<u64>(b, LO);
  let hi = load<u64>(a, HI);
  let lo = load<u64>(a, LO);
  let quotient: u64 = 0;
  let over = false;
  for (let n = 0; ; n++) {
    quotient = quotient << 1;
    if (over || hi > bh || (hi == bh && lo >= bl)) {
      hi = subtractWide(hi, lo, bh, bl);
      lo = low;
      quotient |= 1;
    }
    if (n == steps) break;
    over = (hi & TOP) != 0;
    hi = (hi << 1) | (lo >> 63);
    lo = lo << 1;
  }
  setFinite(a, load<u32>(a, SIGN), load<i32>(a, EXPONENT) - steps, hi, lo);
  normalize(a);
  return quotient;
}

/** -1, 0 or 1 as 2 × |a| is less than, equal to or greater than |b|; both finite. */
export function compareTwice(a: usize, b: usize): i32 {
  store<i32>(a, load<i32>(a, EXPONENT) + 1, EXPONENT);
  const order = compareMagnitudes(a, b);
  store<i32>(a, load<i32>(a, EXPONENT) - 1, EXPONENT);
  return order;
}

