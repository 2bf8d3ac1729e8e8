// Segment registers and descriptors [Intel SDM 3A, chapters 3 and 5].

import {
  ATTRIBUTES, BASE, CPL, CR0, CS, DS, EFER, ES, FS, FS_BASE, GDTR_BASE, GDTR_LIMIT, GS, GS_BASE, LDTR, LIMIT, MODE,
  MODE_16, MODE_32, MODE_64, RFLAGS,
  SEGMENT, SEGMENTS, SEGMENT_SIZE, SELECTOR, SHADOW, SHADOW_MOV_SS, SS, STACK_MASK, TARGET, TR, OPERAND, DISPLACEMENT,
  IMMEDIATE, ZF, VM,
} from "./layout";
import { cpu, GP, NP, raise, raiseError, STACK_FAULT, UD } from "./cpu";
import { hostOf, systemRead, systemSetBits, translateSystem, read16, read32, read64 } from "./memory";
import { ACCESS_WRITE, isCanonical, isLong, updatePrivilege } from "./paging";
import { inMemory, readMemory, readOperand, readRegister, readTarget, sizeOf, writeRegister,
  writeTarget } from "./operand";
import { ea, effectiveAddress, linearAddress } from "./address";
import { drop, peekSelector, pushSelector } from "./stack";
import { arithmeticFlags, setArithmeticFlags } from "./flags";

// Attribute bits, as in the descriptor's high word shifted right by 8.
export const ATTRIBUTE_TYPE: u32 = 0x0f;
export const ATTRIBUTE_S: u32 = 0x10;
export const ATTRIBUTE_PRESENT: u32 = 0x80;
export const ATTRIBUTE_L: u32 = 0x2000;
export const ATTRIBUTE_DB: u32 = 0x4000;
export const ATTRIBUTE_G: u32 = 0x8000;
export const UNUSABLE: u32 = 0x10000;
// Bits of the descriptor's high word that the processor sets in the table.
const ACCESSED: u32 = 0x100;
const BUSY: u32 = 0x200;

// @ts-ignore: decorator
@inline
export function segment(index: u32): usize {
  return cpu + SEGMENTS + index * SEGMENT_SIZE;
}

export function isProtected(): bool {
  return (load<u64>(cpu + CR0) & 1) != 0;
}

/** Virtual-8086 mode is not offered: VME is not announced, and setting VM raises #GP where it could be set. */
export function isReal(): bool {
  return !isProtected();
}

// The descriptor that `readDescriptor` found.
export let descriptorLow: u32 = 0;
export let descriptorHigh: u32 = 0;
/** Linear address of the descriptor. */
export let descriptorAddress: u64 = 0;

/** Reads the descriptor of a selector; false when it lies beyond its table. */
export function readDescriptor(selector: u32): bool {
  const at = selector & ~7 & 0xffff;
  let base: u64;
  let limit: u32;
  if ((selector & 4) != 0) {
    const ldt = segment(LDTR);
    if ((load<u32>(ldt, ATTRIBUTES) & UNUSABLE) != 0) return false;
    base = load<u64>(ldt, BASE);
    limit = load<u32>(ldt, LIMIT);
  } else {
    base = load<u64>(cpu + GDTR_BASE);
    limit = load<u32>(cpu + GDTR_LIMIT);
  }
  if (at + 7 > limit) return false;
  descriptorAddress = base + at;
  const descriptor = systemRead(descriptorAddress, 8);
  descriptorLow = <u32>descriptor;
  descriptorHigh = <u32>(descriptor >> 32);
  return true;
}

/** Reads the descriptor or raises `vector` with the selector. */
export function needDescriptor(selector: u32, vector: u32): void {
  if (!readDescriptor(selector)) raiseError(vector, selector & 0xfffc);
}

export function attributesOf(high: u32): u32 {
  return (high >> 8) & 0xf0ff;
}

