/**
 * Merges a differencing disk into its parent. It can be stopped at any moment, by a kill or a loss of power, and begun
 * again: until the end the child stays whole and hides what has changed in the parent.
 *
 * Other children of that parent are invalid from the first write on, and must be seen to be: the parent gets a new
 * DataWriteGuid at once, which the child at hand alone was told before, as a second linkage. At the end the parent
 * takes the child's own DataWriteGuid, so that children of the child are now children of the parent. VHD has time
 * stamps only: the child's becomes 0, which stands for any.
 */

import { rmSync } from 'node:fs';
import { VHD_SECTOR_BYTES } from '../protocols/vhd.ts';
import { OperatingError } from '../kit/errors.ts';
import type { Disk, Extent } from './disk.ts';
import { randomGuid } from './guid.ts';
import { openDisk } from './open-disk.ts';
import { openAlone } from './reconnect.ts';
import { encodeDynamicHeader } from './vhd/structures.ts';
import { VhdDisk } from './vhd/vhd-disk.ts';
import { setLocator } from './vhdx/locator-change.ts';
import { LocatorKey } from './vhdx/parent-locator.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';
import { pause, type Work } from './work.ts';

export interface Merge extends Work {
  /** Leaves the child's file, which is of no use any more. */
  readonly keepsChild?: boolean;
}

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

export async function mergeInto(child: VhdxDisk | VhdDisk, parent: Disk, work: Work): Promise<void> {
  if (child instanceof VhdxDisk && parent instanceof VhdxDisk) {
    if (parent.dataWriteGuid === child.dataWriteGuid) return;
    announce(child, parent);
  } else if (child instanceof VhdDisk && child.dynamic.parentTimeStamp !== 0) {
    acceptAnyTime(child);
  }
  if (child.geometry.sizeBytes > parent.geometry.sizeBytes) parent.resizeSync(child.geometry.sizeBytes);
  await copyOwn(child, parent, work);
  parent.flushSync();
  if (child instanceof VhdxDisk && parent instanceof VhdxDisk) parent.journal.setDataWriteGuid(child.dataWriteGuid);
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
function acceptAnyTime(child: VhdDisk): void {
  child.dynamic = { ...child.dynamic, parentTimeStamp: 0 };
  child.file.writeSync(encodeDynamicHeader(child.dynamic), 0, VHD_SECTOR_BYTES, child.dynamicOffset);
  child.file.flushSync();
}

async function copyOwn(child: Disk, parent: Disk, work: Work): Promise<void> {
  const { sizeBytes } = child.geometry;
  const buffer = new Uint8Array(CHUNK_BYTES);
  const extent: Extent = { state: 'data', lengthBytes: 0 };
  let pausedAt = 0;
  for (let position = 0; position < sizeBytes;) {
    child.extentAt(position, extent);
    const length = Math.min(extent.lengthBytes, CHUNK_BYTES);
    if (extent.state === 'data') {
      child.readSync(buffer, 0, length, position);
      parent.writeSync(buffer, 0, length, position);
    } else if (extent.state === 'zero') {
      parent.discardSync(position, extent.lengthBytes);
    }
    position += extent.state === 'data' ? length : extent.lengthBytes;
    if (position - pausedAt < CHUNK_BYTES && position < sizeBytes) continue;
    pausedAt = position;
    await pause(work, position / sizeBytes);
  }
}
