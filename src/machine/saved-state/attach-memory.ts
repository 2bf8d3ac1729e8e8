/** Guest memory as a thread of the machine reaches it: all there, or arriving from a saved state as it is needed. */

import { AbsentMemory, CHUNK_BYTES } from '../../engine/absent-memory.ts';
import { guestMemoryOf } from '../../engine/engine-memory.ts';
import type { EngineMemoryHandle } from '../../engine/memory-handle.ts';
import { recentChunks } from '../../engine/recent-chunks.ts';
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { type SavedMemory, SavedMemorySource } from './memory-source.ts';
import type { SavedRam } from './write.ts';

export interface AttachedMemory {
  readonly memory: GuestMemory;
  /** What arrives, and where it comes from; undefined when all is there. */
  readonly absent: AbsentMemory | undefined;
  readonly source: SavedMemorySource | undefined;
}

export function attachMemory(engine: EngineMemoryHandle, saved: SavedMemory | undefined): AttachedMemory {
  if (saved === undefined) return { memory: guestMemoryOf(engine), absent: undefined, source: undefined };
  const source = new SavedMemorySource(saved);
  const absent = new AbsentMemory(engine, source);
  return { memory: guestMemoryOf(engine, absent), absent, source };
}

/** All of RAM, for whoever writes it down. Its slots lie one behind another in the engine's memory. */
export function ramOf(engine: EngineMemoryHandle, absent: AbsentMemory | undefined): SavedRam {
  const { memory, slots } = engine;
  const start = slots[0]?.offset ?? 0;
  const sizeBytes = slots.reduce((sum, slot) => sum + slot.sizeBytes, 0);
  return {
    sizeBytes,
    recent: recentChunks(engine),
    chunk: (index) => {
      const at = index * CHUNK_BYTES;
      const length = Math.min(CHUNK_BYTES, sizeBytes - at);
      absent?.ensure(start + at, length);
      return new Uint8Array(memory.buffer, start + at, length);
    },
  };
}
