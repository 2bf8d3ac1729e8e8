// Control and debug registers, model-specific registers, CPUID, the time-stamp counter, and the instructions that have
// no better place.

import {
  AC, ATTRIBUTES, BASE, CODE_BASE, CPL, CR0, CR2, CR3, CR4, CS, CSTAR, DATA, DF, DR0, DR6, DR7, EFER, EXIT_REQUEST,
  FMASK, FORM, FS_BASE, GS_BASE, HALTED, IF, IOPL, KERNEL_GS_BASE, LENGTH, LSTAR, MODE, MODE_64,
  OFFSET, OPERAND, RAX, RBX, RCX, RDX, RFLAGS, RIP, SHADOW, SOURCE, STAR, SYSENTER_CS, SYSENTER_EIP,
  SYSENTER_ESP, TARGET, TSC_AUX, XCR0, COMPONENTS, SEGMENT, DESTINATION, DS,
} from "./layout";
import { cpu, DB, GP, NM, raise, raiseError, UD } from "./cpu";
import { ea } from "./address";
import { configuration, hostOf, probeWrite, read8, readBytes, systemRead, writeBytes } from "./memory";
import { flushAll, flushTranslation } from "./flushes";
import { flushSpace } from "./tlb";
import { isCanonical, isLong, updatePrivilege } from "./paging";
import { checkUmip, isReal, segment, updateMode } from "./segments";
import { inMemory, readRegister, readTarget, sizeOf, writeMemory, writeRegister, writeTarget } from "./operand";
import { checkSse, checkWait, checkX87, updateFpuBlocked } from "./fpu-state";
import { fxrstor, fxrstor64, fxsave, fxsave64, xrstorImage, xsaveImage } from "./float/state";
import { stop, STOP_HALT } from "./dispatch";
import { attend, completeStores, spin } from "./processors";
import { updateBreakpoints } from "./debug";
import { addressMask, linearAddress } from "./address";

// @ts-ignore: decorator
@external("env", "cpuid")
declare function cpuidImport(leaf: u32, subleaf: u32): void;
// @ts-ignore: decorator
@external("env", "readMsr")
declare function readMsrImport(index: u32): i32;
// @ts-ignore: decorator
@external("env", "writeMsr")
declare function writeMsrImport(index: u32): i32;
// @ts-ignore: decorator
@external("env", "hypercall")
declare function hypercallImport(): i32;
// @ts-ignore: decorator
@external("env", "readCr8")
declare function readCr8(): u32;
// @ts-ignore: decorator
@external("env", "writeCr8")
declare function writeCr8(value: u32): void;
// @ts-ignore: decorator
@external("env", "timeStampCounter")
declare function timeStampCounter(): f64;

const CR0_PE: u64 = 1;
const CR0_ET: u64 = 0x10;
const CR0_NW: u64 = 0x20000000;
const CR0_CD: u64 = 0x40000000;
const CR0_PG: u64 = 0x80000000;
const CR0_WRITABLE: u64 = 0xe005003f;
const CR4_TSD: u64 = 4;
const CR4_PAE: u64 = 0x20;
const CR4_PGE: u64 = 0x80;
const CR4_OSXSAVE: u64 = 0x40000;
const CR4_FSGSBASE: u64 = 0x10000;
const CR4_PCE: u64 = 0x100;
/** VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT UMIP FSGSBASE OSXSAVE SMEP SMAP. */
const CR4_WRITABLE: u64 = 0x350fff;
const EFER_SCE: u64 = 1;
const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;
const EFER_NXE: u64 = 0x800;
/** Automatic IBRS [AMD APM 2, 3.1.7], which has nothing to do here. */
const EFER_AIBRSE: u64 = 0x200000;

function privileged(): void {
  if (load<u32>(cpu + CPL) != 0) raiseError(GP, 0);
}

/** Everything that is derived from control registers and segments; after RESET and when state is set from outside. */
export function updateDerived(): void {
  flushAll();
  updateMode();
  updatePrivilege();
  updateFpuBlocked();
  updateBreakpoints();
}

