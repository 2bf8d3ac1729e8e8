// x87 sums, products, quotients and roots in all operand forms (SDM volume 2: FADD FMUL FSUB FSUBR FDIV FDIVR FSQRT).
// The first half of a name is the instruction, the second its operand: Single, Double (memory floats), Word, Long
// (memory integers), Top (ST0 with STi), Register (STi with ST0) and Pop (the same, and pop).

import { st } from "../cpu";
import { fromInteger, slot, unpack32, unpack64, unpack80 } from "./number";
import { add, divide, multiply, squareRoot } from "./operations";
import { enterX87, finish, isEmpty, roundControlled, underflow } from "./x87-stack";

const ADD = 0;
const MULTIPLY = 1;
const SUBTRACT = 2;
const SUBTRACT_REVERSE = 3;
const DIVIDE = 4;
const DIVIDE_REVERSE = 5;

/** slot 0 = slot 0 op slot 1, into ST(i). */
function operate(op: i32, i: u32, pops: i32): void {
  const a = slot(0);
  const b = slot(1);
  if (op == ADD) add(a, a, b, 0);
  else if (op == MULTIPLY) multiply(a, a, b);
  else if (op == SUBTRACT) add(a, a, b, 1);
  else if (op == SUBTRACT_REVERSE) add(a, b, a, 1);
  else if (op == DIVIDE) divide(a, a, b);
  else divide(a, b, a);
  roundControlled(a);
  finish(i, a, pops);
}

/** ST0 with ST(other), into ST(i). */
function withRegister(op: i32, other: i32, i: i32, pops: i32): void {
  enterX87();
  if (isEmpty(0) || isEmpty(other)) {
    underflow(slot(0));
    finish(i, slot(0), pops);
    return;
  }
  unpack80(slot(0), st(0));
  unpack80(slot(1), st(other));
  operate(op, i, pops);
}

/** ST0 with the memory operand in slot 1. */
function withMemory(op: i32): void {
  enterX87();
  if (isEmpty(0)) {
    underflow(slot(0));
    finish(0, slot(0), 0);
    return;
  }
  unpack80(slot(0), st(0));
  operate(op, 0, 0);
}

function withSingle(op: i32, s: usize): void {
  unpack32(slot(1), load<u32>(s));
  withMemory(op);
}

function withDouble(op: i32, s: usize): void {
  unpack64(slot(1), load<u64>(s));
  withMemory(op);
}

function withInteger(op: i32, value: i64): void {
  fromInteger(slot(1), value);
  withMemory(op);
}

export function fsqrt(d: usize, s: usize, i: i32): void {
  enterX87();
  const a = slot(0);
  if (isEmpty(0)) underflow(a);
  else {
    unpack80(a, st(0));
    squareRoot(a, a);
    roundControlled(a);
  }
  finish(0, a, 0);
}

export function faddSingle(d: usize, s: usize, i: i32): void {
  withSingle(ADD, s);
}

export function faddDouble(d: usize, s: usize, i: i32): void {
  withDouble(ADD, s);
}

export function faddWord(d: usize, s: usize, i: i32): void {
  withInteger(ADD, load<i16>(s));
}

export function faddLong(d: usize, s: usize, i: i32): void {
  withInteger(ADD, load<i32>(s));
}

export function faddTop(d: usize, s: usize, i: i32): void {
  withRegister(ADD, i, 0, 0);
}

export function faddRegister(d: usize, s: usize, i: i32): void {
  withRegister(ADD, i, i, 0);
}

export function faddPop(d: usize, s: usize, i: i32): void {
  withRegister(ADD, i, i, 1);
}

export function fmulSingle(d: usize, s: usize, i: i32): void {
  withSingle(MULTIPLY, s);
}

export function fmulDouble(d: usize, s: usize, i: i32): void {
  withDouble(MULTIPLY, s);
}

export function fmulWord(d: usize, s: usize, i: i32): void {
  withInteger(MULTIPLY, load<i16>(s));
}

export function fmulLong(d: usize, s: usize, i: i32): void {
  withInteger(MULTIPLY, load<i32>(s));
}

