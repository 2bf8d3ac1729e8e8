/**
 * The disks and drives of a controller, for the thread that serves them: opens and closes images, and has the
 * controller show them as logical units.
 */

import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { OperatingError } from '../kit/errors.ts';
import type { Disk } from '../storage/disk.ts';
import { openDisk } from '../storage/open-disk.ts';
import { openMedium } from '../storage/raw/open-medium.ts';
import { DvdDrive } from '../vsp/storage/dvd-drive.ts';
import { IDENTITY_SIZE, LogicalUnit } from '../vsp/storage/logical-unit.ts';
import type { Unit } from '../vsp/storage/unit.ts';
import { UnitState } from '../vsp/storage/unit-state.ts';
import type { DiskDescription, DvdDescription, StorageDescription } from './description.ts';

/** An NAA identifier, registered and extended, of the vendor that the disks say they are from [SPC-4 7.8.6.6.5]. */
const NAA_PREFIX = [0x60, 0x02, 0x24, 0x80];

export interface StorageUnitsOptions {
  readonly controller: number;
  readonly unitStates: SharedArrayBuffer;
  readonly descriptions: readonly (StorageDescription | undefined)[];
  /** The guest has taken out what was in a drive. */
  readonly onEject: (lun: number) => void;
}

export class StorageUnits {
  /** By logical unit number. */
  readonly units: (Unit | undefined)[] = [];
  readonly #options: StorageUnitsOptions;
  /** What is open, by logical unit number. */
  readonly #disks = new Map<number, Disk>();

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
    const disk = this.#disks.get(lun);
    const unit = this.units[lun];
    if (disk === undefined || !(unit instanceof LogicalUnit)) {
      throw new OperatingError('bad-input', `there is no disk at ${lun} that has a size`);
    }
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

  flush(): void {
    for (const disk of this.#disks.values()) disk.flushSync();
  }

  close(): void {
    for (const lun of this.#disks.keys()) this.#close(lun);
  }

  #close(lun: number): void {
    const disk = this.#disks.get(lun);
    this.#disks.delete(lun);
    disk?.closeSync();
  }

  #open(lun: number, description: StorageDescription): Unit {
    return description.kind === 'dvd' ? this.#openDrive(lun, description) : this.#openDisk(lun, description);
  }

  #openDisk(lun: number, { path, readOnly, cache, limits }: DiskDescription): Unit {
    const disk = openDisk(path, { readOnly, cache });
    this.#disks.set(lun, disk);
    return new LogicalUnit({
      disk, identity: identityOf(`${this.#place(lun)}:${realpathSync(path)}`), limits, waitsForRoom: true,
      state: new UnitState(this.#options.unitStates, lun),
    });
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