function setCr0(value: u64): void {
  const old = load<u64>(cpu + CR0);
  const next = (value & CR0_WRITABLE) | CR0_ET;
  if ((value >> 32) != 0) raiseError(GP, 0);
  if ((next & (CR0_PG | CR0_PE)) == CR0_PG || (next & (CR0_NW | CR0_CD)) == CR0_NW) raiseError(GP, 0);
  const efer = load<u64>(cpu + EFER);
  if ((next & CR0_PG) != 0 && (old & CR0_PG) == 0) {
    if ((efer & EFER_LME) != 0) {
      if ((load<u64>(cpu + CR4) & CR4_PAE) == 0 || (load<u32>(segment(CS), ATTRIBUTES) & 0x2000) != 0)
        raiseError(GP, 0);
      store<u64>(cpu + EFER, efer | EFER_LMA);
    }
  } else if ((next & CR0_PG) == 0 && (old & CR0_PG) != 0) {
    if (load<u32>(cpu + MODE) == MODE_64) raiseError(GP, 0);
    store<u64>(cpu + EFER, efer & ~EFER_LMA);
  }
  store<u64>(cpu + CR0, next);
  if (((next ^ old) & (CR0_PG | CR0_PE | 0x10000)) != 0) flushAll();
  if (((next ^ old) & (CR0_PG | CR0_PE)) != 0) updateMode();
  updatePrivilege();
  updateFpuBlocked();
}

function setCr4(value: u64): void {
  const old = load<u64>(cpu + CR4);
  if ((value & ~CR4_WRITABLE) != 0) raiseError(GP, 0);
  if (isLong() && (value & CR4_PAE) == 0) raiseError(GP, 0);
  store<u64>(cpu + CR4, value);
  if (((value ^ old) & ~(CR4_TSD | CR4_OSXSAVE)) != 0) flushAll();
  updatePrivilege();
  updateFpuBlocked();
}

export function movToControl(u: usize): void {
  const number: u32 = load<u16>(u, TARGET);
  checkControlNumber(number);
  privileged();
  const value = readRegister(load<u16>(u, OPERAND), load<u32>(cpu + MODE) == MODE_64 ? 3 : 2);
  if (number == 0) setCr0(value);
  else if (number == 2) store<u64>(cpu + CR2, value);
  else if (number == 3) {
    if ((value >> 40) != 0) raiseError(GP, 0);
    store<u64>(cpu + CR3, value);
    flushSpace();
  } else if (number == 4) setCr4(value);
  else {
    if (value > 15) raiseError(GP, 0);
    writeCr8(<u32>value);
  }
}

/** There are CR0, CR2, CR3, CR4 and CR8: #UD for others, before privilege is looked at. */
function checkControlNumber(number: u32): void {
  if (number == 1 || (number > 4 && number != 8)) raise(UD);
}

export function movFromControl(u: usize): void {
  const number: u32 = load<u16>(u, OPERAND);
  checkControlNumber(number);
  privileged();
  let value: u64 = 0;
  if (number == 0) value = load<u64>(cpu + CR0);
  else if (number == 2) value = load<u64>(cpu + CR2);
  else if (number == 3) value = load<u64>(cpu + CR3);
  else if (number == 4) value = load<u64>(cpu + CR4);
  else value = <u64>readCr8();
  writeRegister(load<u16>(u, TARGET), load<u32>(cpu + MODE) == MODE_64 ? 3 : 2, value);
}

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. */
function debugNumber(number: u32): u32 {
  if (number == 4 || number == 5) {
    if ((load<u64>(cpu + CR4) & 8) != 0) raise(UD);
    return number + 2;
  }
  if (number > 7) raise(UD);
  return number;
}

function checkDebugAccess(): void {
  privileged();
  // General detect: any access to a debug register traps.
  if ((load<u64>(cpu + DR7) & 0x2000) != 0) {
    store<u64>(cpu + DR6, load<u64>(cpu + DR6) | 0x2000);
    store<u64>(cpu + DR7, load<u64>(cpu + DR7) & ~0x2000);
    raise(DB);
  }
}

export function movToDebug(u: usize): void {
  const number = debugNumber(load<u16>(u, TARGET));
  checkDebugAccess();
  const wide = load<u32>(cpu + MODE) == MODE_64;
  const value = readRegister(load<u16>(u, OPERAND), wide ? 3 : 2);
  if (number >= 6 && (value >> 32) != 0) raiseError(GP, 0);
  if (number < 4) {
    store<u64>(cpu + DR0 + (number << 3), value);
    updateBreakpoints();
  } else if (number == 6) store<u64>(cpu + DR6, (value & 0xe00f) | 0xffff0ff0);
  else {
    store<u64>(cpu + DR7, (value & 0xffff2bff) | 0x400);
    updateBreakpoints();
  }
}

