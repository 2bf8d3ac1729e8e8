/** Moves the last blocks of a dynamic VHD into gaps in front of them, and cuts the file behind what is left. */

import { VHD_SECTOR_BYTES } from '../../protocols/vhd.ts';
import { pause, type Work } from '../work.ts';
import { encodeFooter } from './structures.ts';
import type { VhdDisk } from './vhd-disk.ts';

export async function compactVhd(disk: VhdDisk, work: Work): Promise<void> {
  disk.beginChange();
  disk.flushSync();
  const { blocks, file } = disk;
  const space = disk.space();
  const used: { block: number; offset: number }[] = [];
  for (let block = 0; block < disk.dynamic.entryCount; block++) {
    const offset = blocks.offsetOf(block);
    if (offset !== undefined) used.push({ block, offset });
  }
  used.sort((a, b) => b.offset - a.offset);
  const buffer = new Uint8Array(blocks.bitmapBytes + blocks.blockBytes);
  for (const [index, { block, offset }] of used.entries()) {
    const to = space.takeLowest();
    if (to === undefined) break;
    if (to > offset) {
      space.give(to);
      break;
    }
    file.readSync(buffer, 0, buffer.length, offset);
    file.writeSync(buffer, 0, buffer.length, to);
    blocks.setOffset(block, to);
    disk.flushSync();
    space.give(offset);
    await pause(work, index / used.length);
  }
  const end = space.endOfBlocks(used.map(({ block }) => blocks.offsetOf(block) ?? 0));
  if (end + VHD_SECTOR_BYTES >= file.sizeBytes) return;
  file.writeSync(encodeFooter(disk.footer), 0, VHD_SECTOR_BYTES, end);
  file.flushSync();
  file.truncateSync(end + VHD_SECTOR_BYTES);
  file.flushSync();
}
