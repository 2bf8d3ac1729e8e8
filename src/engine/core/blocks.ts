// Decoded code: blocks of records in an arena, found by physical address and mode. A block is straight-line code (it
// goes on behind conditional branches that were not taken) of one page. When guest memory under decoded code changes,
// every record of that page becomes OP_STALE: whoever comes by, also the running block, looks its address up again.
// All of this is one processor's own; processors.ts says how the others' stores come in.

import {
  ARENA_END, ARENA_NEXT, BASE, BLOCK_COUNT, BLOCK_HEADER, BLOCK_KEPT, BLOCK_KEY, BLOCK_NEXT, BLOCK_PAGE_NEXT,
  CODE_BASE, CODE_PHYSICAL, CS, ENTER_PAGE, ENTER_REGION, ENTER_TAG, GENERATION, HASH_BUCKETS, HASH_TABLE, INSTRUCTION,
  JUMP_TAG, LENGTH, LIMIT, MODE, MODE_64, OFFSET, OP, OP_ENTER, OP_STALE, PAGE_BLOCKS, PAGE_CHUNKS, PAGE_ENTRY,
  PAGE_MAP, PAGE_NUMBER, RAM_START, RECORD_SIZE, RIP, RSP, SEGMENT_SIZE, SEGMENTS, TAG_EXECUTE,
} from "./layout";
import { cpu, GP, raiseError, UD, raise } from "./cpu";
import { configuration, hostOf, reach, translateCode } from "./memory";
import { ACCESS_EXECUTE, fillQuietly } from "./paging";
import { entryOf, flushTlb } from "./tlb";
import { holdCode, holdersOf, isAlone, releaseCode } from "./processors";
import { decodeBlock } from "./decode";
import { beginArena, blockBehind, findRoom, firstBlock, hostOfBlock, NO_KEY } from "./arena";
import { forgetJumps, knownJump, learnJump } from "./jumps";

/** The most records of one block, its closing one not counted. */
export const BLOCK_RECORDS: u32 = 64;
/** The most conditional branches of one: much of what lies behind them never runs, or is where other blocks begin. */
export const BLOCK_BRANCHES: u32 = 2;
/** The chunks that a block may cover from its first on: as many records of 15 bytes. */
const BLOCK_CHUNKS: u64 = 0x1ffff;

// @ts-ignore: decorator
@inline
export function pageEntry(host: usize): usize {
  return load<u32>(configuration, PAGE_MAP) + ((host - load<u32>(configuration, RAM_START)) >> 12) * PAGE_ENTRY;
}

/** A processor has decoded code of the page at host address `host`: stores to it must be told. */
export function hasCode(host: usize): bool {
  return load<u64>(holdersOf(host)) != 0;
}

/** The chunks that `size` bytes at `host`, within a page, touch. */
export function chunksOf(host: usize, size: u32): u64 {
  const first = (<u32>host & 0xfff) >> 6;
  const last = ((<u32>host & 0xfff) + size - 1) >> 6;
  return ((<u64>2 << (last - first)) - 1) << first;
}

/** `size` bytes at `host`, within a page, were written: this processor forgets what it has decoded of them. */
export function writeToCode(host: usize, size: u32): void {
  const page = pageEntry(host);
  if ((load<u64>(page, PAGE_CHUNKS) & chunksOf(host, size)) != 0) invalidatePage(page, host);
}

function invalidatePage(page: usize, host: usize): void {
  let block: usize = load<u32>(page, PAGE_BLOCKS);
  let hasRegion = false;
  while (block != 0) {
    const count = load<u32>(block, BLOCK_COUNT);
    let record = block + BLOCK_HEADER;
    if (load<u32>(record, ENTER_REGION) != 0) hasRegion = true;
    store<u32>(record, 0, ENTER_TAG);
    for (let i: u32 = 0; i < count; i++) {
      store<u16>(record, OP_STALE, OP);
      record += RECORD_SIZE;
    }
    // Out of the hash: the key no longer matches anything.
    store<u64>(block, NO_KEY, BLOCK_KEY);
    block = load<u32>(block, BLOCK_PAGE_NEXT);
  }
  store<u32>(page, 0, PAGE_BLOCKS);
  store<u64>(page, 0, PAGE_CHUNKS);
  // Regions jump without looking at records.
  if (hasRegion) forgetJumps();
  releaseCode(host);
}

