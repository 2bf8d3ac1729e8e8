// The software TLB: a table of translations for each privilege, direct-mapped, with a few places for what it lost last.
// What was filled is listed, so that forgetting it costs what filling it did. Pages that the guest calls global stay
// when CR3 is written [SDM 3A, 4.10.2.4]: a kernel's own.

import {
  FILLED, FILLED_COUNT, FILLED_GLOBAL, FILLED_GLOBAL_COUNT, FILLED_MOST, NEXT_VICTIM, PAGE_NUMBER, SYSTEM_STRAYS,
  TAG_EXECUTE, TAG_READ, TAG_WRITE, TLB, TLB_BASE, TLB_ENTRIES, TLB_ENTRY, TLB_KINDS, TLB_SIZE, VICTIM_COUNT, VICTIMS,
  VICTIMS_SIZE,
} from "./layout";
import { cpu } from "./cpu";
import { forgetJumps, forgetJumpsOfSpace } from "./jumps";

/** The page number of no page. */
const ANY_PAGE: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
export function entryOf(address: u64, c: usize = cpu): usize {
  return load<u32>(c + TLB_BASE) + ((<usize>(address >> 12) & (TLB_ENTRIES - 1)) << 5);
}

// @ts-ignore: decorator
@inline
export function entryOfKind(address: u64, kind: usize): usize {
  return cpu + TLB + kind * TLB_SIZE + ((<usize>(address >> 12) & (TLB_ENTRIES - 1)) << 5);
}

/** Lists an entry that was filled. */
export function noteFilled(entry: usize, global: bool): void {
  const counter = cpu + (global ? FILLED_GLOBAL_COUNT : FILLED_COUNT);
  const count = load<u32>(counter);
  store<u32>(counter, count + 1);
  if (count < <u32>FILLED_MOST)
    store<u16>(cpu + (global ? FILLED_GLOBAL : FILLED) + (count << 1), <u16>((entry - cpu - TLB) / TLB_ENTRY));
}

// @ts-ignore: decorator
@inline
function listed(list: usize, n: u32): usize {
  return cpu + TLB + <usize>load<u16>(list + (n << 1)) * TLB_ENTRY;
}

/** All that was filled of pages that are not global is listed. */
function isSpaceListed(): bool {
  return load<u32>(cpu + FILLED_COUNT) <= <u32>FILLED_MOST;
}

function isListed(): bool {
  return isSpaceListed() && load<u32>(cpu + FILLED_GLOBAL_COUNT) <= <u32>FILLED_MOST;
}

/** Empties the TLB of every privilege. */
export function flushTlb(): void {
  if (isListed()) {
    forgetListed(cpu + FILLED, load<u32>(cpu + FILLED_COUNT));
    forgetListed(cpu + FILLED_GLOBAL, load<u32>(cpu + FILLED_GLOBAL_COUNT));
    forgetVictims();
  } else forgetEverything();
  store<u32>(cpu + FILLED_COUNT, 0);
  store<u32>(cpu + FILLED_GLOBAL_COUNT, 0);
  store<u32>(cpu + SYSTEM_STRAYS, 0);
  forgetJumps();
}

/** Forgets what the TLBs hold of pages that are not global. */
export function flushSpace(): void {
  if (!isSpaceListed()) {
    flushTlb();
    return;
  }
  forgetListed(cpu + FILLED, load<u32>(cpu + FILLED_COUNT));
  store<u32>(cpu + FILLED_COUNT, 0);
  forgetVictims();
  forgetJumpsOfSpace();
}

function forgetListed(list: usize, count: u32): void {
  for (let n: u32 = 0; n < count; n++) forgetEntry(listed(list, n));
}

function forgetVictims(): void {
  memory.fill(cpu + VICTIMS, 0xff, TLB - VICTIMS);
}

/** Whatever the lists say, which of a processor that has not run yet is nothing. */
export function forgetEverything(): void {
  // No page has that address; what else an entry says is not looked at.
  memory.fill(cpu + VICTIMS, 0xff, TLB + TLB_KINDS * TLB_SIZE - VICTIMS);
}

/** Forgets one page of the TLBs. */
export function flushPage(address: u64): void {
  if (address < <u64>1 << 47) forgetJumpsOfSpace();
  else forgetJumps();
  const page = address & ~0xfff;
  for (let kind: usize = 0; kind < <usize>TLB_KINDS; kind++) forgetEntry(entryOfKind(page, kind));
  for (let victim = cpu + VICTIMS; victim < cpu + TLB; victim += TLB_ENTRY)
    if (load<u64>(victim, TAG_READ) == page || load<u64>(victim, TAG_EXECUTE) == page) forgetEntry(victim);
}

// @ts-ignore: decorator
@inline
function forgetEntry(entry: usize): void {
  store<u64>(entry, 1, TAG_READ);
  store<u64>(entry, 1, TAG_WRITE);
  store<u64>(entry, 1, TAG_EXECUTE);
}

/** Takes away the write tags of a guest-physical page, so that stores to it are seen. */
export function dropWriteTags(pageNumber: u32): void {
  dropAmong(cpu + VICTIMS, cpu + TLB, pageNumber);
  if (!isListed()) {
    dropAmong(cpu + TLB, cpu + TLB + TLB_KINDS * TLB_SIZE, pageNumber);
    return;
  }
  dropListed(cpu + FILLED, load<u32>(cpu + FILLED_COUNT), pageNumber);
  dropListed(cpu + FILLED_GLOBAL, load<u32>(cpu + FILLED_GLOBAL_COUNT), pageNumber);
}

/** Takes away all write tags. */
export function dropAllWriteTags(): void {
  dropWriteTags(ANY_PAGE);
}

// @ts-ignore: decorator
@inline
function dropTag(entry: usize, pageNumber: u32): void {
  if (pageNumber == ANY_PAGE || load<u32>(entry, PAGE_NUMBER) == pageNumber) store<u64>(entry, 1, TAG_WRITE);
}

function dropAmong(from: usize, to: usize, pageNumber: u32): void {
  for (let entry = from; entry < to; entry += TLB_ENTRY) dropTag(entry, pageNumber);
}

function dropListed(list: usize, count: u32, pageNumber: u32): void {
  for (let n: u32 = 0; n < count; n++) dropTag(listed(list, n), pageNumber);
}

/** Keeps what the TLB is about to lose. */
export function keepVictim(entry: usize, kind: usize): void {
  if ((load<u64>(entry, TAG_READ) & 0xfff) != 0) return;
  const next = (load<u32>(cpu + NEXT_VICTIM) + 1) & (VICTIM_COUNT - 1);
  store<u32>(cpu + NEXT_VICTIM, next);
  copyEntry(cpu + VICTIMS + kind * VICTIMS_SIZE + next * TLB_ENTRY, entry);
}

/** Puts the page's entry back when the TLB has lost it lately and its tag allows it; the one there is lost. */
export function recall(page: u64, tag: usize, entry: usize, kind: usize): bool {
  const victims = cpu + VICTIMS + kind * VICTIMS_SIZE;
  for (let victim = victims; victim < victims + VICTIMS_SIZE; victim += TLB_ENTRY) {
    if (load<u64>(victim + tag) != page) continue;
    const lower = v128.load(entry);
    const upper = v128.load(entry, 16);
    copyEntry(entry, victim);
    v128.store(victim, lower);
    v128.store(victim, upper, 16);
    noteFilled(entry, false);
    return true;
  }
  return false;
}

// @ts-ignore: decorator
@inline
function copyEntry(target: usize, source: usize): void {
  v128.store(target, v128.load(source));
  v128.store(target, v128.load(source, 16), 16);
}
