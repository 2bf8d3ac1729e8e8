/**
 * A dynamic or differencing VHD as a disk. The footer moves behind each new block; a loss of power while it moves
 * leaves the copy at the start, and the next writer puts it back.
 */

import { VHD_SECTOR_BYTES } from '../../protocols/vhd.ts';
import { assert } from '../../kit/assert.ts';
import type { BlockFile } from '../block-file.ts';
import type { Disk, DiskGeometry, DiskKind, Extent } from '../disk.ts';
import { checkRange, readBelow, writeZerosWhereNeeded } from '../disk-range.ts';
import { clearRange, writeZeros } from '../zeros.ts';
import { geometryOf } from './fixed-vhd-disk.ts';
import type { OpenedVhd } from './open-vhd.ts';
import { resizeVhd } from './resize-vhd.ts';
import { encodeFooter, type DynamicValues, type FooterValues } from './structures.ts';
import { VhdBlocks } from './vhd-blocks.ts';
import { VhdSpace } from './vhd-space.ts';

const SCRATCH_BYTES = 0x1_0000;

export class VhdDisk implements Disk {
  readonly format = 'vhd';
  readonly name: string;
  readonly kind: DiskKind;
  /** Another one, of the same content, when it becomes the target of a merge. */
  parent: Disk | undefined;
  readonly blockBytes: number;
  readonly isReadOnly: boolean;
  /** For the operations of this folder that change the file's structure. */
  readonly file: BlockFile;
  readonly dynamicOffset: number;
  footer: FooterValues;
  dynamic: DynamicValues;
  blocks: VhdBlocks;

  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #geometry: DiskGeometry;
  #space: VhdSpace | undefined;
  #givenBack: number[] = [];
  #isUnflushed = false;
  #hasEndFooter: boolean;

  constructor(opened: OpenedVhd & { readonly dynamic: DynamicValues }, parent: Disk | undefined) {
    this.file = opened.file;
    this.name = opened.file.name;
    this.footer = opened.footer;
    this.dynamic = opened.dynamic;
    this.dynamicOffset = opened.dynamicOffset;
    this.isReadOnly = opened.file.isReadOnly;
    this.parent = parent;
    this.kind = parent === undefined ? 'dynamic' : 'differencing';
    this.blockBytes = opened.dynamic.blockBytes;
    this.blocks = new VhdBlocks(this.file, this.dynamic.tableOffset, this.dynamic.entryCount, this.blockBytes);
    this.#geometry = geometryOf(this.footer.sizeBytes);
    this.#hasEndFooter = opened.hasEndFooter;
  }