/** Makes every block stale, and empties the TLB: at any time. */
export function forgetCode(): void {
  const end: usize = load<u32>(configuration, ARENA_END);
  for (let block = firstBlock(); block < end; block = blockBehind(block)) {
    if (load<u64>(block, BLOCK_KEY) == NO_KEY) continue;
    const host = hostOfBlock(block);
    invalidatePage(pageEntry(host), host);
  }
  flushTlb();
}

/** Forgets every block and begins the arena anew. Only between blocks. */
export function flushBlocks(): void {
  forgetCode();
  memory.fill(load<u32>(configuration, HASH_TABLE), 0, HASH_BUCKETS * 4);
  beginArena();
  store<u32>(configuration, load<u32>(configuration, GENERATION) + 1, GENERATION);
}

// @ts-ignore: decorator
@inline
export function bucketOf(physical: u64): usize {
  const hash = <u32>physical ^ (<u32>(physical >> 12) * 0x9e3779b1 >> 12);
  return load<u32>(configuration, HASH_TABLE) + <usize>((hash & (HASH_BUCKETS - 1)) << 2);
}

/** First record of the block at the guest-physical address in the present mode; decodes it when needed. */
export function blockAt(physical: u64): usize {
  const known = knownBlockAt(physical);
  return known != 0 ? known : makeBlock(physical, physical | (<u64>load<u32>(cpu + MODE) << 60));
}

/** As `blockAt`, or 0 when the block is not decoded. */
function knownBlockAt(physical: u64): usize {
  const key = physical | (<u64>load<u32>(cpu + MODE) << 60);
  const bucket = bucketOf(physical);
  const first: usize = load<u32>(bucket);
  if (first == 0) return 0;
  if (load<u64>(first, BLOCK_KEY) == key) return first + BLOCK_HEADER;
  let before = first;
  for (let block: usize = load<u32>(first, BLOCK_NEXT); block != 0; block = load<u32>(before, BLOCK_NEXT)) {
    const its = load<u64>(block, BLOCK_KEY);
    if (its != key && its != NO_KEY) {
      before = block;
      continue;
    }
    // Stale ones are taken out; the one that is looked for goes to the front.
    store<u32>(before, load<u32>(block, BLOCK_NEXT), BLOCK_NEXT);
    if (its != key) continue;
    store<u32>(block, <u32>first, BLOCK_NEXT);
    store<u32>(bucket, <u32>block);
    return block + BLOCK_HEADER;
  }
  return 0;
}

/** Guest-physical number of the page at a distance from the one that runs, in 64-bit mode; -1: not in the TLB. */
function codePage(distance: f64): i64 {
  if (distance >= 0 && distance < 0x1000) return <i64>(load<u64>(cpu + CODE_PHYSICAL) >> 12);
  const linear = load<u64>(cpu + CODE_BASE) + <u64><i64>distance;
  const entry = entryOf(linear);
  return load<u64>(entry, TAG_EXECUTE) == (linear & ~0xfff) ? <i64>load<u32>(entry, PAGE_NUMBER) : -1;
}

/** The same for the translator, as a number that it can hold. */
export function codePageNumber(distance: f64): f64 {
  return <f64>codePage(distance);
}

/** Opening record of the decoded block at a distance from the page that runs; 0 when there is none. */
export function knownBlock(distance: f64): usize {
  const page = codePage(distance);
  return page < 0 ? 0 : knownBlockAt((<u64>page << 12) | (<u64><i64>distance & 0xfff));
}

/** For the translator: where the return address at a distance from the stack pointer leads, from the page that runs. */
export function returnPlace(distance: f64): f64 {
  const host = reach(load<u64>(cpu + RSP) + <u64><i64>distance, 8, 0);
  return host == 0 ? NaN : <f64><i64>(load<u64>(host) - load<u64>(cpu + CODE_BASE));
}

