/** The saving of a machine: the guest stands still, its state is written, the machine is switched off. */

import type { AbsentMemory } from '../../engine/absent-memory.ts';
import type { EngineMemoryHandle } from '../../engine/memory-handle.ts';
import { VpActivity } from '../../hypervisor/partition-layout.ts';
import { OperatingError } from '../../kit/errors.ts';
import { ramOf } from './attach-memory.ts';
import { MAXIMUM_STAMPS } from './layout.ts';
import { captureState, type MachineParts } from './parts.ts';
import { StateWriter } from './write.ts';

export interface SavingOptions {
  readonly parts: MachineParts;
  readonly engine: EngineMemoryHandle;
  readonly absent: AbsentMemory | undefined;
  /** Switches the machine off. */
  readonly release: () => Promise<void>;
}

/** @throws OperatingError when the state cannot be written; the guest goes on unless it was switched off already. */
export async function saveMachine(path: string, options: SavingOptions): Promise<void> {
  const { parts, engine, absent, release } = options;
  const { partition, chipset, vmbus, description } = parts;
  if (description.deterministic !== undefined) {
    throw new OperatingError('unsupported', 'a run under --deterministic cannot be saved: its time is a count of ' +
      'instructions from its beginning; run it again instead');
  }
  refuseEnded(parts);
  const disks = (vmbus.storage?.descriptions ?? []).flatMap((unit) => unit.path ?? []);
  if (disks.length > MAXIMUM_STAMPS) {
    throw new OperatingError('unsupported', `a state has room for ${MAXIMUM_STAMPS} disks: take some from the guest`);
  }
  const writer = new StateWriter(path);
  const wasRunning = partition.phase === 'running';
  try {
    await partition.pause();
    const engines = await partition.captureProcessors();
    refuseEnded(parts);
    writer.write(captureState(parts, engines), ramOf(engine, absent));
  } catch (error) {
    writer.abandon();
    if (partition.phase === 'paused') {
      vmbus.goOn();
      parts.network.goOn();
      if (wasRunning) await partition.resume();
    }
    throw error;
  }
  // What the guest has written and nobody has read is part of the state.
  chipset.serial.takeTransmitted();
  await release();
  writer.finish(disks);
}

/** A guest that has asked for its end would wait for it for ever in a new machine. */
function refuseEnded({ partition, chipset, description }: MachineParts): void {
  let isGoing = partition.phase !== 'stopped' && chipset.powerEvents.pending === undefined;
  for (let index = 0; index < description.processors; index++) {
    if (partition.activity(index) === VpActivity.ShutDown) isGoing = false;
  }
  if (isGoing) return;
  throw new OperatingError('guest', 'cannot save the state: the guest has just ended or is restarting');
}
