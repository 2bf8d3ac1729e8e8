/**
 * The one shared WebAssembly memory of a VM on this engine: tables, processors, decoded code, guest RAM.
 *
 *   0x010000  configuration blocks (core/layout.ts), 512 bytes a processor      0x100000  processors, 1 MiB each
 *   0x01f000  locks between processors                                         then, of each processor: the hash table
 *   0x020000  decoder tables                                                   of its blocks, its page map (16 bytes a
 *                                                                              page of RAM) and the arena of its blocks
 *   then who holds code of which page (8 bytes a page), which 64 KiB of RAM are absent (4 bytes each), and the RAM,
 *   64 KiB aligned
 *
 * A WebAssembly memory has at most 4 GiB, so a guest has at most `MAXIMUM_RAM_BYTES`.
 */

import { readFileSync } from 'node:fs';
import { GuestMemory, type MemorySlot } from '../hypervisor/guest-memory.ts';
import {
  ABSENT, ABSENT_SHIFT, ARENA_END, ARENA_LIMIT, ARENA_NEXT, ARENA_START, CODE_HOLDERS, COMPONENTS, CONFIGURATION_SIZE,
  CONFIGURATIONS, DECODER_TABLES, HASH_BUCKETS, HASH_TABLE, PAGE_ENTRY, PAGE_MAP, PROCESSOR_COUNT, PROCESSOR_INDEX,
  PROCESSORS, RAM_START, SHARED, SLOT_COUNT, SLOTS,
} from './core/layout.ts';
import type { ProcessorLevel } from '../hypervisor/processor-model.ts';
import type { AbsentMemory } from './absent-memory.ts';
import { type EngineMemoryHandle, processorAddress, PROCESSORS_START } from './memory-handle.ts';
import { ProcessorRequests } from './processor-requests.ts';

/** What XCR0 may name: x87 and SSE; AVX, too. */
const SSE_COMPONENTS = 3;
const AVX_COMPONENTS = 7;

const PAGE = 0x10000;
const GUEST_PAGE = 4096;
const CONFIGURATION = 0x10000;
const LOCKS = 0x1f000;
const TABLES = 0x20000;
/** Decoded code of a processor: the only one has more, by the RAM that there is to run code in; many have less. */
const ARENA_ALONE_BYTES = 16 << 20;
const ARENA_ALONE_MOST_BYTES = 48 << 20;
const ARENA_ALONE_SHARE = 1 / 32;
const ARENA_BYTES = 16 << 20;
const ARENA_MINIMUM_BYTES = 4 << 20;
const ARENAS_BYTES = 128 << 20;
const MAXIMUM_MEMORY_BYTES = 2 ** 32;
/** RAM that would reach into the device window goes above 4 GiB. */
const LOW_RAM_BYTES = 0xc000_0000;

export const MAXIMUM_RAM_BYTES = 0xf000_0000;

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Guest-physical layout of `ramBytes` of RAM that begins at `offset` of the buffer. */
function slotsOf(ramBytes: number, offset: number): MemorySlot[] {
  const low = Math.min(ramBytes, LOW_RAM_BYTES);
  const slots = [{ gpa: 0, sizeBytes: low, offset }];
  if (ramBytes > low) slots.push({ gpa: 0x1_0000_0000, sizeBytes: ramBytes - low, offset: offset + low });
  return slots;
}

