/** What every format does with ranges. */

import { assert } from '../kit/assert.ts';
import type { Disk, DiskGeometry } from './disk.ts';
import { isZero } from './zeros.ts';

/** Whoever calls has checked this: a range that is not one of whole sectors inside the disk is a mistake of ours. */
export function checkRange(geometry: DiskGeometry, position: number, lengthBytes: number): void {
  const { sizeBytes, logicalSectorBytes } = geometry;
  assert(position >= 0 && lengthBytes >= 0 && position + lengthBytes <= sizeBytes
    && position % logicalSectorBytes === 0 && lengthBytes % logicalSectorBytes === 0,
    'a range is not one of whole sectors inside the disk');
}

/** Reads from the disk below; where there is none, or it is smaller, there are zeros. */
export function readBelow(
  parent: Disk | undefined, target: Uint8Array, targetOffset: number, lengthBytes: number, position: number,
): void {
  const below = parent === undefined ? 0
    : Math.max(0, Math.min(lengthBytes, parent.geometry.sizeBytes - position));
  if (below > 0) parent?.readSync(target, targetOffset, below, position);
  if (below < lengthBytes) target.fill(0, targetOffset + below, targetOffset + lengthBytes);
}

/** Makes a range read as zeros by writing, and writes only where it does not: zeros that take no room stay so. */
export function writeZerosWhereNeeded(disk: Disk, position: number, lengthBytes: number, scratch: Uint8Array): void {
  for (let done = 0; done < lengthBytes; done += scratch.length) {
    const length = Math.min(scratch.length, lengthBytes - done);
    disk.readSync(scratch, 0, length, position + done);
    if (!isZero(scratch, 0, length)) disk.writeSync(scratch.fill(0, 0, length), 0, length, position + done);
  }
}
