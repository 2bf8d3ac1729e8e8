/**
 * What any thread may ask of a processor of the wasm engine, by words in the engine's memory: to return from `run`, and
 * to forget code that was decoded from memory which this thread has changed. The other side, and why it is right, is in
 * core/processors.ts.
 */

import {
  CODE_HOLDERS, CONFIGURATION_SIZE, EXIT_REQUEST, INVALIDATION_COUNT, INVALIDATION_HEAD, INVALIDATION_LOCK,
  INVALIDATION_TAIL, INVALIDATIONS, PAGE_CHUNKS, PAGE_ENTRY, PAGE_MAP, RAM_START, REQUEST_DRAIN, REQUEST_FORGET,
  REQUEST_KICK,
} from './core/layout.ts';
import { type EngineMemoryHandle, processorAddress } from './memory-handle.ts';

const PAGE = 4096;
const CHUNK_SHIFT = 6;

export class ProcessorRequests {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #configuration: number;
  readonly #ram: number;
  readonly #holders: number;

  constructor(handle: EngineMemoryHandle) {
    this.#words = new Int32Array(handle.memory.buffer as unknown as SharedArrayBuffer);
    this.#configuration = handle.configuration;
    this.#ram = this.#load(handle.configuration + RAM_START) >>> 0;
    this.#holders = this.#load(handle.configuration + CODE_HOLDERS) >>> 0;
  }

  /** Makes processor `index` return from `run`; when it is not there, the next `run` returns at once. */
  kick(index: number): void {
    Atomics.or(this.#words, (processorAddress(index) + EXIT_REQUEST) >>> 2, REQUEST_KICK);
  }

  // Hot path: every write to guest memory that is not the guest's own. Two loads a page where there never was code.
  /** `length` bytes at `offset` of the buffer, guest memory, were written. */
  memoryWritten(offset: number, length: number): void {
    const end = offset + length;
    // A store is not seen before a later load without an atomic exchange between them.
    let fenced = false;
    for (let page = offset - (offset % PAGE); page < end; page += PAGE) {
      const at = (this.#holders + ((page - this.#ram) / PAGE) * 8) >>> 2;
      if (!fenced) {
        Atomics.or(this.#words, at, 0);
        fenced = true;
      }
      const from = Math.max(offset, page);
      for (let half = 0; half < 2; half++) {
        for (let bits = Atomics.load(this.#words, at + half); bits !== 0; bits &= bits - 1) {
          this.#tell(half * 32 + 31 - Math.clz32(bits & -bits), from, Math.min(end, page + PAGE) - from);
        }
      }
    }
  }

  /** Tells processor `index`, if it has decoded code where the bytes, within a page, were written. */
  #tell(index: number, offset: number, length: number): void {
    const map = this.#load(this.#configuration + index * CONFIGURATION_SIZE + PAGE_MAP) >>> 0;
    const chunks = map + Math.floor((offset - this.#ram) / PAGE) * PAGE_ENTRY + PAGE_CHUNKS;
    const first = (offset % PAGE) >> CHUNK_SHIFT;
    const last = ((offset % PAGE) + length - 1) >> CHUNK_SHIFT;
    for (let chunk = first; chunk <= last; chunk++) {
      if ((this.#load(chunks + (chunk >> 5) * 4) & (1 << (chunk & 31))) === 0) continue;
      this.#push(processorAddress(index), offset, length);
      return;
    }
  }

  #push(processor: number, offset: number, length: number): void {
    const words = this.#words;
    const lock = (processor + INVALIDATION_LOCK) >>> 2;
    // Held for a few stores.
    while (Atomics.compareExchange(words, lock, 0, 1) !== 0);
    const tail = Atomics.load(words, (processor + INVALIDATION_TAIL) >>> 2);
    const used = (tail - Atomics.load(words, (processor + INVALIDATION_HEAD) >>> 2)) | 0;
    const fits = used < INVALIDATION_COUNT;
    if (fits) {
      const entry = (processor + INVALIDATIONS + (tail & (INVALIDATION_COUNT - 1)) * 8) >>> 2;
      words[entry] = offset;
      words[entry + 1] = length;
      Atomics.store(words, (processor + INVALIDATION_TAIL) >>> 2, (tail + 1) | 0);
    }
    Atomics.store(words, lock, 0);
    Atomics.or(words, (processor + EXIT_REQUEST) >>> 2, fits ? REQUEST_DRAIN : REQUEST_FORGET);
  }

  #load(address: number): number {
    return Atomics.load(this.#words, address >>> 2);
  }
}
