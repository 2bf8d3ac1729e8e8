/**
 * What the fuzz targets of the disk formats have in common: a damaged image is used in every way, or refused in a
 * sentence.
 */

import { OperatingError } from '../src/kit/errors.ts';
import type { BlockFile } from '../src/storage/block-file.ts';
import type { Disk, Extent } from '../src/storage/disk.ts';

const PIECE_BYTES = 0x2_0000;
/** A hostile size would make a whole walk long; what follows a part of it is the same code. */
const EXTENTS_MAX = 2000;

/** Opens for reading or writing, and uses what opens. */
export function tryDisk(file: BlockFile, open: (file: BlockFile) => Disk, next: (limit: number) => number): void {
  try {
    const disk = open(file);
    for (let turn = 0; turn < 6; turn++) useOnce(disk, next);
    disk.closeSync();
  } catch (error) {
    checkRefusal(error);
  }
}

/** Only a sentence is right. */
export function checkRefusal(error: unknown): void {
  if (!(error instanceof OperatingError)) throw error;
  const { message } = error;
  if (message.length < 15 || /NaN|Infinity|undefined|null|\[object/.test(message)) {
    throw new Error(`not a sentence: ${message}`, { cause: error });
  }
}

function useOnce(disk: Disk, next: (limit: number) => number): void {
  const { sizeBytes, logicalSectorBytes: unit } = disk.geometry;
  const length = Math.min(sizeBytes, unit * (1 + next(PIECE_BYTES / unit)));
  const far = Math.floor((sizeBytes - length) / unit);
  // Often at one of the ends, where tables begin and sizes go wrong.
  const position = [0, far, Math.min(far, next(0x4000)), Math.floor(far * next(1000) / 1000)][next(4)] as number * unit;
  const bytes = new Uint8Array(length);
  switch (disk.isReadOnly ? next(2) : next(7)) {
    case 0: return disk.readSync(bytes, 0, length, position);
    case 1: return walk(disk);
    case 2: case 3: return disk.writeSync(bytes.fill(next(256)), 0, length, position);
    case 4: return disk.discardSync(position, length);
    case 5: return disk.flushSync();
    default: return disk.settleSync();
  }
}

function walk(disk: Disk): void {
  const extent: Extent = { state: 'data', lengthBytes: 0 };
  let position = 0;
  for (let count = 0; count < EXTENTS_MAX && position < disk.geometry.sizeBytes; count++) {
    disk.extentAt(position, extent);
    if (!(extent.lengthBytes > 0)) throw new Error(`an extent of ${extent.lengthBytes} bytes at ${position}`);
    position += extent.lengthBytes;
  }
  if (position > disk.geometry.sizeBytes) throw new Error(`extents end at ${position}, behind the disk`);
}
