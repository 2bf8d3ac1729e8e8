/** Makes the file of a new VHD. */

import { viewOf } from '../../kit/view.ts';
import {
  LocatorPlatform, PARENT_LOCATOR_COUNT, VHD_BLOCK_BYTES_DEFAULT, VHD_EPOCH_SECONDS, VHD_SECTOR_BYTES,
  VhdDynamicHeader, VhdParentLocator, VhdType,
} from '../../protocols/vhd.ts';
import type { BlockFile } from '../block-file.ts';
import { randomGuid, type NewGuid } from '../guid.ts';
import { checkVhdSize } from './fixed-vhd-disk.ts';
import { DYNAMIC_HEADER_OFFSET, encodeDynamicHeader, encodeFooter, type FooterValues } from './structures.ts';
import { tableBytesOf } from './vhd-blocks.ts';

export interface VhdParentLink {
  readonly uniqueId: string;
  readonly timeStamp: number;
  readonly name: string;
  /** Backslashes between folders, as in the format. */
  readonly relativePath: string;
  readonly absolutePath: string;
}

export interface NewVhd {
  readonly sizeBytes: number;
  readonly isFixed: boolean;
  readonly blockBytes?: number;
  readonly parent?: VhdParentLink | undefined;
  readonly nowMs: number;
  readonly newGuid?: NewGuid;
}

/** What a path takes at most: UTF-16 of 2048 characters. */
export const LOCATOR_BYTES = 8 * VHD_SECTOR_BYTES;

/** Writes into an empty file, and flushes it. */
export function createVhd(file: BlockFile, made: NewVhd): void {
  checkVhdSize(made.sizeBytes);
  const { sizeBytes, isFixed, parent, blockBytes = VHD_BLOCK_BYTES_DEFAULT, newGuid = randomGuid } = made;
  const footer: FooterValues = {
    diskType: isFixed ? VhdType.Fixed : parent === undefined ? VhdType.Dynamic : VhdType.Differencing,
    sizeBytes, originalSizeBytes: sizeBytes, timeStamp: vhdTime(made.nowMs), uniqueId: newGuid().replaceAll('-', ''),
  };
  const encoded = encodeFooter(footer);
  let end = sizeBytes;
  if (!isFixed) {
    const locatorOffset = DYNAMIC_HEADER_OFFSET + VhdDynamicHeader.$size;
    const tableOffset = locatorOffset + (parent === undefined ? 0 : 2 * LOCATOR_BYTES);
    const entryCount = Math.ceil(sizeBytes / blockBytes);
    end = tableOffset + tableBytesOf(entryCount);
    const table = new Uint8Array(tableBytesOf(entryCount)).fill(0xff);
    put(file, 0, encoded);
    put(file, DYNAMIC_HEADER_OFFSET, encodeDynamicHeader({
      tableOffset, entryCount, blockBytes, parentUniqueId: parent?.uniqueId ?? '',
      parentTimeStamp: parent?.timeStamp ?? 0, parentName: parent?.name ?? '',
      locators: parent === undefined ? new Uint8Array() : writeLocators(file, locatorOffset, parent),
    }));
    put(file, tableOffset, table);
  }
  put(file, end, encoded);
  file.flushSync();
}

/** Puts both forms of the path into the file; returns the header's rows about them. */
export function writeLocators(file: BlockFile, position: number, parent: VhdParentLink): Uint8Array {
  const rows = new Uint8Array(PARENT_LOCATOR_COUNT * VhdParentLocator.$size);
  const paths = [
    [LocatorPlatform.WindowsRelative, parent.relativePath], [LocatorPlatform.WindowsAbsolute, parent.absolutePath],
  ] as const;
  paths.forEach(([platformCode, path], index) => {
    const text = Buffer.from(path, 'utf16le').subarray(0, LOCATOR_BYTES);
    const dataOffset = position + index * LOCATOR_BYTES;
    const padded = new Uint8Array(LOCATOR_BYTES);
    padded.set(text);
    put(file, dataOffset, padded);
    VhdParentLocator.encode(viewOf(rows), index * VhdParentLocator.$size, {
      platformCode, dataSpace: LOCATOR_BYTES / VHD_SECTOR_BYTES, dataLength: text.length, dataOffset,
    });
  });
  return rows;
}

export function vhdTime(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000) - VHD_EPOCH_SECONDS) % 2 ** 32;
}

function put(file: BlockFile, position: number, bytes: Uint8Array): void {
  file.writeSync(bytes, 0, bytes.length, position);
}
