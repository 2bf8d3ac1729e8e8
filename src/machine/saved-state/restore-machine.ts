/** The restoring of a machine: its threads start while the file is looked at, its guest before all memory is read. */

import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { GENERATION_ID_BYTES, GENERATION_ID_GPA } from '../../chipset/platform.ts';
import type { AttachedMemory } from './attach-memory.ts';
import { fillMemory } from './fill.ts';
import { type MachineParts, restoreParts } from './parts.ts';
import type { StateFile } from './read.ts';

const HEAD_START_MS = 200;
const LOOK_MS = 20;

/** Into a new machine, which is paused then. Nothing has touched its memory. */
export async function restoreMachine(
  file: StateFile, parts: MachineParts, { memory, absent, source }: AttachedMemory,
): Promise<void> {
  const { partition, vmbus, description: { disks = [] } } = parts;
  const created = partition.create();
  // If the file is no good, nobody waits for the threads to be there.
  created.catch(() => {});
  file.verifyMemory();
  if (absent !== undefined && source !== undefined) {
    // While the threads start, this one has nothing to do; what it does not get done, the guest does as it goes.
    const recent = source.chunks.filter(({ isRecent }) => isRecent);
    let isEarly = true;
    const filling = fillMemory(absent, source, recent, () => isEarly);
    await created.finally(() => { isEarly = false; });
    await filling;
  }
  await created;
  await vmbus.storage?.start(disks);
  await restoreParts(parts, file.state);
  memory.write(GENERATION_ID_GPA, randomBytes(GENERATION_ID_BYTES));
  parts.chipset.generationChanged();
}

/**
 * Reads the rest of the memory while the guest runs, and closes the file when all is there or nobody wants it. Not at
 * once: the host's processors are the guest's until it has answered whoever had it restored.
 */
export async function readRest(
  file: StateFile | undefined, { absent, source }: AttachedMemory, wanted: () => boolean,
): Promise<void> {
  if (file === undefined || absent === undefined || source === undefined) return;
  for (let waited = 0; waited < HEAD_START_MS && wanted(); waited += LOOK_MS) await setTimeout(LOOK_MS);
  for (const early of [true, false]) {
    await fillMemory(absent, source, source.chunks.filter(({ isRecent }) => isRecent === early), wanted);
  }
  file[Symbol.dispose]();
}
