/**
 * Guest memory that is not there yet: a restored guest runs while its memory is still being read. RAM is divided into
 * chunks of 64 KiB with a word each in the engine's memory; while that is not 0, whoever needs a byte of the chunk
 * brings the whole of it. Everything that reaches guest memory asks first: `hostOf` of the core, in front of every TLB
 * entry, and `GuestMemory.offsetOf`. A chunk that was once there stays, so that what they have answered stays right.
 *
 * Any number of threads may bring the same chunk; one of them copies it, and the others wait for those microseconds.
 */

import { ABSENT, ABSENT_SHIFT, RAM_START } from './core/layout.ts';
import type { EngineMemoryHandle } from './memory-handle.ts';

export const CHUNK_BYTES = 1 << ABSENT_SHIFT;
export const CHUNK_PAGES = 16;
const PAGE = 4096;
/** A copy of 64 KiB takes microseconds; a thread that ended in the middle of one never finishes it. */
const COPY_DEADLINE_MS = 10_000;

/** What the word of a chunk says. */
const Chunk = { Present: 0, Absent: 1, Arriving: 2 } as const;

/** The bytes of a chunk that are not zero: bit n of `pages` says that page n is in `bytes`, one behind another. */
export interface ChunkContents {
  readonly pages: number;
  readonly bytes: Uint8Array;
}

/** Where absent chunks come from, on the calling thread. */
export interface MemorySource {
  /** @throws when the chunk cannot be read, unless it is there by now. */
  read(chunk: number): ChunkContents;
}

export class AbsentMemory {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #table: number;
  readonly #ram: number;
  readonly #source: MemorySource;

  constructor(handle: EngineMemoryHandle, source: MemorySource) {
    const buffer = handle.memory.buffer as unknown as SharedArrayBuffer;
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#table = (this.#words[(handle.configuration + ABSENT) >>> 2] as number) >>> 2;
    this.#ram = (this.#words[(handle.configuration + RAM_START) >>> 2] as number) >>> 0;
    this.#source = source;
  }

  /** Before anybody touches the memory, which is all zeros. */
  markAbsent(chunk: number): void {
    Atomics.store(this.#words, this.#table + chunk, Chunk.Absent);
  }

  isPresent(chunk: number): boolean {
    return Atomics.load(this.#words, this.#table + chunk) === Chunk.Present;
  }

  // Hot path: every way to guest memory that no TLB knows. One load a chunk that is there.
  /** Returns when `length` bytes at `offset` of the engine's memory, in RAM, are there. */
  readonly ensure = (offset: number, length: number): void => {
    const last = Math.floor((offset - this.#ram + Math.max(length, 1) - 1) / CHUNK_BYTES);
    for (let chunk = Math.floor((offset - this.#ram) / CHUNK_BYTES); chunk <= last; chunk++) {
      if (!this.isPresent(chunk)) this.#bring(chunk);
    }
  };

  /** Puts a chunk in its place, unless somebody else did. */
  arrive(chunk: number, { pages, bytes }: ChunkContents): void {
    const word = this.#table + chunk;
    if (Atomics.compareExchange(this.#words, word, Chunk.Absent, Chunk.Arriving) !== Chunk.Absent) return;
    const start = this.#ram + chunk * CHUNK_BYTES;
    for (let page = 0, from = 0; page < CHUNK_PAGES; page++) {
      if ((pages & (1 << page)) === 0) continue;
      this.#bytes.set(bytes.subarray(from, from + PAGE), start + page * PAGE);
      from += PAGE;
    }
    Atomics.store(this.#words, word, Chunk.Present);
    Atomics.notify(this.#words, word);
  }

  #bring(chunk: number): void {
    const word = this.#table + chunk;
    let contents: ChunkContents | undefined;
    try {
      if (Atomics.load(this.#words, word) === Chunk.Absent) contents = this.#source.read(chunk);
    } catch (error) {
      // Whoever was faster may have put the source away already.
      if (Atomics.load(this.#words, word) === Chunk.Absent) throw error;
    }
    if (contents !== undefined) this.arrive(chunk, contents);
    const deadline = performance.now() + COPY_DEADLINE_MS;
    while (Atomics.load(this.#words, word) !== Chunk.Present) {
      if (performance.now() > deadline) throw new Error(`the memory of chunk ${chunk} does not arrive`);
      Atomics.wait(this.#words, word, Chunk.Arriving, 1);
    }
  }
}
