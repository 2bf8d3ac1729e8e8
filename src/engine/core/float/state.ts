// The x87, MMX, SSE and AVX state as images in memory: FXSAVE, FXRSTOR, XSAVE and XRSTOR (standard form), LDMXCSR and
// STMXCSR. SDM volume 1, 10.5 (FXSAVE image) and 13.4 (XSAVE area).
//
//   0 FCW u16 · 2 FSW u16 · 4 abridged tags u8 · 6 FOP u16 · 8 FIP · 16 FDP · 24 MXCSR u32 · 28 MXCSR_MASK u32
//   32 ST0 … ST7, 16 bytes each (ST order) · 160 XMM0 … XMM15 · 512 XSTATE_BV u64 · 520 XCOMP_BV u64 · 528 reserved
//   576 the upper halves of YMM0 … YMM15
//
// FIP and FDP are 64 bits wide in REX.W forms, else 32 bits followed by the selector.

import { FCS, FCW, FDP, FDS, FIP, FOP, FPR, FSW, FTAG, FTOP, MODE, MODE_64, MXCSR, XCR0 } from "../layout";
import { GP, cpu, raiseError, st, xmm } from "../cpu";

/** MXCSR bits that exist. */
export const MXCSR_MASK: u32 = 0xffff;
const X87_COMPONENT: u32 = 1;
const SSE_COMPONENT: u32 = 2;
const AVX_COMPONENT: u32 = 4;
const COMPONENTS: u32 = X87_COMPONENT | SSE_COMPONENT | AVX_COMPONENT;
const UPPER_HALVES = 576;
const XSTATE_BV = 512;
const XCOMP_BV = 520;

/** FSW as the guest sees it, TOP included. */
export function statusWord(): u32 {
  return (<u32>load<u16>(cpu + FSW) & 0xc7ff) | (load<u32>(cpu + FTOP) << 11);
}

/** Takes FSW with its TOP; `summarize` must follow once FCW is there too. */
export function setStatusWord(value: u32): void {
  store<u16>(cpu + FSW, <u16>(value & 0xc7ff));
  store<u32>(cpu + FTOP, (value >> 11) & 7);
}

/** Sets or clears ES and B according to the flags and their masks. */
export function summarize(): void {
  const flags = <u32>load<u16>(cpu + FSW) & 0x7f7f;
  const pending = flags & ~(<u32>load<u16>(cpu + FCW)) & 0x3f;
  store<u16>(cpu + FSW, <u16>(pending ? flags | 0x8080 : flags));
}

/** FNINIT's state. */
export function initializeX87(): void {
  store<u16>(cpu + FCW, 0x37f);
  store<u16>(cpu + FSW, 0);
  store<u32>(cpu + FTOP, 0);
  store<u8>(cpu + FTAG, 0);
  store<u16>(cpu + FOP, 0);
  store<u64>(cpu + FIP, 0);
  store<u64>(cpu + FDP, 0);
  store<u16>(cpu + FCS, 0);
  store<u16>(cpu + FDS, 0);
}

function saveX87(d: usize, wide: u32): void {
  store<u16>(d, <u16>((<u32>load<u16>(cpu + FCW) & 0x1f7f) | 0x40));
  store<u16>(d, <u16>statusWord(), 2);
  store<u16>(d, <u16>load<u8>(cpu + FTAG), 4);
  store<u16>(d, load<u16>(cpu + FOP) & 0x7ff, 6);
  store<u64>(d, load<u64>(cpu + FIP), 8);
  store<u64>(d, load<u64>(cpu + FDP), 16);
  if (!wide) {
    store<u32>(d, load<u16>(cpu + FCS), 12);
    store<u32>(d, load<u16>(cpu + FDS), 20);
  }
  for (let n: u32 = 0; n < 8; n++) {
    const to = d + 32 + (<usize>n << 4);
    store<u64>(to, load<u64>(st(n)));
    store<u64>(to, <u64>load<u16>(st(n), 8), 8);
  }
}

function loadX87(s: usize, wide: u32): void {
  store<u16>(cpu + FCW, (load<u16>(s) & 0x1f7f) | 0x40);
  setStatusWord(load<u16>(s, 2));
  store<u8>(cpu + FTAG, load<u8>(s, 4));
  store<u16>(cpu + FOP, load<u16>(s, 6) & 0x7ff);
  store<u64>(cpu + FIP, wide ? load<u64>(s, 8) : <u64>load<u32>(s, 8));
  store<u64>(cpu + FDP, wide ? load<u64>(s, 16) : <u64>load<u32>(s, 16));
  store<u16>(cpu + FCS, wide ? 0 : load<u16>(s, 12));
  store<u16>(cpu + FDS, wide ? 0 : load<u16>(s, 20));
  for (let n: u32 = 0; n < 8; n++) {
    const from = s + 32 + (<usize>n << 4);
    store<u64>(st(n), load<u64>(from));
    store<u16>(st(n), load<u16>(from, 8), 8);
  }
  summarize();
}

/** Registers beyond XMM7 exist in 64-bit mode only; elsewhere neither form touches them. */
function xmmRegisters(): usize {
  return load<u32>(cpu + MODE) == MODE_64 ? 16 : 8;
}

