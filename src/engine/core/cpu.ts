// What every part of the core shares: the processor's base address, and the imports.

import { FAULT_ERROR, FAULT_HAS_ERROR, FAULT_VECTOR, FTAG, FTOP, FPR, XMM } from "./layout";

/** Address of the processor's state in memory; set once per instance. */
export let cpu: usize = 0;

export function setProcessor(base: usize): void {
  cpu = base;
}

/** Throws in JavaScript and so unwinds to `run`'s caller, which delivers FAULT_*. Never returns. */
// @ts-ignore: decorator
@external("env", "unwind")
declare function unwind(): void;

/** Raises an exception without an error code. The instruction must not have changed anything yet. Never returns. */
export function raise(vector: u32): void {
  store<u32>(cpu + FAULT_VECTOR, vector);
  store<u32>(cpu + FAULT_HAS_ERROR, 0);
  unwind();
}

/** Raises an exception with an error code. Never returns. */
export function raiseError(vector: u32, error: u32): void {
  store<u32>(cpu + FAULT_VECTOR, vector);
  store<u32>(cpu + FAULT_ERROR, error);
  store<u32>(cpu + FAULT_HAS_ERROR, 1);
  unwind();
}

export const DE: u32 = 0;
export const DB: u32 = 1;
export const BP: u32 = 3;
export const UD: u32 = 6;
export const NM: u32 = 7;
export const TS: u32 = 10;
export const NP: u32 = 11;
export const STACK_FAULT: u32 = 12;
export const GP: u32 = 13;
export const PAGE_FAULT: u32 = 14;
export const MF: u32 = 16;
export const ALIGNMENT: u32 = 17;
export const XM: u32 = 19;

/** Address of XMM register `n`. */
// @ts-ignore: decorator
@inline
export function xmm(n: usize): usize {
  return cpu + XMM + (n << 5);
}

/** Address of the physical x87 register that ST(i) names now. */
// @ts-ignore: decorator
@inline
export function st(i: u32): usize {
  return cpu + FPR + (<usize>((load<u32>(cpu + FTOP) + i) & 7) << 4);
}
