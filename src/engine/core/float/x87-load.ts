// x87 loads (SDM volume 2: FLD FILD FBLD and the constants): each pushes one value. Single, Double, Extended are memory
// floats; Word, Long, Quad memory integers.

import { st } from "../cpu";
import { fromInteger, isNaN, setFinite, setKind, SIGN, slot, unpack32, unpack64, ZERO } from "./number";
import { propagateOne, signalDenormal } from "./operations";
import { setRaised, setRoundedUp } from "./rounding";
import {
  enterX87,
  finishPush,
  isEmpty,
  isRefused,
  leaveX87,
  moveTop,
  round80,
  setRegister,
  setTag,
  underflow
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
