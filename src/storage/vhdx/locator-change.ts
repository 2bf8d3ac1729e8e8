/** Changing how a differencing VHDX names its parent, in one entry of the log. */

import { MetadataItem, MetadataTableEntry } from '../../protocols/vhdx.ts';
import { OperatingError } from '../../kit/errors.ts';
import { viewOf } from '../../kit/view.ts';
import { encodeLocator, type ParentLocator } from './parent-locator.ts';
import { changeThroughLog } from './resize-vhdx.ts';
import type { VhdxDisk } from './vhdx-disk.ts';

/** The disk need not have its parent at hand. What it holds does not change. */
export function setLocator(disk: VhdxDisk, locator: ParentLocator): void {
  const { regions, metadata } = disk.opened;
  const { places } = metadata;
  const place = places.find(({ itemId }) => itemId === MetadataItem.ParentLocator);
  if (place === undefined) throw new OperatingError('bad-input', `${disk.name} has no parent`);
  const region = regions.metadata;
  const bytes = encodeLocator(locator);
  const others = places.filter((other) => other !== place);
  const behind = others.map(({ position }) => position).filter((position) => position >= place.position);
  const regionEnd = region.fileOffset + region.lengthBytes;
  const room = Math.min(regionEnd, ...behind) - place.position;
  const end = Math.max(...places.map((other) => other.position + other.lengthBytes));
  const position = bytes.length <= room ? place.position : Math.ceil(end / 8) * 8;
  if (position + bytes.length > regionEnd) {
    throw new OperatingError('bad-input', `${disk.name} has no room in its metadata for another path: convert it`);
  }
  disk.journal.begin();
  const row = new Uint8Array(8);
  viewOf(row).setUint32(0, position - region.fileOffset, true);
  viewOf(row).setUint32(4, bytes.length, true);
  changeThroughLog(disk.pages, position, bytes);
  changeThroughLog(disk.pages, place.rowPosition + MetadataTableEntry.offset.offset, row);
  disk.flushSync();
  const moved = { ...place, position, lengthBytes: bytes.length };
  disk.opened = {
    ...disk.opened,
    metadata: {
      ...metadata, places: [...others, moved], values: { ...metadata.values, parentLocator: locator },
    },
  };
}