export function baseOf(low: u32, high: u32): u64 {
  return <u64>((low >> 16) | ((high & 0xff) << 16) | (high & 0xff000000));
}

export function limitOf(low: u32, high: u32): u32 {
  const limit = (low & 0xffff) | (high & 0xf0000);
  return (high & 0x800000) != 0 ? (limit << 12) | 0xfff : limit;
}

/** Sets the accessed bit in the table when it is clear. */
export function markAccessed(): void {
  if ((descriptorHigh & ACCESSED) != 0) return;
  descriptorHigh |= ACCESSED;
  systemSetBits(descriptorAddress + 4, ACCESSED);
}

/** Fills a segment register from the descriptor that was read. */
export function setSegmentFromDescriptor(index: u32, selector: u32): void {
  const at = segment(index);
  store<u32>(at, selector, SELECTOR);
  store<u32>(at, attributesOf(descriptorHigh), ATTRIBUTES);
  store<u32>(at, limitOf(descriptorLow, descriptorHigh), LIMIT);
  store<u64>(at, baseOf(descriptorLow, descriptorHigh), BASE);
}

/** Real mode: base is 16 times the selector; limit and attributes stay (so "unreal" mode works). */
function setRealSegment(index: u32, selector: u32): void {
  const at = segment(index);
  store<u32>(at, selector, SELECTOR);
  store<u64>(at, <u64>selector << 4, BASE);
  if (index == CS) {
    store<u32>(at, 0x9b, ATTRIBUTES);
    store<u32>(at, 0xffff, LIMIT);
  } else store<u32>(at, load<u32>(at, ATTRIBUTES) & ~UNUSABLE, ATTRIBUTES);
}

/** A null selector: unusable, in 64-bit mode with base and limit left alone for FS and GS users. */
export function setNullSegment(index: u32, selector: u32): void {
  const at = segment(index);
  store<u32>(at, selector, SELECTOR);
  store<u32>(at, UNUSABLE | (index == SS ? (load<u32>(cpu + CPL) << 5) | 0x4000 : 0), ATTRIBUTES);
  store<u64>(at, 0, BASE);
  store<u32>(at, 0, LIMIT);
}

/** Code size and stack size follow CS and SS. Call it when either, CR0.PE or EFER.LMA changed. */
export function updateMode(): void {
  const code = load<u32>(segment(CS), ATTRIBUTES);
  const stack = load<u32>(segment(SS), ATTRIBUTES);
  const long = isLong() && (code & ATTRIBUTE_L) != 0;
  store<u32>(cpu + MODE, long ? MODE_64 : (code & ATTRIBUTE_DB) != 0 ? MODE_32 : MODE_16);
  store<u32>(cpu + STACK_MASK, long ? 0 : (stack & ATTRIBUTE_DB) != 0 ? 1 : 2);
}

export function setCpl(level: u32): void {
  store<u32>(cpu + CPL, level);
  updatePrivilege();
}

/** Loads SS with the checks of MOV SS and POP SS at privilege `level`, faults of kind `vector`. */
export function loadStackSegment(selector: u32, level: u32, vector: u32): void {
  if (isReal()) {
    setRealSegment(SS, selector);
    updateMode();
    return;
  }
  if ((selector & 0xfffc) == 0) {
    // Null is allowed in 64-bit mode below CPL 3.
    if (load<u32>(cpu + MODE) != MODE_64 || level == 3 || (selector & 3) != level) raiseError(vector, 0);
    setNullSegment(SS, selector);
    updateMode();
    return;
  }
  needDescriptor(selector, vector);
  const attributes = attributesOf(descriptorHigh);
  const error = selector & 0xfffc;
  // Writable data of the privilege.
  if ((attributes & 0x1a) != 0x12 || (selector & 3) != level || ((attributes >> 5) & 3) != level)
    raiseError(vector, error);
  if ((attributes & ATTRIBUTE_PRESENT) == 0) raiseError(STACK_FAULT, error);
  markAccessed();
  setSegmentFromDescriptor(SS, selector);
  updateMode();
}

