/**
 * A VHDX file as a disk: fixed, dynamic or differencing, with the order of writes that `journal.ts` explains. A block
 * that is given back can be taken again only when the log says so on the medium: until then the old BAT entry may be
 * the one that counts.
 */

import { BITMAP_BLOCK_BYTES, BitmapState, PayloadState } from '../../protocols/vhdx.ts';
import { assert } from '../../kit/assert.ts';
import type { BlockFile } from '../block-file.ts';
import type { Disk, DiskGeometry, DiskKind, Extent } from '../disk.ts';
import { damaged } from '../damaged.ts';
import { checkRange, readBelow, writeZerosWhereNeeded } from '../disk-range.ts';
import { randomGuid, type NewGuid } from '../guid.ts';
import { clearRange, writeZeros } from '../zeros.ts';
import { BlockTable } from './block-table.ts';
import { Journal } from './journal.ts';
import { MetadataPages } from './metadata-pages.ts';
import type { OpenedVhdx } from './open-vhdx.ts';
import { resizeVhdx } from './resize-vhdx.ts';
import { SectorBitmap } from './sector-bitmap.ts';
import type { Space } from './space.ts';
import { spaceOf } from './space-scan.ts';

/** As many changed pages as are kept in memory before they are flushed unasked: 4 MiB. */
const DIRTY_PAGES_MAX = 1024;
const SCRATCH_BYTES = 0x1_0000;

export interface VhdxDiskOptions {
  readonly opened: OpenedVhdx;
  readonly parent: Disk | undefined;
  readonly newGuid?: NewGuid;
}

export class VhdxDisk implements Disk {
  readonly format = 'vhdx';
  readonly name: string;
  readonly kind: DiskKind;
  /** Another one, of the same content, when it becomes the target of a merge. */
  parent: Disk | undefined;
  readonly blockBytes: number;
  readonly isReadOnly: boolean;
  /** For the operations of this folder that change the file's structure. */
  opened: OpenedVhdx;
  readonly journal: Journal;
  readonly pages: MetadataPages;
  table: BlockTable;

  readonly #file: BlockFile;
  readonly #bitmap: SectorBitmap;
  readonly #keepsBlocks: boolean;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  /** Made when the first write comes. */
  #space: Space | undefined;
  /** Given back by changes that are not on the medium yet. */
  #givenBack: number[] = [];
  #hasReusedRoom = false;
  #geometry: DiskGeometry;

  constructor({ opened, parent, newGuid = randomGuid }: VhdxDiskOptions) {
    const { file, headers, regions, metadata: { values } } = opened;
    this.opened = opened;
    this.#file = file;
    this.name = file.name;
    this.isReadOnly = file.isReadOnly;
    this.parent = parent;
    this.kind = values.hasParent ? 'differencing' : values.keepsBlocks ? 'fixed' : 'dynamic';
    this.blockBytes = values.blockBytes;
    this.#keepsBlocks = values.keepsBlocks && !values.hasParent;
    this.#geometry = values;
    this.pages = new MetadataPages(file);
    this.table = new BlockTable(file, this.pages, regions.bat.fileOffset, values);
    this.#bitmap = new SectorBitmap(this.pages);
    this.journal = new Journal(file, headers, this.pages, newGuid);
  }

  get geometry(): DiskGeometry {
    return this.#geometry;
  }

