// Between processors: who holds decoded code of a page, how stores to such pages are told, and how one runs alone.
//
// Every processor decodes for itself. A bit in CODE_HOLDERS says which have decoded code of a page; while any is set no
// processor has a write tag for it, so that stores take the slow path and tell the holders. What keeps that true:
//
//  · A store looks at the holders before it writes. When there were none it need not look again: whoever becomes the
//    first holder sets its bit, asks all others to drop their write tags, and waits until each has come to its next
//    poll, where the store is done. Only then it decodes.
//  · When there were holders, the store looks again behind a fence. A processor that joins them sets its bit and says
//    which chunks it is about to decode, by atomics, before it reads the bytes: either the store sees that, or the
//    decoder sees the store.
//  · RUNNING is 1 while a processor may touch guest memory. It is set before the requests are looked at, and requests
//    are made before RUNNING is looked at, both by sequentially consistent atomics: a processor that was seen outside
//    takes what was asked of it before it touches anything. So nobody waits for processors that are halted.
//
// Who waits for another goes on answering, so that no two wait for each other. Invalidating in the middle of an
// instruction is harmless: records only become OP_STALE, the arena stays as it is.

import {
  CODE_HOLDERS, CONFIGURATIONS, CONFIGURATION_SIZE, EXCHANGING, EXCHANGING_COUNT, EXCHANGING_STRIDE, EXCLUSIVE,
  EXIT_REQUEST, HOLDING, INVALIDATIONS,
  INVALIDATION_COUNT, INVALIDATION_HEAD, INVALIDATION_LOCK, INVALIDATION_TAIL, NAP, PAGE_CHUNKS, PAGE_ENTRY, PAGE_MAP,
  PAUSES, PROCESSORS, PROCESSOR_COUNT, PROCESSOR_INDEX, PROCESSOR_SIZE, RAM_START, REQUEST_DRAIN, REQUEST_FORGET,
  REQUEST_KICK, REQUEST_PARK, RUNNING, SHARED, SPINS_LONG,
} from "./layout";
import { cpu } from "./cpu";
import { configuration } from "./memory";
import { dropWriteTags } from "./tlb";
import { chunksOf, forgetCode, writeToCode } from "./blocks";
import { updateDebugger } from "./debug";
import { isFlush, takeFlush } from "./flushes";

/** Looks before a waiting thread sleeps: a few microseconds. */
const SPINS: u32 = 2000;
/** How long it sleeps when nobody will wake it, in nanoseconds. */
const NAP_TIME: i64 = 50_000;
/** PAUSE instructions that are long. */
const PAUSE_LIMIT: u32 = 1024;

// @ts-ignore: decorator
@inline
export function isAlone(): bool {
  return load<u32>(configuration, PROCESSOR_COUNT) == 1;
}

// @ts-ignore: decorator
@inline
function ownBit(): u64 {
  return <u64>1 << load<u32>(configuration, PROCESSOR_INDEX);
}

// @ts-ignore: decorator
@inline
function processor(index: u32): usize {
  return load<u32>(configuration, PROCESSORS) + index * PROCESSOR_SIZE;
}

// @ts-ignore: decorator
@inline
export function holdersOf(host: usize): usize {
  return load<u32>(configuration, CODE_HOLDERS) + ((host - load<u32>(configuration, RAM_START)) >> 12 << 3);
}

/** Stores before it are seen before loads behind it are done: any atomic exchange does that. */
export function completeStores(): void {
  atomic.or<i32>(cpu + NAP, 0);
}

function nap(): void {
  atomic.wait<i32>(cpu + NAP, 0, NAP_TIME);
}

// What others ask.

/** Does what other threads ask, between instructions or before one has done anything. True: `run` is to return. */
export function attend(): bool {
  while (true) {
    const requests = atomic.load<i32>(cpu + EXIT_REQUEST);
    if ((requests & REQUEST_PARK) != 0) park();
    else if ((requests & (REQUEST_DRAIN | REQUEST_FORGET)) != 0) takeInvalidations();
    else return (requests & REQUEST_KICK) != 0;
  }
}

/** From here on the processor may touch guest memory. */
export function enterGuest(): void {
  atomic.store<i32>(cpu + RUNNING, 1);
  attend();
}

export function leaveGuest(): void {
  atomic.store<i32>(cpu + RUNNING, 0);
}