/** MOV and POP to a segment register but CS. */
export function loadSegment(index: u32, selector: u32): void {
  if (index == SS) {
    loadStackSegment(selector, load<u32>(cpu + CPL), GP);
    return;
  }
  if (isReal()) {
    setRealSegment(index, selector);
    return;
  }
  if ((selector & 0xfffc) == 0) {
    setNullSegment(index, selector);
    return;
  }
  needDescriptor(selector, GP);
  const attributes = attributesOf(descriptorHigh);
  const error = selector & 0xfffc;
  const code = (attributes & 0x18) == 0x18;
  // Data, or code that can be read.
  if ((attributes & ATTRIBUTE_S) == 0 || (code && (attributes & 2) == 0)) raiseError(GP, error);
  // All but conforming code: RPL and CPL must not exceed DPL.
  if (!code || (attributes & 4) == 0) {
    const level = (attributes >> 5) & 3;
    if ((selector & 3) > level || load<u32>(cpu + CPL) > level) raiseError(GP, error);
  }
  if ((attributes & ATTRIBUTE_PRESENT) == 0) raiseError(NP, error);
  markAccessed();
  setSegmentFromDescriptor(index, selector);
}

export function movToSegment(u: usize): void {
  const index: u32 = load<u16>(u, TARGET);
  if (index == CS || index > <u32>GS) raise(UD);
  loadSegment(index, <u32>readOperand(u, 1));
  if (index == SS) store<u32>(cpu + SHADOW, SHADOW_MOV_SS);
}

export function movFromSegment(u: usize): void {
  const index: u32 = load<u16>(u, OPERAND);
  if (index > <u32>GS) raise(UD);
  const selector = <u64>load<u32>(segment(index), SELECTOR);
  // Memory takes 16 bits whatever the operand size.
  writeTarget(u, inMemory(u) ? 1 : sizeOf(u), selector);
}

function pushSegment(u: usize, index: u32): void {
  pushSelector(sizeOf(u), load<u32>(segment(index), SELECTOR));
}

/** The selector is loaded before the stack pointer moves, so that a fault leaves it; only its two bytes are read. */
function popSegment(u: usize, index: u32): void {
  loadSegment(index, peekSelector(0));
  drop(1 << sizeOf(u));
  if (index == SS) store<u32>(cpu + SHADOW, SHADOW_MOV_SS);
}

export function pushEs(u: usize): void { pushSegment(u, ES); }
export function pushCs(u: usize): void { pushSegment(u, CS); }
export function pushSs(u: usize): void { pushSegment(u, SS); }
export function pushDs(u: usize): void { pushSegment(u, DS); }
export function pushFs(u: usize): void { pushSegment(u, FS); }
export function pushGs(u: usize): void { pushSegment(u, GS); }
export function popEs(u: usize): void { popSegment(u, ES); }
export function popSs(u: usize): void { popSegment(u, SS); }
export function popDs(u: usize): void { popSegment(u, DS); }
export function popFs(u: usize): void { popSegment(u, FS); }
export function popGs(u: usize): void { popSegment(u, GS); }

/** LDS and its kin: offset into the register, selector into the segment. */
function loadFarPointer(u: usize, index: u32): void {
  const size = sizeOf(u);
  const address = ea(u);
  const offset = readMemory(address, size);
  const selector = <u32>read16(address + (1 << size));
  loadSegment(index, selector);
  writeRegister(load<u16>(u, TARGET), size, offset);
  if (index == SS) store<u32>(cpu + SHADOW, SHADOW_MOV_SS);
}

export function les(u: usize): void { loadFarPointer(u, ES); }
export function lds(u: usize): void { loadFarPointer(u, DS); }
export function lss(u: usize): void { loadFarPointer(u, SS); }
export function lfs(u: usize): void { loadFarPointer(u, FS); }
export function lgs(u: usize): void { loadFarPointer(u, GS); }

