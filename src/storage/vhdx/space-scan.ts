/** Goes through the BAT of a VHDX file and finds which room is in use. */

import { viewOf } from '../../kit/view.ts';
import { BAT_ENTRY_BYTES, BAT_STATE_MASK, BITMAP_BLOCK_BYTES, MIB, PayloadState } from '../../protocols/vhdx.ts';
import { damaged } from '../damaged.ts';
import { chunkRatioOf, entryCountOf, entryOffset } from './block-table.ts';
import type { OpenedVhdx } from './open-vhdx.ts';
import { Space } from './space.ts';

const CHUNK_BYTES = 0x10_0000;

/** One entry of the BAT that takes room. */
export interface UsedRoom {
  readonly entry: number;
  /** The payload block, or undefined for a block of sector bitmap. */
  readonly block: number | undefined;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** @throws OperatingError when two things claim the same place: writing to one would change the other. */
export function spaceOf(opened: OpenedVhdx, fileSizeBytes: number): Space {
  const space = new Space(fileSizeBytes);
  claimStructures(opened, space);
  forEachUsed(opened, ({ entry, offset, lengthBytes }) => {
    if (!space.claim(offset, lengthBytes)) {
      throw damaged(opened.file,
        `entry ${entry} of its BAT names a place at ${offset} that is in use or out of the file`);
    }
  });
  return space;
}

export function claimStructures({ headers, regions }: OpenedVhdx, space: Space): void {
  space.claim(0, MIB);
  space.claim(headers.current.logOffset, headers.current.logLength);
  for (const { fileOffset, lengthBytes } of regions.all) space.claim(fileOffset, lengthBytes);
}

/** Every entry that takes room, in the order of the BAT as it is in the file. */
export function forEachUsed({ file, regions, metadata }: OpenedVhdx, visit: (used: UsedRoom) => void): void {
  const { values } = metadata;
  const ratio = chunkRatioOf(values);
  const total = entryCountOf(values) * BAT_ENTRY_BYTES;
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, total));
  const view = viewOf(chunk);
  for (let done = 0; done < total; done += chunk.length) {
    const length = Math.min(chunk.length, total - done);
    file.readSync(chunk, 0, length, regions.bat.fileOffset + done);
    for (let at = 0; at < length; at += BAT_ENTRY_BYTES) {
      const low = view.getUint32(at, true);
      const state = low & BAT_STATE_MASK;
      if (state < PayloadState.FullyPresent) continue;
      const entry = (done + at) / BAT_ENTRY_BYTES;
      const isBitmap = entry % (ratio + 1) === ratio;
      visit({
        entry, block: isBitmap ? undefined : entry - Math.floor(entry / (ratio + 1)),
        offset: entryOffset(low, view.getUint32(at + 4, true)),
        lengthBytes: isBitmap ? BITMAP_BLOCK_BYTES : values.blockBytes,
      });
    }
  }
}
