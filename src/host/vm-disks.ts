/**
 * The disks of a running VM, by their paths: they come and go, grow, and are merged into their parents. What is changed
 * stays so when the VM is started again.
 */
import { join, parse, resolve as absolute } from 'node:path';
import { usage } from '../kit/errors.ts';
import { parseSize } from '../kit/size.ts';
import type { DiskDescription, StorageDescription } from '../machine/description.ts';
import type { MachineClient } from '../machine/process/machine-client.ts';
import { type DiskOption, diskOf, expectName } from './vm-options.ts';

export interface SnapshotOptions {
  /** False takes the disks as they are, as after a loss of power: without the guest's help. */
  readonly freeze?: boolean;
  /** How long the guest may take; 120,000 by default. */
  readonly deadlineMs?: number;
}

/** One disk of a snapshot. */
export interface Snapshot {
  /** Stays as it is. */
  readonly path: string;
  /** What the guest writes to from now on. */
  readonly child: string;
}

const FREEZE_MS = 120_000;

export interface VMDisksOptions {
  /** @throws OperatingError when the VM does not run. */
  readonly machine: () => MachineClient;
  /** Takes what there is now. */
  readonly changed: (disks: readonly StorageDescription[]) => void;
}

export class VMDisks {
  readonly #options: VMDisksOptions;

  constructor(options: VMDisksOptions) {
    this.#options = options;
  }

  /** The paths of the disks that the guest has, in the order of their places. */
  async paths(): Promise<string[]> {
    return (await this.#options.machine().call('disks')).filter(isDisk).map(({ path }) => absolute(path));
  }

  /** Gives the guest another disk. */
  async add(disk: DiskOption): Promise<void> {
    const description = diskOf(disk);
    await this.#options.machine().call('addDisk', { ...description, path: absolute(description.path) });
    await this.#keep();
  }

  /** Takes a disk away. What the guest has not written to it yet is lost: have it unmount the disk before. */
  async remove(path: string): Promise<void> {
    await this.#options.machine().call('removeDisk', await this.#addressOf(path));
    await this.#keep();
  }

  /** Makes a disk larger, which the guest sees; the size is that of the whole. */
  async grow(path: string, size: number | string): Promise<void> {
    const bytes = typeof size === 'number' ? size : parseSize('a disk', size);
    await this.#options.machine().call('resizeDisk', await this.#addressOf(path), bytes);
  }

  /**
   * Merges a differencing disk into its parent while the guest uses it; resolves with the path of the parent, which is
   * the guest's disk then, while the file of the child is gone. One that was stopped is begun again by the same call.
   */
  async merge(path: string): Promise<string> {
    const merged = await this.#options.machine().call('mergeDisk', await this.#addressOf(path));
    await this.#keep();
    return merged;
  }

  /**
   * Takes a snapshot of every disk that the guest writes to: each gets a child beside it, `disk.NAME.vhdx`, which is
   * the guest's disk from then on, while the disk itself stays as it was at that one moment. The guest's file
   * systems are frozen for it, which takes its `hv_vss_daemon`. `merge` of the child takes the snapshot back into
   * one disk.
   * @example const [{ path }] = await vm.disks.snapshot('monday');   // a copy of `path` is the backup
   * @throws OperatingError when a disk can have no child (a raw one), or the guest does not freeze in time.
   */
  async snapshot(name: string, { freeze = true, deadlineMs = FREEZE_MS }: SnapshotOptions = {}): Promise<Snapshot[]> {
    expectName(name, 'a snapshot');
    const machine = this.#options.machine();
    const disks = (await machine.call('disks')).filter(isDisk).filter(({ readOnly }) => !readOnly);
    const children = disks.map(({ path, address }) => {
      const { dir, name: stem, ext } = parse(absolute(path));
      return { address: address ?? { controller: 0, lun: 0 }, path: join(dir, `${stem}.${name}${ext}`) };
    });
    await machine.call('snapshot', children, freeze ? deadlineMs : undefined);
    await this.#keep();
    return disks.map(({ path }, index) => ({ path: absolute(path), child: children[index]?.path ?? '' }));
  }

  async #addressOf(path: string): Promise<NonNullable<DiskDescription['address']>> {
    const disks = (await this.#options.machine().call('disks')).filter(isDisk);
    const found = disks.find((disk) => absolute(disk.path) === absolute(path));
    if (found?.address !== undefined) return found.address;
    throw usage(`the guest has no disk ${path}: it has ${disks.map((disk) => disk.path).join(', ') || 'none'}`);
  }

  async #keep(): Promise<void> {
    this.#options.changed(await this.#options.machine().call('disks'));
  }
}

function isDisk(unit: StorageDescription): unit is DiskDescription {
  return unit.kind !== 'dvd';
}
