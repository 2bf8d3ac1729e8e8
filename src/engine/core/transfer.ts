// Control transfers that change more than RIP: far jumps, calls and returns, interrupt returns, system calls; and the
// loops.

import {
  AC, ATTRIBUTES, BASE, CODE_BASE, CPL, CR4, CS, CSTAR, DISPLACEMENT, DS, EFER, ES, FMASK, FORM, FORM_REPNE,
  FORM_REPEAT, FS, GS, ID, IF, IMMEDIATE, IOPL,
  LENGTH, LIMIT, LSTAR, MODE, MODE_64, NMI_BLOCKED, NMI_PENDING, NT, OF, OFFSET, PENDING_DEBUG, RAX, RBP, RCX, RDX, RF,
  RFLAGS, RIP, RSP, R11, SELECTOR, SHADOW, SS, STAR, SYSENTER_CS,
  SYSENTER_EIP, SYSENTER_ESP, TF, VM, STACK_MASK, FAULT_NESTED,
} from "./layout";
import { BP, cpu, DB, GP, NP, raise, raiseError, STACK_FAULT, TS, UD } from "./cpu";
import { arithmeticFlags, overflow, readFlags, setArithmeticFlags, zero } from "./flags";
import { addressMask, ea } from "./address";
import { inMemory, readMemory, readTarget, signedOf, sizeMask, sizeOf, writeTarget } from "./operand";
import { drop, peek, peekSelector, poke, pop, probePush, push, setStackPointer, stackMask } from "./stack";
import { isCanonical, isLong, updatePrivilege } from "./paging";
import { deliver, KIND_EXCEPTION, KIND_SOFTWARE } from "./exceptions";
import { updateStepping } from "./debug";
import { stop, STOP_KICK } from "./dispatch";
import { read16, systemRead, systemWrite, write64, probeWrite } from "./memory";
import {
  attributesOf, ATTRIBUTE_DB, ATTRIBUTE_L, baseOf, descriptorHigh, descriptorLow, descriptorAddress, isProtected,
  isReal, loadStackSegment, limitOf,
  markAccessed, needDescriptor, readDescriptor, segment, setCpl, setNullSegment, setSegmentFromDescriptor, UNUSABLE,
  updateMode,
} from "./segments";

/** Flags that POPF and IRET may change at the present privilege. */
function writableFlags(): u32 {
  const cpl = load<u32>(cpu + CPL);
  let mask: u32 = TF | 0x400 | NT | AC | ID;
  if (cpl <= (load<u32>(cpu + RFLAGS) & IOPL) >> 12) mask |= IF;
  if (cpl == 0) mask |= IOPL;
  return mask;
}

/** Sets RFLAGS from a popped value of log2 size 1…3. */
export function setFlags(value: u32, mask: u32): void {
  setArithmeticFlags(value);
  store<u32>(cpu + RFLAGS, (load<u32>(cpu + RFLAGS) & ~mask) | (value & mask));
  updatePrivilege();
  updateStepping();
}

export function pushf(u: usize): void {
  push(sizeOf(u), <u64>(readFlags() & ~(RF | VM)));
}

export function popf(u: usize): void {
  const size = sizeOf(u);
  const mask = writableFlags() & (size == 1 ? 0xffff : 0xffffffff);
  const value = <u32>pop(size);
  setFlags(value, mask);
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~RF);
}

export function popE(u: usize): void {
  // The destination's address is computed with the stack pointer already moved.
  const size = sizeOf(u);
  const before = load<u64>(cpu + RSP);
  const value = peek(size, 0);
  // A segment that can't be written faults here, while the stack pointer is still what it was.
  if (inMemory(u)) ea(u);
  drop(1 << size);
  const after = load<u64>(cpu + RSP);
  if (!inMemory(u)) {
    writeTarget(u, size, value);
    return;
  }
  const address = ea(u);
  store<u64>(cpu + RSP, before);
  writeMemoryAt(address, size, value);
  store<u64>(cpu + RSP, after);
}

import { writeMemory } from "./operand";

function writeMemoryAt(address: u64, size: u32, value: u64): void {
  writeMemory(address, size, value);
}

