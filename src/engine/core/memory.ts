// Guest memory as instructions see it: a software TLB per privilege in front of the page walk.
//
// Hot path: read8…write64 and readForWrite8…64, budget 2 ns on a hit. One compare decides: a tag equals the linear
// address of the access's last byte with its page offset cleared, so that a page-crossing access misses too. Pages that
// hold decoded code, are not RAM, or lack the dirty bit have no write tag and take the slow path.

import {
  ABSENT, ABSENT_SHIFT, ADDEND, ADDRESS, DATA, INSTRUCTION, MODE, MODE_64, PAGE_NUMBER, RAM_START, RBP, RSP, SEGMENT,
  SLOTS, SLOT_COUNT, SS, TAG_EXECUTE, TAG_READ, TAG_WRITE, TLB, TLB_BASE, TLB_SIZE, WATCHING,
} from "./layout";
import { ALIGNMENT, cpu, GP, PAGE_FAULT, raiseError, STACK_FAULT } from "./cpu";
import {
  ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE, ALIGNED_USER, fill, fillQuietly, isCanonical, tlbInUse,
} from "./paging";
import { hasCode } from "./blocks";
import { codeWritten, enterExclusive, isExclusive, leaveExclusive } from "./processors";
import { noteAccess } from "./debug";
import { entryOf, entryOfKind } from "./tlb";
import { ea } from "./address";

// @ts-ignore: decorator
@external("env", "mmioRead")
declare function mmioRead(gpa: f64, size: i32): void;
// @ts-ignore: decorator
@external("env", "mmioWrite")
declare function mmioWrite(gpa: f64, size: i32): void;
// @ts-ignore: decorator
@external("env", "fetchMemory")
declare function fetchMemory(host: u32): void;

/** Address of the configuration block. */
export let configuration: usize = 0;

export function setConfiguration(address: usize): void {
  configuration = address;
}

/**
 * Host address of a guest-physical address, 0 when it is not RAM. Every way to guest memory leads through here before
 * a TLB knows it, so the bytes are there from then on, also when they are still being read from a saved state.
 */
export function hostOf(physical: u64): usize {
  const count = load<u32>(configuration, SLOT_COUNT);
  let slot = configuration + SLOTS;
  for (let i: u32 = 0; i < count; i++) {
    const at = physical - load<u64>(slot);
    if (at < load<u64>(slot, 8)) {
      const host = load<u32>(slot, 16) + <usize>at;
      const chunk = (host - load<u32>(configuration, RAM_START)) >> ABSENT_SHIFT;
      if (atomic.load<u32>(load<u32>(configuration, ABSENT) + (chunk << 2)) != 0) fetchMemory(<u32>host);
      return host;
    }
    slot += 24;
  }
  return 0;
}

/** Raises #GP or #SS for a non-canonical address. */
export function checkCanonical(address: u64): void {
  if (isCanonical(address)) return;
  const record: usize = load<u32>(cpu + INSTRUCTION);
  raiseError(record != 0 && isStackAccess(record, address) ? STACK_FAULT : GP, 0);
}

/**
 * A non-canonical address belongs to the stack when it is the operand's and that lies there, or is near the stack
 * pointer.
 */
function isStackAccess(record: usize, address: u64): bool {
  const near = address - load<u64>(cpu + RSP) + 0x100 < 0x200 || address - load<u64>(cpu + RBP) + 0x100 < 0x200;
  if (load<u8>(record, ADDRESS) == 0) return near;
  return near && address - ea(record) >= 0x1000 || load<u8>(record, SEGMENT) == SS;
}

/** Guest-physical address of an access that stays in its page; fills the TLB. Raises #PF, #GP or #SS. */
export function translate(address: u64, access: u32): u64 {
  checkCanonical(address);
  const entry = entryOf(address);
  const page = address & ~0xfff;
  const tag = access == ACCESS_READ ? load<u64>(entry, TAG_READ) : load<u64>(entry, TAG_WRITE);
  if (tag == page) return (<u64>load<u32>(entry, PAGE_NUMBER) << 12) | (address & 0xfff);
  return fill(address, access, entry, tlbInUse());
}

/**
 * Fills the TLB for an access that missed it, without raising anything. The host address of its `size` bytes; 0: the
 * access has to be done the long way.
 */
export function reach(address: u64, size: u32, write: u32): u32 {
  if ((address & 0xfff) + size > 0x1000) return 0;
  const entry = entryOf(address);
  const page = address & ~0xfff;
  const tag = write != 0 ? TAG_WRITE : TAG_READ;
  const isThere = load<u64>(entry + tag) == page
    || fillQuietly(address, write != 0 ? ACCESS_WRITE : ACCESS_READ, entry) && load<u64>(entry + tag) == page;
  return isThere ? <u32>address + load<u32>(entry, ADDEND) : 0;
}

