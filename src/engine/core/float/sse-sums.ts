// SSE3 and SSE4.1 sums across lanes: horizontal and alternating sums and differences, dot products (SDM volume 2).
// Always in softfloat, lane after lane in the manual's order, as the exceptions of every step add up.

import { slot } from "./number";
import { ADD, compute32, compute64, enterSse, leaveSse, MULTIPLY, SUBTRACT } from "./sse-environment";

/** Where results wait until it is certain that no exception takes their place. */
// @ts-ignore: decorator
@inline
function pending(): usize {
  return slot(8);
}

function commit(d: usize): void {
  leaveSse();
  v128.store(d, v128.load(pending()));
}

function horizontal32(op: i32, d: usize, s: usize): void {
  enterSse();
  for (let n: usize = 0; n < 8; n += 4) {
    store<u32>(pending() + n, compute32(op, load<u32>(d + n * 2), load<u32>(d + n * 2, 4)));
  }
  for (let n: usize = 0; n < 8; n += 4) {
    store<u32>(pending() + n, compute32(op, load<u32>(s + n * 2), load<u32>(s + n * 2, 4)), 8);
  }
  commit(d);
}

function horizontal64(op: i32, d: usize, s: usize): void {
  enterSse();
  store<u64>(pending(), compute64(op, load<u64>(d), load<u64>(d, 8)));
  store<u64>(pending(), compute64(op, load<u64>(s), load<u64>(s, 8)), 8);
  commit(d);
}

export function haddps(d: usize, s: usize, i: i32): void {
  horizontal32(ADD, d, s);
}

export function haddpd(d: usize, s: usize, i: i32): void {
  horizontal64(ADD, d, s);
}

export function hsubps(d: usize, s: usize, i: i32): void {
  horizontal32(SUBTRACT, d, s);
}

export function hsubpd(d: usize, s: usize, i: i32): void {
  horizontal64(SUBTRACT, d, s);
}

export function addsubps(d: usize, s: usize, i: i32): void {
  enterSse();
  for (let n: usize = 0; n < 16; n += 4) {
    store<u32>(pending() + n, compute32(n & 4 ? ADD : SUBTRACT, load<u32>(d + n), load<u32>(s + n)));
  }
  commit(d);
}

export function addsubpd(d: usize, s: usize, i: i32): void {
  enterSse();
  store<u64>(pending(), compute64(SUBTRACT, load<u64>(d), load<u64>(s)));
  store<u64>(pending(), compute64(ADD, load<u64>(d, 8), load<u64>(s, 8)), 8);
  commit(d);
}

/** A product that bit `n + 4` of the immediate selects, else +0. */
function selectedProduct32(d: usize, s: usize, i: i32, n: usize): u32 {
  return (i >> (4 + <i32>n)) & 1 ? compute32(MULTIPLY, load<u32>(d + (n << 2)), load<u32>(s + (n << 2))) : 0;
}

/**
 * Every element is a sum of its own, in an order of its own: it differs in which of several NaNs wins, and is what
 * processors do (the manual names one order for all).
 */
export function dpps(d: usize, s: usize, i: i32): void {
  enterSse();
  const p0 = selectedProduct32(d, s, i, 0);
  const p1 = selectedProduct32(d, s, i, 1);
  const p2 = selectedProduct32(d, s, i, 2);
  const p3 = selectedProduct32(d, s, i, 3);
  leaveSse();
  const even = compute32(ADD, p1, p0);
  const odd = compute32(ADD, p0, p1);
  const evenHigh = compute32(ADD, p3, p2);
  const oddHigh = compute32(ADD, p2, p3);
  leaveSse();
  const r0 = compute32(ADD, even, evenHigh);
  const r1 = compute32(ADD, odd, oddHigh);
  const r2 = compute32(ADD, evenHigh, even);
  const r3 = compute32(ADD, oddHigh, odd);
  leaveSse();
  store<u32>(d, i & 1 ? r0 : 0);
  store<u32>(d, i & 2 ? r1 : 0, 4);
  store<u32>(d, i & 4 ? r2 : 0, 8);
  store<u32>(d, i & 8 ? r3 : 0, 12);
}

export function dppd(d: usize, s: usize, i: i32): void {
  enterSse();
  const p0 = i & 0x10 ? compute64(MULTIPLY, load<u64>(d), load<u64>(s)) : 0;
  const p1 = i & 0x20 ? compute64(MULTIPLY, load<u64>(d, 8), load<u64>(s, 8)) : 0;
  leaveSse();
  const r0 = compute64(ADD, p0, p1);
  const r1 = compute64(ADD, p1, p0);
  leaveSse();
  store<u64>(d, i & 1 ? r0 : 0);
  store<u64>(d, i & 2 ? r1 : 0, 8);
}