export function pusha(u: usize): void {
  const size = sizeOf(u);
  const mask = sizeMask(size);
  const start = load<u64>(cpu + RSP);
  for (let n: u32 = 1; n <= 8; n++) probePush(n << size, 1 << size);
  for (let n: i32 = 0; n < 8; n++) {
    const value = n == 4 ? start : load<u64>(cpu + (n << 3));
    push(size, value & mask);
  }
}

export function popa(u: usize): void {
  const size = sizeOf(u);
  for (let n: i32 = 7; n >= 0; n--) {
    const value = peek(size, (7 - n) << size);
    if (n == 4) continue;
    if (size == 1) store<u16>(cpu + (n << 3), <u16>value);
    else store<u64>(cpu + (n << 3), value & 0xffffffff);
  }
  drop(8 << size);
}

export function enter(u: usize): void {
  const size = sizeOf(u);
  const immediate = load<u32>(u, IMMEDIATE);
  const level = (immediate >> 16) & 31;
  const bytes: u64 = 1 << size;
  const before = load<u64>(cpu + RSP);
  const frameBase = load<u64>(cpu + RBP);
  // The stack pointer stays until nothing can fault any more.
  let depth: i64 = -<i64>bytes;
  poke(size, depth, frameBase);
  const frame = before + depth;
  for (let n: u32 = 1; n < level; n++) {
    const at = (frameBase - n * bytes) & stackMask();
    const value = readMemory(load<u32>(cpu + STACK_MASK) == 0 ? at : at + load<u64>(segment(SS), BASE), size);
    depth -= bytes;
    poke(size, depth, value);
  }
  if (level > 0) {
    depth -= bytes;
    poke(size, depth, frame);
  }
  depth -= immediate & 0xffff;
  // The frame's last bytes must be writable.
  probePush(<u32>(-depth), <u32>bytes);
  setStackPointer(before + depth);
  if (size == 1) store<u16>(cpu + RBP, <u16>frame);
  else store<u64>(cpu + RBP, size == 2 ? frame & 0xffffffff : frame);
}

export function leave(u: usize): void {
  const size = sizeOf(u);
  const before = load<u64>(cpu + RSP);
  const frame = load<u64>(cpu + RBP);
  const at = frame & stackMask();
  const value = readMemory(load<u32>(cpu + STACK_MASK) == 0 ? at : at + load<u64>(segment(SS), BASE), size);
  setStackPointer(frame + (1 << size));
  if (size == 1) store<u16>(cpu + RBP, <u16>value);
  else store<u64>(cpu + RBP, value);
}

// Loops. The record's displacement is the target's offset from CODE_BASE.

function jumpNear(u: usize): void {
  const target = load<u64>(cpu + CODE_BASE) + <i64>load<i32>(u, DISPLACEMENT);
  if (load<u32>(cpu + MODE) == MODE_64) {
    if (!isCanonical(target)) raiseError(GP, 0);
    store<u64>(cpu + RIP, target);
  } else store<u64>(cpu + RIP, target & (sizeOf(u) == 1 ? 0xffff : 0xffffffff));
}

function decrementCount(u: usize): bool {
  const mask = addressMask(u);
  const count = (load<u64>(cpu + RCX) - 1) & mask;
  if (mask == 0xffff) store<u16>(cpu + RCX, <u16>count);
  else store<u64>(cpu + RCX, count);
  return count != 0;
}

export function loop(u: usize): void {
  if (decrementCount(u)) jumpNear(u);
}

export function loope(u: usize): void {
  if (decrementCount(u) && zero() != 0) jumpNear(u);
}

export function loopne(u: usize): void {
  if (decrementCount(u) && zero() == 0) jumpNear(u);
}

export function jcxz(u: usize): void {
  if ((load<u64>(cpu + RCX) & addressMask(u)) == 0) jumpNear(u);
}

// Far transfers.

/** Loads CS from the descriptor read, with `level` as CPL and RPL. */
function setCodeSegment(selector: u32, level: u32): void {
  markAccessed();
  setSegmentFromDescriptor(CS, (selector & 0xfffc) | level);
  store<u32>(cpu + CPL, level);
  updateMode();
  updatePrivilege();
}

function setRealCode(selector: u32): void {
  const cs = segment(CS);
  store<u32>(cs, selector, SELECTOR);
  store<u64>(cs, <u64>selector << 4, BASE);
  if (isReal()) {
    store<u32>(cs, 0x9b, ATTRIBUTES);
    updateMode();
  }
}

