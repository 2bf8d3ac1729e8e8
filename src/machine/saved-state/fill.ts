/**
 * Brings what is absent before anybody asks for it. Inflating goes on beside this thread; a chunk that somebody else
 * brought meanwhile is left as it is.
 */

import { inflateRaw } from 'node:zlib';
import { type AbsentMemory, CHUNK_BYTES } from '../../engine/absent-memory.ts';
import { contentsOf, type SavedMemorySource, type StoredChunk } from './memory-source.ts';
import { fromStoredBlocks } from './stored-blocks.ts';

/** At a time: as many processors of the host, beside the guest's own. */
const AT_A_TIME = 2;

/** Resolves when all of them are there, or `wanted` says no. */
export async function fillMemory(
  absent: AbsentMemory, source: SavedMemorySource, chunks: readonly StoredChunk[], wanted: () => boolean,
): Promise<void> {
  const rest = chunks[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (const stored of rest) {
      if (!wanted()) return;
      if (!absent.isPresent(stored.chunk)) absent.arrive(stored.chunk, await inflated(source, stored));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
}

async function inflated(source: SavedMemorySource, stored: StoredChunk): Promise<ReturnType<typeof contentsOf>> {
  const bytes = source.readStored(stored);
  const plain = fromStoredBlocks(bytes);
  if (plain !== undefined) return contentsOf(stored, plain);
  return new Promise((resolve, reject) => {
    inflateRaw(bytes, { maxOutputLength: CHUNK_BYTES }, (error, result) => {
      if (error !== null) reject(error);
      else resolve(contentsOf(stored, result));
    });
  });
}
