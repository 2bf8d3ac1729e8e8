/** Copies a disk, with all that is below it, into a new one of any format that can be written. */

import { OperatingError } from '../kit/errors.ts';
import { createEmpty, type NewDisk } from './create-disk.ts';
import type { Disk, DiskFormat } from './disk.ts';
import { chainExtentAt, type MappedExtent } from './map.ts';
import { NewImage } from './new-image.ts';
import { openDisk } from './open-disk.ts';
import { pause, type Work } from './work.ts';
import { isZero } from './zeros.ts';

export interface Conversion extends Omit<NewDisk, 'sizeBytes'> {
  readonly sourceFormat?: DiskFormat | undefined;
}

const CHUNK_BYTES = 0x40_0000;
/** Zeros of this length and more are not written. */
const SPARSE_BYTES = 0x1_0000;

/** @throws OperatingError when the source cannot be read whole, or the target is there. */
export async function convertDisk(
  sourcePath: string, targetPath: string, { sourceFormat, ...wanted }: Conversion, work: Work = {},
): Promise<void> {
  const source = openDisk(sourcePath, { readOnly: true, format: sourceFormat });
  try {
    await copyDisk(source, targetPath, wanted, work);
  } finally {
    source.closeSync();
  }
}

/** The same for a disk that is open, and stays so. */
export async function copyDisk(
  source: Disk, targetPath: string, wanted: Omit<NewDisk, 'sizeBytes'>, work: Work = {},
): Promise<void> {
  using image = new NewImage(targetPath);
  const { sizeBytes, logicalSectorBytes: ownSectorBytes } = source.geometry;
  const logicalSectorBytes = wanted.logicalSectorBytes ?? (wanted.format === 'vhdx' ? ownSectorBytes : 512);
  if (sizeBytes % logicalSectorBytes !== 0) {
    throw new OperatingError('bad-input', `${source.name} has ${sizeBytes} bytes, which are not whole sectors of `
      + `${logicalSectorBytes} bytes: resize it first, or choose sectors of 512`);
  }
  createEmpty(image.temporaryPath, { ...wanted, sizeBytes, logicalSectorBytes });
  const target = openDisk(image.temporaryPath, { readOnly: false, format: wanted.format });
  try {
    await copyInto(source, target, work);
    target.flushSync();
  } finally {
    target.closeSync();
  }
  image.commit();
}

/** The target reads as zeros: what is zero is not copied. */
async function copyInto(source: Disk, target: Disk, work: Work): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const extent: MappedExtent = { positionBytes: 0, lengthBytes: 0, state: 'zero', depth: 0 };
  const { sizeBytes } = source.geometry;
  let pausedAt = 0;
  for (let position = 0; position < sizeBytes;) {
    chainExtentAt(source, position, extent);
    const length = extent.state === 'zero' ? extent.lengthBytes : Math.min(extent.lengthBytes, CHUNK_BYTES);
    if (extent.state === 'data') {
      source.readSync(buffer, 0, length, position);
      writeSparsely(target, buffer, length, position);
    }
    position += length;
    if (position - pausedAt < CHUNK_BYTES && position < sizeBytes) continue;
    pausedAt = position;
    await pause(work, position / sizeBytes);
  }
}

function writeSparsely(target: Disk, buffer: Uint8Array, lengthBytes: number, position: number): void {
  let from = 0;
  for (let at = 0; at < lengthBytes; at += SPARSE_BYTES) {
    const length = Math.min(SPARSE_BYTES, lengthBytes - at);
    if (!isZero(buffer, at, length)) continue;
    if (at > from) target.writeSync(buffer, from, at - from, position + from);
    from = at + length;
  }
  if (lengthBytes > from) target.writeSync(buffer, from, lengthBytes - from, position + from);
}