/** Checks the code segment that was read as the target of a direct far jump or call. */
function checkCodeTarget(selector: u32): void {
  const attributes = attributesOf(descriptorHigh);
  const error = selector & 0xfffc;
  const cpl = load<u32>(cpu + CPL);
  const level = (attributes >> 5) & 3;
  const allowed = (attributes & 4) != 0 ? level <= cpl : level == cpl && (selector & 3) <= cpl;
  if (!allowed) raiseError(GP, error);
  if (isLong() && (attributes & ATTRIBUTE_L) != 0 && (attributes & ATTRIBUTE_DB) != 0) raiseError(GP, error);
  if ((attributes & 0x80) == 0) raiseError(NP, error);
}

/** The new RIP must lie in the code segment that was read. */
function checkTargetOffset(offset: u64): void {
  const long = isLong() && (attributesOf(descriptorHigh) & ATTRIBUTE_L) != 0;
  if (long ? !isCanonical(offset) : <u32>offset > limitOf(descriptorLow, descriptorHigh)) raiseError(GP, 0);
}

/** Goes on at `offset` of the code segment that has just been loaded. */
function setInstructionPointer(offset: u64): void {
  store<u64>(cpu + RIP, load<u32>(cpu + MODE) == MODE_64 ? offset : offset & 0xffffffff);
}

// A call gate, found by `readGate`.
let gateSelector: u32 = 0;
let gateOffset: u64 = 0;
let gateCount: u32 = 0;
let gateSize: u32 = 0;

/** Reads the call gate in the descriptor that was read, with its checks; then the code descriptor behind it. */
function readGate(selector: u32): void {
  const error = selector & 0xfffc;
  const attributes = attributesOf(descriptorHigh);
  const type = attributes & 15;
  const level = (attributes >> 5) & 3;
  const valid = isLong() ? type == 12 : type == 4 || type == 12;
  if (!valid || level < load<u32>(cpu + CPL) || level < (selector & 3)) raiseError(GP, error);
  if ((attributes & 0x80) == 0) raiseError(NP, error);
  gateSelector = descriptorLow >> 16;
  gateOffset = <u64>((descriptorLow & 0xffff) | (type == 12 ? descriptorHigh & 0xffff0000 : 0));
  gateCount = descriptorHigh & 31;
  gateSize = isLong() ? 3 : type == 12 ? 2 : 1;
  if (isLong()) gateOffset |= systemRead(descriptorAddress + 8, 4) << 32;
  if ((gateSelector & 0xfffc) == 0) raiseError(GP, 0);
  needDescriptor(gateSelector, GP);
  const code = attributesOf(descriptorHigh);
  if ((code & 0x18) != 0x18 || ((code >> 5) & 3) > load<u32>(cpu + CPL)) raiseError(GP, gateSelector & 0xfffc);
  if (isLong() && ((code & ATTRIBUTE_L) == 0 || (code & ATTRIBUTE_DB) != 0)) raiseError(GP, gateSelector & 0xfffc);
  if ((code & 0x80) == 0) raiseError(NP, gateSelector & 0xfffc);
}

function farJump(selector: u32, offset: u64): void {
  if (isReal()) {
    setRealCode(selector);
    store<u64>(cpu + RIP, offset);
    return;
  }
  if ((selector & 0xfffc) == 0) raiseError(GP, 0);
  needDescriptor(selector, GP);
  if ((descriptorHigh & 0x1000) != 0) {
    if ((descriptorHigh & 0x800) == 0) raiseError(GP, selector & 0xfffc);
    checkCodeTarget(selector);
    checkTargetOffset(offset);
    setCodeSegment(selector, load<u32>(cpu + CPL));
    setInstructionPointer(offset);
    return;
  }
  readGate(selector);
  const code = attributesOf(descriptorHigh);
  if ((code & 4) == 0 && ((code >> 5) & 3) != load<u32>(cpu + CPL)) raiseError(GP, gateSelector & 0xfffc);
  checkTargetOffset(gateOffset);
  setCodeSegment(gateSelector, load<u32>(cpu + CPL));
  setInstructionPointer(gateOffset);
}

