/** Growing and cutting a VHDX, each step of it through the log, so that the disk has the old size or the new one. */

import {
  BAT_ENTRY_BYTES, DISK_BYTES_MAX, MIB, MetadataItem, PayloadState, REGION_BAT, REGION_TABLE_OFFSETS,
} from '../../protocols/vhdx.ts';
import { OperatingError } from '../../kit/errors.ts';
import { clearRange, writeZeros } from '../zeros.ts';
import { BlockTable, blockCountOf, entryCountOf } from './block-table.ts';
import { encodeSize } from './metadata.ts';
import { PageOrder, PAGE_BYTES, type MetadataPages } from './metadata-pages.ts';
import { encodeRegions } from './regions.ts';
import type { Space } from './space.ts';
import type { VhdxDisk } from './vhdx-disk.ts';

const COPY_BYTES = 0x10_0000;

/** @throws OperatingError when the disk cannot have that size. */
export function resizeVhdx(disk: VhdxDisk, space: Space, sizeBytes: number): void {
  const { geometry, opened: { file } } = disk;
  const unit = geometry.logicalSectorBytes;
  if (sizeBytes <= 0 || sizeBytes > DISK_BYTES_MAX || sizeBytes % unit !== 0) {
    throw new OperatingError('bad-input', `${sizeBytes} bytes is no size of a VHDX: whole sectors of ${unit} bytes up `
      + 'to 64 TiB are right');
  }
  if (sizeBytes < geometry.sizeBytes && disk.kind === 'differencing') {
    throw new OperatingError('bad-input', `${file.name} is a differencing disk, which cannot become smaller: merge it`);
  }
  disk.journal.beginData();
  if (sizeBytes < geometry.sizeBytes) shrink(disk, space, sizeBytes);
  else if (sizeBytes > geometry.sizeBytes) grow(disk, space, sizeBytes);
}

function grow(disk: VhdxDisk, space: Space, sizeBytes: number): void {
  const { geometry, opened: { file, metadata: { values } } } = disk;
  const { blockBytes } = disk;
  const oldCount = blockCountOf({ ...values, ...geometry });
  const entries = entryCountOf({ ...values, sizeBytes });
  const batLength = disk.opened.regions.bat.lengthBytes;
  if (entries * BAT_ENTRY_BYTES > batLength) {
    const lengthBytes = Math.ceil(entries * BAT_ENTRY_BYTES / MIB) * MIB;
    moveTable(disk, space, { fileOffset: space.take(lengthBytes), lengthBytes });
  }
  const lastEnd = geometry.sizeBytes % blockBytes;
  if (lastEnd !== 0) {
    disk.table.lookUpBlock(oldCount - 1);
    if (disk.table.state === PayloadState.FullyPresent) {
      if (file.sizeBytes < disk.table.offset + blockBytes) file.truncateSync(disk.table.offset + blockBytes);
      clearRange(file, disk.table.offset + lastEnd, blockBytes - lastEnd, new Uint8Array(COPY_BYTES));
    }
  }
  if (disk.kind === 'fixed') {
    for (let block = oldCount; block < Math.ceil(sizeBytes / blockBytes); block++) {
      const offset = space.take(blockBytes);
      if (offset >= file.sizeBytes) file.truncateSync(offset + blockBytes);
      else writeZeros(file, offset, blockBytes);
      disk.table.set(disk.table.entryOfBlock(block), PayloadState.FullyPresent, offset);
      // One flush for each few pages: what is in memory stays small for the largest disk.
      if (disk.pages.dirtyCount > 64) disk.flushSync();
    }
    disk.flushSync();
  }
  setSize(disk, sizeBytes);
  disk.flushSync();
  disk.table.sizeBytes = sizeBytes;
}

function shrink(disk: VhdxDisk, space: Space, sizeBytes: number): void {
  const { blockBytes, table, opened: { file } } = disk;
  const oldCount = Math.ceil(disk.geometry.sizeBytes / blockBytes);
  setSize(disk, sizeBytes);
  disk.flushSync();
  const given: number[] = [];
  for (let block = Math.ceil(sizeBytes / blockBytes); block < oldCount; block++) {
    table.lookUpBlock(block);
    if (table.state === PayloadState.NotPresent) continue;
    if (table.state >= PayloadState.FullyPresent) given.push(table.offset);
    table.set(table.entryOfBlock(block), PayloadState.NotPresent, 0);
    if (disk.pages.dirtyCount > 64) disk.flushSync();
  }
  disk.flushSync();
  for (const offset of given) space.give(offset, blockBytes);
  table.sizeBytes = sizeBytes;
  const end = space.endOfUse();
  if (end >= file.sizeBytes) return;
  disk.journal.cut(end);
  space.cut(end);
}

/** The BAT gets room elsewhere: a copy is made, then both region tables point to it, in one entry of the log. */
export function moveTable(
  disk: VhdxDisk, space: Space, { fileOffset, lengthBytes }: { fileOffset: number; lengthBytes: number },
): void {
  const { opened } = disk;
  const { file, regions, metadata: { values } } = opened;
  const from = regions.bat;
  disk.flushSync();
  if (fileOffset >= file.sizeBytes) file.truncateSync(fileOffset + lengthBytes);
  else writeZeros(file, fileOffset, lengthBytes);
  const chunk = new Uint8Array(COPY_BYTES);
  for (let done = 0; done < from.lengthBytes; done += chunk.length) {
    file.readSync(chunk, 0, chunk.length, from.fileOffset + done);
    file.writeSync(chunk, 0, chunk.length, fileOffset + done);
  }
  const all = regions.all.map((region) => region.guid === REGION_BAT ? { ...region, fileOffset, lengthBytes } : region);
  const encoded = encodeRegions(all);
  for (const offset of REGION_TABLE_OFFSETS) changeThroughLog(disk.pages, offset, encoded);
  disk.journal.noteWritten();
  disk.flushSync();
  const bat = all.find(({ guid }) => guid === REGION_BAT) ?? from;
  disk.opened = { ...opened, regions: { ...regions, all, bat } };
  disk.table = new BlockTable(file, disk.pages, fileOffset, { ...values, ...disk.geometry });
  disk.pages.forgetClean();
  space.give(from.fileOffset, from.lengthBytes);
}

function setSize(disk: VhdxDisk, sizeBytes: number): void {
  const place = disk.opened.metadata.places.find(({ itemId }) => itemId === MetadataItem.VirtualDiskSize);
  if (place !== undefined) changeThroughLog(disk.pages, place.position, encodeSize(sizeBytes));
}

/** Puts bytes at a place of the file; pages that hold them already are left alone. */
export function changeThroughLog(pages: MetadataPages, position: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    const page = pages.at(position + done, PageOrder.Table);
    const within = position + done - page.position;
    const part = bytes.subarray(done, done + PAGE_BYTES - within);
    if (Buffer.compare(part, page.bytes.subarray(within, within + part.length)) !== 0) {
      pages.willChange(page);
      page.bytes.set(part, within);
    }
    done += part.length;
  }
}
