/**
 * The disks and drives of a controller, for the thread that serves them: opens and closes images, and has the
 * controller show them as logical units.
 */

import { createHash } from 'node:crypto';
import { realpathSync, rmSync } from 'node:fs';
import { OperatingError } from '../kit/errors.ts';
import { createChild } from '../storage/create-disk.ts';
import type { Disk } from '../storage/disk.ts';
import type { CacheMode } from '../storage/host-file.ts';
import { mergeOnline, type OnlineMerge, openMerging } from '../storage/online-merge.ts';
import { openDisk } from '../storage/open-disk.ts';
import { openMedium } from '../storage/raw/open-medium.ts';
import { DvdDrive } from '../vsp/storage/dvd-drive.ts';
import { IDENTITY_SIZE, LogicalUnit } from '../vsp/storage/logical-unit.ts';
import type { Unit } from '../vsp/storage/unit.ts';
import { UnitState } from '../vsp/storage/unit-state.ts';
import type { DiskDescription, DvdDescription, StorageDescription } from './description.ts';
import type { StorageReport } from './storage-protocol.ts';

/** An NAA identifier, registered and extended, of the vendor that the disks say they are from [SPC-4 7.8.6.6.5]. */
const NAA_PREFIX = [0x60, 0x02, 0x24, 0x80];

export interface StorageUnitsOptions {
  readonly controller: number;
  readonly unitStates: SharedArrayBuffer;
  readonly descriptions: readonly (StorageDescription | undefined)[];
  /** The guest has taken out what was in a drive. */
  readonly onEject: (lun: number) => void;
  readonly onMerge: (report: MergeReport) => void;
}

/** A merge that is under way, with what was last said of it. */
interface RunningMerge {
  readonly merge: OnlineMerge;
  told: number;
  isCopied: boolean;
}

export type MergeReport = Extract<StorageReport, { kind: 'merging' | 'merge-copied' | 'merged' | 'merge-failed' }>;

export class StorageUnits {
  /** By logical unit number. */
  readonly units: (Unit | undefined)[] = [];
  readonly #options: StorageUnitsOptions;
  /** What is open, by logical unit number. */
  readonly #disks = new Map<number, Disk>();
  /** Of those that are no drives. */
  readonly #caches = new Map<number, CacheMode | undefined>();
  readonly #merges = new Map<number, RunningMerge>();