function farCall(selector: u32, offset: u64, size: u32, next: u64): void {
  const oldCs = <u64>load<u32>(segment(CS), SELECTOR);
  if (isReal()) {
    push(size, oldCs);
    push(size, next);
    setRealCode(selector);
    store<u64>(cpu + RIP, offset);
    return;
  }
  if ((selector & 0xfffc) == 0) raiseError(GP, 0);
  needDescriptor(selector, GP);
  if ((descriptorHigh & 0x1000) != 0) {
    if ((descriptorHigh & 0x800) == 0) raiseError(GP, selector & 0xfffc);
    checkCodeTarget(selector);
    checkTargetOffset(offset);
    probePush(1 << size, 1 << size);
    probePush(2 << size, 1 << size);
    push(size, oldCs);
    push(size, next);
    needDescriptor(selector, GP);
    setCodeSegment(selector, load<u32>(cpu + CPL));
    setInstructionPointer(offset);
    return;
  }
  readGate(selector);
  checkTargetOffset(gateOffset);
  const code = attributesOf(descriptorHigh);
  const level = (code >> 5) & 3;
  if ((code & 4) == 0 && level < load<u32>(cpu + CPL)) {
    callInner(level, oldCs, next);
    return;
  }
  probePush(1 << gateSize, 1 << gateSize);
  probePush(2 << gateSize, 1 << gateSize);
  push(gateSize, oldCs);
  push(gateSize, next);
  needDescriptor(gateSelector, GP);
  setCodeSegment(gateSelector, load<u32>(cpu + CPL));
  setInstructionPointer(gateOffset);
}

/** A call gate to a more privileged level: the stack of the task state, with the parameters copied. */
function callInner(level: u32, oldCs: u64, next: u64): void {
  const task = segment(6 + 1);
  const base = load<u64>(task, BASE);
  const oldSs = <u64>load<u32>(segment(SS), SELECTOR);
  const oldSp = load<u64>(cpu + RSP);
  const oldBase = load<u64>(segment(SS), BASE);
  const oldMask = stackMask();
  const bytes: u32 = 1 << gateSize;
  if (gateSize == 3) {
    const pointer = systemRead(base + 4 + (level << 3), 8);
    systemWrite(pointer - 8, 8, oldSs);
    systemWrite(pointer - 16, 8, oldSp);
    systemWrite(pointer - 24, 8, oldCs);
    systemWrite(pointer - 32, 8, next);
    needDescriptor(gateSelector, GP);
    setCodeSegment(gateSelector, level);
    setNullSegment(SS, level);
    updateMode();
    store<u64>(cpu + RSP, pointer - 32);
    store<u64>(cpu + RIP, gateOffset);
    return;
  }
  const wide = (load<u32>(task, ATTRIBUTES) & 8) != 0;
  const at = wide ? 4 + (level << 3) : 2 + (level << 2);
  let pointer = systemRead(base + at, wide ? 4 : 2);
  const selector = <u32>systemRead(base + at + (wide ? 4 : 2), 2);
  needDescriptor(selector, TS);
  const attributes = attributesOf(descriptorHigh);
  if ((attributes & 0x1a) != 0x12 || ((attributes >> 5) & 3) != level) raiseError(TS, selector & 0xfffc);
  if ((attributes & 0x80) == 0) raiseError(STACK_FAULT, selector & 0xfffc);
  const newBase = baseOf(descriptorLow, descriptorHigh);
  const mask: u64 = (attributes & ATTRIBUTE_DB) != 0 ? 0xffffffff : 0xffff;
  const count = gateCount;
  systemWrite(newBase + ((pointer - bytes) & mask), bytes, oldSs);
  systemWrite(newBase + ((pointer - 2 * bytes) & mask), bytes, oldSp);
  pointer -= 2 * bytes;
  for (let n: i32 = <i32>count - 1; n >= 0; n--) {
    const value = systemRead(oldBase + ((oldSp + n * bytes) & oldMask), bytes);
    pointer -= bytes;
    systemWrite(newBase + (pointer & mask), bytes, value);
  }
  systemWrite(newBase + ((pointer - bytes) & mask), bytes, oldCs);
  systemWrite(newBase + ((pointer - 2 * bytes) & mask), bytes, next);
  pointer -= 2 * bytes;
  const codeSelector = gateSelector;
  markAccessed();
  setSegmentFromDescriptor(SS, selector);
  needDescriptor(codeSelector, GP);
  setCodeSegment(codeSelector, level);
  setStackPointer(pointer);
  store<u64>(cpu + RIP, gateOffset);
}

