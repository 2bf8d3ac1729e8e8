// x87 comparisons (SDM volume 2: FCOM FUCOM FICOM FTST FCOMI FUCOMI FXAM) and the moves that depend on flags (FCMOVcc).

import { st } from "../cpu";
import { carry, parity, zero } from "../flags";
import {
  DENORMAL,
  fromInteger,
  INFINITE,
  kind,
  QUIET,
  setKind,
  slot,
  unpack32,
  unpack64,
  unpack80,
  UNSUPPORTED,
  ZERO
} from "./number";
import { compare, UNORDERED } from "./operations";
import { setOrderFlags } from "./sse-compare";
import {
  C0,
  C1,
  C2,
  C3,
  enterX87,
  isEmpty,
  isRefused,
  leaveKeepingC1,
  leaveX87,
  popRegister,
  setConditions,
  setRegister,
  underflow
} from "./x87-stack";

/** C3 C2 C0: 000 greater, 001 less, 100 equal, 111 unordered. */
function orderConditions(order: i32): u32 {
  return order == UNORDERED ? C3 | C2 | C0 : order == 0 ? C3 : order < 0 ? C0 : 0;
}

/** Compares ST0 with slot 1 (`empty`: with an empty register); pops. */
function compareTop(empty: boolean, signalling: boolean, pops: i32): void {
  let order = UNORDERED;
  enterX87();
  if (empty || isEmpty(0)) underflow(slot(0));
  else {
    unpack80(slot(0), st(0));
    order = compare(slot(0), slot(1), signalling);
  }
  setConditions(C3 | C2 | C0, orderConditions(order));
  if (!isRefused()) for (; pops > 0; pops--) popRegister();
  leaveX87();
}

function compareRegister(i: u32, signalling: boolean, pops: i32): void {
  unpack80(slot(1), st(i));
  compareTop(isEmpty(i), signalling, pops);
}

/** FCOMI and FUCOMI: the order goes to ZF PF CF. */
function compareToFlags(i: u32, signalling: boolean, pops: i32): void {
  let order = UNORDERED;
  enterX87();
  if (isEmpty(i) || isEmpty(0)) underflow(slot(0));
  else {
    unpack80(slot(0), st(0));
    unpack80(slot(1), st(i));
    order = compare(slot(0), slot(1), signalling);
  }
  setOrderFlags(order);
  if (!isRefused()) for (; pops > 0; pops--) popRegister();
  leaveKeepingC1();
}

export function fcomSingle(d: usize, s: usize, i: i32): void {
  unpack32(slot(1), load<u32>(s));
  compareTop(false, true, 0);
}

export function fcompSingle(d: usize, s: usize, i: i32): void {
  unpack32(slot(1), load<u32>(s));
  compareTop(false, true, 1);
}

export function fcomDouble(d: usize, s: usize, i: i32): void {
  unpack64(slot(1), load<u64>(s));
  compareTop(false, true, 0);
}

export function fcompDouble(d: usize, s: usize, i: i32): void {
  unpack64(slot(1), load<u64>(s));
  compareTop(false, true, 1);
}

export function ficomWord(d: usize, s: usize, i: i32): void {
  fromInteger(slot(1), load<i16>(s));
  compareTop(false, true, 0);
}

export function ficompWord(d: usize, s: usize, i: i32): void {
  fromInteger(slot(1), load<i16>(s));
  compareTop(false, true, 1);
}

export function ficomLong(d: usize, s: usize, i: i32): void {
  fromInteger(slot(1), load<i32>(s));
  compareTop(false, true, 0);
}

export function ficompLong(d: usize, s: usize, i: i32): void {
  fromInteger(slot(1), load<i32>(s));
  compareTop(false, true, 1);
}

export function fcom(d: usize, s: usize, i: i32): void {
  compareRegister(i, true, 0);
}

export function fcomp(d: usize, s: usize, i: i32): void {
  compareRegister(i, true, 1);
}

export function fcompp(d: usize, s: usize, i: i32): void {
  compareRegister(1, true, 2);
}

export function fucom(d: usize, s: usize, i: i32): void {
  compareRegister(i, false, 0);
}

export function fucomp(d: usize, s: usize, i: i32): void {
  compareRegister(i, false, 1);
}

export function fucompp(d: usize, s: usize, i: i32): void {
  compareRegister(1, false, 2);
}

export function ftst(d: usize, s: usize, i: i32): void {
  setKind(slot(1), ZERO, 0);
  compareTop(false, true, 0);
}

export function fcomi(d: usize, s: usize, i: i32): void {
  compareToFlags(i, true, 0);
}

export function fcomip(d: usize, s: usize, i: i32): void {
  compareToFlags(i, true, 1);
}

export function fucomi(d: usize, s: usize, i: i32): void {
  compareToFlags(i, false, 0);
}

export function fucomip(d: usize, s: usize, i: i32): void {
  compareToFlags(i, false, 1);
}

/** FXAM: C1 the sign, C3 C2 C0 the class, without an exception; an empty register has a sign too. */
export function fxam(d: usize, s: usize, i: i32): void {
  const a = slot(0);
  unpack80(a, st(0));
  const what = kind(a);
  let conditions: u32;
  if (isEmpty(0)) conditions = C3 | C0;
  else if (what == ZERO) conditions = C3;
  else if (what == INFINITE) conditions = C2 | C0;
  else if (what == UNSUPPORTED) conditions = 0;
  else if (what >= QUIET) conditions = C0;
  else conditions = load<u32>(a, DENORMAL) ? C3 | C2 : C2;
  if (load<u16>(st(0), 8) & 0x8000) conditions |= C1;
  setConditions(C3 | C2 | C1 | C0, conditions);
}

/** ST0 = ST(i) when `condition`; an empty register is a stack fault either way. */
function moveIf(condition: boolean, i: u32): void {
  enterX87();
  if (isEmpty(0) || isEmpty(i)) {
    underflow(slot(0));
    if (!isRefused()) setRegister(0, slot(0));
  } else if (condition) {
    store<u64>(st(0), load<u64>(st(i)));
    store<u16>(st(0), load<u16>(st(i), 8), 8);
  }
  leaveKeepingC1();
}

export function fcmovb(d: usize, s: usize, i: i32): void {
  moveIf(carry() != 0, i);
}

export function fcmove(d: usize, s: usize, i: i32): void {
  moveIf(zero() != 0, i);
}

export function fcmovbe(d: usize, s: usize, i: i32): void {
  moveIf((carry() | zero()) != 0, i);
}

export function fcmovu(d: usize, s: usize, i: i32): void {
  moveIf(parity() != 0, i);
}

export function fcmovnb(d: usize, s: usize, i: i32): void {
  moveIf(carry() == 0, i);
}

export function fcmovne(d: usize, s: usize, i: i32): void {
  moveIf(zero() == 0, i);
}

export function fcmovnbe(d: usize, s: usize, i: i32): void {
  moveIf((carry() | zero()) == 0, i);
}

export function fcmovnu(d: usize, s: usize, i: i32): void {
  moveIf(parity() == 0, i);
}