export function movFromDebug(u: usize): void {
  const number = debugNumber(load<u16>(u, OPERAND));
  checkDebugAccess();
  const at: u32 = number < 4 ? DR0 + (number << 3) : number == 6 ? DR6 : DR7;
  writeRegister(load<u16>(u, TARGET), load<u32>(cpu + MODE) == MODE_64 ? 3 : 2, load<u64>(cpu + at));
}

export function clts(u: usize): void {
  privileged();
  store<u64>(cpu + CR0, load<u64>(cpu + CR0) & ~8);
  updateFpuBlocked();
}

export function smsw(u: usize): void {
  checkUmip();
  writeTarget(u, inMemory(u) ? 1 : sizeOf(u), load<u64>(cpu + CR0));
}

/** Loads PE MP EM TS; PE can't be cleared. */
export function lmsw(u: usize): void {
  privileged();
  const value = readTarget(u, 1);
  const old = load<u64>(cpu + CR0);
  setCr0((old & ~14) | (value & 15) | (old & 1));
}

export function invlpg(u: usize): void {
  privileged();
  flushTranslation(ea(u));
}

export function wbinvd(u: usize): void {
  privileged();
}

export function clflush(u: usize): void {
  read8(ea(u));
}

/** Loads stay in order, and stores too. */
export function fence(u: usize): void {}

/** Stores before it are seen before loads behind it are done. */
export function mfence(u: usize): void {
  completeStores();
}

// Model-specific registers.

function setData(value: u64): void {
  store<u64>(cpu + DATA, value);
}

/** Place of an MSR that the engine keeps, 0 when it doesn't. */
function engineMsr(index: u32): u32 {
  switch (index) {
    case 0x174: return SYSENTER_CS;
    case 0x175: return SYSENTER_ESP;
    case 0x176: return SYSENTER_EIP;
    case 0xc0000080: return EFER;
    case 0xc0000081: return STAR;
    case 0xc0000082: return LSTAR;
    case 0xc0000083: return CSTAR;
    case 0xc0000084: return FMASK;
    case 0xc0000100: return FS_BASE;
    case 0xc0000101: return GS_BASE;
    case 0xc0000102: return KERNEL_GS_BASE;
    case 0xc0000103: return TSC_AUX;
    default: return 0;
  }
}

export function rdmsr(u: usize): void {
  privileged();
  const index = load<u32>(cpu + RCX);
  const place = engineMsr(index);
  if (place != 0) setData(load<u64>(cpu + place));
  else if (readMsrImport(index) == 0) raiseError(GP, 0);
  store<u64>(cpu + RAX, <u64>load<u32>(cpu + DATA));
  store<u64>(cpu + RDX, <u64>load<u32>(cpu + DATA + 4));
}

export function wrmsr(u: usize): void {
  privileged();
  const index = load<u32>(cpu + RCX);
  const value = <u64>load<u32>(cpu + RAX) | (<u64>load<u32>(cpu + RDX) << 32);
  const place = engineMsr(index);
  if (place == 0) {
    setData(value);
    if (writeMsrImport(index) == 0) raiseError(GP, 0);
    return;
  }
  if (place == EFER) {
    setEfer(value);
    return;
  }
  const isAddress = place == LSTAR || place == CSTAR || place == FS_BASE || place == GS_BASE || place == KERNEL_GS_BASE
    || place == SYSENTER_ESP || place == SYSENTER_EIP;
  if (isAddress && <u64>((<i64>value << 16) >> 16) != value) raiseError(GP, 0);
  if (place == TSC_AUX && (value >> 32) != 0) raiseError(GP, 0);
  store<u64>(cpu + place, place == FMASK ? value & 0xffffffff : value);
}

function setEfer(value: u64): void {
  const old = load<u64>(cpu + EFER);
  if ((value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_AIBRSE)) != 0) raiseError(GP, 0);
  if (((value ^ old) & EFER_LME) != 0 && (load<u64>(cpu + CR0) & CR0_PG) != 0) raiseError(GP, 0);
  store<u64>(cpu + EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
  if (((value ^ old) & EFER_NXE) != 0) flushAll();
}

