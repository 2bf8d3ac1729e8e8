/**
 * Merges a differencing disk into its parent while somebody uses it: it stands in the disk's place until the merge is
 * at its end, and then the parent does. What is read comes from the child; what is written goes there, and to the
 * parent too where that was copied already. So the child stays whole to the last: a merge that was stopped, however
 * that was, is begun again.
 */

import { existsSync, rmSync } from 'node:fs';
import { assert } from '../kit/assert.ts';
import { OperatingError } from '../kit/errors.ts';
import type { Disk, DiskFormat, DiskGeometry, DiskKind, Extent } from './disk.ts';
import type { CacheMode } from './host-file.ts';
import { beginMerge, endMerge, isMerged, type MergeableDisk, MergeCopy } from './merge.ts';
import { openDisk } from './open-disk.ts';
import { VhdDisk } from './vhd/vhd-disk.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';

/** As long as somebody who uses the disk waits for, at most. */
const PIECE_BYTES = 0x10_0000;

export class OnlineMerge implements Disk {
  readonly format: DiskFormat;
  readonly name: string;
  readonly kind: DiskKind;
  readonly blockBytes: number;
  readonly isReadOnly = false;
  readonly #child: MergeableDisk;
  readonly #parent: Disk;
  readonly #copy: MergeCopy;
  #failure: OperatingError | undefined;

  /**
   * Nothing is copied yet.
   * @param child open for writing, over the same parent or none.
   * @param parent open for writing; whoever closes the merge closes it.
   */
  constructor(child: MergeableDisk, parent: Disk) {
    assert(!child.isReadOnly && !parent.isReadOnly, 'a merge writes to both disks');
    beginMerge(child, parent);
    if (child.parent !== parent) child.parent?.closeSync();
    child.parent = parent;
    this.#child = child;
    this.#parent = parent;
    this.#copy = new MergeCopy(child, parent, PIECE_BYTES);
    this.format = child.format;
    this.name = child.name;
    this.kind = child.kind;
    this.blockBytes = child.blockBytes;
  }

  get geometry(): DiskGeometry {
    return this.#child.geometry;
  }

  get parent(): Disk {
    return this.#parent;
  }

  get isCopied(): boolean {
    return this.#copy.position >= this.geometry.sizeBytes;
  }

  /** From 0 to 1. */
  get fraction(): number {
    return this.#copy.position / this.geometry.sizeBytes;
  }

  /**
   * Goes on for a piece. False: everything is copied.
   * @throws OperatingError when the parent cannot be written to: then there is nothing for it but `abandon`.
   */
  copyPiece(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#copy.copyPiece();
  }

  /** Everything must be copied. The child is closed and of no use any more; the parent is the disk. */
  finish(): Disk {
    assert(this.isCopied, 'a merge ends when everything is copied');
    if (this.#failure !== undefined) throw this.#failure;
    endMerge(this.#child, this.#parent);
    this.#child.parent = undefined;
    this.#child.closeSync();
    return this.#parent;
  }

  /** The child is the disk again; its parent stays open for writing. */
  abandon(): MergeableDisk {
    return this.#child;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    this.#child.readSync(target, targetOffset, lengthBytes, position);
  }

  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void {
    this.#child.writeSync(source, sourceOffset, lengthBytes, position);
    this.#mirror(lengthBytes, position, (length) => this.#parent.writeSync(source, sourceOffset, length, position));
  }

  /** The child alone has to be whole. */
  flushSync(): void {
    this.#child.flushSync();
  }

  settleSync(): void {
    this.#child.settleSync();
  }

  discardSync(position: number, lengthBytes: number): void {
    this.#child.discardSync(position, lengthBytes);
    this.#mirror(lengthBytes, position, (length) => this.#parent.discardSync(position, length));
  }

  extentAt(position: number, extent: Extent): void {
    this.#child.extentAt(position, extent);
  }

  resizeSync(sizeBytes: number): void {
    this.#child.resizeSync(sizeBytes);
    this.#parent.resizeSync(sizeBytes);
  }

  closeSync(): void {
    this.#child.closeSync();
  }

  describe(): Readonly<Record<string, string | number | boolean>> {
    return this.#child.describe();
  }

  /** Does to the parent what was done to the child, as far as that was copied. A failure is the merge's alone. */
  #mirror(lengthBytes: number, position: number, act: (lengthBytes: number) => void): void {
    const length = Math.min(lengthBytes, this.#copy.position - position);
    if (length <= 0 || this.#failure !== undefined) return;
    try {
      act(length);
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.#failure = error;
    }
  }
}

/**
 * Begins a merge of a disk that is open for writing.
 * @throws OperatingError when it has no parent, or that cannot be written to.
 */
export function mergeOnline(disk: Disk, cache: CacheMode | undefined): OnlineMerge {
  if (!(disk instanceof VhdxDisk || disk instanceof VhdDisk) || disk.parent === undefined) {
    throw new OperatingError('bad-input', `${disk.name} has no parent to merge into`);
  }
  if (disk.isReadOnly) throw new OperatingError('bad-input', `${disk.name} is read-only here: it is not merged`);
  // After a merge that was abandoned it is.
  if (!disk.parent.isReadOnly) return new OnlineMerge(disk, disk.parent);
  const parent = openDisk(disk.parent.name, { readOnly: false, cache });
  try {
    return new OnlineMerge(disk, parent);
  } catch (error) {
    parent.closeSync();
    throw error;
  }
}

/**
 * Opens a disk of which a merge was begun: its parent, when the merge had got to its end.
 * @param parentPath for a disk whose file is gone already.
 */
export function openMerging(path: string, parentPath: string | undefined, cache: CacheMode | undefined): Disk {
  if (parentPath !== undefined && !existsSync(path)) return openDisk(parentPath, { readOnly: false, cache });
  const disk = openDisk(path, { readOnly: false, cache, acceptsMergedParent: true });
  if (!(disk instanceof VhdxDisk || disk instanceof VhdDisk) || disk.parent === undefined) return disk;
  if (!isMerged(disk, disk.parent)) return disk;
  const merged = disk.parent.name;
  disk.closeSync();
  rmSync(path);
  return openDisk(merged, { readOnly: false, cache });
}
