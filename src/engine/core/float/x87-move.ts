// x87 loads, stores and register moves (SDM volume 2: FLD FILD FBLD FST FIST FISTTP FBSTP FXCH FABS FCHS FFREE FINCSTP and
// the constants). Single, Double, Extended are memory floats; Word, Long, Quad memory integers.

import { st } from "../cpu";
import {
  fromInteger,
  isNaN,
  pack32,
  pack64,
  setFinite,
  setKind,
  SIGN,
  slot,
  unpack32,
  unpack64,
  unpack80,
  ZERO
} from "./number";
import { propagateOne, signalDenormal } from "./operations";
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
import {
  C1,
  enterX87,
  finish,
  finishPush,
  isEmpty,
  isRefused,
  leaveX87,
  moveTop,
  pop,
  round80,
  setConditions,
  setRegister,
  setTag,
  STACK_FAULT,
  underflow,
  withhold
} from "./x87-stack";

/** Pushes slot 0, which a conversion made. */
function pushConverted(): void {
  const a = slot(0);
  enterX87();
  if (isEmpty(7)) {
    if (isNaN(a)) propagateOne(a, a);
    else signalDenormal(a);
  }
  finishPush(a);
}

export function fldSingle(d: usize, s: usize, i: i32): void {
  unpack32(slot(0), load<u32>(s));
  pushConverted();
}

export function fldDouble(d: usize, s: usize, i: i32): void {
  unpack64(slot(0), load<u64>(s));
  pushConverted();
}

export function fildWord(d: usize, s: usize, i: i32): void {
  fromInteger(slot(0), load<i16>(s));
  pushConverted();
}

export function fildLong(d: usize, s: usize, i: i32): void {
  fromInteger(slot(0), load<i32>(s));
  pushConverted();
}

export function fildQuad(d: usize, s: usize, i: i32): void {
  fromInteger(slot(0), load<i64>(s));
  pushConverted();
}

/** FBLD: 18 decimal digits, low first, and a sign byte. */
export function fbld(d: usize, s: usize, i: i32): void {
  let value: i64 = 0;
  for (let n: usize = 9; n > 0; n--) {
    const digits = <i64>load<u8>(s + n - 1);
    value = value * 100 + (digits >> 4) * 10 + (digits & 15);
  }
  fromInteger(slot(0), value);
  store<u32>(slot(0), load<u8>(s, 9) >> 7, SIGN);
  pushConverted();
}

/** Pushes 80 bits as they are. */
function pushRaw(mantissa: u64, head: u16): void {
  enterX87();
  if (isEmpty(7)) {
    moveTop(-1);
    store<u64>(st(0), mantissa);
    store<u16>(st(0), head, 8);
    setTag(0, 1);
    leaveX87();
  } else finishPush(slot(0));
}

export function fldExtended(d: usize, s: usize, i: i32): void {
  pushRaw(load<u64>(s), load<u16>(s, 8));
}

export function fld(d: usize, s: usize, i: i32): void {
  if (!isEmpty(i)) {
    pushRaw(load<u64>(st(i)), load<u16>(st(i), 8));
    return;
  }
  enterX87();
  underflow(slot(0));
  if (!isRefused()) {
    moveTop(-1);
    setRegister(0, slot(0));
  }
  leaveX87();
}

/** Pushes a constant of 128 bits, rounded by RC without an exception. */
function pushConstant(exponent: i32, hi: u64, lo: u64): void {
  enterX87();
  setFinite(slot(0), 0, exponent, hi, lo);
  round80(slot(0));
  setRaised(0);
  setRoundedUp(false);
  finishPush(slot(0));
}

export function fld1(d: usize, s: usize, i: i32): void {
  pushConstant(0, 0x8000000000000000, 0);
}

export function fldl2t(d: usize, s: usize, i: i32): void {
  pushConstant(1, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c);
}