function park(): void {
  leaveGuest();
  let requests = atomic.load<i32>(cpu + EXIT_REQUEST);
  for (let spins: u32 = 0; (requests & REQUEST_PARK) != 0; spins++) {
    if (spins > SPINS) atomic.wait<i32>(cpu + EXIT_REQUEST, requests, NAP_TIME);
    requests = atomic.load<i32>(cpu + EXIT_REQUEST);
  }
  // Who parks us next may have seen us outside just now: whoever calls looks at the requests again.
  atomic.store<i32>(cpu + RUNNING, 1);
}

function takeInvalidations(): void {
  // Cleared first: who adds an entry meanwhile sets the bit again.
  const requests = atomic.and<i32>(cpu + EXIT_REQUEST, ~(REQUEST_DRAIN | REQUEST_FORGET));
  if ((requests & REQUEST_FORGET) != 0) {
    forgetCode();
    updateDebugger();
  }
  let head = load<u32>(cpu + INVALIDATION_HEAD);
  while (head != atomic.load<u32>(cpu + INVALIDATION_TAIL)) {
    const entry = cpu + INVALIDATIONS + ((head & (INVALIDATION_COUNT - 1)) << 3);
    const size = load<u32>(entry, 4);
    if (size == 0) dropWriteTags(load<u32>(entry));
    else if (isFlush(size)) takeFlush(load<u32>(entry), size);
    else writeToCode(load<u32>(entry), size);
    head++;
    atomic.store<u32>(cpu + INVALIDATION_HEAD, head);
  }
}

// What is asked of others.

function request(target: usize, bits: i32): void {
  atomic.or<i32>(target + EXIT_REQUEST, bits);
}

function lock(word: usize): void {
  for (let spins: u32 = 0; atomic.cmpxchg<i32>(word, 0, 1) != 0; spins++) if (spins > SPINS) nap();
}

function unlock(word: usize): void {
  atomic.store<i32>(word, 0);
}

/** Puts an entry into a processor's ring; false when that is full. */
function push(target: usize, first: u32, second: u32): bool {
  lock(target + INVALIDATION_LOCK);
  const tail = load<u32>(target + INVALIDATION_TAIL);
  const fits = tail - atomic.load<u32>(target + INVALIDATION_HEAD) < <u32>INVALIDATION_COUNT;
  if (fits) {
    const entry = target + INVALIDATIONS + ((tail & (INVALIDATION_COUNT - 1)) << 3);
    store<u32>(entry, first);
    store<u32>(entry, second, 4);
    atomic.store<u32>(target + INVALIDATION_TAIL, tail + 1);
  }
  unlock(target + INVALIDATION_LOCK);
  request(target, fits ? REQUEST_DRAIN : REQUEST_FORGET);
  return fits;
}

/** Behind a store of `size` bytes, within a page that somebody holds code of. */
export function codeWritten(host: usize, size: u32): void {
  writeToCode(host, size);
  if (isAlone()) return;
  completeStores();
  let others = atomic.load<u64>(holdersOf(host)) & ~ownBit();
  for (; others != 0; others &= others - 1) {
    const index = <u32>ctz<u64>(others);
    const map: usize = load<u32>(load<u32>(configuration, CONFIGURATIONS) + index * CONFIGURATION_SIZE, PAGE_MAP);
    const page = map + ((host - load<u32>(configuration, RAM_START)) >> 12) * PAGE_ENTRY;
    if ((atomic.load<u64>(page + PAGE_CHUNKS) & chunksOf(host, size)) != 0) push(processor(index), <u32>host, size);
  }
}

/** Becomes a holder of the page's code, before anything of it is decoded. Between instructions. */
export function holdCode(host: usize, pageNumber: u32): void {
  const holders = holdersOf(host);
  if (isAlone()) {
    store<u64>(holders, 1);
    dropWriteTags(pageNumber);
    return;
  }
  const word = load<u32>(configuration, SHARED) + HOLDING;
  for (let spins: u32 = 0; atomic.cmpxchg<i32>(word, 0, 1) != 0; spins++) answer(spins);
  // Where there is a holder, the write tags are gone: the first one let go of the lock when they were.
  if (atomic.or<u64>(holders, ownBit()) == 0) {
    dropWriteTags(pageNumber);
    const count = load<u32>(configuration, PROCESSOR_COUNT);
    const own = load<u32>(configuration, PROCESSOR_INDEX);
    for (let n: u32 = 0; n < count; n++) if (n != own) ask(n, pageNumber, 0);
    for (let n: u32 = 0; n < count; n++) if (n != own) awaitTaken(n);
  }
  unlock(word);
}

