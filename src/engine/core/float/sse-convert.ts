// SSE conversions between integers and floating-point formats, those with MMX registers included (SDM volume 2).

import { fromInteger, isNaN, pack32, pack64, slot } from "./number";
import { propagateOne, signalDenormal } from "./operations";
import { round32, round64, setMode, toInteger, TRUNCATE } from "./rounding";
import {
  enterSse,
  isOrdinary32,
  isOrdinary64,
  isPlain,
  isSettled32,
  leaveSse,
  operand32,
  operand64
} from "./sse-environment";

function integerTo32(value: i64): u32 {
  fromInteger(slot(0), value);
  round32(slot(0));
  return pack32(slot(0));
}

function integerTo64(value: i64): u64 {
  fromInteger(slot(0), value);
  round64(slot(0));
  return pack64(slot(0));
}

function integerFrom32(bits: u32, width: u32, truncate: boolean): i64 {
  operand32(slot(0), bits);
  if (truncate) setMode(TRUNCATE);
  return toInteger(slot(0), width);
}

function integerFrom64(bits: u64, width: u32, truncate: boolean): i64 {
  operand64(slot(0), bits);
  if (truncate) setMode(TRUNCATE);
  return toInteger(slot(0), width);
}

/** float → double; exact, but for NaNs. */
function widen(bits: u32): u64 {
  if (isOrdinary32(bits)) return reinterpret<u64>(<f64>reinterpret<f32>(bits));
  operand32(slot(0), bits);
  if (isNaN(slot(0))) propagateOne(slot(0), slot(0));
  else signalDenormal(slot(0));
  return pack64(slot(0));
}

function narrow(bits: u64): u32 {
  const quick = reinterpret<u32>(<f32>reinterpret<f64>(bits));
  if (isPlain() && isOrdinary64(bits) && isSettled32(quick, u32(bits << 1 != 0), 1)) return quick;
  operand64(slot(0), bits);
  if (isNaN(slot(0))) propagateOne(slot(0), slot(0));
  else {
    signalDenormal(slot(0));
    round32(slot(0));
  }
  return pack32(slot(0));
}

export function cvtsi2ss(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = integerTo32(load<i32>(s));
  leaveSse();
  store<u32>(d, result);
}

export function cvtsi2ss64(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = integerTo32(load<i64>(s));
  leaveSse();
  store<u32>(d, result);
}

export function cvtsi2sd(d: usize, s: usize, i: i32): void {
  store<f64>(d, <f64>load<i32>(s));
}

export function cvtsi2sd64(d: usize, s: usize, i: i32): void {
  const value = load<i64>(s);
  if (isPlain()) {
    store<f64>(d, <f64>value);
    return;
  }
  enterSse();
  const result = integerTo64(value);
  leaveSse();
  store<u64>(d, result);
}

function toRegister32(d: usize, bits: u32, width: u32, truncate: boolean): void {
  enterSse();
  const result = integerFrom32(bits, width, truncate);
  leaveSse();
  store<u64>(d, width == 32 ? <u64>(<u32>result) : <u64>result);
}

function toRegister64(d: usize, bits: u64, width: u32, truncate: boolean): void {
  enterSse();
  const result = integerFrom64(bits, width, truncate);
  leaveSse();
  store<u64>(d, width == 32 ? <u64>(<u32>result) : <u64>result);
}

export function cvttss2si(d: usize, s: usize, i: i32): void {
  toRegister32(d, load<u32>(s), 32, true);
}

export function cvttss2si64(d: usize, s: usize, i: i32): void {
  toRegister32(d, load<u32>(s), 64, true);
}

/** The conversion that compiled code uses most: in range and with PE already set it needs no softfloat. */
export function cvttsd2si(d: usize, s: usize, i: i32): void {
  const value = load<f64>(s);
  if (isPlain() && value > -2147483649.0 && value < 2147483648.0 && isOrdinary64(load<u64>(s))) {
    store<u64>(d, <u64>(<u32>(<i32>value)));
  } else toRegister64(d, load<u64>(s), 32, true);
}

export function cvttsd2si64(d: usize, s: usize, i: i32): void {
  const value = load<f64>(s);
  if (isPlain() && abs<f64>(value) < 9223372036854775808.0 && isOrdinary64(load<u64>(s))) {
    store<u64>(d, <u64>(<i64>value));
  } else toRegister64(d, load<u64>(s), 64, true);
}

export function cvtss2si(d: usize, s: usize, i: i32): void {
  toRegister32(d, load<u32>(s), 32, false);
}

