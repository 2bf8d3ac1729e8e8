/** Which room of a dynamic VHD is free: gaps that are as large as a block, and behind everything. */

import { viewOf } from '../../kit/view.ts';
import { VHD_SECTOR_BYTES, VhdDynamicHeader, VhdParentLocator, PARENT_LOCATOR_COUNT } from '../../protocols/vhd.ts';
import type { BlockFile } from '../block-file.ts';
import { damaged } from '../damaged.ts';
import type { DynamicValues } from './structures.ts';
import { tableBytesOf, type VhdBlocks } from './vhd-blocks.ts';

/** More gaps than that in a file are forgotten: they are found again when it is opened next. */
const GAPS_MAX = 0x10_0000;

interface Room {
  readonly offset: number;
  readonly lengthBytes: number;
}

export class VhdSpace {
  readonly #unitBytes: number;
  readonly #free: number[] = [];
  /** Where the last thing that is not a block ends. */
  readonly #structuresEnd: number;
  #end: number;

  /** @throws OperatingError when two things claim the same place. */
  constructor(file: BlockFile, blocks: VhdBlocks, dynamic: DynamicValues, dynamicOffset: number) {
    this.#unitBytes = blocks.bitmapBytes + blocks.blockBytes;
    const used = structuresOf(dynamic, dynamicOffset);
    this.#structuresEnd = Math.max(...used.map(({ offset, lengthBytes }) => offset + lengthBytes));
    for (let block = 0; block < dynamic.entryCount; block++) {
      const offset = blocks.offsetOf(block);
      if (offset !== undefined) used.push({ offset, lengthBytes: this.#unitBytes });
    }
    used.sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const { offset, lengthBytes } of used) {
      if (offset < end) throw damaged(file, `two things claim the place at ${offset}`);
      for (; end + this.#unitBytes <= offset && this.#free.length < GAPS_MAX; end += this.#unitBytes) {
        this.#free.push(end);
      }
      end = offset + lengthBytes;
    }
    this.#end = Math.ceil(end / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
    this.#free.reverse();
  }

  /** The place of a new block, as far in front as there is one. */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const offset = this.#end;
    this.#end += this.#unitBytes;
    return offset;
  }

  /** The gap that is farthest in front, if there is one. */
  takeLowest(): number | undefined {
    this.#free.sort((a, b) => b - a);
    return this.#free.pop();
  }

  /** Where the last of these blocks ends, or what is before them. */
  endOfBlocks(offsets: readonly number[]): number {
    let end = this.#structuresEnd;
    for (const offset of offsets) end = Math.max(end, offset + this.#unitBytes);
    return Math.ceil(end / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
  }

  give(offset: number): void {
    if (offset + this.#unitBytes === this.#end) this.#end = offset;
    else this.#free.push(offset);
  }

  /** Room behind everything, for something that is not a block. */
  takeAtEnd(lengthBytes: number): number {
    const offset = this.#end;
    this.#end += lengthBytes;
    return offset;
  }

  endOfUse(): number {
    return this.#end;
  }
}

function structuresOf(dynamic: DynamicValues, dynamicOffset: number): Room[] {
  const rooms = [
    { offset: 0, lengthBytes: VHD_SECTOR_BYTES },
    { offset: dynamicOffset, lengthBytes: VhdDynamicHeader.$size },
    { offset: dynamic.tableOffset, lengthBytes: tableBytesOf(dynamic.entryCount) },
  ];
  const view = viewOf(dynamic.locators);
  for (let index = 0; index < PARENT_LOCATOR_COUNT; index++) {
    const locator = VhdParentLocator.decode(view, index * VhdParentLocator.$size);
    if (locator.platformCode === 0 || locator.dataLength === 0) continue;
    rooms.push({ offset: locator.dataOffset, lengthBytes: locator.dataLength });
  }
  return rooms;
}