export function fmulTop(d: usize, s: usize, i: i32): void {
  withRegister(MULTIPLY, i, 0, 0);
}

export function fmulRegister(d: usize, s: usize, i: i32): void {
  withRegister(MULTIPLY, i, i, 0);
}

export function fmulPop(d: usize, s: usize, i: i32): void {
  withRegister(MULTIPLY, i, i, 1);
}

export function fsubSingle(d: usize, s: usize, i: i32): void {
  withSingle(SUBTRACT, s);
}

export function fsubDouble(d: usize, s: usize, i: i32): void {
  withDouble(SUBTRACT, s);
}

export function fsubWord(d: usize, s: usize, i: i32): void {
  withInteger(SUBTRACT, load<i16>(s));
}

export function fsubLong(d: usize, s: usize, i: i32): void {
  withInteger(SUBTRACT, load<i32>(s));
}

export function fsubTop(d: usize, s: usize, i: i32): void {
  withRegister(SUBTRACT, i, 0, 0);
}

export function fsubRegister(d: usize, s: usize, i: i32): void {
  withRegister(SUBTRACT, i, i, 0);
}

export function fsubPop(d: usize, s: usize, i: i32): void {
  withRegister(SUBTRACT, i, i, 1);
}

export function fsubrSingle(d: usize, s: usize, i: i32): void {
  withSingle(SUBTRACT_REVERSE, s);
}

export function fsubrDouble(d: usize, s: usize, i: i32): void {
  withDouble(SUBTRACT_REVERSE, s);
}

export function fsubrWord(d: usize, s: usize, i: i32): void {
  withInteger(SUBTRACT_REVERSE, load<i16>(s));
}

export function fsubrLong(d: usize, s: usize, i: i32): void {
  withInteger(SUBTRACT_REVERSE, load<i32>(s));
}

export function fsubrTop(d: usize, s: usize, i: i32): void {
  withRegister(SUBTRACT_REVERSE, i, 0, 0);
}

export function fsubrRegister(d: usize, s: usize, i: i32): void {
  withRegister(SUBTRACT_REVERSE, i, i, 0);
}

export function fsubrPop(d: usize, s: usize, i: i32): void {
  withRegister(SUBTRACT_REVERSE, i, i, 1);
}

export function fdivSingle(d: usize, s: usize, i: i32): void {
  withSingle(DIVIDE, s);
}

export function fdivDouble(d: usize, s: usize, i: i32): void {
  withDouble(DIVIDE, s);
}

export function fdivWord(d: usize, s: usize, i: i32): void {
  withInteger(DIVIDE, load<i16>(s));
}

export function fdivLong(d: usize, s: usize, i: i32): void {
  withInteger(DIVIDE, load<i32>(s));
}

export function fdivTop(d: usize, s: usize, i: i32): void {
  withRegister(DIVIDE, i, 0, 0);
}

export function fdivRegister(d: usize, s: usize, i: i32): void {
  withRegister(DIVIDE, i, i, 0);
}

export function fdivPop(d: usize, s: usize, i: i32): void {
  withRegister(DIVIDE, i, i, 1);
}

export function fdivrSingle(d: usize, s: usize, i: i32): void {
  withSingle(DIVIDE_REVERSE, s);
}

export function fdivrDouble(d: usize, s: usize, i: i32): void {
  withDouble(DIVIDE_REVERSE, s);
}

export function fdivrWord(d: usize, s: usize, i: i32): void {
  withInteger(DIVIDE_REVERSE, load<i16>(s));
}

export function fdivrLong(d: usize, s: usize, i: i32): void {
  withInteger(DIVIDE_REVERSE, load<i32>(s));
}

export function fdivrTop(d: usize, s: usize, i: i32): void {
  withRegister(DIVIDE_REVERSE, i, 0, 0);
}

export function fdivrRegister(d: usize, s: usize, i: i32): void {
  withRegister(DIVIDE_REVERSE, i, i, 0);
}

export function fdivrPop(d: usize, s: usize, i: i32): void {
  withRegister(DIVIDE_REVERSE, i, i, 1);
}
