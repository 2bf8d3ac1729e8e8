/**
 * Moves the last blocks of a VHDX into gaps in front of them, and cuts the file. A block is copied, the copy flushed,
 * and then the BAT changed through the log; its old place is free only after that.
 */

import { BitmapState } from '../../protocols/vhdx.ts';
import type { BlockFile } from '../block-file.ts';
import { pause, type Work } from '../work.ts';
import { moveTable } from './resize-vhdx.ts';
import type { Space } from './space.ts';
import { forEachUsed, type UsedRoom } from './space-scan.ts';
import type { VhdxDisk } from './vhdx-disk.ts';

/** So many bytes are copied between two flushes. */
const BATCH_BYTES = 0x400_0000;
const COPY_BYTES = 0x40_0000;

/** Moving the BAT may open a gap for blocks, and moving blocks one for the BAT. */
const PASSES = 2;

export async function compactVhdx(disk: VhdxDisk, work: Work): Promise<void> {
  const space = disk.space();
  disk.flushSync();
  for (let pass = 0; pass < PASSES; pass++) {
    await moveBlocks(disk, space, { ...work, progress: (part) => work.progress?.((pass + part) / PASSES) });
    const { fileOffset, lengthBytes } = disk.opened.regions.bat;
    const to = space.take(lengthBytes);
    if (to < fileOffset) moveTable(disk, space, { fileOffset: to, lengthBytes });
    else space.give(to, lengthBytes);
  }
  const { file } = disk.opened;
  const end = space.endOfUse();
  if (end >= file.sizeBytes) return;
  disk.journal.cut(end);
  space.cut(end);
}

async function moveBlocks(disk: VhdxDisk, space: Space, work: Work): Promise<void> {
  const used: UsedRoom[] = [];
  forEachUsed(disk.opened, (room) => used.push(room));
  used.sort((a, b) => b.offset - a.offset);
  let moved: UsedRoom[] = [];
  const settle = (): void => {
    disk.journal.noteWritten();
    disk.flushSync();
    disk.pages.forgetClean();
    for (const { offset, lengthBytes } of moved) space.give(offset, lengthBytes);
    moved = [];
  };
  let bytes = 0;
  for (const [index, room] of used.entries()) {
    const offset = space.take(room.lengthBytes);
    if (offset > room.offset) {
      space.give(offset, room.lengthBytes);
      continue;
    }
    move(disk, room, offset);
    moved.push(room);
    bytes += room.lengthBytes;
    if (bytes >= BATCH_BYTES) {
      settle();
      bytes = 0;
    }
    await pause(work, index / used.length);
  }
  settle();
}

function move(disk: VhdxDisk, { block, entry, offset: from, lengthBytes }: UsedRoom, to: number): void {
  copy(disk.opened.file, from, to, lengthBytes);
  if (block !== undefined) disk.table.lookUpBlock(block);
  disk.table.set(entry, block === undefined ? BitmapState.Present : disk.table.state, to);
}

function copy(file: BlockFile, from: number, to: number, lengthBytes: number): void {
  const buffer = new Uint8Array(Math.min(COPY_BYTES, lengthBytes));
  for (let done = 0; done < lengthBytes; done += buffer.length) {
    file.readSync(buffer, 0, buffer.length, from + done);
    file.writeSync(buffer, 0, buffer.length, to + done);
  }
}
