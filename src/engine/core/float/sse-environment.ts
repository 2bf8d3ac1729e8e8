// What every SSE arithmetic instruction begins and ends with: MXCSR's rounding, DAZ, FTZ and masks (SDM volume 1,
// 10.2.3 and 11.5), the raising of #XM before the destination changes, and the test that lets ordinary numbers take
// WebAssembly's own arithmetic.

import { CR4, MXCSR } from "../layout";
import { cpu, raise, UD, XM } from "../cpu";
import { FINITE, kind, pack32, pack64, setKind, SIGN, slot, unpack32, unpack64, DENORMAL, ZERO } from "./number";
import { add, compare, divide, multiply, setNaNRule, squareRoot, UNORDERED } from "./operations";
import { begin, raised, round32, round64, setRaised } from "./rounding";

export const ADD = 0;
export const SUBTRACT = 1;
export const MULTIPLY = 2;
export const DIVIDE = 3;
export const ROOT = 4;
export const MINIMUM = 5;
export const MAXIMUM = 6;

const DAZ: u32 = 0x40;
const FTZ: u32 = 0x8000;
const OSXMMEXCPT: u32 = 0x400;
/** IE, DE and ZE: found before anything is computed. */
const BEFORE: u32 = 0x07;

/** DAZ is set for the instruction that runs. */
let denormalsAreZeros: boolean = false;

/** The lanes of a 256-bit instruction are under way: their exceptions add up. */
let held: boolean = false;

/** The first lane of several begins. */
export function holdSse(): void {
  held = true;
  setRaised(0);
}

/** The last of several lanes is through. */
export function releaseSse(): void {
  held = false;
  if (raised != 0) leaveSse();
}

export function enterSse(): void {
  const control = load<u32>(cpu + MXCSR);
  const before = held ? raised : 0;
  begin((control >> 13) & 3, (control >> 7) & 0x3f, (control & FTZ) != 0);
  setRaised(before);
  denormalsAreZeros = (control & DAZ) != 0;
  setNaNRule(false);
}

/** Puts the exceptions into MXCSR and raises #XM (#UD if the system does not take it) when one is unmasked. */
export function leaveSse(): void {
  if (held) return;
  const control = load<u32>(cpu + MXCSR);
  const unmasked = raised & ~(control >> 7) & 0x3f;
  if (unmasked & BEFORE) setRaised(raised & BEFORE);
  store<u32>(cpu + MXCSR, control | raised);
  if (unmasked) raise(load<u32>(cpu + CR4) & OSXMMEXCPT ? XM : UD);
}

/**
 * Round to nearest, everything masked, no DAZ, no FTZ and PE already set: then an operation on ordinary numbers with an
 * ordinary result leaves no trace but the result.
 */
// @ts-ignore: decorator
@inline
export function isPlain(): boolean {
  return (load<u32>(cpu + MXCSR) & 0xffe0) == 0x1fa0;
}

/** Normal or zero. */
// @ts-ignore: decorator
@inline
export function isOrdinary32(bits: u32): boolean {
  return (bits & 0x7fffffff) - 0x00800000 < 0x7f000000 || (bits & 0x7fffffff) == 0;
}

// @ts-ignore: decorator
@inline
export function isOrdinary64(bits: u64): boolean {
  return (bits & 0x7fffffffffffffff) - 0x0010000000000000 < 0x7fe0000000000000 || (bits & 0x7fffffffffffffff) == 0;
}

/** A result that is certain to be neither overflow nor underflow: above the smallest normals, or zero for a zero. */
// @ts-ignore: decorator
@inline
export function isSettled32(r: u32, a: u32, b: u32): boolean {
  const magnitude = r & 0x7fffffff;
  return magnitude - 0x01000000 < 0x7e800000 || (magnitude == 0 && (a << 1 == 0 || b << 1 == 0));
}

// @ts-ignore: decorator
@inline
export function isSettled64(r: u64, a: u64, b: u64): boolean {
  const magnitude = r & 0x7fffffffffffffff;
  return magnitude - 0x0020000000000000 < 0x7fd0000000000000 || (magnitude == 0 && (a << 1 == 0 || b << 1 == 0));
}

