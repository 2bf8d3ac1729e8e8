/** Growing and cutting a dynamic VHD. The header's change of the BAT lies within one sector, which is written whole. */

import { VHD_SECTOR_BYTES, VhdDynamicHeader } from '../../protocols/vhd.ts';
import { OperatingError } from '../../kit/errors.ts';
import { readBytes } from '../block-file.ts';
import { clearRange } from '../zeros.ts';
import { checkVhdSize } from './fixed-vhd-disk.ts';
import { encodeDynamicHeader, encodeFooter } from './structures.ts';
import { VhdBlocks, tableBytesOf } from './vhd-blocks.ts';
import type { VhdDisk } from './vhd-disk.ts';
import type { VhdSpace } from './vhd-space.ts';

const SCRATCH_BYTES = 0x1_0000;

export function resizeVhd(disk: VhdDisk, space: VhdSpace, sizeBytes: number): void {
  checkVhdSize(sizeBytes);
  const oldBytes = disk.geometry.sizeBytes;
  if (sizeBytes < oldBytes) return shrink(disk, space, sizeBytes);
  const entryCount = Math.ceil(sizeBytes / disk.blockBytes);
  clearTail(disk, oldBytes);
  if (entryCount > disk.dynamic.entryCount) growTable(disk, space, entryCount);
  writeSize(disk, sizeBytes);
}

function shrink(disk: VhdDisk, space: VhdSpace, sizeBytes: number): void {
  if (disk.kind === 'differencing') {
    throw new OperatingError('bad-input',
      `${disk.file.name} is a differencing disk, which cannot become smaller: merge it`);
  }
  writeSize(disk, sizeBytes);
  const given: number[] = [];
  for (let block = Math.ceil(sizeBytes / disk.blockBytes); block < disk.dynamic.entryCount; block++) {
    const offset = disk.blocks.offsetOf(block);
    if (offset === undefined) continue;
    given.push(offset);
    disk.blocks.setOffset(block, undefined);
  }
  disk.flushSync();
  for (const offset of given) space.give(offset);
}

/** What lies behind the old end in its last block becomes part of the disk. */
function clearTail(disk: VhdDisk, oldBytes: number): void {
  const within = oldBytes % disk.blockBytes;
  const offset = within === 0 ? undefined : disk.blocks.offsetOf(Math.floor(oldBytes / disk.blockBytes));
  if (offset === undefined) return;
  const data = offset + disk.blocks.bitmapBytes;
  clearRange(disk.file, data + within, disk.blockBytes - within, new Uint8Array(SCRATCH_BYTES));
}

function growTable(disk: VhdDisk, space: VhdSpace, entryCount: number): void {
  const { file, dynamic } = disk;
  let { tableOffset } = dynamic;
  const lengthBytes = tableBytesOf(entryCount);
  const table = new Uint8Array(lengthBytes).fill(0xff);
  table.set(readBytes(file, tableOffset, dynamic.entryCount * 4));
  if (lengthBytes > tableBytesOf(dynamic.entryCount)) {
    tableOffset = space.takeAtEnd(lengthBytes);
    disk.writeEndFooter(space.endOfUse());
  }
  file.writeSync(table, 0, lengthBytes, tableOffset);
  file.flushSync();
  disk.dynamic = { ...dynamic, tableOffset, entryCount };
  file.writeSync(encodeDynamicHeader(disk.dynamic), 0, VhdDynamicHeader.$size, disk.dynamicOffset);
  file.flushSync();
  disk.blocks = new VhdBlocks(file, tableOffset, entryCount, disk.blockBytes);
}

function writeSize(disk: VhdDisk, sizeBytes: number): void {
  const { file } = disk;
  disk.footer = { ...disk.footer, sizeBytes };
  file.writeSync(encodeFooter(disk.footer), 0, VHD_SECTOR_BYTES, 0);
  file.flushSync();
  disk.writeEndFooter(0);
  file.flushSync();
}
