/**
 * BAT and sector bitmaps of a dynamic or differencing VHD. Changes are held back: a table that is written before the
 * data that it names would name garbage after a loss of power.
 *
 *     new blocks and data  →  flush  →  bitmaps of old blocks, BAT  →  flush
 *
 * Each entry and each bit lies within one sector, and a sector is written whole or not at all.
 */

import { viewOf } from '../../kit/view.ts';
import { BAT_UNUSED, VHD_SECTOR_BYTES } from '../../protocols/vhd.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { damaged } from '../damaged.ts';

/** 2 MiB of the usual bitmaps. */
const BITMAPS_KEPT_MAX = 4096;

interface Bitmap {
  readonly bytes: Uint8Array;
  isDirty: boolean;
}

export class VhdBlocks {
  readonly blockBytes: number;
  /** In front of the data of each block. */
  readonly bitmapBytes: number;
  /** Of the run that was looked up last. */
  isPresent = false;

  readonly #file: BlockFile;
  readonly #tableOffset: number;
  readonly #table: DataView;
  readonly #dirtySectors = new Set<number>();
  readonly #bitmaps = new Map<number, Bitmap>();
  readonly #dirtyBitmaps = new Set<number>();

  constructor(file: BlockFile, tableOffset: number, entryCount: number, blockBytes: number) {
    this.#file = file;
    this.blockBytes = blockBytes;
    this.bitmapBytes = bitmapBytesOf(blockBytes);
    this.#tableOffset = tableOffset;
    this.#table = viewOf(readBytes(file, tableOffset, tableBytesOf(entryCount)));
  }

  get hasChanges(): boolean {
    return this.#dirtySectors.size > 0 || this.#dirtyBitmaps.size > 0;
  }

  /** Where the block begins (with its bitmap), or undefined when it is not there. */
  offsetOf(block: number): number | undefined {
    const sector = this.#table.getUint32(block * 4);
    if (sector === BAT_UNUSED) return undefined;
    const offset = sector * VHD_SECTOR_BYTES;
    if (offset === 0 || offset + this.bitmapBytes + this.blockBytes > this.#file.sizeBytes) {
      throw damaged(this.#file, `block ${block} is said to be at ${offset} of ${this.#file.sizeBytes} bytes`);
    }
    return offset;
  }

  /** The entry as it is, checked by nobody. */
  rawOffsetOf(block: number): number | undefined {
    const sector = this.#table.getUint32(block * 4);
    return sector === BAT_UNUSED ? undefined : sector * VHD_SECTOR_BYTES;
  }

  setOffset(block: number, offset: number | undefined): void {
    this.#table.setUint32(block * 4, offset === undefined ? BAT_UNUSED : offset / VHD_SECTOR_BYTES);
    this.#dirtySectors.add(Math.floor(block * 4 / VHD_SECTOR_BYTES));
    if (offset === undefined) {
      this.#bitmaps.delete(block);
      this.#dirtyBitmaps.delete(block);
    }
  }

  /** How many sectors of the block from `from` on, `limit` at most, are as the first, whose bit it keeps. */
  runAt(block: number, offset: number, from: number, limit: number): number {
    const { bytes } = this.#bitmapOf(block, offset);
    const bit = ((bytes[from >> 3] as number) >> (7 - (from & 7))) & 1;
    this.isPresent = bit === 1;
    const whole = bit === 1 ? 0xff : 0;
    const end = from + limit;
    let at = from + 1;
    while (at < end) {
      const byte = bytes[at >> 3] as number;
      if ((at & 7) === 0 && byte === whole) at += 8;
      else if (((byte >> (7 - (at & 7))) & 1) === bit) at++;
      else break;
    }
    return Math.min(at, end) - from;
  }

  markPresent(block: number, offset: number, from: number, count: number): void {
    const bitmap = this.#bitmapOf(block, offset);
    if (this.runAt(block, offset, from, count) === count && this.isPresent) return;
    setBits(bitmap.bytes, from, count);
    bitmap.isDirty = true;
    this.#dirtyBitmaps.add(block);
  }

  /** The bitmap of a block that nothing names yet goes to its place at once. */
  writeNewBitmap(block: number, offset: number, from: number, count: number): void {
    const bytes = new Uint8Array(this.bitmapBytes);
    setBits(bytes, from, count);
    this.#file.writeSync(bytes, 0, bytes.length, offset);
    this.#keep(block, { bytes, isDirty: false });
  }

  /** Puts the held-back changes into the file; what they name must be on the medium. */
  writeChanges(): void {
    for (const block of this.#dirtyBitmaps) {
      const bitmap = this.#bitmaps.get(block);
      const offset = this.offsetOf(block);
      if (bitmap !== undefined && offset !== undefined) {
        this.#file.writeSync(bitmap.bytes, 0, bitmap.bytes.length, offset);
        bitmap.isDirty = false;
      }
      this.#dirtyBitmaps.delete(block);
    }
    const table = new Uint8Array(this.#table.buffer, this.#table.byteOffset);
    for (const sector of this.#dirtySectors) {
      const at = sector * VHD_SECTOR_BYTES;
      this.#file.writeSync(table, at, VHD_SECTOR_BYTES, this.#tableOffset + at);
      this.#dirtySectors.delete(sector);
    }
  }

  #bitmapOf(block: number, offset: number): Bitmap {
    const known = this.#bitmaps.get(block);
    if (known !== undefined) return known;
    const bitmap = { bytes: readBytes(this.#file, offset, this.bitmapBytes), isDirty: false };
    this.#keep(block, bitmap);
    return bitmap;
  }

  #keep(block: number, bitmap: Bitmap): void {
    this.#bitmaps.set(block, bitmap);
    if (this.#bitmaps.size <= BITMAPS_KEPT_MAX) return;
    let toDrop = BITMAPS_KEPT_MAX / 4;
    for (const [number, { isDirty }] of this.#bitmaps) {
      if (toDrop === 0) return;
      if (isDirty || number === block) continue;
      this.#bitmaps.delete(number);
      toDrop--;
    }
  }
}

/** Whole sectors, one bit for each sector of the block. */
export function bitmapBytesOf(blockBytes: number): number {
  return Math.ceil(blockBytes / VHD_SECTOR_BYTES / 8 / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
}

export function tableBytesOf(entryCount: number): number {
  return Math.ceil(entryCount * 4 / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
}

function setBits(bytes: Uint8Array, from: number, count: number): void {
  for (let at = from; at < from + count;) {
    if ((at & 7) === 0 && at + 8 <= from + count) {
      bytes[at >> 3] = 0xff;
      at += 8;
    } else {
      bytes[at >> 3] = (bytes[at >> 3] as number) | (0x80 >> (at & 7));
      at++;
    }
  }
}