/** As `translate`, as a supervisor whatever the privilege now is: descriptor tables, task state, interrupt stacks. */
export function translateSystem(address: u64, access: u32): u64 {
  if (!isCanonical(address)) raiseError(GP, 0);
  const entry = entryOfKind(address, 1);
  const page = address & ~0xfff;
  const tag = access == ACCESS_READ ? load<u64>(entry, TAG_READ) : load<u64>(entry, TAG_WRITE);
  if (tag == page) return (<u64>load<u32>(entry, PAGE_NUMBER) << 12) | (address & 0xfff);
  return fill(address, access, entry, 1);
}

/** Reads 1, 2, 4 or 8 bytes of one page. */
function readPhysical(physical: u64, size: u32): u64 {
  const host = hostOf(physical);
  if (host == 0) {
    mmioRead(<f64>physical, size);
    const low = <u64>load<u32>(cpu + DATA);
    if (size == 8) return low | (<u64>load<u32>(cpu + DATA + 4) << 32);
    return size == 4 ? low : low & ((<u64>1 << (size << 3)) - 1);
  }
  if (size == 1) return <u64>load<u8>(host);
  if (size == 2) return <u64>load<u16>(host);
  if (size == 4) return <u64>load<u32>(host);
  return load<u64>(host);
}

/** Writes 1, 2, 4 or 8 bytes of one page. */
function writePhysical(physical: u64, size: u32, value: u64): void {
  const host = hostOf(physical);
  if (host == 0) {
    store<u64>(cpu + DATA, value);
    mmioWrite(<f64>physical, size);
    return;
  }
  const told = hasCode(host);
  if (size == 1) store<u8>(host, <u8>value);
  else if (size == 2) store<u16>(host, <u16>value);
  else if (size == 4) store<u32>(host, <u32>value);
  else store<u64>(host, value);
  if (told) codeWritten(host, size);
}

/** User mode with RFLAGS.AC and CR0.AM, whose TLB never has read or write tags. */
function checksAlignment(): bool {
  return load<u32>(cpu + TLB_BASE) == <u32>(cpu + TLB + ALIGNED_USER * TLB_SIZE);
}

/** Raises #AC where alignment is checked. */
function checkAlignment(address: u64, alignment: u32): void {
  if ((address & (alignment - 1)) == 0 || !checksAlignment()) return;
  checkCanonical(address);
  raiseError(ALIGNMENT, 0);
}

/**
 * Alignment of an operand, or of an x87 environment [SDM 3A, table 6-7]; of 16 bytes those that may be unaligned are
 * exempt.
 */
function alignmentOf(length: u32): u32 {
  if (length <= 8) return length;
  if (length == 10) return 8;
  return length == 28 || length == 108 ? 4 : length == 14 || length == 94 ? 2 : 1;
}

function readSlow(address: u64, size: u32): u64 {
  if (load<u32>(cpu + WATCHING) != 0) noteAccess(address, size, false);
  checkAlignment(address, size);
  if ((address & 0xfff) + size <= 0x1000) return readPhysical(translate(address, ACCESS_READ), size);
  const nextPage = linearNextPage(address);
  checkCanonical(nextPage);
  const first = translate(address, ACCESS_READ);
  const second = translate(nextPage, ACCESS_READ);
  let value: u64 = 0;
  const inFirst: u32 = 0x1000 - (<u32>address & 0xfff);
  for (let i: u32 = 0; i < size; i++) {
    const byte = readPhysical(i < inFirst ? first + i : second + (i - inFirst), 1);
    value |= byte << (i << 3);
  }
  return value;
}

/** Address of the page after the one of `address`; wraps at 4 GiB outside 64-bit mode. */
function linearNextPage(address: u64): u64 {
  const next = (address | 0xfff) + 1;
  return load<u32>(cpu + MODE) == MODE_64 ? next : next & 0xffffffff;
}

function writeSlow(address: u64, size: u32, value: u64): void {
  if (load<u32>(cpu + WATCHING) != 0) noteAccess(address, size, true);
  checkAlignment(address, size);
  if ((address & 0xfff) + size <= 0x1000) {
    writePhysical(translate(address, ACCESS_WRITE), size, value);
    return;
  }
  const nextPage = linearNextPage(address);
  checkCanonical(nextPage);
  const first = translate(address, ACCESS_WRITE);
  const second = translate(nextPage, ACCESS_WRITE);
  const inFirst: u32 = 0x1000 - (<u32>address & 0xfff);
  for (let i: u32 = 0; i < size; i++) {
    writePhysical(i < inFirst ? first + i : second + (i - inFirst), 1, (value >> (i << 3)) & 0xff);
  }
}

