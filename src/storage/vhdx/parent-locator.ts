/** How a differencing VHDX names its parent: a table of UTF-16 keys and values [MS-VHDX 2.6.2.6]. */

import { viewOf } from '../../kit/view.ts';
import { LOCATOR_TYPE_VHDX, ParentLocatorEntry, ParentLocatorHeader } from '../../protocols/vhdx.ts';
import type { BlockFile } from '../block-file.ts';
import { damaged, unsupported } from '../damaged.ts';
import { guidBytes, guidText } from '../guid.ts';

/** By key, as in the file. */
export type ParentLocator = ReadonlyMap<string, string>;

export const LocatorKey = {
  /** The parent's DataWriteGuid, in braces. */
  Linkage: 'parent_linkage',
  /** Another that is right, too: while a merge is under way, the parent has a new one. */
  Linkage2: 'parent_linkage2',
  RelativePath: 'relative_path',
  VolumePath: 'volume_path',
  AbsolutePath: 'absolute_win32_path',
} as const;

const ENTRIES_MAX = 256;

export function decodeLocator(file: BlockFile, item: DataView): ParentLocator {
  const type = guidText(ParentLocatorHeader.locatorType.get(item, 0));
  if (type !== LOCATOR_TYPE_VHDX) throw unsupported(file, `its parent is named in a way that is not known (${type})`);
  const count = ParentLocatorHeader.keyValueCount.get(item, 0);
  if (count > ENTRIES_MAX || ParentLocatorHeader.$size + count * ParentLocatorEntry.$size > item.byteLength) {
    throw damaged(file, `its parent locator has ${count} entries, and no room for them`);
  }
  const locator = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const { keyOffset, keyLength, valueOffset, valueLength } =
      ParentLocatorEntry.decode(item, ParentLocatorHeader.$size + index * ParentLocatorEntry.$size);
    if (keyOffset + keyLength > item.byteLength || valueOffset + valueLength > item.byteLength) {
      throw damaged(file, `entry ${index} of its parent locator is out of bounds`);
    }
    locator.set(utf16(item, keyOffset, keyLength), utf16(item, valueOffset, valueLength));
  }
  if (!locator.has(LocatorKey.Linkage)) throw damaged(file, 'its parent locator does not identify the parent');
  return locator;
}

export function encodeLocator(locator: ParentLocator): Uint8Array {
  const texts =
    [...locator].map(([key, value]) => [Buffer.from(key, 'utf16le'), Buffer.from(value, 'utf16le')] as const);
  const tableBytes = ParentLocatorHeader.$size + texts.length * ParentLocatorEntry.$size;
  const bytes = new Uint8Array(texts.reduce((sum, [key, value]) => sum + key.length + value.length, tableBytes));
  const view = viewOf(bytes);
  ParentLocatorHeader.encode(view, 0, { locatorType: guidBytes(LOCATOR_TYPE_VHDX), keyValueCount: texts.length });
  let at = tableBytes;
  texts.forEach(([key, value], index) => {
    ParentLocatorEntry.encode(view, ParentLocatorHeader.$size + index * ParentLocatorEntry.$size, {
      keyOffset: at, valueOffset: at + key.length, keyLength: key.length, valueLength: value.length,
    });
    bytes.set(key, at);
    bytes.set(value, at + key.length);
    at += key.length + value.length;
  });
  return bytes;
}

function utf16(item: DataView, offset: number, lengthBytes: number): string {
  return Buffer.from(item.buffer, item.byteOffset + offset, lengthBytes - lengthBytes % 2).toString('utf16le');
}