function saveXmm(d: usize): void {
  const count = xmmRegisters();
  for (let n: usize = 0; n < count; n++) v128.store(d + 160 + (n << 4), v128.load(xmm(n)));
}

function loadXmm(s: usize): void {
  const count = xmmRegisters();
  for (let n: usize = 0; n < count; n++) v128.store(xmm(n), v128.load(s + 160 + (n << 4)));
}

/** #GP(0) for an MXCSR with bits that don't exist. */
function checkMxcsr(value: u32): void {
  if (value & ~MXCSR_MASK) raiseError(GP, 0);
}

/** The image of 512 bytes at `d`; bytes that FXSAVE leaves alone (464 … 511, absent registers) are not written. */
function saveLegacy(d: usize, wide: u32): void {
  saveX87(d, wide);
  store<u32>(d, load<u32>(cpu + MXCSR), 24);
  store<u32>(d, MXCSR_MASK, 28);
  saveXmm(d);
}

function loadLegacy(s: usize, wide: u32): void {
  checkMxcsr(load<u32>(s, 24));
  loadX87(s, wide);
  store<u32>(cpu + MXCSR, load<u32>(s, 24));
  loadXmm(s);
}

export function fxsave(d: usize, s: usize, i: i32): void {
  saveLegacy(d, 0);
}

export function fxsave64(d: usize, s: usize, i: i32): void {
  saveLegacy(d, 1);
}

export function fxrstor(d: usize, s: usize, i: i32): void {
  loadLegacy(s, 0);
}

export function fxrstor64(d: usize, s: usize, i: i32): void {
  loadLegacy(s, 1);
}

/**
 * XSAVE of the components of `mask` (EAX; ANDed with XCR0 here) into the area at `d`, which hold the guest's area
 * as it was: what the mask leaves out stays. `wide` is REX.W.
 */
export function xsaveImage(d: usize, mask: u32, wide: u32 = 1): void {
  const components = mask & load<u32>(cpu + XCR0) & COMPONENTS;
  if (components & X87_COMPONENT) saveX87(d, wide);
  if (components & (SSE_COMPONENT | AVX_COMPONENT)) {
    store<u32>(d, load<u32>(cpu + MXCSR), 24);
    store<u32>(d, MXCSR_MASK, 28);
  }
  if (components & SSE_COMPONENT) saveXmm(d);
  if (components & AVX_COMPONENT) {
    const count = xmmRegisters();
    for (let n: usize = 0; n < count; n++) v128.store(d + UPPER_HALVES + (n << 4), v128.load(xmm(n), 16));
  }
  store<u64>(d, (load<u64>(d, XSTATE_BV) & ~(<u64>components)) | <u64>components, XSTATE_BV);
}

/** XRSTOR of the components of `mask` from the area at `s`; #GP(0) for a header that the manual forbids. */
export function xrstorImage(s: usize, mask: u32, wide: u32 = 1): void {
  const enabled = load<u32>(cpu + XCR0);
  const present = load<u64>(s, XSTATE_BV);
  const reserved = load<u64>(s, XCOMP_BV) | load<u64>(s, XCOMP_BV + 8) | (present & ~(<u64>enabled));
  const components = mask & enabled & COMPONENTS;
  if (reserved != 0) raiseError(GP, 0);
  if (components & (SSE_COMPONENT | AVX_COMPONENT)) checkMxcsr(load<u32>(s, 24));
  if (components & X87_COMPONENT) {
    if (<u32>present & X87_COMPONENT) loadX87(s, wide);
    else resetX87();
  }
  if (components & (SSE_COMPONENT | AVX_COMPONENT)) store<u32>(cpu + MXCSR, load<u32>(s, 24));
  if (components & SSE_COMPONENT) {
    if (<u32>present & SSE_COMPONENT) loadXmm(s);
    else clearXmm();
  }
  if (components & AVX_COMPONENT) loadUpperHalves(s, (<u32>present & AVX_COMPONENT) != 0);
}

/** Those that are not there become zero. */
function loadUpperHalves(s: usize, areThere: bool): void {
  const count = xmmRegisters();
  for (let n: usize = 0; n < count; n++) {
    v128.store(xmm(n), areThere ? v128.load(s + UPPER_HALVES + (n << 4)) : i64x2.splat(0), 16);
  }
}

function resetX87(): void {
  initializeX87();
  for (let n: usize = 0; n < 8; n++) {
    store<u64>(cpu + FPR + (n << 4), 0);
    store<u64>(cpu + FPR + (n << 4), 0, 8);
  }
}

function clearXmm(): void {
  const count = xmmRegisters();
  for (let n: usize = 0; n < count; n++) v128.store(xmm(n), i64x2.splat(0));
}

export function ldmxcsr(d: usize, s: usize, i: i32): void {
  const value = load<u32>(s);
  checkMxcsr(value);
  store<u32>(cpu + MXCSR, value);
}

export function stmxcsr(d: usize, s: usize, i: i32): void {
  store<u64>(d, <u64>load<u32>(cpu + MXCSR));
}
