// String instructions. With a repeat prefix they run in bounded portions, the registers right after each element: an
// unfinished one leaves RIP where it is, so that faults are precise and interrupts come through. Forward moves and
// fills within plain pages go in bulk.

import {
  ADDEND, CODE_BASE, DF, DS, ES, FORM, FORM_REPE, FORM_REPEAT, OFFSET, RAX, RCX, RDI, RDX, RFLAGS, RIP, RSI, SEGMENT,
  STEPPING,
  TAG_READ, TAG_WRITE, OPERAND, TARGET,
} from "./layout";
import { cpu } from "./cpu";
import { addressMask, linearAddress } from "./address";
import { readMemory, readRegister, sizeMask, sizeOf, writeMemory, writeRegister } from "./operand";
import { setCompareFlags } from "./arithmetic";
import { zero } from "./flags";
import { checkPort, portRead, portWrite } from "./io";
import { probeWrite, reach } from "./memory";
import { entryOf } from "./tlb";

/** Elements of one portion of a repeated instruction. */
const PORTION: u64 = 4096;

// @ts-ignore: decorator
@inline
function repeats(u: usize): bool {
  return (load<u8>(u, FORM) & FORM_REPEAT) != 0;
}

// @ts-ignore: decorator
@inline
function stride(size: u32): i64 {
  const bytes: i64 = 1 << size;
  return (load<u32>(cpu + RFLAGS) & DF) != 0 ? -bytes : bytes;
}

/** Adds to a pointer or counter of the address size; 16-bit ones keep the upper bits, 32-bit ones clear them. */
function advance(register: u32, mask: u64, by: u64): void {
  const value = load<u64>(cpu + register) + by;
  if (mask == 0xffff) store<u16>(cpu + register, <u16>value);
  else store<u64>(cpu + register, value & mask);
}

function sourceAddress(u: usize, mask: u64, size: u32): u64 {
  return linearAddress(load<u8>(u, SEGMENT), load<u64>(cpu + RSI) & mask, 1 << size, false);
}

function destinationAddress(mask: u64, size: u32, write: bool): u64 {
  return linearAddress(ES, load<u64>(cpu + RDI) & mask, 1 << size, write);
}

/** Elements that this portion may do: 1 without a repeat prefix, 0 when the count is 0. */
function portion(u: usize, mask: u64): u64 {
  if (!repeats(u)) return 1;
  const count = load<u64>(cpu + RCX) & mask;
  if (load<u32>(cpu + STEPPING) != 0) return count == 0 ? 0 : 1;
  return count < PORTION ? count : PORTION;
}

/** Comes back to this instruction when elements are left. */
function again(u: usize, mask: u64): void {
  if (repeats(u) && (load<u64>(cpu + RCX) & mask) != 0) {
    store<u64>(cpu + RIP, load<u64>(cpu + CODE_BASE) + load<u16>(u, OFFSET));
  }
}

/**
 * Host address when the page of `address` may be read or written directly, else 0. It stays right when another page
 * takes the place in the TLB: two pages that share one are copied in bulk, too.
 */
function direct(address: u64, write: bool): usize {
  const host = inTlb(address, write);
  return host != 0 ? host : <usize>reach(address, 1, u32(write));
}

// @ts-ignore: decorator
@inline
function inTlb(address: u64, write: bool): usize {
  const entry = entryOf(address);
  const tag = write ? load<u64>(entry, TAG_WRITE) : load<u64>(entry, TAG_READ);
  return tag == (address & ~0xfff) ? <usize>(<u32>address + load<u32>(entry, ADDEND)) : 0;
}

/** Whole elements from `address` to the end of its page, at most `most`. */
// @ts-ignore: decorator
@inline
function elementsInPage(address: u64, size: u32, most: u64): u64 {
  const elements = (0x1000 - (address & 0xfff)) >> size;
  return elements < most ? elements : most;
}

function moveString(u: usize, size: u32): void {
  const mask = addressMask(u);
  const by = stride(size);
  let left = portion(u, mask);
  while (left > 0) {
    const from = sourceAddress(u, mask, size);
    const to = destinationAddress(mask, size, true);
    let elements: u64 = 0;
    if (left > 1 && by > 0 && mask == ~0) {
      elements = elementsInPage(to, size, elementsInPage(from, size, left));
      const bytes = elements << size;
      const source = direct(from, false);
      const target = source == 0 ? 0 : direct(to, true);
      // An overlap in which the copy would read what it has just written goes element by element.
      if (target != 0 && source != 0 && <u64>(target - source) >= bytes) memory.copy(target, source, <usize>bytes);
      else elements = 0;
    }
    if (elements == 0) {
      elements = 1;
      writeMemory(to, size, readMemory(from, size));
    }
    advance(RSI, mask, elements * by);
    advance(RDI, mask, elements * by);
    if (repeats(u)) advance(RCX, mask, 0 - elements);
    left -= elements;
  }
  again(u, mask);
}

/** All bytes of a value are the same, so that memory.fill can store it. */
function isUniform(value: u64, size: u32): bool {
  return value == (value & 0xff) * (0x0101010101010101 & sizeMask(size));
}

function storeString(u: usize, size: u32): void {
  const mask = addressMask(u);
  const by = stride(size);
  const value = readRegister(RAX, size);
  let left = portion(u, mask);
  while (left > 0) {
    const to = destinationAddress(mask, size, true);
    let elements: u64 = 0;
    if (left > 1 && by > 0 && mask == ~0 && isUniform(value, size)) {
      elements = elementsInPage(to, size, left);
      const target = direct(to, true);
      if (target != 0) memory.fill(target, <u8>value, <usize>(elements << size));
      else elements = 0;
    }
    if (elements == 0) {
      elements = 1;
      writeMemory(to, size, value);
    }
    advance(RDI, mask, elements * by);
    if (repeats(u)) advance(RCX, mask, 0 - elements);
    left -= elements;
  }
  again(u, mask);
}