function requireProtected(): void {
  if (isReal()) raise(UD);
}

function setZero(value: bool): void {
  setArithmeticFlags((arithmeticFlags() & ~ZF) | (value ? ZF : 0));
}

/** The descriptor may be looked at with LAR, LSL, VERR, VERW at the present privilege. */
function isVisible(selector: u32): bool {
  if ((selector & 0xfffc) == 0 || !readDescriptor(selector)) return false;
  const attributes = attributesOf(descriptorHigh);
  if ((attributes & 0x1c) == 0x1c) return true; // conforming code
  const level = (attributes >> 5) & 3;
  return load<u32>(cpu + CPL) <= level && (selector & 3) <= level;
}

/** System types that LAR and LSL accept. */
function isKnownSystemType(type: u32, forLimit: bool): bool {
  if (isLong()) return type == 2 || type == 9 || type == 11 || (!forLimit && type == 12);
  if (type == 1 || type == 2 || type == 3 || type == 9 || type == 11) return true;
  return !forLimit && (type == 4 || type == 5 || type == 12);
}

export function lar(u: usize): void {
  requireProtected();
  const selector = <u32>readOperand(u, 1);
  const visible = isVisible(selector)
    && ((descriptorHigh & 0x1000) != 0 || isKnownSystemType((descriptorHigh >> 8) & 15, false));
  if (visible) writeRegister(load<u16>(u, TARGET), sizeOf(u), <u64>(descriptorHigh & 0x00ffff00));
  setZero(visible);
}

export function lsl(u: usize): void {
  requireProtected();
  const selector = <u32>readOperand(u, 1);
  const visible = isVisible(selector)
    && ((descriptorHigh & 0x1000) != 0 || isKnownSystemType((descriptorHigh >> 8) & 15, true));
  if (visible) writeRegister(load<u16>(u, TARGET), sizeOf(u), <u64>limitOf(descriptorLow, descriptorHigh));
  setZero(visible);
}

export function verr(u: usize): void {
  requireProtected();
  const visible = isVisible(<u32>readTarget(u, 1));
  const attributes = attributesOf(descriptorHigh);
  setZero(visible && (attributes & 0x10) != 0 && ((attributes & 8) == 0 || (attributes & 2) != 0));
}

export function verw(u: usize): void {
  requireProtected();
  const visible = isVisible(<u32>readTarget(u, 1));
  setZero(visible && (attributesOf(descriptorHigh) & 0x1a) == 0x12);
}

export function arpl(u: usize): void {
  requireProtected();
  const target = <u32>readTarget(u, 1);
  const level = <u32>readRegister(load<u16>(u, OPERAND), 1) & 3;
  const raised = (target & 3) < level;
  if (raised && inMemory(u)) linearAddress(load<u8>(u, SEGMENT), effectiveAddress(u), 2, true);
  if (raised) writeTarget(u, 1, <u64>((target & ~3) | level));
  setZero(raised);
}

export function bound(u: usize): void {
  const size = sizeOf(u);
  const address = ea(u);
  const index = size == 1 ? <i32>load<i16>(cpu + load<u16>(u, TARGET)) : load<i32>(cpu + load<u16>(u, TARGET));
  const low = size == 1 ? <i32>(<i16>read16(address)) : <i32>read32(address);
  if (index < low) raise(5);
  const high = size == 1 ? <i32>(<i16>read16(address + 2)) : <i32>read32(address + 4);
  if (index > high) raise(5);
}

// Descriptor table registers.

function privileged(): void {
  if (load<u32>(cpu + CPL) != 0) raiseError(GP, 0);
}

const CR4_UMIP: u64 = 0x800;

/** SGDT, SIDT, SLDT, STR and SMSW tell a user program about the kernel: UMIP forbids it. */
export function checkUmip(): void {
  if (load<u32>(cpu + CPL) != 0 && (load<u64>(cpu + 0x238) & CR4_UMIP) != 0) raiseError(GP, 0);
}

