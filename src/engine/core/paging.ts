// The page walk [Intel SDM 3A, chapter 4]: no paging, 32-bit, PAE and 4-level paging; 4 KiB, 2/4 MiB and 1 GiB pages;
// NX, WP, SMEP,
// SMAP; accessed and dirty bits; reserved bits. The physical address width is 40 bits.

import {
  AC, ADDEND, CPL, CR0, CR3, CR4, EFER, FAULT_ADDRESS, LARGE_HIGH, LARGE_LOW, PAGE_NUMBER, RFLAGS, SYSTEM_STRAYS,
  TAG_EXECUTE, TAG_READ, TAG_WRITE, TLB, TLB_BASE, TLB_SIZE, WATCHING,
} from "./layout";
import { cpu, PAGE_FAULT, raiseError } from "./cpu";
import { hostOf } from "./memory";
import { hasCode } from "./blocks";
import { isWatchedPage } from "./debug";
import { updateJumps } from "./jumps";
import { keepVictim, noteFilled, recall } from "./tlb";
import { isJournaling, notePage } from "./replay";

export const ACCESS_READ: u32 = 0;
export const ACCESS_WRITE: u32 = 1;
export const ACCESS_EXECUTE: u32 = 2;

const CR0_WP: u64 = 0x10000;
const CR0_AM: u64 = 0x40000;
const CR0_PG: u64 = 0x80000000;
const CR4_PSE: u64 = 0x10;
const CR4_PAE: u64 = 0x20;
const CR4_PGE: u64 = 0x80;
const CR4_SMEP: u64 = 0x100000;
const CR4_SMAP: u64 = 0x200000;
const EFER_LMA: u64 = 0x400;
const EFER_NXE: u64 = 0x800;

const PTE_PRESENT: u64 = 1;
const PTE_WRITE: u64 = 2;
const PTE_USER: u64 = 4;
const PTE_ACCESSED: u64 = 0x20;
const PTE_DIRTY: u64 = 0x40;
const PTE_LARGE: u64 = 0x80;
const PTE_GLOBAL: u64 = 0x100;
const PTE_NX: u64 = 0x8000000000000000;
const ADDRESS_MASK: u64 = 0x000000fffffff000;
const RESERVED: u64 = 0x000fff0000000000;

const ERROR_PRESENT: u32 = 1;
const ERROR_WRITE: u32 = 2;
const ERROR_USER: u32 = 4;
const ERROR_RESERVED: u32 = 8;
const ERROR_FETCH: u32 = 0x10;

// @ts-ignore: decorator
@inline
export function isLong(): bool {
  return (load<u64>(cpu + EFER) & EFER_LMA) != 0;
}

/** Bits 63:47 are equal (always, outside long mode). */
// @ts-ignore: decorator
@inline
export function isCanonical(address: u64): bool {
  return !isLong() || <u64>((<i64>address << 16) >> 16) == address;
}

/**
 * Number of the TLB of user mode while alignment is checked: it has no read and write tags, so that every access is
 * slow.
 */
export const ALIGNED_USER: usize = 3;

/** Chooses the TLB by privilege. Call it when CPL, RFLAGS.AC, CR0.AM or CR4.SMAP change. */
export function updatePrivilege(): void {
  let privilege: usize = 0;
  if (load<u32>(cpu + CPL) != 3) {
    const free = (load<u64>(cpu + CR4) & CR4_SMAP) == 0 || (load<u32>(cpu + RFLAGS) & AC) != 0;
    privilege = free ? 2 : 1;
  } else if ((load<u32>(cpu + RFLAGS) & AC) != 0 && (load<u64>(cpu + CR0) & CR0_AM) != 0) privilege = ALIGNED_USER;
  store<u32>(cpu + TLB_BASE, <u32>(cpu + TLB + privilege * TLB_SIZE));
  updateJumps();
}

/** Number of the TLB of the present privilege. */
// @ts-ignore: decorator
@inline
export function tlbInUse(): usize {
  return (load<u32>(cpu + TLB_BASE) - <u32>(cpu + TLB)) / TLB_SIZE;
}

// What the walk found: kept in globals, as the core returns single values.
let pagePhysical: u64 = 0; // of the 4 KiB page
let pageWritable: bool = false;
let pageUser: bool = false;
let pageExecutable: bool = false;
let leafHost: usize = 0; // host address of the entry that maps the page, 0 without paging
let leafEntry: u64 = 0; // what it was
let leafWide: bool = false; // it has 8 bytes
let pageSize: u64 = 0;

/** A walk for translated code: it does not raise, but says that it would. */
let quiet: bool = false;
let refused: bool = false;

function fault(address: u64, error: u32): void {
  if (quiet) {
    refused = true;
    return;
  }
  store<u64>(cpu + FAULT_ADDRESS, address);
  raiseError(PAGE_FAULT, error);
}

