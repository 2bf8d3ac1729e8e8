/** The memory of a saved state as a source of chunks, on any thread. */

import { readSync } from 'node:fs';
import { crc32, inflateRawSync } from 'node:zlib';
import { CHUNK_BYTES, type ChunkContents, type MemorySource } from '../../engine/absent-memory.ts';
import { OperatingError } from '../../kit/errors.ts';
import { ALL_PAGES, ChunkEntry, RECENT } from './layout.ts';
import { fromStoredBlocks } from './stored-blocks.ts';

const PAGE = 4096;

/** Structured-cloneable: what a thread needs. Descriptors of files belong to the process. */
export interface SavedMemory {
  readonly file: number;
  /** ChunkEntry after ChunkEntry. */
  readonly table: SharedArrayBuffer;
  readonly chunkCount: number;
  /** Where in the file the first chunk is. */
  readonly firstOffset: number;
}

/** Where a chunk lies in the file. */
export interface StoredChunk {
  readonly chunk: number;
  readonly pages: number;
  /** The guest is likely to want it soon. */
  readonly isRecent: boolean;
  readonly offset: number;
  readonly storedBytes: number;
  readonly checksum: number;
}

export class SavedMemorySource implements MemorySource {
  readonly chunks: readonly StoredChunk[];
  readonly #file: number;
  readonly #byNumber = new Map<number, StoredChunk>();

  constructor({ file, table, chunkCount, firstOffset }: SavedMemory) {
    this.#file = file;
    const view = new DataView(table);
    const chunks: StoredChunk[] = [];
    for (let index = 0, offset = firstOffset; index < chunkCount; index++) {
      const { pages, ...place } = ChunkEntry.decode(view, index * ChunkEntry.$size);
      const entry = { ...place, pages: pages & ALL_PAGES, isRecent: (pages & RECENT) !== 0, offset };
      chunks.push(entry);
      this.#byNumber.set(entry.chunk, entry);
      offset += entry.storedBytes;
    }
    this.chunks = chunks;
  }

  read(chunk: number): ChunkContents {
    const stored = this.#byNumber.get(chunk);
    if (stored === undefined) throw new Error(`chunk ${chunk} is absent and not in the state`);
    const bytes = this.readStored(stored);
    const plain = fromStoredBlocks(bytes) ?? inflateRawSync(bytes, { maxOutputLength: CHUNK_BYTES });
    return contentsOf(stored, plain);
  }

  /** @throws OperatingError when it is not what it was when the guest was restored. */
  readStored({ offset, storedBytes, checksum }: StoredChunk): Uint8Array {
    const bytes = Buffer.allocUnsafe(storedBytes);
    const done = readUpTo(this.#file, bytes, offset);
    if (done === storedBytes && crc32(bytes) === checksum) return bytes;
    throw new OperatingError('bad-input', 'the state was changed while the guest was being restored from it: start ' +
      'the guest anew, and leave the file alone');
  }
}

/** As many bytes as there are, up to what fits. */
export function readUpTo(file: number, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.length) {
    const count = readSync(file, target, done, target.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** What was inflated, as the pages that the table says. */
export function contentsOf({ pages }: StoredChunk, bytes: Uint8Array): ChunkContents {
  let expected = 0;
  for (let rest = pages; rest !== 0; rest &= rest - 1) expected += PAGE;
  if (bytes.length === expected) return { pages, bytes };
  throw new OperatingError('bad-input', 'the state is damaged: a part of its memory has another size than its ' +
    'table says; restore from another copy of it');
}