export function rdtsc(u: usize): void {
  if ((load<u64>(cpu + CR4) & CR4_TSD) != 0 && load<u32>(cpu + CPL) != 0) raiseError(GP, 0);
  const value = <u64>timeStampCounter();
  store<u64>(cpu + RAX, value & 0xffffffff);
  store<u64>(cpu + RDX, value >> 32);
}

export function rdtscp(u: usize): void {
  rdtsc(u);
  store<u64>(cpu + RCX, load<u64>(cpu + TSC_AUX) & 0xffffffff);
}

/** There are no performance counters. */
export function rdpmc(u: usize): void {
  raiseError(GP, 0);
}

/** Also serializes: what others have written is seen from here on, code too. */
export function cpuid(u: usize): void {
  const leaf = load<u32>(cpu + RAX);
  cpuidImport(leaf, load<u32>(cpu + RCX));
  let ecx = load<u32>(cpu + DATA + 8);
  // OSXSAVE mirrors CR4.
  if (leaf == 1) {
    ecx &= ~0x08000000;
    if ((load<u64>(cpu + CR4) & CR4_OSXSAVE) != 0) ecx |= 0x08000000;
  }
  let ebx = load<u32>(cpu + DATA + 4);
  // The size of the area that XCR0 asks for now.
  if (leaf == 0xd && load<u32>(cpu + RCX) == 0) {
    ebx = (load<u32>(cpu + XCR0) & 4) != 0 ? XSAVE_ALL_BYTES : XSAVE_SSE_BYTES;
  }
  store<u64>(cpu + RAX, <u64>load<u32>(cpu + DATA));
  store<u64>(cpu + RBX, <u64>ebx);
  store<u64>(cpu + RCX, <u64>ecx);
  store<u64>(cpu + RDX, <u64>load<u32>(cpu + DATA + 12));
  completeStores();
  if (load<i32>(cpu + EXIT_REQUEST) != 0) attend();
}

export function vmcall(u: usize): void {
  if (load<u32>(cpu + CPL) != 0) raise(UD);
  if (hypercallImport() == 0) raise(UD);
}

// Segment bases.

export function swapgs(u: usize): void {
  privileged();
  const base = load<u64>(cpu + GS_BASE);
  store<u64>(cpu + GS_BASE, load<u64>(cpu + KERNEL_GS_BASE));
  store<u64>(cpu + KERNEL_GS_BASE, base);
}

function checkBaseAccess(): void {
  if ((load<u64>(cpu + CR4) & CR4_FSGSBASE) == 0) raise(UD);
}

export function rdfsbase(u: usize): void {
  checkBaseAccess();
  writeRegister(load<u16>(u, TARGET), sizeOf(u) == 3 ? 3 : 2, load<u64>(cpu + FS_BASE));
}

export function rdgsbase(u: usize): void {
  checkBaseAccess();
  writeRegister(load<u16>(u, TARGET), sizeOf(u) == 3 ? 3 : 2, load<u64>(cpu + GS_BASE));
}

function writeBase(u: usize, place: u32): void {
  checkBaseAccess();
  const value = readRegister(load<u16>(u, TARGET), sizeOf(u) == 3 ? 3 : 2);
  if (!isCanonical(value)) raiseError(GP, 0);
  store<u64>(cpu + place, value);
}

export function wrfsbase(u: usize): void { writeBase(u, FS_BASE); }
export function wrgsbase(u: usize): void { writeBase(u, GS_BASE); }

// Interrupt flag and halt.

function checkInterruptFlagAccess(): void {
  if ((load<u64>(cpu + CR0) & CR0_PE) != 0 && load<u32>(cpu + CPL) > (load<u32>(cpu + RFLAGS) & IOPL) >> 12)
    raiseError(GP, 0);
}

export function cli(u: usize): void {
  checkInterruptFlagAccess();
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~IF);
}

export function sti(u: usize): void {
  checkInterruptFlagAccess();
  const flags = load<u32>(cpu + RFLAGS);
  if ((flags & IF) == 0) store<u32>(cpu + SHADOW, 1);
  store<u32>(cpu + RFLAGS, flags | IF);
}

export function hlt(u: usize): void {
  privileged();
  store<u32>(cpu + HALTED, 1);
  store<u32>(cpu + SHADOW, 0);
  stop(STOP_HALT);
}

export function pause(u: usize): void {
  spin();
}

export function cld(u: usize): void {
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~DF);
}

export function std(u: usize): void {
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) | DF);
}

