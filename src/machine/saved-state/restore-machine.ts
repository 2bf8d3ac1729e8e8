/** The restoring of a machine: its threads start while the file is looked at, its guest before all memory is read. */

import type { EngineMemoryHandle } from '../../engine/memory-handle.ts';
import type { AttachedMemory } from './attach-memory.ts';
import { fillMemory } from './fill.ts';
import { type MachineParts, restoreParts } from './parts.ts';
import type { StateFile } from './read.ts';

/** Into a new machine, which is paused then. Nothing has touched its memory. */
export async function restoreMachine(
  file: StateFile, parts: MachineParts, engine: EngineMemoryHandle,
): Promise<void> {
  const { partition, vmbus, description: { disks = [] } } = parts;
  const created = partition.create();
  // If the file is no good, nobody waits for the threads to be there.
  created.catch(() => {});
  file.verifyMemory();
  await created;
  if (disks.length > 0) await vmbus.addDisks(disks, engine, file.memory);
  await restoreParts(parts, file.state);
}

/** Reads the rest of the memory while the guest runs, and closes the file when all is there or nobody wants it. */
export async function readRest(
  file: StateFile | undefined, { absent, source }: AttachedMemory, wanted: () => boolean,
): Promise<void> {
  if (file === undefined || absent === undefined || source === undefined) return;
  await fillMemory(absent, source, wanted);
  file[Symbol.dispose]();
}