function errorCode(access: u32, privilege: usize, present: u32): u32 {
  let error: u32 = present;
  if (access == ACCESS_WRITE) error |= ERROR_WRITE;
  if (privilege == 0) error |= ERROR_USER;
  if (access == ACCESS_EXECUTE) {
    const cr4 = load<u64>(cpu + CR4);
    if ((cr4 & CR4_SMEP) != 0 || ((cr4 & CR4_PAE) != 0 && (load<u64>(cpu + EFER) & EFER_NXE) != 0))
      error |= ERROR_FETCH;
  }
  return error;
}

/** Reads a paging entry; entries outside RAM read as not present. */
// @ts-ignore: decorator
@inline
function entry64(host: usize): u64 {
  return host == 0 ? 0 : load<u64>(host);
}

/** Sets bits of an entry that was just read; false when another processor has changed it meanwhile. */
function setBits(host: usize, wide: bool, entry: u64, bits: u64): bool {
  if (wide) return atomic.cmpxchg<u64>(host, entry, entry | bits) == entry;
  return atomic.cmpxchg<u32>(host, <u32>entry, <u32>(entry | bits)) == <u32>entry;
}

/** Walks PAE and 4-level tables from `level` (3: PML4, 1: page directory under a PDPTE …). */
function walkWide(address: u64, access: u32, privilege: usize): void {
  const long = isLong();
  let level: i32 = long ? 3 : 2;
  let table = load<u64>(cpu + CR3) & (long ? ADDRESS_MASK : 0xffffffe0);
  const noExecute = (load<u64>(cpu + EFER) & EFER_NXE) != 0;
  pageWritable = true;
  pageUser = true;
  pageExecutable = true;
  while (true) {
    const shift: u64 = <u64>(12 + level * 9);
    const index = (address >> shift) & (!long && level == 2 ? 3 : 511);
    const host = hostOf(table + (index << 3));
    const entry = entry64(host);
    if ((entry & PTE_PRESENT) == 0) {
      fault(address, errorCode(access, privilege, 0));
      return;
    }
    const large = level > 0 && (entry & PTE_LARGE) != 0 && (long || level == 1);
    let reserved: u64 = RESERVED;
    if (!noExecute) reserved |= PTE_NX;
    if (level == 3) reserved |= PTE_LARGE;
    if (large) reserved |= level == 2 ? 0x3fffe000 : 0x1fe000;
    if (!long && level == 2) reserved |= PTE_NX | 0x1e6;
    if ((entry & reserved) != 0) {
      fault(address, errorCode(access, privilege, ERROR_PRESENT | ERROR_RESERVED));
      return;
    }
    const last = level == 0 || large;
    if (long || level < 2) {
      if ((entry & PTE_ACCESSED) == 0 && !last && !setBits(host, true, entry, PTE_ACCESSED)) continue;
      if ((entry & PTE_WRITE) == 0) pageWritable = false;
      if ((entry & PTE_USER) == 0) pageUser = false;
      if ((entry & PTE_NX) != 0) pageExecutable = false;
    }
    if (last) {
      pageSize = <u64>1 << shift;
      const mask = pageSize - 1;
      pagePhysical = ((entry & ADDRESS_MASK & ~mask) | (address & mask)) & ~0xfff;
      leafHost = host;
      leafEntry = entry;
      leafWide = true;
      return;
    }
    table = entry & ADDRESS_MASK;
    level--;
  }
}

/** Walks 32-bit tables. */
function walkNarrow(address: u64, access: u32, privilege: usize): void {
  pageExecutable = true;
  leafWide = false;
  const directory = hostOf((load<u64>(cpu + CR3) & 0xfffff000) + (((address >> 22) & 1023) << 2));
  let entry: u64 = directory == 0 ? 0 : <u64>load<u32>(directory);
  if ((entry & PTE_PRESENT) == 0) {
    fault(address, errorCode(access, privilege, 0));
    return;
  }
  pageWritable = (entry & PTE_WRITE) != 0;
  pageUser = (entry & PTE_USER) != 0;
  if ((entry & PTE_LARGE) != 0 && (load<u64>(cpu + CR4) & CR4_PSE) != 0) {
    // PSE-36: bits 20:13 are physical address bits 39:32.
    const physical = (entry & 0xffc00000) | (((entry >> 13) & 0xff) << 32);
    if ((entry & 0x200000) != 0) {
      fault(address, errorCode(access, privilege, ERROR_PRESENT | ERROR_RESERVED));
      return;
    }
    pageSize = 0x400000;
    pagePhysical = (physical | (address & 0x3fffff)) & ~0xfff;
    leafHost = directory;
    leafEntry = entry;
    return;
  }
  if ((entry & PTE_ACCESSED) == 0 && !setBits(directory, false, entry, PTE_ACCESSED)) {
    walkNarrow(address, access, privilege);
    return;
  }
  const host = hostOf((entry & 0xfffff000) + (((address >> 12) & 1023) << 2));
  entry = host == 0 ? 0 : <u64>load<u32>(host);
  if ((entry & PTE_PRESENT) == 0) {
    fault(address, errorCode(access, privilege, 0));
    return;
  }
  pageWritable = pageWritable && (entry & PTE_WRITE) != 0;
  pageUser = pageUser && (entry & PTE_USER) != 0;
  pageSize = 0x1000;
  pagePhysical = entry & 0xfffff000;
  leafHost = host;
  leafEntry = entry;
}

