// SSE arithmetic: ADD SUB MUL DIV SQRT MIN MAX in their four forms, horizontal and alternating sums, dot products
// (SDM volume 2). WebAssembly's arithmetic when it cannot differ from the processor's, softfloat otherwise.

import { slot } from "./number";
import {
  ADD,
  areSettled32,
  areSettled64,
  compute32,
  compute64,
  DIVIDE,
  enterSse,
  isOrdinary32,
  isOrdinary64,
  isPlain,
  isSettled32,
  isSettled64,
  leaveSse,
  MAXIMUM,
  MINIMUM,
  MULTIPLY,
  ROOT,
  SUBTRACT
} from "./sse-environment";

/** Where results wait until it is certain that no exception takes their place. */
// @ts-ignore: decorator
@inline
function pending(): usize {
  return slot(8);
}

function scalar32(op: i32, d: usize, s: usize): void {
  enterSse();
  const result = compute32(op, load<u32>(d), load<u32>(s));
  leaveSse();
  store<u32>(d, result);
}

function scalar64(op: i32, d: usize, s: usize): void {
  enterSse();
  const result = compute64(op, load<u64>(d), load<u64>(s));
  leaveSse();
  store<u64>(d, result);
}

function packed32(op: i32, d: usize, s: usize): void {
  enterSse();
  for (let n: usize = 0; n < 16; n += 4) store<u32>(pending() + n, compute32(op, load<u32>(d + n), load<u32>(s + n)));
  leaveSse();
  v128.store(d, v128.load(pending()));
}

function packed64(op: i32, d: usize, s: usize): void {
  enterSse();
  for (let n: usize = 0; n < 16; n += 8) store<u64>(pending() + n, compute64(op, load<u64>(d + n), load<u64>(s + n)));
  leaveSse();
  v128.store(d, v128.load(pending()));
}

export function addps(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f32x4.add(a, b);
  if (isPlain() && areSettled32(a, b, r)) v128.store(d, r);
  else packed32(ADD, d, s);
}

export function addpd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f64x2.add(a, b);
  if (isPlain() && areSettled64(a, b, r)) v128.store(d, r);
  else packed64(ADD, d, s);
}

export function addss(d: usize, s: usize, i: i32): void {
  const a = load<u32>(d);
  const b = load<u32>(s);
  const r = reinterpret<u32>(reinterpret<f32>(a) + reinterpret<f32>(b));
  if (isPlain() && isOrdinary32(a) && isOrdinary32(b) && isSettled32(r, a, b)) store<u32>(d, r);
  else scalar32(ADD, d, s);
}

export function addsd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d);
  const b = load<u64>(s);
  const r = reinterpret<u64>(reinterpret<f64>(a) + reinterpret<f64>(b));
  if (isPlain() && isOrdinary64(a) && isOrdinary64(b) && isSettled64(r, a, b)) store<u64>(d, r);
  else scalar64(ADD, d, s);
}

export function subps(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f32x4.sub(a, b);
  if (isPlain() && areSettled32(a, b, r)) v128.store(d, r);
  else packed32(SUBTRACT, d, s);
}

export function subpd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f64x2.sub(a, b);
  if (isPlain() && areSettled64(a, b, r)) v128.store(d, r);
  else packed64(SUBTRACT, d, s);
}

export function subss(d: usize, s: usize, i: i32): void {
  const a = load<u32>(d);
  const b = load<u32>(s);
  const r = reinterpret<u32>(reinterpret<f32>(a) - reinterpret<f32>(b));
  if (isPlain() && isOrdinary32(a) && isOrdinary32(b) && isSettled32(r, a, b)) store<u32>(d, r);
  else scalar32(SUBTRACT, d, s);
}

export function subsd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d);
  const b = load<u64>(s);
  const r = reinterpret<u64>(reinterpret<f64>(a) - reinterpret<f64>(b));
  if (isPlain() && isOrdinary64(a) && isOrdinary64(b) && isSettled64(r, a, b)) store<u64>(d, r);
  else scalar64(SUBTRACT, d, s);
}

export function mulps(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f32x4.mul(a, b);
  if (isPlain() && areSettled32(a, b, r)) v128.store(d, r);
  else packed32(MULTIPLY, d, s);
}

export function mulpd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f64x2.mul(a, b);
  if (isPlain() && areSettled64(a, b, r)) v128.store(d, r);
  else packed64(MULTIPLY, d, s);
}

export function mulss(d: usize, s: usize, i: i32): void {
  const a = load<u32>(d);
  const b = load<u32>(s);
  const r = reinterpret<u32>(reinterpret<f32>(a) * reinterpret<f32>(b));
  if (isPlain() && isOrdinary32(a) && isOrdinary32(b) && isSettled32(r, a, b)) store<u32>(d, r);
  else scalar32(MULTIPLY, d, s);
}

