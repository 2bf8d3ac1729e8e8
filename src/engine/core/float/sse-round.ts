// ROUNDPS/PD/SS/SD (SDM volume 2: rounding by the immediate or MXCSR, DE never, PE unless bit 3 of the immediate) and
// the reciprocal approximations RCP and RSQRT. These are documented to a relative error of 1.5 × 2^-12; here they are
// the correctly rounded values, with denormals as zeros as in hardware. They raise no exception.

import { FINITE, isNaN, kind, pack32, pack64, slot } from "./number";
import { propagateOne } from "./operations";
import { PE, raised, roundToIntegral, setMode, setRaised } from "./rounding";
import { enterSse, leaveSse, operand32, operand64 } from "./sse-environment";

const USE_MXCSR = 4;
const NO_PRECISION = 8;

function enterRounding(i: i32): void {
  enterSse();
  if (!(i & USE_MXCSR)) setMode(i & 3);
}

function leaveRounding(i: i32): void {
  if (i & NO_PRECISION) setRaised(raised & ~PE);
  leaveSse();
}

function integral(a: usize): void {
  if (isNaN(a)) propagateOne(a, a);
  else roundToIntegral(a);
}

function integral32(bits: u32): u32 {
  operand32(slot(0), bits);
  integral(slot(0));
  return pack32(slot(0));
}

function integral64(bits: u64): u64 {
  operand64(slot(0), bits);
  integral(slot(0));
  return pack64(slot(0));
}

export function roundss(d: usize, s: usize, i: i32): void {
  enterRounding(i);
  const result = integral32(load<u32>(s));
  leaveRounding(i);
  store<u32>(d, result);
}

export function roundsd(d: usize, s: usize, i: i32): void {
  enterRounding(i);
  const result = integral64(load<u64>(s));
  leaveRounding(i);
  store<u64>(d, result);
}

export function roundps(d: usize, s: usize, i: i32): void {
  enterRounding(i);
  const r0 = integral32(load<u32>(s));
  const r1 = integral32(load<u32>(s, 4));
  const r2 = integral32(load<u32>(s, 8));
  const r3 = integral32(load<u32>(s, 12));
  leaveRounding(i);
  store<u64>(d, <u64>r0 | (<u64>r1 << 32));
  store<u64>(d, <u64>r2 | (<u64>r3 << 32), 8);
}

export function roundpd(d: usize, s: usize, i: i32): void {
  enterRounding(i);
  const r0 = integral64(load<u64>(s));
  const r1 = integral64(load<u64>(s, 8));
  leaveRounding(i);
  store<u64>(d, r0);
  store<u64>(d, r1, 8);
}

const SIGN_BIT: u32 = 0x80000000;
const QUIET_FLOAT: u32 = 0x00400000;
const DEFAULT_NAN: u32 = 0xffc00000;
const INFINITY: u32 = 0x7f800000;

/** A denormal becomes a zero of its sign. */
function withoutDenormal(bits: u32): u32 {
  return bits & INFINITY ? bits : bits & SIGN_BIT;
}

function reciprocal(bits: u32): u32 {
  if ((bits & ~SIGN_BIT) > INFINITY) return bits | QUIET_FLOAT;
  return withoutDenormal(reinterpret<u32>(<f32>1 / reinterpret<f32>(withoutDenormal(bits))));
}

function reciprocalRoot(bits: u32): u32 {
  if ((bits & ~SIGN_BIT) > INFINITY) return bits | QUIET_FLOAT;
  const value = withoutDenormal(bits);
  if (value << 1 == 0) return (value & SIGN_BIT) | INFINITY;
  if (value & SIGN_BIT) return DEFAULT_NAN;
  return reinterpret<u32>(<f32>(1.0 / sqrt<f64>(reinterpret<f32>(value))));
}

export function rcpss(d: usize, s: usize, i: i32): void {
  store<u32>(d, reciprocal(load<u32>(s)));
}

export function rcpps(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 16; n += 4) store<u32>(d + n, reciprocal(load<u32>(s + n)));
}

export function rsqrtss(d: usize, s: usize, i: i32): void {
  store<u32>(d, reciprocalRoot(load<u32>(s)));
}

export function rsqrtps(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 16; n += 4) store<u32>(d + n, reciprocalRoot(load<u32>(s + n)));
}