function loadString(u: usize, size: u32): void {
  const mask = addressMask(u);
  const by = stride(size);
  for (let left = portion(u, mask); left > 0; left--) {
    writeRegister(RAX, size, readMemory(sourceAddress(u, mask, size), size));
    advance(RSI, mask, by);
    if (repeats(u)) advance(RCX, mask, ~0);
  }
  again(u, mask);
}

/** True when a REPE or REPNE loop ends on what it has compared. */
function conditionEnds(u: usize, equal: bool): bool {
  return repeats(u) && equal != ((load<u8>(u, FORM) & FORM_REPEAT) == FORM_REPE);
}

// A fault in the middle of a repetition leaves the flags of before the instruction: they are set when a portion is
// through.

function compareString(u: usize, size: u32): void {
  const mask = addressMask(u);
  const by = stride(size);
  let left = portion(u, mask);
  if (left == 0) return;
  let a: u64 = 0;
  let b: u64 = 0;
  let ends = false;
  for (; left > 0 && !ends; left--) {
    // In this order, as the host reports the destination's fault first.
    b = readMemory(destinationAddress(mask, size, false), size);
    a = readMemory(sourceAddress(u, mask, size), size);
    advance(RSI, mask, by);
    advance(RDI, mask, by);
    if (repeats(u)) advance(RCX, mask, ~0);
    ends = conditionEnds(u, a == b);
  }
  setCompareFlags(a, b, size);
  if (!ends) again(u, mask);
}

function scanString(u: usize, size: u32): void {
  const mask = addressMask(u);
  const by = stride(size);
  const value = readRegister(RAX, size);
  let left = portion(u, mask);
  if (left == 0) return;
  let found: u64 = 0;
  let ends = false;
  for (; left > 0 && !ends; left--) {
    found = readMemory(destinationAddress(mask, size, false), size);
    advance(RDI, mask, by);
    if (repeats(u)) advance(RCX, mask, ~0);
    ends = conditionEnds(u, value == found);
  }
  setCompareFlags(value, found, size);
  if (!ends) again(u, mask);
}

function inputString(u: usize, size: u32): void {
  const mask = addressMask(u);
  const by = stride(size);
  const port = load<u16>(cpu + RDX);
  checkPort(port, 1 << size);
  for (let left = portion(u, mask); left > 0; left--) {
    const to = destinationAddress(mask, size, true);
    probeWrite(to, 1 << size);
    writeMemory(to, size, portRead(port, 1 << size));
    advance(RDI, mask, by);
    if (repeats(u)) advance(RCX, mask, ~0);
  }
  again(u, mask);
}

function outputString(u: usize, size: u32): void {
  const mask = addressMask(u);
  const by = stride(size);
  const port = load<u16>(cpu + RDX);
  checkPort(port, 1 << size);
  for (let left = portion(u, mask); left > 0; left--) {
    portWrite(port, 1 << size, <u32>readMemory(sourceAddress(u, mask, size), size));
    advance(RSI, mask, by);
    if (repeats(u)) advance(RCX, mask, ~0);
  }
  again(u, mask);
}

/** Port accesses have at most 32 bits. */
// @ts-ignore: decorator
@inline
function portSize(u: usize): u32 {
  const size = sizeOf(u);
  return size == 3 ? 2 : size;
}

export function movs8(u: usize): void { moveString(u, 0); }
export function movs(u: usize): void { moveString(u, sizeOf(u)); }
export function stos8(u: usize): void { storeString(u, 0); }
export function stos(u: usize): void { storeString(u, sizeOf(u)); }
export function lods8(u: usize): void { loadString(u, 0); }
export function lods(u: usize): void { loadString(u, sizeOf(u)); }
export function cmps8(u: usize): void { compareString(u, 0); }
export function cmps(u: usize): void { compareString(u, sizeOf(u)); }
export function scas8(u: usize): void { scanString(u, 0); }
export function scas(u: usize): void { scanString(u, sizeOf(u)); }
export function ins8(u: usize): void { inputString(u, 0); }
export function ins(u: usize): void { inputString(u, portSize(u)); }
export function outs8(u: usize): void { outputString(u, 0); }
export function outs(u: usize): void { outputString(u, portSize(u)); }

/** Writes the bytes of `source` whose mask byte has its top bit set to DS:rDI. */
function maskedStore(u: usize, length: u32): void {
  const mask = addressMask(u);
  const source = cpu + load<u16>(u, TARGET);
  const selector = cpu + load<u16>(u, OPERAND);
  const to = linearAddress(load<u8>(u, SEGMENT), load<u64>(cpu + RDI) & mask, length, true);
  // Only bytes that are selected can fault.
  for (let i: u32 = 0; i < length; i++) {
    if ((load<u8>(selector + i) & 0x80) != 0) probeWrite(to + i, 1);
  }
  for (let i: u32 = 0; i < length; i++) {
    if ((load<u8>(selector + i) & 0x80) != 0) writeMemory(to + i, 0, <u64>load<u8>(source + i));
  }
}

import { checkMmx, checkSse, enterMmx } from "./fpu-state";

export function maskmovq(u: usize): void {
  checkMmx();
  maskedStore(u, 8);
  enterMmx();
}

export function maskmovdqu(u: usize): void {
  checkSse();
  maskedStore(u, 16);
}