  /** @throws OperatingError when an image cannot be opened: then none is open. */
  constructor(options: StorageUnitsOptions) {
    this.#options = options;
    try {
      options.descriptions.forEach((description, lun) => {
        if (description !== undefined) this.units[lun] = this.#open(lun, description);
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Puts a disk or a drive where there is none. @throws OperatingError when its image cannot be opened. */
  add(lun: number, description: StorageDescription): Unit {
    new UnitState(this.#options.unitStates, lun).clear();
    const unit = this.#open(lun, description);
    this.units[lun] = unit;
    return unit;
  }

  remove(lun: number): void {
    this.units[lun]?.settle();
    this.units[lun] = undefined;
    this.#close(lun);
  }

  /** @throws OperatingError when the disk cannot have that size. */
  resize(lun: number, sizeBytes: number): void {
    const { unit, disk } = this.#diskAt(lun);
    if (disk.isReadOnly) throw new OperatingError('bad-input', `${disk.name} is read-only: it keeps its size`);
    if (sizeBytes < disk.geometry.sizeBytes) {
      throw new OperatingError('bad-input', `${disk.name} is in use and cannot become smaller: switch the guest off, `
        + 'then use partout vhd resize');
    }
    disk.resizeSync(sizeBytes);
    unit.resized();
  }

  /** Another medium in a drive, or none. @throws OperatingError when it cannot be opened: the old one stays. */
  changeMedium(lun: number, path: string | undefined): void {
    const drive = this.units[lun];
    if (!(drive instanceof DvdDrive)) throw new OperatingError('bad-input', `there is no DVD drive at ${lun}`);
    const medium = path === undefined ? undefined : openMedium(path);
    drive.change(medium);
    this.#close(lun);
    if (medium !== undefined) this.#disks.set(lun, medium);
  }

  /** A child takes the disk's place. @throws OperatingError when there can be none: the disk stays in its place. */
  branch(lun: number, path: string): void {
    const { unit, disk } = this.#diskAt(lun);
    if (disk.isReadOnly) throw new OperatingError('bad-input', `${disk.name} is read-only: it needs no child`);
    if (this.#merges.has(lun)) {
      throw new OperatingError('bad-input', `${disk.name} is being merged: wait until that is done`);
    }
    const cache = this.#caches.get(lun);
    const { name } = disk;
    let next = name;
    // What a child is made of is a parent that nobody writes to.
    this.#close(lun);
    try {
      createChild(path, name);
      next = path;
    } finally {
      const opened = openDisk(next, { readOnly: false, cache });
      this.#disks.set(lun, opened);
      unit.exchange(opened);
    }
  }

  /** Begins a merge, which `copyMerges` goes on with. @throws OperatingError when the disk cannot be merged. */
  merge(lun: number): void {
    const { unit, disk } = this.#diskAt(lun);
    if (this.#merges.has(lun)) throw new OperatingError('bad-input', `${disk.name} is being merged already`);
    const merge = mergeOnline(disk, this.#caches.get(lun));
    this.#disks.set(lun, merge);
    unit.exchange(merge);
    this.#merges.set(lun, { merge, told: 0, isCopied: false });
    this.#options.onMerge({ kind: 'merging', lun, parent: merge.parent.name, fraction: 0 });
  }

  /** Does a piece of each merge. False: there is nothing to do. */
  copyMerges(): boolean {
    let isBusy = false;
    for (const [lun, state] of this.#merges) {
      if (state.isCopied) continue;
      try {
        isBusy = this.#copyPiece(lun, state) || isBusy;
      } catch (error) {
        this.#abandonMerge(lun, error);
      }
    }
    return isBusy;
  }

  finishMerge(lun: number): void {
    const { merge } = this.#merges.get(lun) ?? {};
    if (merge === undefined) return;
    const { unit } = this.#diskAt(lun);
    const { sizeBytes } = merge.geometry;
    try {
      const disk = merge.finish();
      this.#merges.delete(lun);
      this.#disks.set(lun, disk);
      unit.exchange(disk);
      if (disk.geometry.sizeBytes !== sizeBytes) unit.resized();
      // It is refused by itself now, should it not go.
      rmSync(merge.name, { force: true });
      this.#options.onMerge({ kind: 'merged', lun, path: disk.name });
    } catch (error) {
      this.#abandonMerge(lun, error);
    }
  }

  flush(): void {
    for (const disk of this.#disks.values()) disk.flushSync();
  }

  close(): void {
    for (const lun of this.#disks.keys()) this.#close(lun);
  }

  /** One that was begun before does not keep the guest from its disk. */
  #tryMerge(lun: number): void {
    try {
      this.merge(lun);
    } catch (error) {
      this.#abandonMerge(lun, error);
    }
  }

  #copyPiece(lun: number, state: RunningMerge): boolean {
    const { merge } = state;
    const isMore = merge.copyPiece();
    const fraction = Math.floor(merge.fraction * 100) / 100;
    if (fraction > state.told) {
      this.#options.onMerge({ kind: 'merging', lun, parent: merge.parent.name, fraction });
      state.told = fraction;
    }
    state.isCopied = !isMore;
    if (!isMore) this.#options.onMerge({ kind: 'merge-copied', lun });
    return isMore;
  }

  /** @throws what is a mistake of ours. */
  #abandonMerge(lun: number, error: unknown): void {
    if (!(error instanceof OperatingError)) throw error;
    const { merge } = this.#merges.get(lun) ?? {};
    this.#merges.delete(lun);
    if (merge !== undefined) {
      const disk = merge.abandon();
      this.#disks.set(lun, disk);
      this.#diskAt(lun).unit.exchange(disk);
    }
    this.#options.onMerge({ kind: 'merge-failed', lun, failure: { code: error.code, message: error.message } });
  }

  #diskAt(lun: number): { unit: LogicalUnit; disk: Disk } {
    const disk = this.#disks.get(lun);
    const unit = this.units[lun];
    if (disk === undefined || !(unit instanceof LogicalUnit)) {
      throw new OperatingError('bad-input', `there is no disk at ${lun}`);
    }
    return { unit, disk };
  }

  #close(lun: number): void {
    const disk = this.#disks.get(lun);
    this.#disks.delete(lun);
    this.#merges.delete(lun);
    disk?.closeSync();
  }

  #open(lun: number, description: StorageDescription): Unit {
    return description.kind === 'dvd' ? this.#openDrive(lun, description) : this.#openDisk(lun, description);
  }

  #openDisk(lun: number, description: DiskDescription): Unit {
    const { path, readOnly, cache, limits, merge } = description;
    const parent = typeof merge === 'string' ? merge : undefined;
    const disk = merge === undefined ? openDisk(path, { readOnly, cache }) : openMerging(path, parent, cache);
    this.#disks.set(lun, disk);
    this.#caches.set(lun, cache);
    const unit = new LogicalUnit({
      disk, identity: identityOf(`${this.#place(lun)}:${description.identity ?? realpathSync(path)}`), limits,
      waitsForRoom: true, state: new UnitState(this.#options.unitStates, lun),
    });
    this.units[lun] = unit;
    if (merge === undefined) return unit;
    if (disk.name !== path) this.#options.onMerge({ kind: 'merged', lun, path: disk.name });
    else this.#tryMerge(lun);
    return unit;
  }

  #openDrive(lun: number, { path }: DvdDescription): Unit {
    const medium = path === undefined ? undefined : openMedium(path);
    if (medium !== undefined) this.#disks.set(lun, medium);
    return new DvdDrive({
      medium, identity: identityOf(`${this.#place(lun)}:dvd`), state: new UnitState(this.#options.unitStates, lun),
      onEject: () => {
        this.#close(lun);
        this.#options.onEject(lun);
      },
    });
  }

  #place(lun: number): string {
    const { controller } = this.#options;
    return controller === 0 ? `${lun}` : `${controller}:${lun}`;
  }
}

/** The same for the same file at the same place, run after run. */
function identityOf(text: string): Uint8Array {
  const digest = createHash('sha256').update(text).digest();
  const identity = new Uint8Array(IDENTITY_SIZE);
  identity.set(NAA_PREFIX);
  identity.set(digest.subarray(0, IDENTITY_SIZE - NAA_PREFIX.length), NAA_PREFIX.length);
  return identity;
}