/** One round of a wait for another processor that may be waiting for this one. */
function answer(spins: u32): void {
  attend();
  if (spins > SPINS) nap();
}

/** Puts an entry into a processor's ring, waiting while that is full. */
export function ask(index: u32, first: u32, second: u32): void {
  const target = processor(index);
  let spins: u32 = 0;
  while (!push(target, first, second)) {
    // Full: it will forget everything, before it touches memory again when it is outside, else as it goes.
    if (atomic.load<i32>(target + RUNNING) == 0) return;
    answer(spins++);
  }
}

/** Returns when the processor has done what it was asked until now, or will before it touches memory again. */
export function awaitTaken(index: u32): void {
  const target = processor(index);
  const ticket = atomic.load<u32>(target + INVALIDATION_TAIL);
  let spins: u32 = 0;
  while (<i32>(atomic.load<u32>(target + INVALIDATION_HEAD) - ticket) < 0
    && atomic.load<i32>(target + RUNNING) != 0) answer(spins++);
}

/** There is no decoded code of the page any more. */
export function releaseCode(host: usize): void {
  if (isAlone()) store<u64>(holdersOf(host), 0);
  else atomic.and<u64>(holdersOf(host), ~ownBit());
}

// Running alone, for what the host has no atomic instruction for.

let exclusive: bool = false;

/** Waits until every other processor is outside or at its poll, and keeps them there. Nothing has been done yet. */
export function enterExclusive(): void {
  exclusive = true;
  if (isAlone()) return;
  // While it waits for its turn it may as well be the one that is parked.
  leaveGuest();
  const word = load<u32>(configuration, SHARED) + EXCLUSIVE;
  lock(word);
  const count = load<u32>(configuration, PROCESSOR_COUNT);
  const own = load<u32>(configuration, PROCESSOR_INDEX);
  for (let n: u32 = 0; n < count; n++) if (n != own) request(processor(n), REQUEST_PARK);
  for (let n: u32 = 0; n < count; n++) {
    if (n == own) continue;
    for (let spins: u32 = 0; atomic.load<i32>(processor(n) + RUNNING) != 0; spins++) if (spins > SPINS) nap();
  }
  // Nobody parks the one that has the lock: this only takes invalidations.
  enterGuest();
}

/** Lets the others go on, also when a fault has ended the instruction. */
export function leaveExclusive(): void {
  if (!exclusive) return;
  exclusive = false;
  if (isAlone()) return;
  const count = load<u32>(configuration, PROCESSOR_COUNT);
  const own = load<u32>(configuration, PROCESSOR_INDEX);
  for (let n: u32 = 0; n < count; n++) {
    if (n == own) continue;
    atomic.and<i32>(processor(n) + EXIT_REQUEST, ~REQUEST_PARK);
    atomic.notify(processor(n) + EXIT_REQUEST, 1);
  }
  unlock(load<u32>(configuration, SHARED) + EXCLUSIVE);
}

// @ts-ignore: decorator
@inline
export function isExclusive(): bool {
  return exclusive;
}

/** The lock of the 16 bytes at `host`, in a line of its own, shared with some others. */
function exchangeLock(host: usize): usize {
  return load<u32>(configuration, SHARED) + EXCHANGING + (host >> 4 & (EXCHANGING_COUNT - 1)) * EXCHANGING_STRIDE;
}

/** Locked 16-byte exchanges of the same place take turns. Nothing is waited for inside. */
export function lockExchange(host: usize): void {
  lock(exchangeLock(host));
}

export function unlockExchange(host: usize): void {
  unlock(exchangeLock(host));
}

/** PAUSE: the guest spins. When it has done so for long, `run` returns and says so: others may need the host's core. */
export function spin(): void {
  if (isAlone()) return;
  const count = load<u32>(cpu + PAUSES) + 1;
  store<u32>(cpu + PAUSES, count);
  if (count % PAUSE_LIMIT != 0) return;
  store<u32>(cpu + SPINS_LONG, 1);
  request(cpu, REQUEST_KICK);
}