/** What a privilege may do with the page that the walk found. */
function mayRead(privilege: usize): bool {
  if (privilege == 0) return pageUser;
  return privilege == 2 || !pageUser || (load<u64>(cpu + CR4) & CR4_SMAP) == 0;
}

function mayWrite(privilege: usize): bool {
  if (!mayRead(privilege)) return false;
  return pageWritable || (privilege != 0 && (load<u64>(cpu + CR0) & CR0_WP) == 0);
}

function mayExecute(privilege: usize): bool {
  if (!pageExecutable) return false;
  if (privilege == 0) return pageUser;
  return !pageUser || (load<u64>(cpu + CR4) & CR4_SMEP) == 0;
}

/**
 * Translates `address` for an access, sets accessed and dirty bits, and fills `entry` of the TLB when the page is RAM.
 * Returns the guest-physical address, or raises #PF.
 */
export function fill(address: u64, access: u32, entry: usize, privilege: usize): u64 {
  if (recall(address & ~0xfff, access == ACCESS_READ ? TAG_READ : access == ACCESS_WRITE ? TAG_WRITE : TAG_EXECUTE,
    entry, privilege))
    return (<u64>load<u32>(entry, PAGE_NUMBER) << 12) | (address & 0xfff);
  const kind = privilege;
  const aligned = kind == ALIGNED_USER;
  if (aligned) privilege = 0;
  if ((load<u64>(cpu + CR0) & CR0_PG) == 0) {
    pagePhysical = address & 0xfffff000;
    pageWritable = true;
    pageUser = true;
    pageExecutable = true;
    leafHost = 0;
    pageSize = 0x1000;
    privilege = 2;
  } else if ((load<u64>(cpu + CR4) & CR4_PAE) != 0) walkWide(address, access, privilege);
  else walkNarrow(address, access, privilege);
  if (refused) return 0;

  const paging = leafHost != 0;
  const read = !paging || mayRead(privilege);
  const write = !paging || mayWrite(privilege);
  const execute = !paging || mayExecute(privilege);
  const allowed = access == ACCESS_READ ? read : access == ACCESS_WRITE ? write : execute;
  if (!allowed) {
    fault(address, errorCode(access, privilege, ERROR_PRESENT));
    return 0;
  }

  let dirty = true;
  if (paging) {
    const bits = PTE_ACCESSED | (access == ACCESS_WRITE ? PTE_DIRTY : 0);
    if ((leafEntry & bits) != bits && !setBits(leafHost, leafWide, leafEntry, bits)) {
      return fill(address, access, entry, kind);
    }
    dirty = ((leafEntry | bits) & PTE_DIRTY) != 0;
  }

  const host = hostOf(pagePhysical);
  if (host != 0) {
    const page = address & ~0xfff;
    const global = paging && (leafEntry & PTE_GLOBAL) != 0 && (load<u64>(cpu + CR4) & CR4_PGE) != 0;
    if (load<u64>(entry, TAG_READ) != page) {
      keepVictim(entry, kind);
      noteFilled(entry, global);
    }
    const plain = !aligned && (load<u32>(cpu + WATCHING) == 0 || !isWatchedPage(page));
    store<u64>(entry, read && plain ? page : 1, TAG_READ);
    const told = isJournaling() && access != ACCESS_WRITE;
    if (isJournaling() && access == ACCESS_WRITE) notePage(host);
    store<u64>(entry, write && plain && dirty && !told && !hasCode(host) ? page : 1, TAG_WRITE);
    store<u64>(entry, execute ? page : 1, TAG_EXECUTE);
    store<u32>(entry, <u32>host - <u32>page, ADDEND);
    store<u32>(entry, <u32>(pagePhysical >> 12), PAGE_NUMBER);
    if (pageSize > 0x1000) noteLargePage(address);
    if (execute && kind != 0 && (!global || <i64>address >= 0)) store<u32>(cpu + SYSTEM_STRAYS, 1);
  }
  return pagePhysical | (address & 0xfff);
}

/** As `fill` with the TLB in use, without raising anything. False: the access can't be done through the TLB. */
export function fillQuietly(address: u64, access: u32, entry: usize): bool {
  if (!isCanonical(address)) return false;
  quiet = true;
  refused = false;
  fill(address, access, entry, tlbInUse());
  quiet = false;
  const filled = !refused;
  refused = false;
  return filled;
}

/** Remembers where large pages lie: INVLPG there must forget more than one entry. */
function noteLargePage(address: u64): void {
  const low = address & ~(pageSize - 1);
  if (low < load<u64>(cpu + LARGE_LOW)) store<u64>(cpu + LARGE_LOW, low);
  if (low + (pageSize - 1) > load<u64>(cpu + LARGE_HIGH)) store<u64>(cpu + LARGE_HIGH, low + (pageSize - 1));
}