  /** By which a child knows this disk. */
  get dataWriteGuid(): string {
    return this.opened.headers.current.dataWriteGuid;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    for (let done = 0; done < lengthBytes;) {
      const block = Math.floor((position + done) / this.blockBytes);
      const within = position + done - block * this.blockBytes;
      const run = Math.min(lengthBytes - done, this.blockBytes - within);
      this.table.lookUpBlock(block);
      const { state, offset } = this.table;
      if (state === PayloadState.FullyPresent) {
        this.#file.readSync(target, targetOffset + done, run, offset + within);
      } else if (state === PayloadState.PartiallyPresent) {
        this.#readPartial(target, targetOffset + done, run, block, offset, within);
      } else if (state === PayloadState.NotPresent && this.parent !== undefined) {
        readBelow(this.parent, target, targetOffset + done, run, position + done);
      } else {
        target.fill(0, targetOffset + done, targetOffset + done + run);
      }
      done += run;
    }
  }

  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    this.#beginData();
    for (let done = 0; done < lengthBytes;) {
      const block = Math.floor((position + done) / this.blockBytes);
      const within = position + done - block * this.blockBytes;
      const run = Math.min(lengthBytes - done, this.blockBytes - within);
      this.table.lookUpBlock(block);
      const { state, offset } = this.table;
      if (state === PayloadState.FullyPresent) {
        this.#file.writeSync(source, sourceOffset + done, run, offset + within);
      } else if (state === PayloadState.PartiallyPresent) {
        this.#file.writeSync(source, sourceOffset + done, run, offset + within);
        this.#markSectors(block, within, run, true);
      } else {
        this.#writeNewBlock(source, sourceOffset + done, run, block, within, state);
      }
      done += run;
    }
    if (this.pages.dirtyCount > DIRTY_PAGES_MAX) this.flushSync();
  }

  flushSync(): void {
    this.journal.flush();
    this.#hasReusedRoom = false;
    for (const offset of this.#givenBack) this.#space?.give(offset, this.blockBytes);
    this.#givenBack = [];
  }

  settleSync(): void {
    this.journal.settle(this.#hasReusedRoom || this.parent !== undefined);
  }

  discardSync(position: number, lengthBytes: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    this.#beginData();
    for (let done = 0; done < lengthBytes;) {
      const block = Math.floor((position + done) / this.blockBytes);
      const within = position + done - block * this.blockBytes;
      const run = Math.min(lengthBytes - done, this.blockBytes - within);
      const isWhole = within === 0 && (run === this.blockBytes || position + done + run === this.#geometry.sizeBytes);
      if (isWhole && !this.#keepsBlocks) this.#discardBlock(block);
      else this.#clearInBlock(block, within, run);
      done += run;
    }
    if (this.pages.dirtyCount > DIRTY_PAGES_MAX) this.flushSync();
  }

  extentAt(position: number, extent: Extent): void {
    const block = Math.floor(position / this.blockBytes);
    const within = position - block * this.blockBytes;
    this.table.lookUpBlock(block);
    const { state } = this.table;
    let lengthBytes = this.blockBytes - within;
    extent.state = 'zero';
    if (state === PayloadState.FullyPresent) extent.state = 'data';
    else if (state === PayloadState.NotPresent) extent.state = 'absent';
    else if (state === PayloadState.PartiallyPresent) {
      lengthBytes = this.#bitmapRun(block, within, lengthBytes);
      extent.state = this.#bitmap.isPresent ? 'data' : 'absent';
    }
    extent.lengthBytes = Math.min(lengthBytes, this.#geometry.sizeBytes - position);
  }

  resizeSync(sizeBytes: number): void {
    assert(!this.isReadOnly, 'a read-only disk is resized');
    this.flushSync();
    resizeVhdx(this, this.space(), sizeBytes);
    const { metadata } = this.opened;
    this.#geometry = { ...this.#geometry, sizeBytes };
    this.opened = { ...this.opened, metadata: { ...metadata, values: { ...metadata.values, sizeBytes } } };
  }

  closeSync(): void {
    try {
      if (!this.isReadOnly) {
        this.flushSync();
        this.journal.end();
      }
    } finally {
      this.#file.closeSync();
      this.parent?.closeSync();
    }
  }

  describe(): Readonly<Record<string, string | number | boolean>> {
    const { headers, metadata: { values }, wasReplayed } = this.opened;
    return {
      diskId: values.diskId, dataWriteGuid: headers.current.dataWriteGuid, logBytes: headers.current.logLength,
      logReplayed: wasReplayed,
    };
  }

  /** Which room of the file is in use; the file may change from now on. */
  space(): Space {
    this.journal.begin();
    this.#space ??= spaceOf(this.opened, this.#file.sizeBytes);
    return this.#space;
  }

  #beginData(): void {
    assert(!this.isReadOnly, 'a read-only disk is written to');
    if (this.#space === undefined) this.space();
    this.journal.beginData();
  }

  #writeNewBlock(
    source: Uint8Array, sourceOffset: number, run: number, block: number, within: number, state: number,
  ): void {
    const space = this.space();
    const offset = space.take(this.blockBytes);
    const isFresh = offset >= this.#file.sizeBytes;
    const isPartial = state === PayloadState.NotPresent && this.parent !== undefined && run < this.blockBytes;
    try {
      if (isFresh) this.#file.truncateSync(offset + this.blockBytes);
      else this.#hasReusedRoom = true;
      this.#file.writeSync(source, sourceOffset, run, offset + within);
      if (!isPartial && !isFresh) {
        writeZeros(this.#file, offset, within);
        writeZeros(this.#file, offset + within + run, this.blockBytes - within - run);
      }
      if (isPartial) this.#prepareBitmap(block, within, run);
    } catch (error) {
      space.give(offset, this.blockBytes);
      throw error;
    }
    const newState = isPartial ? PayloadState.PartiallyPresent : PayloadState.FullyPresent;
    this.table.set(this.table.entryOfBlock(block), newState, offset);
  }

  /** The block's bits say what was just written, and nothing of an earlier life. */
  #prepareBitmap(block: number, within: number, run: number): void {
    const chunk = Math.floor(block / this.table.chunkRatio);
    this.table.lookUpBitmap(chunk);
    if (this.table.state !== BitmapState.Present) this.#addBitmap(chunk);
    this.#markSectors(block, 0, this.blockBytes, false);
    this.#markSectors(block, within, run, true);
  }

  #addBitmap(chunk: number): void {
    const space = this.space();
    const offset = space.take(BITMAP_BLOCK_BYTES);
    try {
      if (offset >= this.#file.sizeBytes) this.#file.truncateSync(offset + BITMAP_BLOCK_BYTES);
      else writeZeros(this.#file, offset, BITMAP_BLOCK_BYTES);
    } catch (error) {
      space.give(offset, BITMAP_BLOCK_BYTES);
      throw error;
    }
    this.table.set(this.table.entryOfBitmap(chunk), BitmapState.Present, offset);
  }

  #discardBlock(block: number): void {
    this.table.lookUpBlock(block);
    const { state, offset } = this.table;
    if (state === PayloadState.Zero || (state === PayloadState.NotPresent && this.parent === undefined)) return;
    if (state === PayloadState.FullyPresent || state === PayloadState.PartiallyPresent) this.#givenBack.push(offset);
    this.table.set(this.table.entryOfBlock(block), PayloadState.Zero, 0);
  }

  #clearInBlock(block: number, within: number, run: number): void {
    this.table.lookUpBlock(block);
    const { state, offset } = this.table;
    if (state === PayloadState.FullyPresent) {
      clearRange(this.#file, offset + within, run, this.#scratch);
    } else if (state === PayloadState.PartiallyPresent) {
      clearRange(this.#file, offset + within, run, this.#scratch);
      this.#markSectors(block, within, run, true);
    } else if (state === PayloadState.NotPresent && this.parent !== undefined) {
      writeZerosWhereNeeded(this, block * this.blockBytes + within, run, this.#scratch);
    }
  }

  #readPartial(
    target: Uint8Array, targetOffset: number, lengthBytes: number, block: number, offset: number, within: number,
  ): void {
    for (let done = 0; done < lengthBytes;) {
      const run = this.#bitmapRun(block, within + done, lengthBytes - done);
      if (this.#bitmap.isPresent) this.#file.readSync(target, targetOffset + done, run, offset + within + done);
      else readBelow(this.parent, target, targetOffset + done, run, block * this.blockBytes + within + done);
      done += run;
    }
  }

  /** Bytes from `within` on that are all the disk's own, or all not. */
  #bitmapRun(block: number, within: number, lengthBytes: number): number {
    const { logicalSectorBytes } = this.#geometry;
    const sector = this.#firstSector(block) + within / logicalSectorBytes;
    const bitmapOffset = this.#bitmapOf(block);
    return this.#bitmap.runAt(bitmapOffset, sector, lengthBytes / logicalSectorBytes) * logicalSectorBytes;
  }

  #markSectors(block: number, within: number, lengthBytes: number, isPresent: boolean): void {
    const { logicalSectorBytes } = this.#geometry;
    const sector = this.#firstSector(block) + within / logicalSectorBytes;
    this.#bitmap.set(this.#bitmapOf(block), sector, lengthBytes / logicalSectorBytes, isPresent);
  }

  /** The number of the block's first sector in its chunk. */
  #firstSector(block: number): number {
    return (block % this.table.chunkRatio) * (this.blockBytes / this.#geometry.logicalSectorBytes);
  }

  #bitmapOf(block: number): number {
    const chunk = Math.floor(block / this.table.chunkRatio);
    this.table.lookUpBitmap(chunk);
    if (this.table.state !== BitmapState.Present) {
      throw damaged(this.#file, `block ${block} is partly present, and there is no sector bitmap for it`);
    }
    return this.table.offset;
  }
}
