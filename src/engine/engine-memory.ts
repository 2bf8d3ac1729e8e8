/**
 * The one shared WebAssembly memory of a VM on this engine: tables, processors, decoded code, guest RAM.
 *
 *   0x010000  configuration block (core/layout.ts)      0x040000  hash table of blocks, 256 KiB
 *   0x020000  decoder tables                             0x100000  processors, 256 KiB each
 *   then the page map (16 bytes a page of RAM), the arena of decoded blocks, and the RAM, 64 KiB aligned
 *
 * A WebAssembly memory has at most 4 GiB, so a guest has at most `MAXIMUM_RAM_BYTES`.
 */

import { readFileSync } from 'node:fs';
import { GuestMemory, type MemorySlot } from '../hypervisor/guest-memory.ts';
import {
  ARENA_END, ARENA_NEXT, ARENA_START, DECODER_TABLES, EXIT_REQUEST, FLUSH_REQUEST, HASH_BUCKETS, HASH_TABLE,
  PAGE_CHUNKS, PAGE_ENTRY, PAGE_MAP, PROCESSOR_SIZE, RAM_START, SLOTS, SLOT_COUNT,
} from './core/layout.ts';

const PAGE = 0x10000;
const CONFIGURATION = 0x10000;
const TABLES = 0x20000;
const HASH = 0x40000;
const PROCESSORS = 0x100000;
const ARENA_BYTES = 24 << 20;
/** RAM that would reach into the device window goes above 4 GiB. */
const LOW_RAM_BYTES = 0xc000_0000;

export const MAXIMUM_RAM_BYTES = 0xf000_0000;

/** What a worker needs to attach to the memory; structured-cloneable. */
export interface EngineMemoryHandle {
  readonly memory: WebAssembly.Memory;
  readonly configuration: number;
  readonly slots: readonly MemorySlot[];
}

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Guest-physical layout of `ramBytes` of RAM that begins at `offset` of the buffer. */
function slotsOf(ramBytes: number, offset: number): MemorySlot[] {
  const low = Math.min(ramBytes, LOW_RAM_BYTES);
  const slots = [{ gpa: 0, sizeBytes: low, offset }];
  if (ramBytes > low) slots.push({ gpa: 0x1_0000_0000, sizeBytes: ramBytes - low, offset: offset + low });
  return slots;
}

/**
 * Allocates the memory of a VM.
 * @param ramBytes a multiple of 4096, at most MAXIMUM_RAM_BYTES
 * @throws RangeError when the host can't reserve it
 */
export function createEngineMemory(ramBytes: number, processors: number): EngineMemoryHandle {
  const pageMap = PROCESSORS + processors * PROCESSOR_SIZE;
  const arena = align(pageMap + (ramBytes / 4096) * PAGE_ENTRY, 4096);
  const ram = align(arena + ARENA_BYTES, PAGE);
  const pages = align(ram + ramBytes, PAGE) / PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const slots = slotsOf(ramBytes, ram);
  const tables = readFileSync(new URL('./decoder-tables.bin', import.meta.url));
  new Uint8Array(memory.buffer).set(tables, TABLES);
  const view = new DataView(memory.buffer);
  const put = (field: number, value: number): void => view.setUint32(CONFIGURATION + field, value, true);
  put(DECODER_TABLES, TABLES);
  put(HASH_TABLE, HASH);
  put(ARENA_START, arena);
  put(ARENA_NEXT, arena);
  put(ARENA_END, arena + ARENA_BYTES);
  put(PAGE_MAP, pageMap);
  put(RAM_START, ram);
  put(SLOT_COUNT, slots.length);
  slots.forEach((slot, n) => {
    const at = CONFIGURATION + SLOTS + n * 24;
    view.setBigUint64(at, BigInt(slot.gpa), true);
    view.setBigUint64(at + 8, BigInt(slot.sizeBytes), true);
    view.setUint32(at + 16, slot.offset, true);
  });
  if (TABLES + tables.length > HASH || HASH + HASH_BUCKETS * 4 > PROCESSORS)
    throw new Error('engine memory: the tables overlap');
  return { memory, configuration: CONFIGURATION, slots };
}

export function guestMemoryOf(handle: EngineMemoryHandle): GuestMemory {
  return new GuestMemory(handle.memory.buffer, handle.slots);
}

/** Address of a processor's state. */
export function processorAddress(index: number): number {
  return PROCESSORS + index * PROCESSOR_SIZE;
}

/**
 * A device wrote `length` bytes at `offset` of the memory's buffer, from any thread, before it tells the guest so. Code
 * that was decoded from there is forgotten before the guest can go on to run it: the processor sees the request at its
 * next branch.
 */
export function memoryWritten(handle: EngineMemoryHandle, offset: number, length: number): void {
  const view = new DataView(handle.memory.buffer);
  const pageMap = view.getUint32(handle.configuration + PAGE_MAP, true);
  const ram = view.getUint32(handle.configuration + RAM_START, true);
  for (let page = (offset - ram) >>> 12; page <= (offset + length - 1 - ram) >>> 12; page++) {
    const chunks = pageMap + page * PAGE_ENTRY + PAGE_CHUNKS;
    if (view.getUint32(chunks, true) === 0 && view.getUint32(chunks + 4, true) === 0) continue;
    const words = new Int32Array(handle.memory.buffer);
    Atomics.store(words, (processorAddress(0) + FLUSH_REQUEST) >> 2, 1);
    Atomics.store(words, (processorAddress(0) + EXIT_REQUEST) >> 2, 1);
    return;
  }
}
