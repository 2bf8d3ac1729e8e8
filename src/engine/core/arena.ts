// Where decoded blocks lie: one behind the other until the arena is full. Then those make room that no region has been
// made of; the others stay where they are, for regions name records by their addresses.
// Between them blocks are made in runs of free bytes, each of which looks like a block that has no key. What a region
// was made of keeps its place, even when it is stale, until the arena begins anew.

import {
  ARENA_CHANGES, ARENA_END, ARENA_FREE, ARENA_LIMIT, ARENA_NEXT, ARENA_START, BLOCK_COUNT, BLOCK_HEADER, BLOCK_KEPT,
  BLOCK_KEY, BLOCK_NEXT, BLOCK_PAGE_NEXT, HASH_BUCKETS, HASH_TABLE, LINK, LINKED, PAGE_BLOCKS, RECORD_SIZE, SCALE,
} from "./layout";
import { bucketOf, pageEntry } from "./blocks";
import { forgetJumps } from "./jumps";
import { configuration, hostOf } from "./memory";

/** The key of a block that is stale, or of free bytes: no address in any mode. */
export const NO_KEY: u64 = ~0;
/** A sweep that leaves less than one part of so many free is not worth it. */
const LEAST_FREE: u32 = 4;

/** The first block, or ARENA_END. */
export function firstBlock(): usize {
  return beyondOpenRun(load<u32>(configuration, ARENA_START));
}

/** The block behind it, or ARENA_END. */
export function blockBehind(block: usize): usize {
  return beyondOpenRun(block + sizeOf(block));
}

/** Blocks are being made from ARENA_NEXT to ARENA_LIMIT. */
function beyondOpenRun(at: usize): usize {
  return at == load<u32>(configuration, ARENA_NEXT) ? load<u32>(configuration, ARENA_LIMIT) : at;
}

function sizeOf(block: usize): u32 {
  return BLOCK_HEADER + load<u32>(block, BLOCK_COUNT) * RECORD_SIZE;
}

/** Host address of the page that a block is of. */
export function hostOfBlock(block: usize): usize {
  return hostOf(load<u64>(block, BLOCK_KEY) & 0x0fffffffffffffff);
}

/** Makes all of the arena one free run. Nothing of it is in use. */
export function beginArena(): void {
  store<u32>(configuration, load<u32>(configuration, ARENA_START), ARENA_NEXT);
  store<u32>(configuration, load<u32>(configuration, ARENA_END), ARENA_LIMIT);
  store<u32>(configuration, 0, ARENA_FREE);
  store<u32>(configuration, load<u32>(configuration, ARENA_CHANGES) + 1, ARENA_CHANGES);
}

/** Sees to `room` bytes at ARENA_NEXT, the same number each time. False: there are too few, begin anew. */
export function findRoom(room: u32): bool {
  if (load<u32>(configuration, ARENA_NEXT) + room <= load<u32>(configuration, ARENA_LIMIT)) return true;
  closeRun();
  if (load<u32>(configuration, ARENA_FREE) == 0 && !sweep(room)) return false;
  const run: usize = load<u32>(configuration, ARENA_FREE);
  store<u32>(configuration, load<u32>(run, BLOCK_NEXT), ARENA_FREE);
  store<u32>(configuration, <u32>run, ARENA_NEXT);
  store<u32>(configuration, <u32>run + sizeOf(run), ARENA_LIMIT);
  return true;
}

/** What is left of the run that blocks were made in becomes a free run of its own. */
function closeRun(): void {
  const next: usize = load<u32>(configuration, ARENA_NEXT);
  const left = load<u32>(configuration, ARENA_LIMIT) - <u32>next;
  if (left == 0) return;
  store<u64>(next, NO_KEY, BLOCK_KEY);
  store<u32>(next, 0, BLOCK_KEPT);
  store<u32>(next, (left - BLOCK_HEADER) / RECORD_SIZE, BLOCK_COUNT);
  store<u32>(configuration, <u32>next + left, ARENA_NEXT);
}

/** Frees what need not stay; false when that is too little. No run is open. */
function sweep(room: u32): bool {
  store<u32>(configuration, load<u32>(configuration, ARENA_CHANGES) + 1, ARENA_CHANGES);
  forgetJumps();
  keepBlocks();
  freeOthers();
  const end: usize = load<u32>(configuration, ARENA_END);
  let free: u32 = 0;
  for (let block = firstBlock(); block < end; block = blockBehind(block)) {
    if (load<u64>(block, BLOCK_KEY) != NO_KEY || stays(block) || sizeOf(block) < room) continue;
    store<u32>(block, load<u32>(configuration, ARENA_FREE), BLOCK_NEXT);
    store<u32>(configuration, <u32>block, ARENA_FREE);
    free += sizeOf(block);
  }
  return free >= (<u32>end - load<u32>(configuration, ARENA_START)) / LEAST_FREE;
}

/** What a region has been made of stays. */
function stays(block: usize): bool {
  return load<u32>(block, BLOCK_KEPT) != 0;
}

/**
 * The hash and the pages know those that stay, and these know of no others. Pages go on taking notice of stores to what
 * was code: it mostly is decoded again, and the first store to it ends that.
 */
function keepBlocks(): void {
  memory.fill(load<u32>(configuration, HASH_TABLE), 0, HASH_BUCKETS * 4);
  const end: usize = load<u32>(configuration, ARENA_END);
  for (let block = firstBlock(); block < end; block = blockBehind(block)) {
    if (load<u64>(block, BLOCK_KEY) != NO_KEY) store<u32>(pageEntry(hostOfBlock(block)), 0, PAGE_BLOCKS);
  }
  for (let block = firstBlock(); block < end; block = blockBehind(block)) {
    const key = load<u64>(block, BLOCK_KEY);
    if (key == NO_KEY || !stays(block)) continue;
    const bucket = bucketOf(key & 0x0fffffffffffffff);
    store<u32>(block, load<u32>(bucket), BLOCK_NEXT);
    store<u32>(bucket, <u32>block);
    const page = pageEntry(hostOfBlock(block));
    store<u32>(block, load<u32>(page, PAGE_BLOCKS), BLOCK_PAGE_NEXT);
    store<u32>(page, <u32>block, PAGE_BLOCKS);
    unlink(block);
  }
}

/** Forgets where the block's branches lead. */
function unlink(block: usize): void {
  const end = block + sizeOf(block);
  for (let record = block + BLOCK_HEADER; record < end; record += RECORD_SIZE) {
    if (load<u8>(record, SCALE) != LINKED) continue;
    store<u8>(record, 0, SCALE);
    store<u32>(record, 0, LINK);
  }
}

/** The others lose their keys, and free runs side by side become one. */
function freeOthers(): void {
  const end: usize = load<u32>(configuration, ARENA_END);
  let run: usize = 0;
  let next: usize = 0;
  for (let block = firstBlock(); block < end; block = next) {
    next = blockBehind(block);
    if (stays(block)) {
      run = 0;
      continue;
    }
    store<u64>(block, NO_KEY, BLOCK_KEY);
    if (run == 0) run = block;
    else store<u32>(run, (<u32>(next - run) - BLOCK_HEADER) / RECORD_SIZE, BLOCK_COUNT);
  }
}
