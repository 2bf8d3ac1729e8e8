/**
 * The BAT of a VHDX file: for each payload block its state and place, and after each chunk of them an entry for the
 * block of sector bitmap that stands for the chunk [MS-VHDX 2.5].
 *
 *     | payload 0 … payload r-1 | bitmap 0 | payload r … payload 2r-1 | bitmap 1 | …       r = chunk ratio
 */

import {
  BAT_ENTRY_BYTES, BAT_STATE_MASK, BITMAP_BLOCK_BYTES, BitmapState, MIB, PayloadState, SECTORS_PER_BITMAP_BLOCK,
} from '../../protocols/vhdx.ts';
import type { BlockFile } from '../block-file.ts';
import { damaged } from '../damaged.ts';
import { type MetadataPages, PAGE_BYTES, PageOrder } from './metadata-pages.ts';

export interface TableShape {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly logicalSectorBytes: number;
  readonly hasParent: boolean;
}

export function chunkRatioOf({ blockBytes, logicalSectorBytes }: TableShape): number {
  return SECTORS_PER_BITMAP_BLOCK * logicalSectorBytes / blockBytes;
}

export function blockCountOf({ sizeBytes, blockBytes }: TableShape): number {
  return Math.ceil(sizeBytes / blockBytes);
}

/** How many entries a BAT of this shape has. */
export function entryCountOf(shape: TableShape): number {
  const ratio = chunkRatioOf(shape);
  const blocks = blockCountOf(shape);
  return shape.hasParent ? Math.ceil(blocks / ratio) * (ratio + 1) : blocks + Math.floor((blocks - 1) / ratio);
}

export class BlockTable {
  /** Of the entry that was looked up last. */
  state = 0;
  offset = 0;
  /** Of the disk; changes when it is resized. */
  sizeBytes: number;

  readonly chunkRatio: number;
  readonly #file: BlockFile;
  readonly #pages: MetadataPages;
  readonly #batOffset: number;
  readonly #blockBytes: number;

  constructor(file: BlockFile, pages: MetadataPages, batOffset: number, shape: TableShape) {
    this.#file = file;
    this.#pages = pages;
    this.#batOffset = batOffset;
    this.#blockBytes = shape.blockBytes;
    this.sizeBytes = shape.sizeBytes;
    this.chunkRatio = chunkRatioOf(shape);
  }

  /**
   * Hot path: two map look-ups at most, nothing allocated.
   * @throws OperatingError when the entry points out of the file.
   */
  lookUpBlock(block: number): void {
    this.#lookUp(this.entryOfBlock(block));
    const { state } = this;
    if (state === PayloadState.FullyPresent || state === PayloadState.PartiallyPresent) {
      // Some writers cut the file where the disk ends, and not where its last block does.
      const lengthBytes = Math.min(this.#blockBytes, this.sizeBytes - block * this.#blockBytes);
      if (!this.#isInside(lengthBytes)) throw this.#misplaced(`block ${block}`);
    } else if (state > PayloadState.Unmapped) {
      throw damaged(this.#file, `block ${block} is in the unknown state ${state}`);
    }
  }

  /** @throws OperatingError when the entry points out of the file. */
  lookUpBitmap(chunk: number): void {
    this.#lookUp(this.entryOfBitmap(chunk));
    if (this.state === BitmapState.Present && !this.#isInside(BITMAP_BLOCK_BYTES)) {
      throw this.#misplaced(`sector bitmap ${chunk}`);
    }
  }

  /** @param offset in the file, whole MiB. */
  set(entry: number, state: number, offset: number): void {
    const position = this.#batOffset + entry * BAT_ENTRY_BYTES;
    const page = this.#pages.at(position, PageOrder.Table);
    this.#pages.willChange(page);
    page.view.setUint32(position % PAGE_BYTES, ((offset % 2 ** 32) | state) >>> 0, true);
    page.view.setUint32(position % PAGE_BYTES + 4, Math.floor(offset / 2 ** 32), true);
  }

  entryOfBlock(block: number): number {
    return block + Math.floor(block / this.chunkRatio);
  }

  entryOfBitmap(chunk: number): number {
    return (chunk + 1) * this.chunkRatio + chunk;
  }

  #lookUp(entry: number): void {
    const position = this.#batOffset + entry * BAT_ENTRY_BYTES;
    const { view } = this.#pages.at(position, PageOrder.Table);
    const low = view.getUint32(position % PAGE_BYTES, true);
    this.state = low & BAT_STATE_MASK;
    this.offset = entryOffset(low, view.getUint32(position % PAGE_BYTES + 4, true));
  }

  #isInside(lengthBytes: number): boolean {
    return this.offset >= MIB && this.offset + lengthBytes <= this.#file.sizeBytes;
  }

  #misplaced(what: string): Error {
    return damaged(this.#file, `${what} is said to be at ${this.offset} of ${this.#file.sizeBytes} bytes`);
  }
}

/** The high 44 bits count MiB. */
export function entryOffset(low: number, high: number): number {
  return ((low & 0xfff0_0000) >>> 0) + high * 2 ** 32;
}
