/**
 * The merges of a controller's disks, as the main thread sees them: how far each is, what its disk is called then, and
 * who waits for its end. They outlive a storage thread.
 */

import { realpathSync } from 'node:fs';
import { type ErrorCode, OperatingError } from '../kit/errors.ts';
import type { DiskDescription, StorageDescription } from './description.ts';
import type { MergeReport } from './storage-units.ts';

export interface DiskMergesOptions {
  /** By logical unit number; changed here as disks become others. */
  readonly units: (StorageDescription | undefined)[];
  /** Everything of a disk is copied. */
  readonly finish: (lun: number) => void;
  /** Takes a line for the person, of merges that nobody waits for. */
  readonly notice: (line: string) => void;
}

interface Waiter {
  resolve(path: string): void;
  reject(error: Error): void;
}

export class DiskMerges {
  readonly #options: DiskMergesOptions;
  readonly #fractions = new Map<number, number>();
  readonly #waiters = new Map<number, Waiter>();

  constructor(options: DiskMergesOptions) {
    this.#options = options;
  }

  /** From 0 to 1, of a disk that is being merged. */
  fraction(lun: number): number | undefined {
    return this.#fractions.get(lun);
  }

  /** Has a merge begun, and waits for its end; resolves with the path of what the disk is then. */
  async run(lun: number, begin: () => Promise<void>): Promise<string> {
    if (this.#fractions.has(lun) || this.#waiters.has(lun)) {
      throw new OperatingError('bad-input', 'the disk is being merged already');
    }
    const ended = new Promise<string>((resolve, reject) => { this.#waiters.set(lun, { resolve, reject }); });
    try {
      await begin();
    } catch (error) {
      // One that was begun goes on in the next thread.
      if (!this.#fractions.has(lun)) {
        this.#waiters.delete(lun);
        throw error;
      }
    }
    return ended;
  }

  /** The guest knows it by the path that it had. */
  becomeChild(lun: number, path: string): void {
    this.#change(lun, (disk) => ({ ...disk, path, identity: disk.identity ?? realpathSync(disk.path) }));
  }

  take(report: MergeReport): void {
    const { lun } = report;
    switch (report.kind) {
      case 'merging':
        this.#fractions.set(lun, report.fraction);
        this.#change(lun, (disk) => ({
          ...disk, merge: report.parent, identity: disk.identity ?? realpathSync(disk.path),
        }));
        return;
      case 'merge-copied':
        this.#options.finish(lun);
        return;
      case 'merged':
        this.#end(lun, `is merged into ${report.path}, which is the disk now`,
          (waiter) => waiter.resolve(report.path));
        this.#change(lun, (disk) => ({ ...disk, path: report.path, merge: undefined }));
        return;
      case 'merge-failed': {
        const { code, message } = report.failure;
        this.#end(lun, `is not merged: ${message}`,
          (waiter) => waiter.reject(new OperatingError(code as ErrorCode, message)));
        this.#change(lun, (disk) => ({ ...disk, merge: undefined }));
        return;
      }
      default:
        report satisfies never;
    }
  }

  /** The disk is taken away. */
  removed(lun: number): void {
    this.#drop(lun);
    this.#options.units[lun] = undefined;
  }

  /** The disks are closed. */
  stop(): void {
    for (const lun of this.#waiters.keys()) this.#drop(lun);
  }

  #drop(lun: number): void {
    const gone = new OperatingError('host', 'the disk was taken away before it was merged: begin again');
    this.#end(lun, undefined, (waiter) => waiter.reject(gone));
  }

  #end(lun: number, line: string | undefined, tell: (waiter: Waiter) => void): void {
    const waiter = this.#waiters.get(lun);
    this.#waiters.delete(lun);
    this.#fractions.delete(lun);
    if (waiter !== undefined) tell(waiter);
    else if (line !== undefined) this.#options.notice(`${this.#options.units[lun]?.path} ${line}`);
  }

  #change(lun: number, changed: (disk: DiskDescription) => DiskDescription): void {
    const { units } = this.#options;
    const disk = units[lun];
    if (disk !== undefined && disk.kind !== 'dvd') units[lun] = changed(disk);
  }
}