export function fldl2e(d: usize, s: usize, i: i32): void {
  pushConstant(0, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88);
}

export function fldpi(d: usize, s: usize, i: i32): void {
  pushConstant(1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1);
}

export function fldlg2(d: usize, s: usize, i: i32): void {
  pushConstant(-2, 0x9a209a84fbcff798, 0x8f8959ac0b7c9178);
}

export function fldln2(d: usize, s: usize, i: i32): void {
  pushConstant(-1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af);
}

export function fldz(d: usize, s: usize, i: i32): void {
  enterX87();
  setKind(slot(0), ZERO, 0);
  finishPush(slot(0));
}

/** Ends a store: whether memory gets its value. An unmasked exception other than precision keeps it and the stack. */
function finishStore(pops: i32): void {
  if (raised & ~masked & (IE | OE | UE)) {
    setRaised(raised & ~PE);
    setRoundedUp(false);
    withhold();
  } else if (pops) pop();
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

function storeRegister(i: u32, pops: i32): void {
  enterX87();
  if (isEmpty(0)) {
    underflow(slot(0));
    finish(i, slot(0), pops);
    return;
  }
  store<u64>(st(i), load<u64>(st(0)));
  store<u16>(st(i), load<u16>(st(0), 8), 8);
  setTag(i, 1);
  if (pops) pop();
  leaveX87();
}

export function fst(d: usize, s: usize, i: i32): void {
  storeRegister(i, 0);
}

export function fstp(d: usize, s: usize, i: i32): void {
  storeRegister(i, 1);
}

export function fxch(d: usize, s: usize, i: i32): void {
  enterX87();
  const emptyTop = isEmpty(0);
  const emptyOther = isEmpty(i);
  if (emptyTop || emptyOther) {
    underflow(slot(0));
    if (isRefused()) {
      leaveX87();
      return;
    }
    if (emptyTop) setRegister(0, slot(0));
    if (emptyOther) setRegister(i, slot(0));
  }
  const mantissa = load<u64>(st(0));
  const head = load<u16>(st(0), 8);
  store<u64>(st(0), load<u64>(st(i)));
  store<u16>(st(0), load<u16>(st(i), 8), 8);
  store<u64>(st(i), mantissa);
  store<u16>(st(i), head, 8);
  leaveX87();
}

/** FABS and FCHS: the sign bit alone, of whatever is there. */
function changeSign(keep: u16, flip: u16): void {
  enterX87();
  if (isEmpty(0)) {
    underflow(slot(0));
    finish(0, slot(0), 0);
    return;
  }
  store<u16>(st(0), (load<u16>(st(0), 8) & keep) ^ flip, 8);
  leaveX87();
}

export function fabs(d: usize, s: usize, i: i32): void {
  changeSign(0x7fff, 0);
}

export function fchs(d: usize, s: usize, i: i32): void {
  changeSign(0xffff, 0x8000);
}

export function ffree(d: usize, s: usize, i: i32): void {
  setTag(i, 0);
  setConditions(C1, 0);
}

/** FFREEP, undocumented: frees ST(i), then pops. */
export function ffreep(d: usize, s: usize, i: i32): void {
  setTag(i, 0);
  pop();
  setConditions(C1, 0);
}

export function fincstp(d: usize, s: usize, i: i32): void {
  moveTop(1);
  setConditions(C1, 0);
}

export function fdecstp(d: usize, s: usize, i: i32): void {
  moveTop(-1);
  setConditions(C1, 0);
}


/** FSTPNCE, undocumented (D9 D8+i): FSTP that only pops when ST0 is empty. */
export function fstpnce(d: usize, s: usize, i: i32): void {
  enterX87();
  if (!isEmpty(0)) {
    store<u64>(st(i), load<u64>(st(0)));
    store<u16>(st(i), load<u16>(st(0), 8), 8);
    setTag(i, 1);
  }
  pop();
  leaveX87();
}
