// Known jumps: the opening record and the region of the block at a linear address, so that a jump that was done before
// needs neither the TLB nor the hash table of blocks. For 64-bit mode. Regions jump by them, too (translator/chain.ts).

import {
  CODE_BASE, CODE_PHYSICAL, ENTER_COUNT, ENTER_REGION, JUMP_CACHE, JUMP_ENTRIES, JUMP_ENTRY, JUMP_ENTRY_LEASE,
  JUMP_ENTRY_PAGE, JUMP_ENTRY_RECORD, JUMP_ENTRY_REGION, JUMP_ENTRY_TAG, JUMP_GENERATION, JUMP_TAG, OP, OP_ENTER,
  SYSTEM_JUMPS, SYSTEM_STRAYS, USER_JUMPS,
} from "./layout";
import { cpu } from "./cpu";
import { forgetPages } from "./blocks";
import { ALIGNED_USER, tlbInUse } from "./paging";

const MOST_GENERATIONS: u32 = 0x3fffffff;
/** Entries of a region that are counted at once. */
const LEASE: i32 = 1024;

// @ts-ignore: decorator
@inline
export function entryOfJump(rip: u64, c: usize = cpu): usize {
  return c + JUMP_CACHE + <usize>((<u32>rip ^ <u32>(rip >> 11)) & (JUMP_ENTRIES - 1)) * JUMP_ENTRY;
}

/** Another TLB is in use. */
export function updateJumps(): void {
  const kind = <u32>tlbInUse();
  const generation = load<u32>(cpu + (kind == 0 || kind == ALIGNED_USER ? USER_JUMPS : SYSTEM_JUMPS));
  store<u32>(cpu + JUMP_TAG, (generation << 2) | kind);
}

/** Forgets all jumps: where a linear address leads, or which records open blocks, has changed. */
export function forgetJumps(): void {
  store<u32>(cpu + SYSTEM_JUMPS, nextGeneration());
  forgetJumpsOfUser();
}

/** Forgets those that another address space may not have. */
export function forgetJumpsOfSpace(): void {
  if (load<u32>(cpu + SYSTEM_STRAYS) != 0) forgetJumps();
  else forgetJumpsOfUser();
}

function forgetJumpsOfUser(): void {
  store<u32>(cpu + USER_JUMPS, nextGeneration());
  updateJumps();
}

function nextGeneration(): u32 {
  let generation = load<u32>(cpu + JUMP_GENERATION) + 1;
  if (generation > MOST_GENERATIONS) {
    memory.fill(cpu + JUMP_CACHE, 0, JUMP_ENTRIES * JUMP_ENTRY);
    forgetPages();
    store<u32>(cpu + SYSTEM_JUMPS, 0);
    generation = 1;
  }
  store<u32>(cpu + JUMP_GENERATION, generation);
  return generation;
}

/** The opening record of the block at RIP, which then is the one that runs; 0: not known. */
export function knownJump(rip: u64): usize {
  const entry = entryOfJump(rip);
  if (load<u64>(entry) != rip || load<u32>(entry, JUMP_ENTRY_TAG) != load<u32>(cpu + JUMP_TAG)) return 0;
  const record: usize = load<u32>(entry, JUMP_ENTRY_RECORD);
  if (load<u16>(record, OP) != OP_ENTER) return 0;
  store<u32>(entry, load<u32>(record, ENTER_REGION), JUMP_ENTRY_REGION);
  if (load<u32>(entry, JUMP_ENTRY_LEASE) == 0) renewLease(entry, record);
  store<u64>(cpu + CODE_BASE, rip & ~0xfff);
  store<u64>(cpu + CODE_PHYSICAL, <u64>load<u32>(entry, JUMP_ENTRY_PAGE) << 12);
  return record;
}

/** The record counts the entries that went past it; not the last one, which is to be counted where it has an effect. */
function renewLease(entry: usize, record: usize): void {
  const left = load<i32>(record, ENTER_COUNT);
  store<i32>(record, left > LEASE ? left - LEASE : 1, ENTER_COUNT);
  store<u32>(entry, LEASE, JUMP_ENTRY_LEASE);
}

/** Remembers where RIP leads: to the record in the page of that guest-physical address. */
export function learnJump(rip: u64, record: usize, physical: u64): void {
  const entry = entryOfJump(rip);
  store<u64>(entry, rip);
  store<u32>(entry, load<u32>(cpu + JUMP_TAG), JUMP_ENTRY_TAG);
  store<u32>(entry, <u32>record, JUMP_ENTRY_RECORD);
  store<u32>(entry, load<u32>(record, ENTER_REGION), JUMP_ENTRY_REGION);
  store<u32>(entry, <u32>(physical >> 12), JUMP_ENTRY_PAGE);
  store<u32>(entry, LEASE, JUMP_ENTRY_LEASE);
}