function makeBlock(physical: u64, key: u64): usize {
  const room: u32 = BLOCK_HEADER + (BLOCK_RECORDS + 3) * RECORD_SIZE;
  if (!findRoom(room)) flushBlocks();
  const block: usize = load<u32>(configuration, ARENA_NEXT);
  const host = hostOf(physical);
  const offset = <u32>physical & 0xfff;
  const page = pageEntry(host);
  if (load<u64>(page, PAGE_CHUNKS) == 0) holdCode(host, <u32>(physical >> 12));
  const known = load<u64>(page, PAGE_CHUNKS);
  const firstChunk = offset >> 6;
  // Before its bytes are read, all that the block may cover.
  if (!isAlone()) atomic.store<u64>(page + PAGE_CHUNKS, known | (BLOCK_CHUNKS << firstChunk));
  const count = decodeBlock(block + BLOCK_HEADER, host & ~0xfff, offset);
  const last = block + BLOCK_HEADER + (count - 1) * RECORD_SIZE;
  const end = load<u16>(last, OFFSET) + load<u8>(last, LENGTH);

  const bucket = bucketOf(physical);
  store<u64>(block, key, BLOCK_KEY);
  store<u32>(block, load<u32>(bucket), BLOCK_NEXT);
  store<u32>(block, load<u32>(page, PAGE_BLOCKS), BLOCK_PAGE_NEXT);
  store<u32>(block, count, BLOCK_COUNT);
  store<u32>(block, 0, BLOCK_KEPT);
  store<u32>(bucket, <u32>block);
  store<u32>(page, <u32>block, PAGE_BLOCKS);
  store<u32>(configuration, <u32>(block + BLOCK_HEADER + count * RECORD_SIZE), ARENA_NEXT);

  const lastChunk = ((end > 0x1000 ? 0x1000 : end) - 1) >> 6;
  const chunks = ((<u64>2 << (lastChunk - firstChunk)) - 1) << firstChunk;
  store<u64>(page, known | chunks, PAGE_CHUNKS);
  return block + BLOCK_HEADER;
}

/**
 * For a region that goes on in another page: whether the block that the record opens is what lies in the page at a
 * linear address, which is to be the guest-physical one of that number. It is known to be as long as its tag holds.
 */
export function holds(record: usize, page: u64, number: u32): u32 {
  if (load<u16>(record, OP) != OP_ENTER) return 0;
  const entry = entryOf(page);
  if (load<u64>(entry, TAG_EXECUTE) != page && !fillQuietly(page, ACCESS_EXECUTE, entry)) return 0;
  if (load<u64>(entry, TAG_EXECUTE) != page || load<u32>(entry, PAGE_NUMBER) != number) return 0;
  store<u64>(record, page, ENTER_PAGE);
  store<u32>(record, load<u32>(cpu + JUMP_TAG), ENTER_TAG);
  return 1;
}

/** Forgets where blocks were found. */
export function forgetPages(): void {
  const end: usize = load<u32>(configuration, ARENA_END);
  for (let block = firstBlock(); block < end; block = blockBehind(block))
    if (load<u64>(block, BLOCK_KEY) != NO_KEY) store<u32>(block + BLOCK_HEADER, 0, ENTER_TAG);
}

/** First record at RIP. Raises what fetching there raises. */
export function lookup(): usize {
  store<u32>(cpu + INSTRUCTION, 0);
  const ip = load<u64>(cpu + RIP);
  let linear = ip;
  const wide = load<u32>(cpu + MODE) == MODE_64;
  if (wide) {
    const known = knownJump(ip);
    if (known != 0) return known;
  } else {
    const segment = cpu + SEGMENTS + CS * SEGMENT_SIZE;
    if (ip > <u64>load<u32>(segment, LIMIT)) raiseError(GP, 0);
    linear = (ip + load<u64>(segment, BASE)) & 0xffffffff;
  }
  const entry = entryOf(linear);
  let physical: u64;
  if (load<u64>(entry, TAG_EXECUTE) == (linear & ~0xfff)) {
    physical = (<u64>load<u32>(entry, PAGE_NUMBER) << 12) | (linear & 0xfff);
  } else {
    physical = translateCode(linear);
    if (hostOf(physical) == 0) raise(UD); // code outside RAM: nothing that a guest may run
  }
  store<u64>(cpu + CODE_BASE, ip - (linear & 0xfff));
  store<u64>(cpu + CODE_PHYSICAL, physical & ~0xfff);
  const record = blockAt(physical);
  if (wide) learnJump(ip, record, physical);
  return record;
}

/** Record of the branch target at `offset` of the page that runs, for LINK. */
export function linkTarget(offset: u32): usize {
  return blockAt(load<u64>(cpu + CODE_PHYSICAL) + offset);
}
