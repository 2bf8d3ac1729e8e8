// SSE comparisons: CMPccPS/PD/SS/SD, COMIS and UCOMIS (SDM volume 2). Ordinary numbers need no softfloat, whatever
// MXCSR says: comparing them raises nothing.

import { CF, PF, ZF } from "../layout";
import { setArithmeticFlags } from "../flags";
import { slot } from "./number";
import { compare, UNORDERED } from "./operations";
import { enterSse, isOrdinary32, isOrdinary64, leaveSse, operand32, operand64 } from "./sse-environment";

/** The predicates whose comparison is signalling: LT LE NLT NLE NGE NGT GE GT, and of the others' second sixteen. */
const SIGNALLING_PREDICATES: u32 = 0x99996666;
/** For each predicate the orders for which it holds, as a mask of less, equal, greater and unordered. */
const HOLDING: u64 = 0xf4650b9a7ced8312;

/** Whether predicate `i` (of 32, the first eight EQ LT LE UNORD NEQ NLT NLE ORD) holds for an order. */
function holds(i: i32, order: i32): boolean {
  return ((HOLDING >> <u64>(((i & 15) << 2) + order + 1)) & 1) != 0;
}

function order32(a: u32, b: u32, signalling: boolean): i32 {
  if (isOrdinary32(a) && isOrdinary32(b)) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    return i32(x > y) - i32(x < y);
  }
  operand32(slot(0), a);
  operand32(slot(1), b);
  return compare(slot(0), slot(1), signalling);
}

function order64(a: u64, b: u64, signalling: boolean): i32 {
  if (isOrdinary64(a) && isOrdinary64(b)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    return i32(x > y) - i32(x < y);
  }
  operand64(slot(0), a);
  operand64(slot(1), b);
  return compare(slot(0), slot(1), signalling);
}

function mask32(i: i32, d: usize, s: usize): u32 {
  const signalling = ((SIGNALLING_PREDICATES >> i) & 1) != 0;
  return holds(i, order32(load<u32>(d), load<u32>(s), signalling)) ? 0xffffffff : 0;
}

function mask64(i: i32, d: usize, s: usize): u64 {
  const signalling = ((SIGNALLING_PREDICATES >> i) & 1) != 0;
  return holds(i, order64(load<u64>(d), load<u64>(s), signalling)) ? 0xffffffffffffffff : 0;
}

export function vcmpps(d: usize, s: usize, predicate: i32): void {
  const i = predicate & 31;
  enterSse();
  const r0 = mask32(i, d, s);
  const r1 = mask32(i, d + 4, s + 4);
  const r2 = mask32(i, d + 8, s + 8);
  const r3 = mask32(i, d + 12, s + 12);
  leaveSse();
  store<u32>(d, r0);
  store<u32>(d, r1, 4);
  store<u32>(d, r2, 8);
  store<u32>(d, r3, 12);
}

export function cmpps(d: usize, s: usize, i: i32): void {
  vcmpps(d, s, i & 7);
}

export function vcmppd(d: usize, s: usize, predicate: i32): void {
  const i = predicate & 31;
  enterSse();
  const r0 = mask64(i, d, s);
  const r1 = mask64(i, d + 8, s + 8);
  leaveSse();
  store<u64>(d, r0);
  store<u64>(d, r1, 8);
}

export function cmppd(d: usize, s: usize, i: i32): void {
  vcmppd(d, s, i & 7);
}

export function vcmpss(d: usize, s: usize, predicate: i32): void {
  const i = predicate & 31;
  enterSse();
  const result = mask32(i, d, s);
  leaveSse();
  store<u32>(d, result);
}

export function cmpss(d: usize, s: usize, i: i32): void {
  vcmpss(d, s, i & 7);
}

export function vcmpsd(d: usize, s: usize, predicate: i32): void {
  const i = predicate & 31;
  enterSse();
  const result = mask64(i, d, s);
  leaveSse();
  store<u64>(d, result);
}

export function cmpsd(d: usize, s: usize, i: i32): void {
  vcmpsd(d, s, i & 7);
}

/** ZF PF CF: 000 greater, 001 less, 100 equal, 111 unordered; OF SF AF become zero. */
export function setOrderFlags(order: i32): void {
  setArithmeticFlags(order == UNORDERED ? ZF | PF | CF : order == 0 ? ZF : order < 0 ? CF : 0);
}

function compareScalar32(d: usize, s: usize, signalling: boolean): void {
  enterSse();
  const order = order32(load<u32>(d), load<u32>(s), signalling);
  leaveSse();
  setOrderFlags(order);
}

function compareScalar64(d: usize, s: usize, signalling: boolean): void {
  enterSse();
  const order = order64(load<u64>(d), load<u64>(s), signalling);
  leaveSse();
  setOrderFlags(order);
}

export function comiss(d: usize, s: usize, i: i32): void {
  compareScalar32(d, s, true);
}

export function comisd(d: usize, s: usize, i: i32): void {
  compareScalar64(d, s, true);
}

export function ucomiss(d: usize, s: usize, i: i32): void {
  compareScalar32(d, s, false);
}

export function ucomisd(d: usize, s: usize, i: i32): void {
  compareScalar64(d, s, false);
}