function storeTable(u: usize, base: u64, limit: u32): void {
  checkUmip();
  const address = ea(u);
  const wide = load<u32>(cpu + MODE) == MODE_64;
  probeWrite(address, wide ? 10 : 6);
  write16(address, <u64>limit);
  if (wide) write64(address + 2, base);
  else write32(address + 2, base);
}

import { probeWrite, write16, write32, write64 } from "./memory";

export function sgdt(u: usize): void {
  storeTable(u, load<u64>(cpu + GDTR_BASE), load<u32>(cpu + GDTR_LIMIT));
}

export function sidt(u: usize): void {
  storeTable(u, load<u64>(cpu + 0x210), load<u32>(cpu + 0x218));
}

function loadTable(u: usize, base: u32, limit: u32): void {
  privileged();
  const address = ea(u);
  const size = <u32>read16(address);
  let value: u64;
  if (load<u32>(cpu + MODE) == MODE_64) value = read64(address + 2);
  else value = read32(address + 2) & (sizeOf(u) == 1 ? 0xffffff : 0xffffffff);
  if (!isCanonical(value)) raiseError(GP, 0);
  store<u64>(cpu + base, value);
  store<u32>(cpu + limit, size);
}

export function lgdt(u: usize): void { loadTable(u, 0x200, 0x208); }
export function lidt(u: usize): void { loadTable(u, 0x210, 0x218); }

export function sldt(u: usize): void {
  requireProtected();
  checkUmip();
  writeTarget(u, inMemory(u) ? 1 : sizeOf(u), <u64>load<u32>(segment(LDTR), SELECTOR));
}

export function str(u: usize): void {
  requireProtected();
  checkUmip();
  writeTarget(u, inMemory(u) ? 1 : sizeOf(u), <u64>load<u32>(segment(TR), SELECTOR));
}

/** Loads LDTR or TR from the descriptor that was read; 16 bytes of it in long mode. */
function setSystemSegment(index: u32, selector: u32): void {
  let base = baseOf(descriptorLow, descriptorHigh);
  if (isLong()) {
    base |= systemRead(descriptorAddress + 8, 4) << 32;
    if (!isCanonical(base)) raiseError(GP, selector & 0xfffc);
  }
  setSegmentFromDescriptor(index, selector);
  store<u64>(segment(index), base, BASE);
}

export function lldt(u: usize): void {
  requireProtected();
  privileged();
  const selector = <u32>readTarget(u, 1);
  if ((selector & 0xfffc) == 0) {
    setNullSegment(LDTR, selector);
    return;
  }
  if ((selector & 4) != 0) raiseError(GP, selector & 0xfffc);
  needDescriptor(selector, GP);
  if ((attributesOf(descriptorHigh) & 0x1f) != 2) raiseError(GP, selector & 0xfffc);
  if ((descriptorHigh & 0x8000) == 0) raiseError(NP, selector & 0xfffc);
  setSystemSegment(LDTR, selector);
}

export function ltr(u: usize): void {
  requireProtected();
  privileged();
  const selector = <u32>readTarget(u, 1);
  if ((selector & 0xfffc) == 0 || (selector & 4) != 0) raiseError(GP, selector & 0xfffc);
  needDescriptor(selector, GP);
  const type = attributesOf(descriptorHigh) & 0x1f;
  if (type != 9 && (type != 1 || isLong())) raiseError(GP, selector & 0xfffc);
  if ((descriptorHigh & 0x8000) == 0) raiseError(NP, selector & 0xfffc);
  setSystemSegment(TR, selector);
  // Busy from now on, in the table and in the register.
  systemSetBits(descriptorAddress + 4, BUSY);
  store<u32>(segment(TR), load<u32>(segment(TR), ATTRIBUTES) | 2, ATTRIBUTES);
}