/** Where the tables of `processors` processors and `ramBytes` of RAM go. */
function planOf(ramBytes: number, processors: number) {
  const arenaAlone = align(Math.min(ARENA_ALONE_MOST_BYTES, ramBytes * ARENA_ALONE_SHARE), PAGE);
  const arenaBytes = processors === 1 ? Math.max(ARENA_ALONE_BYTES, arenaAlone)
    : Math.max(ARENA_MINIMUM_BYTES, Math.min(ARENA_BYTES, align(ARENAS_BYTES / processors, PAGE) - PAGE));
  const mapBytes = (ramBytes / GUEST_PAGE) * PAGE_ENTRY;
  const tablesStart = processorAddress(processors);
  const tablesBytes = align(HASH_BUCKETS * 4 + mapBytes + arenaBytes, GUEST_PAGE);
  const holders = tablesStart + processors * tablesBytes;
  const absent = holders + (ramBytes / GUEST_PAGE) * 8;
  const ram = align(absent + Math.ceil(ramBytes / (1 << ABSENT_SHIFT)) * 4, PAGE);
  const totalBytes = align(ram + ramBytes, PAGE);
  return { arenaBytes, mapBytes, tablesStart, tablesBytes, holders, absent, ram, totalBytes };
}

/** The most RAM that a guest with so many processors can have, in bytes. */
export function maximumRamBytes(processors: number): number {
  const step = 2 ** 20;
  let ramBytes = MAXIMUM_RAM_BYTES;
  while (planOf(ramBytes, processors).totalBytes > MAXIMUM_MEMORY_BYTES) ramBytes -= step;
  return ramBytes;
}

/**
 * Allocates the memory of a VM.
 * @param level which instructions there are
 * @param ramBytes a multiple of 4096, at most `maximumRamBytes(processors)`
 * @throws RangeError when the host can't reserve it
 */
export function createEngineMemory(
  ramBytes: number, processors: number, level: ProcessorLevel = 'v3',
): EngineMemoryHandle {
  const plan = planOf(ramBytes, processors);
  const pages = plan.totalBytes / PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const slots = slotsOf(ramBytes, plan.ram);
  const tables = readFileSync(new URL(`./decoder-tables-${level}.bin`, import.meta.url));
  if (TABLES + tables.length > PROCESSORS_START) throw new Error('engine memory: the tables overlap');
  new Uint8Array(memory.buffer).set(tables, TABLES);
  const view = new DataView(memory.buffer);
  for (let index = 0; index < processors; index++) {
    const at = CONFIGURATION + index * CONFIGURATION_SIZE;
    const put = (field: number, value: number): void => view.setUint32(at + field, value, true);
    const hash = plan.tablesStart + index * plan.tablesBytes;
    const arena = hash + HASH_BUCKETS * 4 + plan.mapBytes;
    put(DECODER_TABLES, TABLES);
    put(COMPONENTS, level >= 'v3' ? AVX_COMPONENTS : SSE_COMPONENTS);
    put(HASH_TABLE, hash);
    put(PAGE_MAP, hash + HASH_BUCKETS * 4);
    put(ARENA_START, arena);
    put(ARENA_NEXT, arena);
    put(ARENA_END, arena + plan.arenaBytes);
    put(ARENA_LIMIT, arena + plan.arenaBytes);
    put(CODE_HOLDERS, plan.holders);
    put(ABSENT, plan.absent);
    put(RAM_START, plan.ram);
    put(PROCESSOR_COUNT, processors);
    put(PROCESSOR_INDEX, index);
    put(PROCESSORS, PROCESSORS_START);
    put(CONFIGURATIONS, CONFIGURATION);
    put(SHARED, LOCKS);
    put(SLOT_COUNT, slots.length);
    slots.forEach((slot, n) => {
      view.setBigUint64(at + SLOTS + n * 24, BigInt(slot.gpa), true);
      view.setBigUint64(at + SLOTS + n * 24 + 8, BigInt(slot.sizeBytes), true);
      view.setUint32(at + SLOTS + n * 24 + 16, slot.offset, true);
    });
  }
  return { memory, configuration: CONFIGURATION, slots };
}

/** Guest memory that tells the processors of what is written through it, and waits for what has not arrived yet. */
export function guestMemoryOf(handle: EngineMemoryHandle, absent?: AbsentMemory): GuestMemory {
  const requests = new ProcessorRequests(handle);
  const written = (offset: number, length: number): void => requests.memoryWritten(offset, length);
  return new GuestMemory(handle.memory.buffer, handle.slots, written, absent?.ensure);
}