/** Reads for a read-modify-write: faults as a write does, before anything has changed. */
function readForWriteSlow(address: u64, size: u32): u64 {
  probeWrite(address, size);
  return readSlow(address, size);
}

/** Raises what a write of `size` (at most 4096) bytes would raise. */
export function probeWrite(address: u64, size: u32): void {
  checkAlignment(address, alignmentOf(size));
  probe(address, size, ACCESS_WRITE);
}

/** Raises what a read of `size` bytes would raise. */
export function probeRead(address: u64, size: u32): void {
  checkAlignment(address, alignmentOf(size));
  probe(address, size, ACCESS_READ);
}

function probe(address: u64, size: u32, access: u32): void {
  const crosses = (address & 0xfff) + size > 0x1000;
  // The first part that is accessed as one must be canonical before its pages are looked at.
  const part = size == 10 ? 8 : size > 32 || size == 28 || size == 14 ? alignmentOf(size) : size;
  if ((address & 0xfff) + part > 0x1000) checkCanonical(linearNextPage(address));
  translate(address, access);
  if (crosses) translate(linearNextPage(address), access);
}

// Hot path from here on.

export function read8(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_READ) == (address & ~0xfff))
    return <u64>load<u8>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readSlow(address, 1);
}

export function read16(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_READ) == ((address + 1) & ~0xfff))
    return <u64>load<u16>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readSlow(address, 2);
}

export function read32(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_READ) == ((address + 3) & ~0xfff))
    return <u64>load<u32>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readSlow(address, 4);
}

export function read64(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_READ) == ((address + 7) & ~0xfff))
    return load<u64>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readSlow(address, 8);
}

export function write8(address: u64, value: u64): void {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == (address & ~0xfff))
    store<u8>(<usize>(<u32>address + load<u32>(entry, ADDEND)), <u8>value);
  else writeSlow(address, 1, value);
}

export function write16(address: u64, value: u64): void {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == ((address + 1) & ~0xfff))
    store<u16>(<usize>(<u32>address + load<u32>(entry, ADDEND)), <u16>value);
  else writeSlow(address, 2, value);
}

export function write32(address: u64, value: u64): void {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == ((address + 3) & ~0xfff))
    store<u32>(<usize>(<u32>address + load<u32>(entry, ADDEND)), <u32>value);
  else writeSlow(address, 4, value);
}

export function write64(address: u64, value: u64): void {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == ((address + 7) & ~0xfff))
    store<u64>(<usize>(<u32>address + load<u32>(entry, ADDEND)), value);
  else writeSlow(address, 8, value);
}

export function readForWrite8(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == (address & ~0xfff))
    return <u64>load<u8>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readForWriteSlow(address, 1);
}

export function readForWrite16(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == ((address + 1) & ~0xfff))
    return <u64>load<u16>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readForWriteSlow(address, 2);
}

export function readForWrite32(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == ((address + 3) & ~0xfff))
    return <u64>load<u32>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readForWriteSlow(address, 4);
}

export function readForWrite64(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == ((address + 7) & ~0xfff))
    return load<u64>(<usize>(<u32>address + load<u32>(entry, ADDEND)));
  return readForWriteSlow(address, 8);
}

// Locked read-modify-write: `lockedRead` the operand, compute, `lockedWrite` what it was and what it becomes, and begin
// again while that fails. Aligned operands in RAM take the host's compare and exchange; others run alone.

/** Host address of the operand that was read last; 0: a device's, or one that is read and written alone. */
let lockedHost: usize = 0;

/** Raises what a write would raise. */
export function lockedRead(address: u64, size: u32): u64 {
  if ((address & (size - 1)) != 0) return lockedReadAlone(address, size);
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_WRITE) == (address & ~0xfff)) lockedHost = <usize>(<u32>address + load<u32>(entry, ADDEND));
  else {
    if (load<u32>(cpu + WATCHING) != 0) noteAccess(address, size, false);
    const physical = translate(address, ACCESS_WRITE);
    lockedHost = hostOf(physical);
    if (lockedHost == 0) return readPhysical(physical, size);
  }
  if (size == 1) return <u64>atomic.load<u8>(lockedHost);
  if (size == 2) return <u64>atomic.load<u16>(lockedHost);
  if (size == 4) return <u64>atomic.load<u32>(lockedHost);
  return atomic.load<u64>(lockedHost);
}