export function areSettled32(a: v128, b: v128, r: v128): boolean {
  const mask = i32x4.splat(0x7fffffff);
  const zero = i32x4.splat(0);
  const ma = v128.and(a, mask);
  const mb = v128.and(b, mask);
  const mr = v128.and(r, mask);
  const za = i32x4.eq(ma, zero);
  const zb = i32x4.eq(mb, zero);
  const least = i32x4.splat(0x00800000);
  const range = i32x4.splat(0x7f000000);
  const oa = v128.or(za, i32x4.lt_u(i32x4.sub(ma, least), range));
  const ob = v128.or(zb, i32x4.lt_u(i32x4.sub(mb, least), range));
  const zr = v128.and(i32x4.eq(mr, zero), v128.or(za, zb));
  const or = v128.or(zr, i32x4.lt_u(i32x4.sub(mr, i32x4.splat(0x01000000)), i32x4.splat(0x7e800000)));
  return i32x4.all_true(v128.and(v128.and(oa, ob), or));
}

/** The same for two doubles; SIMD has no unsigned 64-bit comparison, but magnitudes are positive. */
export function areSettled64(a: v128, b: v128, r: v128): boolean {
  const mask = i64x2.splat(0x7fffffffffffffff);
  const zero = i64x2.splat(0);
  const ma = v128.and(a, mask);
  const mb = v128.and(b, mask);
  const mr = v128.and(r, mask);
  const za = i64x2.eq(ma, zero);
  const zb = i64x2.eq(mb, zero);
  const least = i64x2.splat(0x000fffffffffffff);
  const most = i64x2.splat(0x7ff0000000000000);
  const oa = v128.or(za, v128.and(i64x2.gt_s(ma, least), i64x2.lt_s(ma, most)));
  const ob = v128.or(zb, v128.and(i64x2.gt_s(mb, least), i64x2.lt_s(mb, most)));
  const zr = v128.and(i64x2.eq(mr, zero), v128.or(za, zb));
  const settled = v128.and(i64x2.gt_s(mr, i64x2.splat(0x001fffffffffffff)), i64x2.lt_s(mr, most));
  return i64x2.all_true(v128.and(v128.and(oa, ob), v128.or(zr, settled)));
}

function dropDenormal(a: usize): void {
  if (denormalsAreZeros && kind(a) == FINITE && load<u32>(a, DENORMAL)) setKind(a, ZERO, load<u32>(a, SIGN));
}

/** Unpacks an operand; DAZ makes a denormal one zero. */
export function operand32(a: usize, bits: u32): void {
  unpack32(a, bits);
  dropDenormal(a);
}

export function operand64(a: usize, bits: u64): void {
  unpack64(a, bits);
  dropDenormal(a);
}

/** r = a op b, unrounded. */
function operate(op: i32, r: usize, a: usize, b: usize): void {
  if (op == ADD) add(r, a, b, 0);
  else if (op == SUBTRACT) add(r, a, b, 1);
  else if (op == MULTIPLY) multiply(r, a, b);
  else if (op == DIVIDE) divide(r, a, b);
  else squareRoot(r, b);
}

/** MIN and MAX: whether the first operand is the result. Any NaN raises IE and gives the second. */
function choosesFirst(op: i32, a: usize, b: usize): boolean {
  const order = compare(a, b, true);
  return order != UNORDERED && (op == MINIMUM ? order < 0 : order > 0);
}

/** One lane in softfloat, exceptions adding up; `b` is the source (the only operand of a root). */
export function compute32(op: i32, a: u32, b: u32): u32 {
  const x = slot(0);
  const y = slot(1);
  operand32(x, a);
  operand32(y, b);
  if (op >= MINIMUM) {
    const first = choosesFirst(op, x, y);
    return (first ? a : b) & (kind(first ? x : y) == ZERO ? 0x80000000 : 0xffffffff);
  }
  operate(op, x, x, y);
  round32(x);
  return pack32(x);
}

export function compute64(op: i32, a: u64, b: u64): u64 {
  const x = slot(0);
  const y = slot(1);
  operand64(x, a);
  operand64(y, b);
  if (op >= MINIMUM) {
    const first = choosesFirst(op, x, y);
    return (first ? a : b) & (kind(first ? x : y) == ZERO ? 0x8000000000000000 : 0xffffffffffffffff);
  }
  operate(op, x, x, y);
  round64(x);
  return pack64(x);
}