function nextIp(u: usize): u64 {
  return load<u64>(cpu + CODE_BASE) + load<u16>(u, OFFSET) + load<u8>(u, LENGTH);
}

export function jmpFarDirect(u: usize): void {
  farJump(load<u16>(u, IMMEDIATE), <u64>load<u32>(u, DISPLACEMENT));
}

export function callFarDirect(u: usize): void {
  farCall(load<u16>(u, IMMEDIATE), <u64>load<u32>(u, DISPLACEMENT), sizeOf(u), nextIp(u));
}

export function jmpFar(u: usize): void {
  const address = ea(u);
  const size = sizeOf(u);
  const offset = readMemory(address, size);
  farJump(<u32>read16(address + (1 << size)), offset);
}

export function callFar(u: usize): void {
  const address = ea(u);
  const size = sizeOf(u);
  const offset = readMemory(address, size);
  farCall(<u32>read16(address + (1 << size)), offset, size, nextIp(u));
}

/** After a return to an outer level, data segments that the new level may not use become null. */
function dropSegments(level: u32): void {
  for (let n: u32 = 0; n < 4; n++) {
    const index: u32 = n == 0 ? ES : n == 1 ? DS : n == 2 ? FS : GS;
    const at = segment(index);
    const attributes = load<u32>(at, ATTRIBUTES);
    if ((attributes & UNUSABLE) != 0) continue;
    const conforming = (attributes & 0x1c) == 0x1c;
    if (!conforming && ((attributes >> 5) & 3) < level) {
      // The base stays: 64-bit code that set it by MSR goes on to use it.
      store<u32>(at, 0, SELECTOR);
      store<u32>(at, UNUSABLE, ATTRIBUTES);
    }
  }
}

/**
 * Returns to `selector:offset`; `after` bytes lie between them and the outer stack pointer. Common to RET FAR and IRET.
 */
function returnFar(selector: u32, offset: u64, size: u32, taken: u32, extra: u32, isIret: bool): void {
  const bytes: u32 = 1 << size;
  const cpl = load<u32>(cpu + CPL);
  const level = selector & 3;
  if ((selector & 0xfffc) == 0) raiseError(GP, 0);
  needDescriptor(selector, GP);
  const error = selector & 0xfffc;
  const attributes = attributesOf(descriptorHigh);
  const codeLevel = (attributes >> 5) & 3;
  if ((attributes & 0x18) != 0x18 || level < cpl) raiseError(GP, error);
  if ((attributes & 4) != 0 ? codeLevel > level : codeLevel != level) raiseError(GP, error);
  if (isLong() && (attributes & ATTRIBUTE_L) != 0 && (attributes & ATTRIBUTE_DB) != 0) raiseError(GP, error);
  if ((attributes & 0x80) == 0) raiseError(NP, error);
  checkTargetOffset(offset);
  const outer = level != cpl || (isIret && load<u32>(cpu + MODE) == MODE_64);
  if (!outer) {
    setCodeSegment(selector, level);
    drop(taken + extra);
    setInstructionPointer(offset);
    return;
  }
  const stackSelector = peekSelector(taken + extra + bytes);
  const pointer = peek(size, taken + extra);
  const toLong = isLong() && (attributes & ATTRIBUTE_L) != 0;
  const nullStack = (stackSelector & 0xfffc) == 0;
  if (nullStack && (!toLong || level == 3)) raiseError(GP, 0);
  if (!nullStack) {
    needDescriptor(stackSelector, GP);
    const stack = attributesOf(descriptorHigh);
    if ((stack & 0x1a) != 0x12 || (stackSelector & 3) != level || ((stack >> 5) & 3) != level)
      raiseError(GP, stackSelector & 0xfffc);
    if ((stack & 0x80) == 0) raiseError(STACK_FAULT, stackSelector & 0xfffc);
    markAccessed();
    needDescriptor(selector, GP);
    setCodeSegment(selector, level);
    needDescriptor(stackSelector, GP);
    setSegmentFromDescriptor(SS, stackSelector);
  } else {
    setCodeSegment(selector, level);
    setNullSegment(SS, stackSelector);
  }
  updateMode();
  setStackPointer(pointer + extra);
  setInstructionPointer(offset);
  if (level != cpl) dropSegments(level);
}