export function cvtss2si64(d: usize, s: usize, i: i32): void {
  toRegister32(d, load<u32>(s), 64, false);
}

export function cvtsd2si(d: usize, s: usize, i: i32): void {
  toRegister64(d, load<u64>(s), 32, false);
}

export function cvtsd2si64(d: usize, s: usize, i: i32): void {
  toRegister64(d, load<u64>(s), 64, false);
}

export function cvtss2sd(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = widen(load<u32>(s));
  leaveSse();
  store<u64>(d, result);
}

export function cvtsd2ss(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = narrow(load<u64>(s));
  leaveSse();
  store<u32>(d, result);
}

export function cvtps2pd(d: usize, s: usize, i: i32): void {
  enterSse();
  const r0 = widen(load<u32>(s));
  const r1 = widen(load<u32>(s, 4));
  leaveSse();
  store<u64>(d, r0);
  store<u64>(d, r1, 8);
}

export function cvtpd2ps(d: usize, s: usize, i: i32): void {
  enterSse();
  const r0 = narrow(load<u64>(s));
  const r1 = narrow(load<u64>(s, 8));
  leaveSse();
  store<u64>(d, <u64>r0 | (<u64>r1 << 32));
  store<u64>(d, 0, 8);
}

export function cvtdq2ps(d: usize, s: usize, i: i32): void {
  enterSse();
  const r0 = integerTo32(load<i32>(s));
  const r1 = integerTo32(load<i32>(s, 4));
  const r2 = integerTo32(load<i32>(s, 8));
  const r3 = integerTo32(load<i32>(s, 12));
  leaveSse();
  store<u64>(d, <u64>r0 | (<u64>r1 << 32));
  store<u64>(d, <u64>r2 | (<u64>r3 << 32), 8);
}

export function cvtdq2pd(d: usize, s: usize, i: i32): void {
  const high = load<i32>(s, 4);
  store<f64>(d, <f64>load<i32>(s));
  store<f64>(d, <f64>high, 8);
}

/** Two floats to two dwords, as one quadword. */
function pairFrom32(s: usize, truncate: boolean): u64 {
  const low = <u32>integerFrom32(load<u32>(s), 32, truncate);
  return <u64>low | (<u64>(<u32>integerFrom32(load<u32>(s, 4), 32, truncate)) << 32);
}

function pairFrom64(s: usize, truncate: boolean): u64 {
  const low = <u32>integerFrom64(load<u64>(s), 32, truncate);
  return <u64>low | (<u64>(<u32>integerFrom64(load<u64>(s, 8), 32, truncate)) << 32);
}

function packedFrom32(d: usize, s: usize, truncate: boolean): void {
  enterSse();
  const low = pairFrom32(s, truncate);
  const high = pairFrom32(s + 8, truncate);
  leaveSse();
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

function packedFrom64(d: usize, s: usize, truncate: boolean): void {
  enterSse();
  const low = pairFrom64(s, truncate);
  leaveSse();
  store<u64>(d, low);
  store<u64>(d, 0, 8);
}

export function cvtps2dq(d: usize, s: usize, i: i32): void {
  packedFrom32(d, s, false);
}

export function cvttps2dq(d: usize, s: usize, i: i32): void {
  packedFrom32(d, s, true);
}

export function cvtpd2dq(d: usize, s: usize, i: i32): void {
  packedFrom64(d, s, false);
}

export function cvttpd2dq(d: usize, s: usize, i: i32): void {
  packedFrom64(d, s, true);
}

// The MMX forms: the dispatcher has entered the MMX state before, and marks a written register after.

export function cvtpi2ps(d: usize, s: usize, i: i32): void {
  enterSse();
  const r0 = integerTo32(load<i32>(s));
  const r1 = integerTo32(load<i32>(s, 4));
  leaveSse();
  store<u64>(d, <u64>r0 | (<u64>r1 << 32));
}

export function cvtps2pi(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = pairFrom32(s, false);
  leaveSse();
  store<u64>(d, result);
}

export function cvttps2pi(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = pairFrom32(s, true);
  leaveSse();
  store<u64>(d, result);
}

export function cvtpd2pi(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = pairFrom64(s, false);
  leaveSse();
  store<u64>(d, result);
}

export function cvttpd2pi(d: usize, s: usize, i: i32): void {
  enterSse();
  const result = pairFrom64(s, true);
  leaveSse();
  store<u64>(d, result);
}