/** Host address of an operand aligned to its 16 bytes, 0 when it is a device's. Raises what a write would raise. */
export function lockedPlace(address: u64): usize {
  lockedRead(address, 8);
  return lockedHost;
}

function lockedReadAlone(address: u64, size: u32): u64 {
  lockedHost = 0;
  if (!isExclusive()) enterExclusive();
  return readForWriteSlow(address, size);
}

/** Writes `value` if the operand still is `old`. False: it is not, begin again. */
export function lockedWrite(address: u64, size: u32, old: u64, value: u64): bool {
  if (lockedHost == 0) {
    writeSlow(address, size, value);
    leaveExclusive();
    return true;
  }
  let found: u64;
  if (size == 1) found = <u64>atomic.cmpxchg<u8>(lockedHost, <u8>old, <u8>value);
  else if (size == 2) found = <u64>atomic.cmpxchg<u16>(lockedHost, <u16>old, <u16>value);
  else if (size == 4) found = <u64>atomic.cmpxchg<u32>(lockedHost, <u32>old, <u32>value);
  else found = atomic.cmpxchg<u64>(lockedHost, old, value);
  if (found != old) return false;
  if (load<u32>(cpu + WATCHING) != 0) noteAccess(address, size, true);
  if (hasCode(lockedHost)) codeWritten(lockedHost, size);
  return true;
}

/** Copies guest memory to the scratch at `target`. Nothing is copied when any of it faults. */
export function readBytes(address: u64, target: usize, length: u32): void {
  if (length == 16 && (address & 0xfff) <= 0xff0) {
    const entry = entryOf(address);
    if (load<u64>(entry, TAG_READ) == (address & ~0xfff)) {
      v128.store(target, v128.load(<usize>(<u32>address + load<u32>(entry, ADDEND))));
      return;
    }
  }
  probeRead(address, length);
  let at: u32 = 0;
  if (!checksAlignment()) for (; at + 8 <= length; at += 8) store<u64>(target + at, read64(address + at));
  for (; at < length; at++) store<u8>(target + at, <u8>read8(address + at));
}

/** Copies scratch to guest memory. Nothing is written when any of it faults. */
export function writeBytes(address: u64, source: usize, length: u32): void {
  if (length == 16 && (address & 0xfff) <= 0xff0) {
    const entry = entryOf(address);
    if (load<u64>(entry, TAG_WRITE) == (address & ~0xfff)) {
      v128.store(<usize>(<u32>address + load<u32>(entry, ADDEND)), v128.load(source));
      return;
    }
  }
  probeWrite(address, length);
  let at: u32 = 0;
  if (!checksAlignment()) for (; at + 8 <= length; at += 8) write64(address + at, load<u64>(source + at));
  for (; at < length; at++) write8(address + at, <u64>load<u8>(source + at));
}

// System accesses: as a supervisor, for descriptor tables, task state and interrupt stacks.

export function systemRead(address: u64, size: u32): u64 {
  if ((address & 0xfff) + size <= 0x1000) return readPhysical(translateSystem(address, ACCESS_READ), size);
  let value: u64 = 0;
  for (let i: u32 = 0; i < size; i++) value |= readPhysical(translateSystem(address + i, ACCESS_READ), 1) << (i << 3);
  return value;
}

export function systemWrite(address: u64, size: u32, value: u64): void {
  if ((address & 0xfff) + size <= 0x1000) {
    writePhysical(translateSystem(address, ACCESS_WRITE), size, value);
    return;
  }
  for (let i: u32 = 0; i < size; i++) {
    writePhysical(translateSystem(address + i, ACCESS_WRITE), 1, (value >> (i << 3)) & 0xff);
  }
}

/** Sets bits of a word of a descriptor table, others of which another processor may be changing. */
export function systemSetBits(address: u64, bits: u32): void {
  const host = hostOf(translateSystem(address, ACCESS_WRITE));
  if (host == 0 || (address & 3) != 0) {
    systemWrite(address, 4, systemRead(address, 4) | bits);
    return;
  }
  atomic.or<u32>(host, bits);
  if (hasCode(host)) codeWritten(host, 4);
}

/** Guest-physical address of the instruction byte at linear `address`; fills the TLB. Raises #PF or #GP. */
export function translateCode(address: u64): u64 {
  const entry = entryOf(address);
  if (load<u64>(entry, TAG_EXECUTE) == (address & ~0xfff))
    return (<u64>load<u32>(entry, PAGE_NUMBER) << 12) | (address & 0xfff);
  if (!isCanonical(address)) raiseError(GP, 0);
  return fill(address, ACCESS_EXECUTE, entry, tlbInUse());
}
