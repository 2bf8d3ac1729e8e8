// FMA [SDM vol. 2: VFMADD, VFMSUB, VFNMADD, VFNMSUB]: products and sums rounded once. Of doubles the product has 106
// bits, and of the sum nothing is lost that decides on rounding, as unpacked numbers have 128 bits and a sticky one.

import { INFINITE, isNaN, kind, pack32, pack64, SIGN, SIGNALLING, slot, ZERO } from "./number";
import { add, invalid, multiply, propagateOne, signalDenormal } from "./operations";
import { IE, round32, round64, signal } from "./rounding";
import { enterSse, leaveSse, operand32, operand64 } from "./sse-environment";

/** Bits of what is negated: the product, the third number. */
export const PRODUCT: u32 = 1;
export const SUM: u32 = 2;
export const BOTH: u32 = 3;

/** slot(0) = slot(0) × slot(1) + slot(2), unrounded. */
function fuse(negated: u32): void {
  const x = slot(0);
  const y = slot(1);
  const z = slot(2);
  if (isNaN(x) || isNaN(y) || isNaN(z)) {
    if (kind(x) == SIGNALLING || kind(y) == SIGNALLING || kind(z) == SIGNALLING) signal(IE);
    propagateOne(x, isNaN(x) ? x : isNaN(y) ? y : z);
    return;
  }
  const endless = kind(x) == INFINITE || kind(y) == INFINITE;
  const opposite = (load<u32>(x, SIGN) ^ load<u32>(y, SIGN) ^ load<u32>(z, SIGN) ^ negated ^ (negated >> 1)) & 1;
  // Before any operand counts as denormal.
  if (endless && (kind(x) == ZERO || kind(y) == ZERO || (kind(z) == INFINITE && opposite != 0))) {
    invalid(x);
    return;
  }
  signalDenormal(z);
  multiply(x, x, y);
  if ((negated & PRODUCT) != 0) store<u32>(x, load<u32>(x, SIGN) ^ 1, SIGN);
  add(x, x, z, u32((negated & SUM) != 0));
}

function fuse32(x: u32, y: u32, z: u32, negated: u32): u32 {
  operand32(slot(0), x);
  operand32(slot(1), y);
  operand32(slot(2), z);
  fuse(negated);
  round32(slot(0));
  return pack32(slot(0));
}

function fuse64(x: u64, y: u64, z: u64, negated: u32): u64 {
  operand64(slot(0), x);
  operand64(slot(1), y);
  operand64(slot(2), z);
  fuse(negated);
  round64(slot(0));
  return pack64(slot(0));
}

/** Where results wait until it is certain that no exception takes their place. */
// @ts-ignore: decorator
@inline
function pending(): usize {
  return slot(8);
}

/** d = x × y + z; `even` and `odd` say what is negated in which elements. */
export function packed32(d: usize, x: usize, y: usize, z: usize, even: u32, odd: u32): void {
  enterSse();
  for (let n: usize = 0; n < 16; n += 4) {
    const negated = (n & 4) != 0 ? odd : even;
    store<u32>(pending() + n, fuse32(load<u32>(x + n), load<u32>(y + n), load<u32>(z + n), negated));
  }
  leaveSse();
  v128.store(d, v128.load(pending()));
}

export function packed64(d: usize, x: usize, y: usize, z: usize, even: u32, odd: u32): void {
  enterSse();
  for (let n: usize = 0; n < 16; n += 8) {
    const negated = n != 0 ? odd : even;
    store<u64>(pending() + n, fuse64(load<u64>(x + n), load<u64>(y + n), load<u64>(z + n), negated));
  }
  leaveSse();
  v128.store(d, v128.load(pending()));
}

export function scalar32(d: usize, x: usize, y: usize, z: usize, negated: u32): void {
  enterSse();
  const result = fuse32(load<u32>(x), load<u32>(y), load<u32>(z), negated);
  leaveSse();
  store<u32>(d, result);
}

export function scalar64(d: usize, x: usize, y: usize, z: usize, negated: u32): void {
  enterSse();
  const result = fuse64(load<u64>(x), load<u64>(y), load<u64>(z), negated);
  leaveSse();
  store<u64>(d, result);
}
