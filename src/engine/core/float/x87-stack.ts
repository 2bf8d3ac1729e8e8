// The x87's environment and register stack: what every instruction begins and ends with, stack faults, and when an
// unmasked exception keeps the result away (SDM volume 1, 8.1 and 8.5).
//
// An unmasked exception sets ES and B; the next waiting instruction raises #MF. Invalid operand, stack fault, denormal
// operand and division by zero are found before anything is computed: operands and stack then stay as they are.

import { FCW, FSW, FTAG, FTOP } from "../layout";
import { cpu, st } from "../cpu";
import { FINITE, HI, kind, pack80, setDefaultNaN, slot, TOP, unpack80 } from "./number";
import { setNaNRule } from "./operations";
import {
  begin,
  DENORMAL_OPERAND,
  IE,
  masked,
  PE,
  raised,
  round,
  roundedUp,
  setRaised,
  setRoundedUp,
  signal,
  UE,
  ZE
} from "./rounding";

export const STACK_FAULT: u32 = 0x40;
const SUMMARY: u32 = 0x8080;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const C3: u32 = 0x4000;

/** Significant bits that FCW's precision control allows. */
let precision: u32 = 64;

export function enterX87(): void {
  const control = <u32>load<u16>(cpu + FCW);
  begin((control >> 10) & 3, control & 0x3f, false);
  setNaNRule(true);
  const field = (control >> 8) & 3;
  precision = field == 0 ? 24 : field == 2 ? 53 : 64;
}

/** Puts exceptions and C1 into FSW; what rounding found of a result that is refused never happened. */
export function leaveX87(): void {
  if (isRefused()) {
    setRaised(raised & (IE | DENORMAL_OPERAND | ZE | STACK_FAULT));
    if (!(raised & STACK_FAULT)) setRoundedUp(false);
  }
  let status = (<u32>load<u16>(cpu + FSW) & ~C1) | raised;
  if (roundedUp) status |= C1;
  if (raised & ~masked & 0x3f) status |= SUMMARY;
  store<u16>(cpu + FSW, <u16>status);
}

/** The same for FCOMI and FCMOVcc, which leave C1 alone unless the stack faults. */
export function leaveKeepingC1(): void {
  if (!(raised & STACK_FAULT)) setRoundedUp((load<u16>(cpu + FSW) & C1) != 0);
  const status = raised & ~masked & 0x3f ? raised | SUMMARY : raised;
  const kept = <u32>load<u16>(cpu + FSW) & ~C1;
  store<u16>(cpu + FSW, <u16>(kept | status | (roundedUp ? C1 : 0)));
}

/** Replaces condition codes `which` by `value`. */
export function setConditions(which: u32, value: u32): void {
  store<u16>(cpu + FSW, <u16>((<u32>load<u16>(cpu + FSW) & ~which) | value));
}

/** Whether an unmasked exception forbids a result: operands and stack must stay. */
export function isRefused(): boolean {
  return (raised & ~masked & (IE | DENORMAL_OPERAND | ZE)) != 0;
}

export function isEmpty(i: u32): boolean {
  return ((load<u8>(cpu + FTAG) >> <u8>((load<u32>(cpu + FTOP) + i) & 7)) & 1) == 0;
}

export function setTag(i: u32, valid: u32): void {
  const bit = (load<u32>(cpu + FTOP) + i) & 7;
  store<u8>(cpu + FTAG, <u8>((<u32>load<u8>(cpu + FTAG) & ~(1 << bit)) | (valid << bit)));
}

export function moveTop(by: i32): void {
  store<u32>(cpu + FTOP, (load<u32>(cpu + FTOP) + <u32>by) & 7);
}

export function popRegister(): void {
  setTag(0, 0);
  moveTop(1);
}

/** Rounds as precision control says. */
export function roundControlled(a: usize): void {
  round(a, precision, -16382, 16383);
}

/** Rounds to the whole 80-bit format. */
export function round80(a: usize): void {
  round(a, 64, -16382, 16383);
}

/** Stack underflow: an operand is empty. The result, if IE is masked, is the default NaN. */
export function underflow(r: usize): void {
  signal(IE | STACK_FAULT);
  setRoundedUp(false);
  setDefaultNaN(r);
}

/** Rounds a result that counts as inexact, and as underflow when it is denormal, even if no bit is lost. */
export function roundInexact(a: usize): void {
  round80(a);
  if (raised & PE && kind(a) == FINITE && !(load<u64>(a, HI) & TOP)) signal(UE);
}

/** Takes ST0 and ST1 to slots 0 and 1; false after a stack fault, whose result is in slot 0. */
export function takeTwo(): boolean {
  enterX87();
  if (isEmpty(0) || isEmpty(1)) {
    underflow(slot(0));
    return false;
  }
  unpack80(slot(0), st(0));
  unpack80(slot(1), st(1));
  return true;
}

/** Writes ST(i). */
export function setRegister(i: u32, a: usize): void {
  pack80(a, st(i));
  setTag(i, 1);
}

/** Ends an instruction whose result is `a`, already rounded, in ST(i); pops `pops` times. */
export function finish(i: u32, a: usize, pops: i32): void {
  if (!isRefused()) {
    setRegister(i, a);
    for (; pops > 0; pops--) popRegister();
  }
  leaveX87();
}

/** Pushes `a` unless the stack is full, and ends the instruction. A load of a denormal is not refused. */
export function finishPush(a: usize): void {
  let value = a;
  if (!isEmpty(7)) {
    value = slot(7);
    signal(IE | STACK_FAULT);
    setDefaultNaN(value);
  }
  if (!(raised & ~masked & IE)) {
    moveTop(-1);
    setRegister(0, value);
  }
  if (raised & STACK_FAULT) setRoundedUp(true);
  leaveX87();
}

/** The store of the instruction that runs must not reach memory: an unmasked exception forbids it. */
let withheld: boolean = false;

export function withhold(): void {
  withheld = true;
}

/** Whether the last handler withheld its store; asking resets it. */
export function takeWithheld(): boolean {
  const result = withheld;
  withheld = false;
  return result;
}