export function mulsd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d);
  const b = load<u64>(s);
  const r = reinterpret<u64>(reinterpret<f64>(a) * reinterpret<f64>(b));
  if (isPlain() && isOrdinary64(a) && isOrdinary64(b) && isSettled64(r, a, b)) store<u64>(d, r);
  else scalar64(MULTIPLY, d, s);
}

export function divps(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f32x4.div(a, b);
  if (isPlain() && areSettled32(a, b, r)) v128.store(d, r);
  else packed32(DIVIDE, d, s);
}

export function divpd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const r = f64x2.div(a, b);
  if (isPlain() && areSettled64(a, b, r)) v128.store(d, r);
  else packed64(DIVIDE, d, s);
}

export function divss(d: usize, s: usize, i: i32): void {
  const a = load<u32>(d);
  const b = load<u32>(s);
  const r = reinterpret<u32>(reinterpret<f32>(a) / reinterpret<f32>(b));
  if (isPlain() && isOrdinary32(a) && isOrdinary32(b) && isSettled32(r, a, b)) store<u32>(d, r);
  else scalar32(DIVIDE, d, s);
}

export function divsd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d);
  const b = load<u64>(s);
  const r = reinterpret<u64>(reinterpret<f64>(a) / reinterpret<f64>(b));
  if (isPlain() && isOrdinary64(a) && isOrdinary64(b) && isSettled64(r, a, b)) store<u64>(d, r);
  else scalar64(DIVIDE, d, s);
}

export function sqrtps(d: usize, s: usize, i: i32): void {
  const b = v128.load(s);
  const r = f32x4.sqrt(b);
  if (isPlain() && areSettled32(b, b, r)) v128.store(d, r);
  else packed32(ROOT, d, s);
}

export function sqrtpd(d: usize, s: usize, i: i32): void {
  const b = v128.load(s);
  const r = f64x2.sqrt(b);
  if (isPlain() && areSettled64(b, b, r)) v128.store(d, r);
  else packed64(ROOT, d, s);
}

export function sqrtss(d: usize, s: usize, i: i32): void {
  const b = load<u32>(s);
  const r = reinterpret<u32>(sqrt<f32>(reinterpret<f32>(b)));
  if (isPlain() && isOrdinary32(b) && isSettled32(r, b, b)) store<u32>(d, r);
  else scalar32(ROOT, d, s);
}

export function sqrtsd(d: usize, s: usize, i: i32): void {
  const b = load<u64>(s);
  const r = reinterpret<u64>(sqrt<f64>(reinterpret<f64>(b)));
  if (isPlain() && isOrdinary64(b) && isSettled64(r, b, b)) store<u64>(d, r);
  else scalar64(ROOT, d, s);
}

export function minps(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  if (areSettled32(a, b, a) && areSettled32(b, b, b)) {
    v128.store(d, v128.bitselect(a, b, f32x4.lt(a, b)));
  } else packed32(MINIMUM, d, s);
}

export function minpd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  if (areSettled64(a, b, a) && areSettled64(b, b, b)) {
    v128.store(d, v128.bitselect(a, b, f64x2.lt(a, b)));
  } else packed64(MINIMUM, d, s);
}

export function minss(d: usize, s: usize, i: i32): void {
  const a = load<u32>(d);
  const b = load<u32>(s);
  if (isOrdinary32(a) && isOrdinary32(b)) store<u32>(d, reinterpret<f32>(a) < reinterpret<f32>(b) ? a : b);
  else scalar32(MINIMUM, d, s);
}

export function minsd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d);
  const b = load<u64>(s);
  if (isOrdinary64(a) && isOrdinary64(b)) store<u64>(d, reinterpret<f64>(a) < reinterpret<f64>(b) ? a : b);
  else scalar64(MINIMUM, d, s);
}

export function maxps(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  if (areSettled32(a, b, a) && areSettled32(b, b, b)) {
    v128.store(d, v128.bitselect(a, b, f32x4.gt(a, b)));
  } else packed32(MAXIMUM, d, s);
}

export function maxpd(d: usize, s: usize, i: i32): void {
  const a = v128.load(d);
  const b = v128.load(s);
  if (areSettled64(a, b, a) && areSettled64(b, b, b)) {
    v128.store(d, v128.bitselect(a, b, f64x2.gt(a, b)));
  } else packed64(MAXIMUM, d, s);
}

export function maxss(d: usize, s: usize, i: i32): void {
  const a = load<u32>(d);
  const b = load<u32>(s);
  if (isOrdinary32(a) && isOrdinary32(b)) store<u32>(d, reinterpret<f32>(a) > reinterpret<f32>(b) ? a : b);
  else scalar32(MAXIMUM, d, s);
}

export function maxsd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d);
  const b = load<u64>(s);
  if (isOrdinary64(a) && isOrdinary64(b)) store<u64>(d, reinterpret<f64>(a) > reinterpret<f64>(b) ? a : b);
  else scalar64(MAXIMUM, d, s);
}
