// The x87's control instructions: words, environment and state (SDM volume 1, 8.1.10 and figures 8-9 … 8-12).
//
//            32-bit  16-bit                     32-bit  16-bit
//   FCW         0      0      FIP offset          12      6
//   FSW         4      2      CS (FOP: 18)        16      8
//   tags        8      4      FDP offset          20     10
//   registers  28     14      DS                  24     12
//
// In real-address and virtual-8086 mode FIP and FDP are linear: bits 15..0 at the offset's place, the rest, shifted
// left by 12 and with FOP below, at the selector's.

import { CR0, FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTAG, FTOP, RFLAGS, VM } from "../layout";
import { cpu, st } from "../cpu";
import { FINITE, kind, DENORMAL, slot, unpack80, ZERO } from "./number";
import { initializeX87, setStatusWord, statusWord, summarize } from "./state";

export function fldcw(d: usize, s: usize, i: i32): void {
  setControlWord(load<u16>(s));
  summarize();
}

export function fnstcw(d: usize, s: usize, i: i32): void {
  store<u16>(d, load<u16>(cpu + FCW));
}

export function fnstsw(d: usize, s: usize, i: i32): void {
  store<u16>(d, <u16>statusWord());
}

export function fninit(d: usize, s: usize, i: i32): void {
  initializeX87();
}

export function fnclex(d: usize, s: usize, i: i32): void {
  store<u16>(cpu + FSW, load<u16>(cpu + FSW) & 0x7f00);
}

/** FNOP, FWAIT, and the instructions of older coprocessors that do nothing now: FNENI, FNDISI, FNSETPM. */
export function fnop(d: usize, s: usize, i: i32): void {}

/** Bit 6 reads as one; what was never there as zero. */
function setControlWord(value: u16): void {
  store<u16>(cpu + FCW, (value & 0x1f7f) | 0x40);
}

/** The tag word: two bits a physical register, 0 valid, 1 zero, 2 special, 3 empty. */
function tagWord(): u32 {
  const tags = <u32>load<u8>(cpu + FTAG);
  const top = load<u32>(cpu + FTOP);
  let word: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) {
    let tag: u32 = 3;
    if ((tags >> n) & 1) {
      const a = slot(0);
      unpack80(a, st((n - top) & 7));
      const what = kind(a);
      tag = what == ZERO ? 1 : what == FINITE && !load<u32>(a, DENORMAL) ? 0 : 2;
    }
    word |= tag << (n * 2);
  }
  return word;
}

function setTagWord(word: u32): void {
  let tags: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) {
    if (((word >> (n * 2)) & 3) != 3) tags |= 1 << n;
  }
  store<u8>(cpu + FTAG, <u8>tags);
}

function isLinear(): boolean {
  return (load<u64>(cpu + CR0) & 1) == 0 || (load<u32>(cpu + RFLAGS) & VM) != 0;
}

function storeEnvironment32(d: usize): void {
  const instruction = <u32>load<u64>(cpu + FIP);
  const data = <u32>load<u64>(cpu + FDP);
  const opcode = <u32>load<u16>(cpu + FOP) & 0x7ff;
  store<u32>(d, <u32>load<u16>(cpu + FCW) | 0xffff0000);
  store<u32>(d, statusWord() | 0xffff0000, 4);
  store<u32>(d, tagWord() | 0xffff0000, 8);
  if (isLinear()) {
    store<u32>(d, (instruction & 0xffff) | 0xffff0000, 12);
    store<u32>(d, ((instruction >> 16) << 12) | opcode, 16);
    store<u32>(d, (data & 0xffff) | 0xffff0000, 20);
    store<u32>(d, (data >> 16) << 12, 24);
    return;
  }
  store<u32>(d, instruction, 12);
  store<u32>(d, <u32>load<u16>(cpu + FCS) | (opcode << 16), 16);
  store<u32>(d, data, 20);
  store<u32>(d, <u32>load<u16>(cpu + FDS) | 0xffff0000, 24);
}