export function retFar(u: usize): void {
  const size = sizeOf(u);
  const bytes: u32 = 1 << size;
  const extra: u32 = load<u16>(u, IMMEDIATE);
  const selector = peekSelector(bytes);
  const offset = peek(size, 0);
  if (isReal()) {
    drop(2 * bytes + extra);
    setRealCode(selector);
    store<u64>(cpu + RIP, offset);
    return;
  }
  returnFar(selector, offset, size, 2 * bytes, extra, false);
}

/** IRET lets the next NMI in; one that waited is delivered when `run` is entered again. */
function unblockNmi(): void {
  store<u32>(cpu + NMI_BLOCKED, 0);
  if (load<u32>(cpu + NMI_PENDING) != 0) stop(STOP_KICK);
}

export function iret(u: usize): void {
  const size = sizeOf(u);
  const bytes: u32 = 1 << size;
  // Nested tasks are not offered.
  if (!isReal() && (load<u32>(cpu + RFLAGS) & NT) != 0) raiseError(GP, 0);
  const flags = <u32>peek(size, 2 * bytes);
  const selector = peekSelector(bytes);
  const offset = peek(size, 0);
  const width: u32 = size == 1 ? 0xffff : 0xffffffff;
  if (isReal()) {
    drop(3 * bytes);
    setRealCode(selector);
    store<u64>(cpu + RIP, offset);
    setFlags(flags, (TF | IF | 0x400 | IOPL | NT | AC | ID | RF) & width);
    unblockNmi();
    return;
  }
  // Nor is virtual-8086 mode.
  if (!isLong() && size == 2 && (flags & VM) != 0) raiseError(GP, 0);
  const mask = writableFlags() | RF;
  returnFar(selector, offset, size, 3 * bytes, 0, true);
  setFlags(flags, mask & width);
  unblockNmi();
}

// Software interrupts.

/** Delivers a software interrupt that returns behind this instruction; faults in delivery report this instruction. */
function softwareInterrupt(u: usize, vector: u32): void {
  store<u32>(cpu + FAULT_NESTED, 0);
  const next = load<u32>(cpu + MODE) == MODE_64 ? nextIp(u) : nextIp(u) & 0xffffffff;
  deliver(vector, KIND_SOFTWARE, false, 0, next);
}

export function int3(u: usize): void {
  softwareInterrupt(u, BP);
}

export function int(u: usize): void {
  softwareInterrupt(u, load<u8>(u, IMMEDIATE));
}

export function int1(u: usize): void {
  deliver(DB, KIND_EXCEPTION, false, 0, nextIp(u));
}

export function into(u: usize): void {
  if (overflow() != 0) softwareInterrupt(u, 4);
}

export function ud(u: usize): void {
  raise(UD);
}

// Fast system calls.

const EFER_SCE: u64 = 1;

/** A flat segment as SYSCALL and its kin load it, without looking at the table. */
function setFlat(index: u32, selector: u32, attributes: u32): void {
  const at = segment(index);
  store<u32>(at, selector, SELECTOR);
  store<u32>(at, attributes, ATTRIBUTES);
  store<u32>(at, 0xffffffff, LIMIT);
  store<u64>(at, 0, BASE);
}

const CODE64: u32 = 0xa09b;
const CODE32: u32 = 0xc09b;
const DATA: u32 = 0xc093;
const DPL3: u32 = 0x60;

/** Outside long mode [AMD APM 3, SYSCALL]: the target is STAR[31:0], flags are not saved. */
function legacySyscall(u: usize): void {
  const star = load<u64>(cpu + STAR);
  const code = <u32>(star >> 32) & 0xfffc;
  store<u64>(cpu + RCX, nextIp(u) & 0xffffffff);
  store<u64>(cpu + RIP, star & 0xffffffff);
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~(IF | VM));
  setFlat(CS, code, CODE32);
  setFlat(SS, code + 8, DATA);
  store<u32>(cpu + CPL, 0);
  updateMode();
  updatePrivilege();
}

