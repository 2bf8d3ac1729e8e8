/**
 * Merges a differencing disk into its parent. It can be stopped at any moment, by a kill or a loss of power, and begun
 * again: until the end the child stays whole and hides what has changed in the parent.
 *
 * Other children of that parent are invalid from the first write on, and must be seen to be: the parent gets a new
 * DataWriteGuid at once, which the child at hand alone was told before, as a second linkage. At the end the parent
 * takes the child's own DataWriteGuid, so that children of the child are now children of the parent. VHD has time
 * stamps only: the child's becomes 0, which stands for any, and 1 at the end, which no parent has.
 */

import { rmSync } from 'node:fs';
import { VHD_SECTOR_BYTES } from '../protocols/vhd.ts';
import { OperatingError } from '../kit/errors.ts';
import { pageAlignedBytes } from '../kit/page-aligned.ts';
import type { Disk, Extent } from './disk.ts';
import { randomGuid } from './guid.ts';
import { openDisk } from './open-disk.ts';
import { openAlone } from './reconnect.ts';
import { ANY_TIME, encodeDynamicHeader, MERGED_TIME } from './vhd/structures.ts';
import { VhdDisk } from './vhd/vhd-disk.ts';
import { setLocator } from './vhdx/locator-change.ts';
import { LocatorKey } from './vhdx/parent-locator.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';
import { pause, type Work } from './work.ts';

export interface Merge extends Work {
  /** Leaves the child's file, which is of no use any more. */
  readonly keepsChild?: boolean;
}

export type MergeableDisk = VhdxDisk | VhdDisk;

const CHUNK_BYTES = 0x40_0000;

/**
 * @returns the path of the parent.
 * @throws OperatingError when the disk has no parent, or not this one.
 */
export async function mergeDisk(path: string, merge: Merge = {}): Promise<string> {
  const parentPath = parentPathOf(path);
  const child = openAlone(path);
  try {
    const parent = openDisk(parentPath, { readOnly: false });
    try {
      await mergeInto(child, parent, merge);
    } finally {
      parent.closeSync();
    }
  } finally {
    child.closeSync();
  }
  if (merge.keepsChild !== true) rmSync(path);
  return parentPath;
}

/** The parent that the chain has now: opening it checks that it is the right one. */
function parentPathOf(path: string): string {
  const chain = openDisk(path, { readOnly: true, acceptsMergedParent: true });
  try {
    if (chain.parent === undefined) throw new OperatingError('bad-input', `${path} has no parent to merge into`);
    return chain.parent.name;
  } finally {
    chain.closeSync();
  }
}

export async function mergeInto(child: MergeableDisk, parent: Disk, work: Work): Promise<void> {
  if (isMerged(child, parent)) return;
  beginMerge(child, parent);
  const copy = new MergeCopy(child, parent, CHUNK_BYTES);
  let pausedAt = 0;
  while (copy.copyPiece()) {
    if (copy.position - pausedAt < CHUNK_BYTES) continue;
    pausedAt = copy.position;
    await pause(work, copy.position / child.geometry.sizeBytes);
  }
  await pause(work, 1);
  endMerge(child, parent);
}

/** Whether a merge got to its end, so that the child is of no use any more. */
export function isMerged(child: MergeableDisk, parent: Disk): boolean {
  if (child instanceof VhdDisk) return child.dynamic.parentTimeStamp === MERGED_TIME;
  return parent instanceof VhdxDisk && parent.dataWriteGuid === child.dataWriteGuid;
}

/** The parent may change from now on. */
export function beginMerge(child: MergeableDisk, parent: Disk): void {
  if (child instanceof VhdDisk) setParentTime(child, ANY_TIME);
  else if (parent instanceof VhdxDisk) announce(child, parent);
  if (child.geometry.sizeBytes > parent.geometry.sizeBytes) parent.resizeSync(child.geometry.sizeBytes);
}

/** The parent holds everything, and the child is refused from now on. */
export function endMerge(child: MergeableDisk, parent: Disk): void {
  parent.flushSync();
  if (child instanceof VhdDisk) setParentTime(child, MERGED_TIME);
  else if (parent instanceof VhdxDisk) parent.journal.setDataWriteGuid(child.dataWriteGuid);
}

/** Copies what a disk's own file holds into its parent, piece by piece. */
export class MergeCopy {
  /** Everything in front of it is copied. */
  position = 0;
  readonly #child: Disk;
  readonly #parent: Disk;
  readonly #buffer: Uint8Array;
  readonly #extent: Extent = { state: 'data', lengthBytes: 0 };

  constructor(child: Disk, parent: Disk, pieceBytes: number) {
    this.#child = child;
    this.#parent = parent;
    this.#buffer = pageAlignedBytes(pieceBytes);
  }

  /** False when there is no more. */
  copyPiece(): boolean {
    const { sizeBytes } = this.#child.geometry;
    if (this.position >= sizeBytes) return false;
    const { state, lengthBytes } = this.#extentHere();
    let length = lengthBytes;
    if (state === 'data') {
      length = Math.min(lengthBytes, this.#buffer.length);
      this.#child.readSync(this.#buffer, 0, length, this.position);
      this.#parent.writeSync(this.#buffer, 0, length, this.position);
    } else if (state === 'zero') {
      this.#parent.discardSync(this.position, lengthBytes);
    }
    this.position += length;
    return this.position < sizeBytes;
  }

  #extentHere(): Extent {
    this.#child.extentAt(this.position, this.#extent);
    return this.#extent;
  }
}

/** The child knows the parent's new identifier before the parent has it. */
function announce(child: VhdxDisk, parent: VhdxDisk): void {
  const locator = new Map(child.opened.metadata.values.parentLocator);
  const announced = locator.get(LocatorKey.Linkage2)?.slice(1, -1).toLowerCase();
  if (announced !== undefined && announced === parent.dataWriteGuid) {
    parent.journal.setDataWriteGuid(announced);
    return;
  }
  const dataWriteGuid = randomGuid();
  setLocator(child, locator.set(LocatorKey.Linkage2, `{${dataWriteGuid}}`));
  parent.journal.setDataWriteGuid(dataWriteGuid);
}

/** The time stamp and the checksum are in the header's first sector. */
function setParentTime(child: VhdDisk, parentTimeStamp: number): void {
  if (child.dynamic.parentTimeStamp === parentTimeStamp) return;
  child.dynamic = { ...child.dynamic, parentTimeStamp };
  child.file.writeSync(encodeDynamicHeader(child.dynamic), 0, VHD_SECTOR_BYTES, child.dynamicOffset);
  child.file.flushSync();
}
