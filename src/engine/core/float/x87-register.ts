// x87 moves between registers, signs and tags (SDM volume 2: FST FXCH FABS FCHS FFREE FINCSTP FDECSTP; the undocumented
// FFREEP and FSTPNCE).

import { st } from "../cpu";
import { slot } from "./number";
import {
  C1,
  enterX87,
  finish,
  isEmpty,
  isRefused,
  leaveX87,
  moveTop,
  popRegister,
  setConditions,
  setRegister,
  setTag,
  underflow
} from "./x87-stack";

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
  if (pops) popRegister();
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
  popRegister();
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
  popRegister();
  leaveX87();
}
