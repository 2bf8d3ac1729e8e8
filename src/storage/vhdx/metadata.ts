/** The metadata region of a VHDX file: what the disk is [MS-VHDX 2.6]. */

import { viewOf } from '../../kit/view.ts';
import {
  BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, DISK_BYTES_MAX, FileFlag, FileParameters, METADATA_ENTRIES_MAX,
  METADATA_SIGNATURE, METADATA_TABLE_BYTES, MetadataFlag, MetadataItem, MetadataTableEntry, MetadataTableHeader, MIB,
} from '../../protocols/vhdx.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { damaged, unsupported } from '../damaged.ts';
import { guidBytes, guidText } from '../guid.ts';
import { decodeLocator, type ParentLocator } from './parent-locator.ts';
import type { Region } from './regions.ts';

export interface MetadataValues {
  readonly blockBytes: number;
  /** A fixed disk: no block gives its room back. */
  readonly keepsBlocks: boolean;
  readonly hasParent: boolean;
  readonly sizeBytes: number;
  readonly diskId: string;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly parentLocator: ParentLocator | undefined;
}

/** Where an item and its row of the table are in the file. */
export interface ItemPlace {
  readonly itemId: string;
  readonly rowPosition: number;
  readonly position: number;
  readonly lengthBytes: number;
}

export interface Metadata {
  readonly values: MetadataValues;
  readonly places: readonly ItemPlace[];
}

const ITEM_BYTES_MAX = MIB;
const KNOWN: readonly string[] = Object.values(MetadataItem);

/** @throws OperatingError when an item is missing, or says what cannot be. */
export function readMetadata(file: BlockFile, region: Region): Metadata {
  const places = readTable(file, region);
  const item = (id: string, lengthBytes: number, name: string): DataView => {
    const place = places.find(({ itemId }) => itemId === id);
    if (place === undefined) throw damaged(file, `its metadata does not say its ${name}`);
    if (place.lengthBytes < lengthBytes) throw damaged(file, `its metadata item ${name} is cut off`);
    return viewOf(readBytes(file, place.position, place.lengthBytes));
  };
  const parameters = FileParameters.decode(item(MetadataItem.FileParameters, FileParameters.$size, 'block size'), 0);
  const hasParent = (parameters.flags & FileFlag.HasParent) !== 0;
  const size = item(MetadataItem.VirtualDiskSize, 8, 'size');
  const values: MetadataValues = {
    blockBytes: parameters.blockSize, keepsBlocks: (parameters.flags & FileFlag.LeaveBlocksAllocated) !== 0, hasParent,
    sizeBytes: size.getUint32(4, true) * 2 ** 32 + size.getUint32(0, true),
    diskId: guidText(new Uint8Array(item(MetadataItem.VirtualDiskId, 16, 'identifier').buffer)),
    logicalSectorBytes: item(MetadataItem.LogicalSectorSize, 4, 'logical sector size').getUint32(0, true),
    physicalSectorBytes: item(MetadataItem.PhysicalSectorSize, 4, 'physical sector size').getUint32(0, true),
    parentLocator: hasParent ? decodeLocator(file, item(MetadataItem.ParentLocator, 20, 'parent')) : undefined,
  };
  checkValues(file, values);
  return { values, places };
}

function readTable(file: BlockFile, region: Region): ItemPlace[] {
  const table = viewOf(readBytes(file, region.fileOffset, METADATA_TABLE_BYTES));
  const { signature, entryCount } = MetadataTableHeader.decode(table, 0);
  if (signature !== METADATA_SIGNATURE) throw damaged(file, 'its metadata table does not begin as one');
  if (entryCount > METADATA_ENTRIES_MAX) throw damaged(file, `its metadata table has ${entryCount} rows`);
  return Array.from({ length: entryCount }, (_, index) => {
    const row = MetadataTableHeader.$size + index * MetadataTableEntry.$size;
    const entry = MetadataTableEntry.decode(table, row);
    const itemId = guidText(entry.itemId);
    if ((entry.flags & MetadataFlag.IsRequired) !== 0 && !KNOWN.includes(itemId)) {
      throw unsupported(file, `it requires a metadata item ${itemId}, which this version does not know`);
    }
    if (entry.length > ITEM_BYTES_MAX || (entry.length > 0 && entry.offset < METADATA_TABLE_BYTES)
      || entry.offset + entry.length > region.lengthBytes) {
      throw damaged(file,
        `its metadata item ${itemId} of ${entry.length} bytes at ${entry.offset} is out of its region`);
    }
    return {
      itemId, rowPosition: region.fileOffset + row, position: region.fileOffset + entry.offset,
      lengthBytes: entry.length,
    };
  });
}

function checkValues(file: BlockFile, values: MetadataValues): void {
  const { blockBytes, sizeBytes, logicalSectorBytes: logical, physicalSectorBytes: physical } = values;
  if (blockBytes < BLOCK_BYTES_MIN || blockBytes > BLOCK_BYTES_MAX || (blockBytes & (blockBytes - 1)) !== 0) {
    throw damaged(file, `its block size is ${blockBytes}: a power of two from 1 MiB to 256 MiB is right`);
  }
  for (const bytes of [logical, physical]) {
    if (bytes !== 512 && bytes !== 4096) throw damaged(file, `its sector size is ${bytes}: 512 or 4096 is right`);
  }
  if (sizeBytes === 0 || sizeBytes > DISK_BYTES_MAX || sizeBytes % logical !== 0) {
    throw damaged(file, `its size is ${sizeBytes}: whole sectors up to 64 TiB are right`);
  }
}

/** A metadata region of one MiB, items in the order of the table. */
export function encodeMetadata(values: MetadataValues, locator: Uint8Array | undefined): Uint8Array {
  const region = new Uint8Array(MIB);
  const view = viewOf(region);
  const parameters = new Uint8Array(FileParameters.$size);
  FileParameters.encode(viewOf(parameters), 0, {
    blockSize: values.blockBytes,
    flags: (values.keepsBlocks ? FileFlag.LeaveBlocksAllocated : 0) | (values.hasParent ? FileFlag.HasParent : 0),
  });
  const { IsVirtualDisk: disk, IsRequired: required } = MetadataFlag;
  const items: readonly (readonly [id: string, flags: number, bytes: Uint8Array])[] = [
    [MetadataItem.FileParameters, required, parameters],
    [MetadataItem.VirtualDiskSize, disk | required, encodeSize(values.sizeBytes)],
    [MetadataItem.VirtualDiskId, disk | required, guidBytes(values.diskId)],
    [MetadataItem.LogicalSectorSize, disk | required, word(values.logicalSectorBytes)],
    [MetadataItem.PhysicalSectorSize, disk | required, word(values.physicalSectorBytes)],
    ...(locator === undefined ? [] : [[MetadataItem.ParentLocator, required, locator] as const]),
  ];
  MetadataTableHeader.encode(view, 0, { signature: METADATA_SIGNATURE, entryCount: items.length });
  let offset = METADATA_TABLE_BYTES;
  items.forEach(([id, flags, bytes], index) => {
    MetadataTableEntry.encode(view, MetadataTableHeader.$size + index * MetadataTableEntry.$size, {
      itemId: guidBytes(id), offset, length: bytes.length, flags,
    });
    region.set(bytes, offset);
    offset += Math.ceil(bytes.length / 8) * 8;
  });
  return region;
}

export function encodeSize(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, sizeBytes >>> 0, true);
  viewOf(bytes).setUint32(4, Math.floor(sizeBytes / 2 ** 32), true);
  return bytes;
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
}
