// Translations that one processor makes others forget: entries of the ring of invalidations (processors.ts) whose
// second word has its highest bit set. The page number has 36 bits; the rest of the second word says how many more
// follow it.
//
//   first word   page number, low 32 bits
//   second word  31: 1 · 30: all translations · 29:4 how many more pages · 3:0 page number, high 4 bits

import { LARGE_HIGH, LARGE_LOW, PROCESSOR_INDEX } from "./layout";
import { cpu } from "./cpu";
import { configuration } from "./memory";
import { flushPage, flushTlb } from "./tlb";
import { ask, awaitTaken } from "./processors";

const FLUSH: u32 = 0x80000000;
const FLUSH_ALL: u32 = 0x40000000;
/** Emptying the TLB costs as much as forgetting so many pages. */
const MOST_PAGES: u32 = 32;

/** Forgets all translations, and where large pages were. */
export function flushAll(): void {
  flushTlb();
  store<u64>(cpu + LARGE_LOW, ~0);
  store<u64>(cpu + LARGE_HIGH, 0);
}

/** Forgets the translation of the page at `address`, of whichever size it is. */
export function flushTranslation(address: u64): void {
  if (address >= load<u64>(cpu + LARGE_LOW) && address <= load<u64>(cpu + LARGE_HIGH)) flushAll();
  else flushPage(address);
}

// @ts-ignore: decorator
@inline
export function isFlush(second: u32): bool {
  return (second & FLUSH) != 0;
}

/** Does what an entry of the ring asks for. */
export function takeFlush(first: u32, second: u32): void {
  const more = (second >> 4) & 0xffff;
  if ((second & FLUSH_ALL) != 0 || more >= MOST_PAGES) {
    flushAll();
    return;
  }
  // Bit 47 of the address stands for all bits above it.
  const page = <i64>((<u64>(second & 15) << 32) | first) << 28 >> 16;
  for (let n: u32 = 0; n <= more; n++) flushTranslation(<u64>page + (<u64>n << 12));
}

/**
 * Asks a processor, or this one, to forget `more` + 1 pages from page number `high` (of which 4 bits count), `low` on;
 * all translations when `more` is negative.
 */
export function askFlush(index: u32, low: u32, high: u32, more: i32): void {
  const second = FLUSH | (more < 0 ? FLUSH_ALL : <u32>more << 4 | high & 15);
  if (index == load<u32>(configuration, PROCESSOR_INDEX)) takeFlush(low, second);
  else ask(index, low, second);
}

/** Returns when no translation that the processor was asked to forget is used any more. */
export function awaitFlush(index: u32): void {
  if (index != load<u32>(configuration, PROCESSOR_INDEX)) awaitTaken(index);
}
