/** From the parts of a machine to its value, and back. The order of restoring is the point of this file. */

import { resolve } from 'node:path';
import type { Chipset } from '../../chipset/chipset.ts';
import type { ProcessorState } from '../../hypervisor/engine-port.ts';
import type { Partition } from '../../hypervisor/partition.ts';
import { DEFAULT_MODEL } from '../../hypervisor/processor-model.ts';
import { OperatingError, systemError } from '../../kit/errors.ts';
import type { MachineDescription, RestoreRequest, StorageDescription } from '../description.ts';
import type { MachineNetwork } from '../network.ts';
import type { VmbusHost } from '../vmbus-host.ts';
import { MACHINE_STATE_VERSION, type MachineState, type SavedConfiguration } from './machine-state.ts';
import type { StateFile } from './read.ts';
import { stampOf } from './write.ts';

export interface MachineParts {
  readonly description: MachineDescription;
  readonly partition: Partition;
  readonly chipset: Chipset;
  readonly vmbus: VmbusHost;
  readonly network: MachineNetwork;
}

/**
 * The value of a machine whose processors were captured and are paused since. At once: between two parts nothing of
 * this thread runs, and disks are on hold when it returns.
 */
export function captureState(parts: MachineParts, engines: readonly ProcessorState[]): MachineState {
  const { partition, chipset, vmbus, network } = parts;
  // First the threads of services, which may still raise interrupts.
  const adapters = network.saveState();
  const services = vmbus.saveState();
  return {
    version: MACHINE_STATE_VERSION,
    savedAt: new Date().toISOString(),
    configuration: configurationOf(parts),
    partition: partition.stateWith(engines),
    chipset: chipset.saveState(),
    vmbus: services,
    network: adapters,
  };
}

function configurationOf({ description, network, vmbus }: MachineParts): SavedConfiguration {
  const { kernel, initrd, commandLine, memoryBytes, processors, rebootInPlace, debugExit } = description;
  const { level, version } = description.model ?? DEFAULT_MODEL;
  return {
    version, memoryBytes, processors, commandLine, rebootInPlace, debugExit,
    processorLevel: version > 1 ? level : undefined,
    kernel: kernel === undefined ? undefined : resolve(kernel),
    initrd: initrd === undefined ? undefined : resolve(initrd),
    disks: (vmbus.storage?.descriptions ?? []).map(withWholePath),
    nics: network.nics.map((nic) => ({ ...nic })),
    natSubnet: network.nat.network?.subnet,
  };
}

/** A merge that is under way is begun again by whoever wants it. */
function withWholePath(unit: StorageDescription): StorageDescription {
  if (unit.kind === 'dvd') return unit.path === undefined ? unit : { ...unit, path: resolve(unit.path) };
  const { merge: _, ...disk } = unit;
  return { ...disk, path: resolve(disk.path) };
}

/** Into a new machine, paused, whose guest memory is there or arrives. */
export async function restoreParts(parts: MachineParts, state: MachineState): Promise<void> {
  await parts.partition.restoreState(state.partition);
  parts.chipset.restoreState(state.chipset);
  // The bus opens the channels again, at which a service goes on from what it was given before.
  parts.network.restoreState(state.network);
  parts.vmbus.restoreState(state.vmbus);
}

/** What the machine of a state is made of, with what the user wants otherwise. */
export function restoredDescription(file: StateFile, request: RestoreRequest): MachineDescription {
  const { configuration } = file.state;
  const { version, processorLevel: level = 'v2', initrd, kernel, commandLine, memoryBytes, processors, nics } =
    configuration;
  return {
    model: { level, version },
    commandLine, memoryBytes, processors, nics,
    ...(kernel === undefined ? {} : { kernel }),
    ...(initrd === undefined ? {} : { initrd }),
    disks: disksOf(file, request),
    rebootInPlace: request.rebootInPlace ?? configuration.rebootInPlace,
    debugExit: request.debugExit ?? configuration.debugExit,
    ...(request.trace === undefined ? {} : { trace: request.trace }),
    ...(request.gdb === undefined ? {} : { gdb: request.gdb }),
  };
}

/** In the place of another, by whose identifier the guest knows it where that is not its path's. */
function placedAs(disk: StorageDescription, former: StorageDescription | undefined): StorageDescription {
  const address = former?.address;
  const identity = former === undefined || former.kind === 'dvd' ? undefined : former.identity;
  return disk.kind === 'dvd' || identity === undefined ? { ...disk, address } : { ...disk, address, identity };
}

/** The disks as they were; another image in place of one only when the user names it. */
function disksOf({ path, state, stamps }: StateFile, { disks }: RestoreRequest): SavedConfiguration['disks'] {
  const saved = state.configuration.disks;
  if (disks !== undefined) {
    if (disks.length === saved.length) return disks.map((disk, index) => placedAs(disk, saved[index]));
    throw new OperatingError('usage', `the guest of ${path} has ${saved.length} disks, and ${disks.length} were ` +
      'given: name all of them in their order, or none');
  }
  saved.flatMap((unit) => unit.path ?? []).forEach((disk, index) => {
    let now;
    try {
      now = stampOf(disk);
    } catch (error) {
      throw systemError(`find the disk ${disk} of the state ${path}`, error);
    }
    const then = stamps[index];
    if (then?.sizeBytes === now.sizeBytes && then.modifiedMicroseconds === now.modifiedMicroseconds) return;
    throw new OperatingError('bad-input', `the disk ${disk} has changed since ${path} was saved: the guest ` +
      'would damage it; name the disks with --disk if they are the right ones');
  });
  return saved;
}