export function clac(u: usize): void {
  if (load<u32>(cpu + CPL) != 0) raise(UD);
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) & ~AC);
  updatePrivilege();
}

export function stac(u: usize): void {
  if (load<u32>(cpu + CPL) != 0) raise(UD);
  store<u32>(cpu + RFLAGS, load<u32>(cpu + RFLAGS) | AC);
  updatePrivilege();
}

export function xlat(u: usize): void {
  const mask = addressMask(u);
  const offset = (load<u64>(cpu + RBX) + load<u8>(cpu + RAX)) & mask;
  store<u8>(cpu + RAX, <u8>read8(linearAddress(load<u8>(u, SEGMENT), offset, 1, false)));
}

export function movnti(u: usize): void {
  const size: u32 = sizeOf(u) == 3 ? 3 : 2;
  writeMemory(ea(u), size, readRegister(load<u16>(u, OPERAND), size));
}

export function wait(u: usize): void {
  checkWait();
}

// FPU state in memory.

function checkState(): void {
  if ((load<u64>(cpu + CR0) & 12) != 0) raise(NM);
}

export function fxsaveMemory(u: usize): void {
  checkState();
  const address = ea(u);
  if ((address & 15) != 0) raiseError(GP, 0);
  probeWrite(address, 512);
  // What the image leaves alone stays as it was.
  readBytes(address, cpu + DESTINATION, 512);
  if (sizeOf(u) == 3) fxsave64(cpu + DESTINATION, 0, 0);
  else fxsave(cpu + DESTINATION, 0, 0);
  writeBytes(address, cpu + DESTINATION, 512);
}

export function fxrstorMemory(u: usize): void {
  checkState();
  const address = ea(u);
  if ((address & 15) != 0) raiseError(GP, 0);
  readBytes(address, cpu + SOURCE, 512);
  if (sizeOf(u) == 3) fxrstor64(0, cpu + SOURCE, 0);
  else fxrstor(0, cpu + SOURCE, 0);
}

/** Bytes of the area that holds the components that RAX and XCR0 name. */
function xsaveBytes(): u32 {
  return (load<u32>(cpu + RAX) & load<u32>(cpu + XCR0) & 4) != 0 ? XSAVE_ALL_BYTES : XSAVE_SSE_BYTES;
}

const XSAVE_SSE_BYTES: u32 = 576;
const XSAVE_ALL_BYTES: u32 = 832;

function checkXsave(address: u64): void {
  if ((load<u64>(cpu + CR4) & CR4_OSXSAVE) == 0) raise(UD);
  if ((load<u64>(cpu + CR0) & 8) != 0) raise(NM);
  if ((address & 63) != 0) raiseError(GP, 0);
}

export function xsave(u: usize): void {
  const address = ea(u);
  checkXsave(address);
  const bytes = xsaveBytes();
  probeWrite(address, bytes);
  readBytes(address, cpu + DESTINATION, bytes);
  xsaveImage(cpu + DESTINATION, load<u32>(cpu + RAX), u32(sizeOf(u) == 3));
  writeBytes(address, cpu + DESTINATION, bytes);
}

export function xrstor(u: usize): void {
  const address = ea(u);
  checkXsave(address);
  readBytes(address, cpu + SOURCE, xsaveBytes());
  xrstorImage(cpu + SOURCE, load<u32>(cpu + RAX), u32(sizeOf(u) == 3));
}

export function xgetbv(u: usize): void {
  if ((load<u64>(cpu + CR4) & CR4_OSXSAVE) == 0) raise(UD);
  if (load<u32>(cpu + RCX) != 0) raiseError(GP, 0);
  store<u64>(cpu + RAX, load<u64>(cpu + XCR0) & 0xffffffff);
  store<u64>(cpu + RDX, load<u64>(cpu + XCR0) >> 32);
}

export function xsetbv(u: usize): void {
  if ((load<u64>(cpu + CR4) & CR4_OSXSAVE) == 0) raise(UD);
  privileged();
  const value = <u64>load<u32>(cpu + RAX) | (<u64>load<u32>(cpu + RDX) << 32);
  // x87 always; AVX only with SSE.
  const absent = ~(<u64>load<u32>(configuration, COMPONENTS));
  if (load<u32>(cpu + RCX) != 0 || (value & 1) == 0 || (value & 6) == 4 || (value & absent) != 0) raiseError(GP, 0);
  store<u64>(cpu + XCR0, value);
  updateFpuBlocked();
}
