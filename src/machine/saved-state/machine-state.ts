/**
 * A whole virtual machine but for its memory, as one value: what it is made of, and the value of each part. Parts have
 * versions of their own and refuse newer ones; this is the version of the whole.
 */

import type { ChipsetState } from '../../chipset/chipset.ts';
import type { PartitionState } from '../../hypervisor/partition-state.ts';
import { CONFIGURATION_VERSION, type ProcessorLevel } from '../../hypervisor/processor-model.ts';
import type { NetworkState } from '../../vsp/network/state.ts';
import type { NicDescription, StorageDescription } from '../description.ts';
import type { VmbusHostState } from '../vmbus-host.ts';
import { MACHINE_SHAPE } from './machine-shape.ts';
import { networkByChannel } from './network-migration.ts';
import { BadShape } from './shape.ts';
import { storageByController } from './storage-migration.ts';

export const MACHINE_STATE_VERSION = 3;

/** What a machine is made of. Paths are absolute. */
export interface SavedConfiguration {
  readonly version: number;
  readonly memoryBytes: number;
  readonly processors: number;
  /** Which processor the guest sees; before version 2 always v2. */
  readonly processorLevel?: ProcessorLevel | undefined;
  /** Without one it is on the first disk. */
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
  readonly commandLine: string;
  readonly rebootInPlace: boolean;
  readonly debugExit: boolean;
  readonly disks: readonly StorageDescription[];
  readonly nics: readonly NicDescription[];
  /** The range of the machine's own NAT network, if it has one: the guest keeps its address. */
  readonly natSubnet?: string | undefined;
}

export interface MachineState {
  readonly version: number;
  /** ISO 8601. */
  readonly savedAt: string;
  readonly configuration: SavedConfiguration;
  readonly partition: PartitionState;
  readonly chipset: ChipsetState;
  readonly vmbus: VmbusHostState;
  readonly network: readonly NetworkState[];
}

/** From a value of one version to the next: pure, and kept for ever. Step n - 1 makes version n + 1 of version n. */
export type Migration = (value: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;

const MIGRATIONS: readonly Migration[] = [storageByController, networkByChannel];

/**
 * A value of any version that ever was, as one of this version.
 * @throws BadShape when it is newer, or no such value.
 */
export function machineStateOf(value: unknown): MachineState {
  const migrated = migrate(value, MACHINE_STATE_VERSION, MIGRATIONS);
  const { configuration } = migrated as { readonly configuration?: { readonly version?: unknown } };
  const version = configuration?.version;
  if (typeof version === 'number' && version > CONFIGURATION_VERSION) {
    throw new NewerState(`configuration version ${version}`, `${CONFIGURATION_VERSION}`);
  }
  MACHINE_SHAPE(migrated, '');
  return migrated as MachineState;
}

export function migrate(value: unknown, target: number, steps: readonly Migration[]): unknown {
  let migrated = value as Readonly<Record<string, unknown>>;
  const version = typeof value === 'object' && value !== null ? migrated['version'] : undefined;
  if (!Number.isInteger(version) || (version as number) < 1) throw new BadShape('version', 'a version');
  if ((version as number) > target) throw new NewerState(`version ${version as number}`, `${target}`);
  for (let from = version as number; from < target; from++) {
    migrated = (steps[from - 1] as Migration)(migrated);
  }
  return migrated;
}

/** The state is of a program that is newer than this one. */
export class NewerState extends Error {
  constructor(what: string, readable: string) {
    super(`it has ${what}, and this program reads up to ${readable}: restore it with the program that saved it or a ` +
      'newer one');
    this.name = 'NewerState';
  }
}