export function syscall(u: usize): void {
  if ((load<u64>(cpu + EFER) & EFER_SCE) == 0) raise(UD);
  if (!isLong()) {
    legacySyscall(u);
    return;
  }
  store<u64>(cpu + RCX, nextIp(u));
  store<u64>(cpu + R11, <u64>(readFlags() & ~RF));
  const star = <u32>(load<u64>(cpu + STAR) >> 32) & 0xfffc;
  store<u64>(cpu + RIP, load<u32>(cpu + MODE) == MODE_64 ? load<u64>(cpu + LSTAR) : load<u64>(cpu + CSTAR));
  const masked = readFlags() & ~(<u32>load<u64>(cpu + FMASK)) & ~RF;
  setArithmeticFlags(masked);
  store<u32>(cpu + RFLAGS, masked & ~0x8d5);
  setFlat(CS, star, CODE64);
  setFlat(SS, star + 8, DATA);
  store<u32>(cpu + CPL, 0);
  updateMode();
  updatePrivilege();
  updateStepping();
}

export function sysret(u: usize): void {
  if ((load<u64>(cpu + EFER) & EFER_SCE) == 0) raise(UD);
  if (load<u32>(cpu + CPL) != 0) raiseError(GP, 0);
  const star = <u32>(load<u64>(cpu + STAR) >> 48);
  const wide = sizeOf(u) == 3;
  const target = load<u64>(cpu + RCX);
  if (wide && !isCanonical(target)) raiseError(GP, 0);
  const selector = (wide ? star + 16 : star) | 3;
  setFlat(CS, selector, (wide ? CODE64 : CODE32) | DPL3);
  setFlat(SS, (star + 8) | 3, DATA | DPL3);
  store<u64>(cpu + RIP, wide ? target : target & 0xffffffff);
  const flags = (<u32>load<u64>(cpu + R11) & 0x3c7fd7) | 2;
  setArithmeticFlags(flags);
  store<u32>(cpu + RFLAGS, flags & ~(0x8d5 | RF | VM));
  store<u32>(cpu + CPL, 3);
  updateMode();
  updatePrivilege();
  updateStepping();
  // A trap flag that SYSRET loads traps at once, unlike one that IRET loads.
  if ((flags & TF) != 0) store<u32>(cpu + PENDING_DEBUG, load<u32>(cpu + PENDING_DEBUG) | 0x4000);
}

export function sysenter(u: usize): void {
  const code = <u32>load<u64>(cpu + SYSENTER_CS) & 0xfffc;
  if (isReal() || code == 0) raiseError(GP, 0);
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~(IF | VM));
  const long = isLong();
  setFlat(CS, code, long ? CODE64 : CODE32);
  setFlat(SS, code + 8, DATA);
  store<u32>(cpu + CPL, 0);
  updateMode();
  updatePrivilege();
  store<u64>(cpu + RSP, long ? load<u64>(cpu + SYSENTER_ESP) : load<u64>(cpu + SYSENTER_ESP) & 0xffffffff);
  store<u64>(cpu + RIP, long ? load<u64>(cpu + SYSENTER_EIP) : load<u64>(cpu + SYSENTER_EIP) & 0xffffffff);
}

export function sysexit(u: usize): void {
  const code = <u32>load<u64>(cpu + SYSENTER_CS) & 0xfffc;
  if (isReal() || code == 0 || load<u32>(cpu + CPL) != 0) raiseError(GP, 0);
  const wide = sizeOf(u) == 3;
  const target = load<u64>(cpu + RDX);
  const pointer = load<u64>(cpu + RCX);
  if (wide && (!isCanonical(target) || !isCanonical(pointer))) raiseError(GP, 0);
  setFlat(CS, (code + (wide ? 32 : 16)) | 3, (wide ? CODE64 : CODE32) | DPL3);
  setFlat(SS, (code + (wide ? 40 : 24)) | 3, DATA | DPL3);
  store<u32>(cpu + CPL, 3);
  updateMode();
  updatePrivilege();
  store<u64>(cpu + RSP, wide ? pointer : pointer & 0xffffffff);
  store<u64>(cpu + RIP, wide ? target : target & 0xffffffff);
}
