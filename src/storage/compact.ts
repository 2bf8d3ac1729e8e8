/**
 * Makes the file of a disk as small as what it holds: blocks of zeros go, the last ones move into gaps, the end is cut.
 */

import { statSync, utimesSync } from 'node:fs';
import { OperatingError } from '../kit/errors.ts';
import type { Disk, Extent } from './disk.ts';
import { openDisk } from './open-disk.ts';
import { compactVhd } from './vhd/compact-vhd.ts';
import { VhdDisk } from './vhd/vhd-disk.ts';
import { compactVhdx } from './vhdx/compact-vhdx.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';
import { pause, type Work } from './work.ts';
import { isZero } from './zeros.ts';

export interface Compaction {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** Looking for zeros takes most of the time. */
const ZEROS_SHARE = 0.7;

/** @throws OperatingError when the disk is of a kind whose room is fixed. */
export async function compactDisk(path: string, work: Work = {}): Promise<Compaction> {
  const before = statSync(path);
  const disk = openDisk(path, { readOnly: false });
  try {
    if (disk.kind === 'fixed' || !(disk instanceof VhdxDisk || disk instanceof VhdDisk)) {
      throw new OperatingError('bad-input',
        `${path} is a fixed disk, whose room is all in use: convert it to a dynamic one`);
    }
    await compact(disk, work);
  } finally {
    disk.closeSync();
  }
  // What the disk holds is the same, and children of a VHD know it by this time.
  if (disk instanceof VhdDisk) utimesSync(path, before.atime, before.mtime);
  return { bytesBefore: before.size, bytesAfter: statSync(path).size };
}

export async function compact(disk: VhdxDisk | VhdDisk, work: Work): Promise<void> {
  if (disk instanceof VhdxDisk) disk.journal.keepDataWriteGuid();
  // Below a parent a block of zeros hides something: where the format can say so, it is one that takes no room.
  if (disk instanceof VhdxDisk || disk.parent === undefined) {
    await discardZeros(disk, { ...work, progress: (fraction) => work.progress?.(fraction * ZEROS_SHARE) });
  }
  const moving = { ...work, progress: (part: number): void => work.progress?.(ZEROS_SHARE + part * (1 - ZEROS_SHARE)) };
  if (disk instanceof VhdxDisk) await compactVhdx(disk, moving);
  else await compactVhd(disk, moving);
}

async function discardZeros(disk: Disk, work: Work): Promise<void> {
  const { sizeBytes } = disk.geometry;
  const buffer = new Uint8Array(Math.min(disk.blockBytes, 0x40_0000));
  const extent: Extent = { state: 'data', lengthBytes: 0 };
  for (let position = 0; position < sizeBytes; position += disk.blockBytes) {
    const lengthBytes = Math.min(disk.blockBytes, sizeBytes - position);
    disk.extentAt(position, extent);
    if (extent.state !== 'data') continue;
    if (extent.lengthBytes >= lengthBytes && isZeroRange(disk, position, lengthBytes, buffer)) {
      disk.discardSync(position, lengthBytes);
    }
    await pause(work, position / sizeBytes);
  }
  disk.flushSync();
}

function isZeroRange(disk: Disk, position: number, lengthBytes: number, buffer: Uint8Array): boolean {
  for (let done = 0; done < lengthBytes; done += buffer.length) {
    const length = Math.min(buffer.length, lengthBytes - done);
    disk.readSync(buffer, 0, length, position + done);
    if (!isZero(buffer, 0, length)) return false;
  }
  return true;
}
