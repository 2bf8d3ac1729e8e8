// x87 stores to memory (SDM volume 2: FST FSTP FIST FISTP FISTTP FBSTP). Single, Double, Extended are memory floats;
// Word, Long, Quad memory integers.

import { st } from "../cpu";
import { isNaN, pack32, pack64, slot, unpack80 } from "./number";
import { propagateOne } from "./operations";
import {
  IE,
  masked,
  OE,
  outOfRange,
  PE,
  raised,
  round32,
  round64,
  setMode,
  setRaised,
  setRoundedUp,
  toInteger,
  TRUNCATE,
  UE
} from "./rounding";
import { enterX87, isEmpty, leaveX87, popRegister, STACK_FAULT, underflow, withhold } from "./x87-stack";

/** Ends a store: whether memory gets its value. An unmasked exception other than precision keeps it and the stack. */
function finishStore(pops: i32): void {
  if (raised & ~masked & (IE | OE | UE)) {
    setRaised(raised & ~PE);
    setRoundedUp(false);
    withhold();
  } else if (pops) popRegister();
  leaveX87();
}

/** ST0 into slot 0 for a store as a float. */
function takeTop(): usize {
  const a = slot(0);
  enterX87();
  if (isEmpty(0)) {
    underflow(a);
    return a;
  }
  unpack80(a, st(0));
  if (isNaN(a)) propagateOne(a, a);
  return a;
}

function storeSingle(d: usize, pops: i32): void {
  const a = takeTop();
  round32(a);
  store<u32>(d, pack32(a));
  finishStore(pops);
}

function storeDouble(d: usize, pops: i32): void {
  const a = takeTop();
  round64(a);
  store<u64>(d, pack64(a));
  finishStore(pops);
}

export function fstSingle(d: usize, s: usize, i: i32): void {
  storeSingle(d, 0);
}

export function fstpSingle(d: usize, s: usize, i: i32): void {
  storeSingle(d, 1);
}

export function fstDouble(d: usize, s: usize, i: i32): void {
  storeDouble(d, 0);
}

export function fstpDouble(d: usize, s: usize, i: i32): void {
  storeDouble(d, 1);
}

export function fstpExtended(d: usize, s: usize, i: i32): void {
  enterX87();
  store<u64>(d, load<u64>(st(0)));
  store<u16>(d, load<u16>(st(0), 8), 8);
  if (isEmpty(0)) {
    underflow(slot(0));
    store<u64>(d, 0xc000000000000000);
    store<u16>(d, 0xffff, 8);
  }
  finishStore(1);
}

/** ST0 as an integer of `width` bits; the integer indefinite when it has none. */
function takeInteger(width: u32, truncate: boolean): i64 {
  const a = slot(0);
  enterX87();
  if (truncate) setMode(TRUNCATE);
  if (isEmpty(0)) {
    underflow(a);
    return i64.MIN_VALUE >> (64 - width);
  }
  unpack80(a, st(0));
  return toInteger(a, width);
}

function storeInteger(d: usize, width: u32, truncate: boolean, pops: i32): void {
  store<i64>(d, takeInteger(width, truncate));
  finishStore(pops);
}

export function fistWord(d: usize, s: usize, i: i32): void {
  storeInteger(d, 16, false, 0);
}

export function fistpWord(d: usize, s: usize, i: i32): void {
  storeInteger(d, 16, false, 1);
}

export function fisttpWord(d: usize, s: usize, i: i32): void {
  storeInteger(d, 16, true, 1);
}

export function fistLong(d: usize, s: usize, i: i32): void {
  storeInteger(d, 32, false, 0);
}

export function fistpLong(d: usize, s: usize, i: i32): void {
  storeInteger(d, 32, false, 1);
}

export function fisttpLong(d: usize, s: usize, i: i32): void {
  storeInteger(d, 32, true, 1);
}

export function fistpQuad(d: usize, s: usize, i: i32): void {
  storeInteger(d, 64, false, 1);
}

export function fisttpQuad(d: usize, s: usize, i: i32): void {
  storeInteger(d, 64, true, 1);
}

const BCD_LIMIT: i64 = 1000000000000000000;

/** FBSTP: rounded to an integer of 18 decimal digits; the BCD indefinite when it has more. */
export function fbstp(d: usize, s: usize, i: i32): void {
  const value = takeInteger(64, false);
  const magnitude = value < 0 ? -value : value;
  if (isEmpty(0) || outOfRange || magnitude >= BCD_LIMIT || magnitude < 0) {
    setRaised((raised & STACK_FAULT) | IE);
    setRoundedUp(false);
    store<u64>(d, 0xc000000000000000);
    store<u16>(d, 0xffff, 8);
    finishStore(1);
    return;
  }
  let rest = magnitude;
  for (let n: usize = 0; n < 9; n++) {
    const pair = rest % 100;
    store<u8>(d + n, <u8>(((pair / 10) << 4) | (pair % 10)));
    rest = rest / 100;
  }
  store<u8>(d, <u8>((<u32>load<u16>(st(0), 8) >> 15) << 7), 9);
  finishStore(1);
}