function storeEnvironment16(d: usize): void {
  const instruction = <u32>load<u64>(cpu + FIP);
  const data = <u32>load<u64>(cpu + FDP);
  const linear = isLinear();
  store<u16>(d, load<u16>(cpu + FCW));
  store<u16>(d, <u16>statusWord(), 2);
  store<u16>(d, <u16>tagWord(), 4);
  store<u16>(d, <u16>instruction, 6);
  const upper = ((instruction >> 16) << 12) | (<u32>load<u16>(cpu + FOP) & 0x7ff);
  store<u16>(d, linear ? <u16>upper : load<u16>(cpu + FCS), 8);
  store<u16>(d, <u16>data, 10);
  store<u16>(d, linear ? <u16>((data >> 16) << 12) : load<u16>(cpu + FDS), 12);
}

function loadEnvironment32(s: usize): void {
  setControlWord(load<u16>(s));
  setStatusWord(load<u16>(s, 4));
  setTagWord(load<u16>(s, 8));
  const second = load<u32>(s, 16);
  if (isLinear()) {
    store<u64>(cpu + FIP, load<u16>(s, 12) | ((second & 0x0ffff000) << 4));
    store<u64>(cpu + FDP, load<u16>(s, 20) | ((load<u32>(s, 24) & 0x0ffff000) << 4));
    store<u16>(cpu + FOP, <u16>(second & 0x7ff));
  } else {
    store<u64>(cpu + FIP, load<u32>(s, 12));
    store<u64>(cpu + FDP, load<u32>(s, 20));
    store<u16>(cpu + FOP, <u16>((second >> 16) & 0x7ff));
    store<u16>(cpu + FCS, <u16>second);
    store<u16>(cpu + FDS, load<u16>(s, 24));
  }
  summarize();
}

function loadEnvironment16(s: usize): void {
  setControlWord(load<u16>(s));
  setStatusWord(load<u16>(s, 2));
  setTagWord(load<u16>(s, 4));
  const second = <u32>load<u16>(s, 8);
  if (isLinear()) {
    store<u64>(cpu + FIP, load<u16>(s, 6) | ((second & 0xf000) << 4));
    store<u64>(cpu + FDP, load<u16>(s, 10) | ((<u32>load<u16>(s, 12) & 0xf000) << 4));
    store<u16>(cpu + FOP, <u16>(second & 0x7ff));
  } else {
    store<u64>(cpu + FIP, load<u16>(s, 6));
    store<u64>(cpu + FDP, load<u16>(s, 10));
    store<u16>(cpu + FCS, <u16>second);
    store<u16>(cpu + FDS, load<u16>(s, 12));
  }
  summarize();
}

/** FNSTENV masks all exceptions once it has stored them. */
function maskAll(): void {
  store<u16>(cpu + FCW, load<u16>(cpu + FCW) | 0x3f);
  summarize();
}

export function fnstenv_32(d: usize, s: usize, i: i32): void {
  storeEnvironment32(d);
  maskAll();
}

export function fnstenv_16(d: usize, s: usize, i: i32): void {
  storeEnvironment16(d);
  maskAll();
}

export function fldenv_32(d: usize, s: usize, i: i32): void {
  loadEnvironment32(s);
}

export function fldenv_16(d: usize, s: usize, i: i32): void {
  loadEnvironment16(s);
}

function storeRegisters(d: usize): void {
  for (let n: u32 = 0; n < 8; n++) {
    store<u64>(d + n * 10, load<u64>(st(n)));
    store<u16>(d + n * 10, load<u16>(st(n), 8), 8);
  }
}

function loadRegisters(s: usize): void {
  for (let n: u32 = 0; n < 8; n++) {
    store<u64>(st(n), load<u64>(s + n * 10));
    store<u16>(st(n), load<u16>(s + n * 10, 8), 8);
  }
}

export function fnsave_32(d: usize, s: usize, i: i32): void {
  storeEnvironment32(d);
  storeRegisters(d + 28);
  initializeX87();
}

export function fnsave_16(d: usize, s: usize, i: i32): void {
  storeEnvironment16(d);
  storeRegisters(d + 14);
  initializeX87();
}

export function frstor_32(d: usize, s: usize, i: i32): void {
  loadEnvironment32(s);
  loadRegisters(s + 28);
}

export function frstor_16(d: usize, s: usize, i: i32): void {
  loadEnvironment16(s);
  loadRegisters(s + 14);
}