  get geometry(): DiskGeometry {
    return this.#geometry;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    for (let done = 0; done < lengthBytes;) {
      const block = Math.floor((position + done) / this.blockBytes);
      const within = position + done - block * this.blockBytes;
      const run = Math.min(lengthBytes - done, this.blockBytes - within);
      const offset = this.blocks.offsetOf(block);
      if (offset === undefined) readBelow(this.parent, target, targetOffset + done, run, position + done);
      else this.#readBlock(target, targetOffset + done, run, block, offset, within);
      done += run;
    }
  }

  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    this.beginChange();
    for (let done = 0; done < lengthBytes;) {
      const block = Math.floor((position + done) / this.blockBytes);
      const within = position + done - block * this.blockBytes;
      const run = Math.min(lengthBytes - done, this.blockBytes - within);
      const offset = this.blocks.offsetOf(block);
      if (offset === undefined) this.#writeNewBlock(source, sourceOffset + done, run, block, within);
      else {
        this.file.writeSync(source, sourceOffset + done, run, offset + this.blocks.bitmapBytes + within);
        this.#markPresent(block, offset, within, run);
      }
      done += run;
    }
  }

  flushSync(): void {
    this.#flushBlocks();
    if (this.#isUnflushed) this.file.flushSync();
    this.#isUnflushed = false;
    for (const offset of this.#givenBack) this.#space?.give(offset);
    this.#givenBack = [];
  }

  /** There is no log: the tables can only follow what they name when that is on the medium. */
  settleSync(): void {
    this.#flushBlocks();
  }

  discardSync(position: number, lengthBytes: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    this.beginChange();
    for (let done = 0; done < lengthBytes;) {
      const block = Math.floor((position + done) / this.blockBytes);
      const within = position + done - block * this.blockBytes;
      const run = Math.min(lengthBytes - done, this.blockBytes - within);
      const isWhole = within === 0 && (run === this.blockBytes || position + done + run === this.#geometry.sizeBytes);
      this.#discardInBlock(block, within, run, isWhole);
      done += run;
    }
  }

  extentAt(position: number, extent: Extent): void {
    const block = Math.floor(position / this.blockBytes);
    const within = position - block * this.blockBytes;
    const offset = this.blocks.offsetOf(block);
    let lengthBytes = this.blockBytes - within;
    extent.state = 'absent';
    if (offset !== undefined) {
      const sectors = lengthBytes / VHD_SECTOR_BYTES;
      lengthBytes = this.blocks.runAt(block, offset, within / VHD_SECTOR_BYTES, sectors) * VHD_SECTOR_BYTES;
      if (this.blocks.isPresent) extent.state = 'data';
    }
    extent.lengthBytes = Math.min(lengthBytes, this.#geometry.sizeBytes - position);
  }

  resizeSync(sizeBytes: number): void {
    this.beginChange();
    this.flushSync();
    resizeVhd(this, this.space(), sizeBytes);
    this.#geometry = geometryOf(sizeBytes);
  }

  closeSync(): void {
    try {
      if (!this.isReadOnly) this.flushSync();
    } finally {
      this.file.closeSync();
      this.parent?.closeSync();
    }
  }

  describe(): Readonly<Record<string, string | number | boolean>> {
    return { diskId: this.footer.uniqueId };
  }

  /** Which room of the file is in use. */
  space(): VhdSpace {
    this.#space ??= new VhdSpace(this.file, this.blocks, this.dynamic, this.dynamicOffset);
    return this.#space;
  }

  /** To be called before anything in the file changes. */
  beginChange(): void {
    assert(!this.isReadOnly, 'a read-only disk is written to');
    this.#isUnflushed = true;
    if (this.#hasEndFooter) return;
    this.writeEndFooter(this.space().endOfUse());
    this.#hasEndFooter = true;
  }

  /** Puts the footer at the end of the file, which is at `end` at least. */
  writeEndFooter(end: number): void {
    const rounded = Math.ceil(this.file.sizeBytes / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
    const position = Math.max(end, this.#hasEndFooter ? rounded - VHD_SECTOR_BYTES : rounded);
    this.file.writeSync(encodeFooter(this.footer), 0, VHD_SECTOR_BYTES, position);
  }

  #flushBlocks(): void {
    if (!this.blocks.hasChanges) return;
    this.file.flushSync();
    this.#isUnflushed = true;
    this.blocks.writeChanges();
  }

  #readBlock(
    target: Uint8Array, targetOffset: number, lengthBytes: number, block: number, offset: number, within: number,
  ): void {
    for (let done = 0; done < lengthBytes;) {
      const from = (within + done) / VHD_SECTOR_BYTES;
      const sectors = this.blocks.runAt(block, offset, from, (lengthBytes - done) / VHD_SECTOR_BYTES);
      const run = sectors * VHD_SECTOR_BYTES;
      const data = offset + this.blocks.bitmapBytes + within + done;
      if (this.blocks.isPresent) this.file.readSync(target, targetOffset + done, run, data);
      else readBelow(this.parent, target, targetOffset + done, run, block * this.blockBytes + within + done);
      done += run;
    }
  }

  #writeNewBlock(source: Uint8Array, sourceOffset: number, run: number, block: number, within: number): void {
    const { file, blocks } = this;
    const space = this.space();
    const offset = space.take();
    const data = offset + blocks.bitmapBytes;
    const end = data + this.blockBytes;
    try {
      // The old footer lies where the bitmap goes; what is farther in the file may be left from anything.
      const isFresh = offset + VHD_SECTOR_BYTES >= file.sizeBytes;
      if (end + VHD_SECTOR_BYTES > file.sizeBytes) this.writeEndFooter(end);
      file.writeSync(source, sourceOffset, run, data + within);
      if (!isFresh) {
        writeZeros(file, data, within);
        writeZeros(file, data + within + run, this.blockBytes - within - run);
      }
      // Without a parent, what is not written is zeros of the disk's own.
      if (this.parent === undefined) blocks.writeNewBitmap(block, offset, 0, this.blockBytes / VHD_SECTOR_BYTES);
      else blocks.writeNewBitmap(block, offset, within / VHD_SECTOR_BYTES, run / VHD_SECTOR_BYTES);
    } catch (error) {
      space.give(offset);
      throw error;
    }
    blocks.setOffset(block, offset);
  }

  #markPresent(block: number, offset: number, within: number, lengthBytes: number): void {
    this.blocks.markPresent(block, offset, within / VHD_SECTOR_BYTES, lengthBytes / VHD_SECTOR_BYTES);
  }

  #discardInBlock(block: number, within: number, run: number, isWhole: boolean): void {
    const offset = this.blocks.offsetOf(block);
    if (offset === undefined) {
      if (this.parent === undefined) return;
      writeZerosWhereNeeded(this, block * this.blockBytes + within, run, this.#scratch);
    } else if (isWhole && this.parent === undefined) {
      this.#givenBack.push(offset);
      this.blocks.setOffset(block, undefined);
    } else {
      clearRange(this.file, offset + this.blocks.bitmapBytes + within, run, this.#scratch);
      this.#markPresent(block, offset, within, run);
    }
  }
}
