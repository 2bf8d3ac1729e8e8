// The series behind the x87's transcendental functions, on unpacked numbers with 128 significant bits: some thirty bits
// more than the 80-bit format has, so that the last rounding is almost always the right one. Arguments are reduced
// before; slots 16 … 23 are this file's. All operands are finite and not zero; `r` may be `a`.

import { addFinite, compareTwice, divideFinite, multiplyFinite, reduceFinite } from "./arithmetic";
import { copy, EXPONENT, FINITE, HI, kind, LO, normalize, setFinite, SIGN, slot, TOP } from "./number";
import { divideSmall, low } from "./wide";

/** π to 66 bits: what processors reduce the arguments of trigonometric functions by (SDM volume 1, 8.3.8). */
const PI_HIGH: u64 = 0xc90fdaa22168c234;
const PI_LOW_66: u64 = 0xc000000000000000;
const PI_LOW: u64 = 0xc4c6628b80dc1cd1;

/** r = π × 2^(exponent - 1), to 128 bits. */
export function setPi(r: usize, exponent: i32): void {
  setFinite(r, 0, exponent, PI_HIGH, PI_LOW);
}

export function setOne(r: usize): void {
  setFinite(r, 0, 0, TOP, 0);
}

/** a = a ÷ n. */
function divideBy(a: usize, n: u64): void {
  const hi = divideSmall(load<u64>(a, HI), load<u64>(a, LO), n);
  store<u64>(a, hi, HI);
  store<u64>(a, low, LO);
  normalize(a);
}

/**
 * sum = 1 - z ÷ (n × (n + 1)) × (1 - z ÷ ((n + 2) × (n + 3)) × …), `terms` of them: cos for n = 1, sin ÷ x for n = 2.
 */
function alternatingFactorials(sum: usize, z: usize, n: u64, terms: i32): void {
  const one = slot(16);
  setOne(one);
  setOne(sum);
  for (let k = terms - 1; k >= 0; k--) {
    const at = n + <u64>k * 2;
    multiplyFinite(sum, sum, z);
    divideBy(sum, at * (at + 1));
    addFinite(sum, one, sum, 1);
  }
}

/** r = sin a for |a| ≤ π/4. */
export function sine(r: usize, a: usize): void {
  const sum = slot(17);
  const z = slot(18);
  multiplyFinite(z, a, a);
  alternatingFactorials(sum, z, 2, 14);
  multiplyFinite(r, sum, a);
}

/** r = cos a for |a| ≤ π/4. */
export function cosine(r: usize, a: usize): void {
  const z = slot(18);
  multiplyFinite(z, a, a);
  alternatingFactorials(r, z, 1, 15);
}

/** Reduces a to |a| ≤ π/4 by multiples of π/2; returns how many, modulo 4, for |a|. The sign becomes positive first. */
export function reduceAngle(a: usize): u32 {
  const half = slot(16);
  setFinite(half, 0, 0, PI_HIGH, PI_LOW_66);
  store<u32>(a, 0, SIGN);
  const exponent = load<i32>(a, EXPONENT);
  let count: u64 = exponent < 0 ? 0 : reduceFinite(a, half, exponent);
  if (compareTwice(a, half) > 0) {
    addFinite(a, a, half, 1);
    count++;
  }
  return <u32>count & 3;
}

/** r = e^a - 1 for |a| ≤ ln 2. */
export function exponentialLessOne(r: usize, a: usize): void {
  const one = slot(16);
  const sum = slot(17);
  setOne(one);
  setOne(sum);
  for (let n: u64 = 26; n >= 2; n--) {
    multiplyFinite(sum, sum, a);
    divideBy(sum, n);
    addFinite(sum, one, sum, 0);
  }
  multiplyFinite(r, sum, a);
}

/** sum = 1 ± z ÷ 3 + z² ÷ 5 ± …: artanh or arctan of x, divided by x, for z = x². */
function oddReciprocals(sum: usize, z: usize, terms: u64, alternate: u32): void {
  const term = slot(16);
  setOne(sum);
  divideBy(sum, terms * 2 + 1);
  for (let k = terms; k > 0; k--) {
    multiplyFinite(sum, sum, z);
    setOne(term);
    if (k > 1) divideBy(term, k * 2 - 1);
    addFinite(sum, term, sum, alternate);
  }
}

/** r = 2 artanh (a ÷ b) ÷ ln 2: the binary logarithm of (b + a) ÷ (b - a), for |a ÷ b| below 0.18. */
function logarithmOfRatio(r: usize, a: usize, b: usize): void {
  const t = slot(17);
  const z = slot(18);
  const sum = slot(19);
  divideFinite(t, a, b);
  multiplyFinite(z, t, t);
  oddReciprocals(sum, z, 19, 0);
  multiplyFinite(sum, sum, t);
  setFinite(z, 0, 1, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88);
  multiplyFinite(r, sum, z);
}

/** √2, where the significand is halved. */
const ROOT_OF_TWO: u64 = 0xb504f333f9de6484;

/** r = log₂ a for a positive a; KIND ZERO for a = 1. */
export function logarithm(r: usize, a: usize): void {
  const hi = load<u64>(a, HI);
  const halve = u32(hi > ROOT_OF_TWO);
  const whole = load<i32>(a, EXPONENT) + <i32>halve;
  const m = slot(20);
  const difference = slot(21);
  const sum = slot(22);
  const one = slot(23);
  copy(m, a);
  store<i32>(m, -<i32>halve, EXPONENT);
  setOne(one);
  addFinite(difference, m, one, 1);
  addFinite(sum, m, one, 0);
  const exact = kind(difference) != FINITE;
  if (!exact) logarithmOfRatio(r, difference, sum);
  if (whole == 0 && !exact) return;
  setFinite(m, u32(whole < 0), 63, <u64>(whole < 0 ? -whole : whole), 0);
  normalize(m);
  if (exact) copy(r, m);
  else addFinite(r, r, m, 0);
}

/** r = log₂ (1 + a) for a between √½ - 1 and √2 - 1, exact for small a too. */
export function logarithmOnePlus(r: usize, a: usize): void {
  const two = slot(20);
  const sum = slot(21);
  setFinite(two, 0, 1, TOP, 0);
  addFinite(sum, two, a, 0);
  logarithmOfRatio(r, a, sum);
}

/** tan π/8, from where the angle is measured from π/4. */
const EIGHTH: u64 = 0xd413cccfe7799211;

/** r = arctan (a ÷ b) for 0 < a ≤ b. */
export function arctangent(r: usize, a: usize, b: usize): void {
  const t = slot(17);
  const z = slot(18);
  const sum = slot(19);
  divideFinite(t, a, b);
  const exponent = load<i32>(t, EXPONENT);
  const far = exponent > -2 || (exponent == -2 && load<u64>(t, HI) > EIGHTH);
  if (far) {
    addFinite(z, a, b, 1);
    if (kind(z) != FINITE) {
      setPi(r, -1);
      return;
    }
    addFinite(sum, a, b, 0);
    divideFinite(t, z, sum);
  }
  multiplyFinite(z, t, t);
  oddReciprocals(sum, z, 38, 1);
  if (!far) {
    multiplyFinite(r, sum, t);
    return;
  }
  multiplyFinite(t, sum, t);
  setPi(z, -1);
  addFinite(r, z, t, 0);
}

