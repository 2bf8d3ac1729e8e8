/** Footer and dynamic header of a VHD: read, checked and made [Microsoft VHD Image Format Specification 1.0]. */

import { viewOf } from '../../kit/view.ts';
import {
  CHS_SECTORS_MAX, DYNAMIC_COOKIE, FOOTER_COOKIE, FOOTER_FEATURES, NO_OFFSET_WORD, VHD_DISK_BYTES_MAX,
  VHD_SECTOR_BYTES, VHD_VERSION, VhdDynamicHeader, VhdFooter, VhdType,
} from '../../protocols/vhd.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { damaged, unsupported } from '../damaged.ts';

export interface FooterValues {
  readonly diskType: number;
  readonly sizeBytes: number;
  readonly originalSizeBytes: number;
  /** Seconds since 2000. */
  readonly timeStamp: number;
  /** 32 hexadecimal digits. */
  readonly uniqueId: string;
}

export interface DynamicValues {
  readonly tableOffset: number;
  readonly entryCount: number;
  readonly blockBytes: number;
  readonly parentUniqueId: string;
  readonly parentTimeStamp: number;
  readonly parentName: string;
  /** As in the file: eight locators of 24 bytes. */
  readonly locators: Uint8Array;
}

/** In place of the time at which the parent was changed: while a merge into it is under way, and after its end. */
export const ANY_TIME = 0;
export const MERGED_TIME = 1;

/** Where the dynamic header of our own files is: behind the copy of the footer. */
export const DYNAMIC_HEADER_OFFSET = VHD_SECTOR_BYTES;
/**
 * Readers that know several makers take the size from cylinders, heads and sectors unless the maker is one of those
 * whose sizes are exact. Hyper-V's mark says that ours are.
 */
const CREATOR = 'win ';
const CREATOR_VERSION = 0x6_0003;
/** 'Wi2k' */
const CREATOR_HOST = 0x5769_326b;

/** @returns undefined when there is no whole footer at that place. */
export function readFooter(file: BlockFile, position: number): { values: FooterValues; dynamicOffset: number }
  | undefined {
  if (position < 0) return undefined;
  const bytes = readBytes(file, position, VHD_SECTOR_BYTES);
  const footer = VhdFooter.decode(viewOf(bytes), 0);
  if (footer.cookie !== FOOTER_COOKIE) return undefined;
  if (footer.checksum !== checksumOf(bytes, VhdFooter.checksum.offset)) return undefined;
  return {
    values: {
      diskType: footer.diskType, sizeBytes: footer.currentSize, originalSizeBytes: footer.originalSize,
      timeStamp: footer.timeStamp, uniqueId: Buffer.from(footer.uniqueId).toString('hex'),
    },
    dynamicOffset: footer.dataOffset,
  };
}

export function encodeFooter(values: FooterValues): Uint8Array {
  const bytes = new Uint8Array(VHD_SECTOR_BYTES);
  const view = viewOf(bytes);
  const isFixed = values.diskType === VhdType.Fixed;
  VhdFooter.encode(view, 0, {
    cookie: FOOTER_COOKIE, features: FOOTER_FEATURES, formatVersion: VHD_VERSION, timeStamp: values.timeStamp,
    creatorApplication: CREATOR, creatorVersion: CREATOR_VERSION, creatorHost: CREATOR_HOST,
    originalSize: values.originalSizeBytes, currentSize: values.sizeBytes, diskType: values.diskType,
    uniqueId: Buffer.from(values.uniqueId, 'hex'), dataOffset: DYNAMIC_HEADER_OFFSET, ...chsOf(values.sizeBytes),
  });
  if (isFixed) bytes.fill(0xff, VhdFooter.dataOffset.offset, VhdFooter.dataOffset.offset + 8);
  VhdFooter.checksum.set(view, 0, checksumOf(bytes, VhdFooter.checksum.offset));
  return bytes;
}

/** @throws OperatingError when it is not whole, or contradicts the footer. */
export function readDynamicHeader(file: BlockFile, offset: number, sizeBytes: number): DynamicValues {
  if (offset + VhdDynamicHeader.$size > file.sizeBytes)
    throw damaged(file, `its dynamic header at ${offset} is missing`);
  const bytes = readBytes(file, offset, VhdDynamicHeader.$size);
  const header = VhdDynamicHeader.decode(viewOf(bytes), 0);
  if (header.cookie !== DYNAMIC_COOKIE) throw damaged(file, `there is no dynamic header at ${offset}`);
  if (header.checksum !== checksumOf(bytes, VhdDynamicHeader.checksum.offset)) {
    throw damaged(file, 'the checksum of its dynamic header is wrong');
  }
  const { blockSize: blockBytes, maxTableEntries: entryCount, tableOffset } = header;
  if (blockBytes < VHD_SECTOR_BYTES * 8 || blockBytes > 0x1000_0000 || (blockBytes & (blockBytes - 1)) !== 0) {
    throw damaged(file, `its block size is ${blockBytes}: a power of two from 4 KiB to 256 MiB is right`);
  }
  if (entryCount < Math.ceil(sizeBytes / blockBytes)) {
    throw damaged(file, `its BAT of ${entryCount} entries is too small for a disk of ${sizeBytes} bytes`);
  }
  if (tableOffset % VHD_SECTOR_BYTES !== 0 || tableOffset + entryCount * 4 > file.sizeBytes) {
    throw damaged(file, `its BAT of ${entryCount} entries at ${tableOffset} does not fit into the file`);
  }
  return {
    tableOffset, entryCount, blockBytes, parentTimeStamp: header.parentTimeStamp, locators: header.parentLocators,
    parentUniqueId: Buffer.from(header.parentUniqueId).toString('hex'), parentName: utf16be(header.parentUnicodeName),
  };
}

export function encodeDynamicHeader(values: DynamicValues): Uint8Array {
  const bytes = new Uint8Array(VhdDynamicHeader.$size);
  const view = viewOf(bytes);
  VhdDynamicHeader.encode(view, 0, {
    cookie: DYNAMIC_COOKIE, dataOffsetHigh: NO_OFFSET_WORD, dataOffsetLow: NO_OFFSET_WORD,
    tableOffset: values.tableOffset, headerVersion: VHD_VERSION, maxTableEntries: values.entryCount,
    blockSize: values.blockBytes, parentUniqueId: Buffer.from(values.parentUniqueId, 'hex'),
    parentTimeStamp: values.parentTimeStamp, parentLocators: values.locators,
    parentUnicodeName: Buffer.from(values.parentName, 'utf16le').swap16().subarray(0, 510),
  });
  VhdDynamicHeader.checksum.set(view, 0, checksumOf(bytes, VhdDynamicHeader.checksum.offset));
  return bytes;
}

/** @throws OperatingError when the footer says what cannot be. */
export function checkFooter(file: BlockFile, { diskType, sizeBytes }: FooterValues): void {
  if (diskType !== VhdType.Fixed && diskType !== VhdType.Dynamic && diskType !== VhdType.Differencing) {
    throw unsupported(file, `it is of VHD type ${diskType}; fixed (2), dynamic (3) and differencing (4) are known`);
  }
  if (sizeBytes === 0 || sizeBytes % VHD_SECTOR_BYTES !== 0 || sizeBytes > VHD_DISK_BYTES_MAX) {
    throw damaged(file, `its size is ${sizeBytes}: whole sectors up to 2040 GiB are right`);
  }
}

/** The complement of the sum of all bytes but those of the field itself. */
function checksumOf(bytes: Uint8Array, fieldOffset: number): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (at < fieldOffset || at >= fieldOffset + 4) sum += bytes[at] as number;
  }
  return ~sum >>> 0;
}

/** Cylinders, heads and sectors that come near to a size, for BIOSes ["Appendix: CHS Calculation"]. */
export function chsOf(sizeBytes: number): { cylinders: number; heads: number; sectorsPerTrack: number } {
  const sectors = Math.min(sizeBytes / VHD_SECTOR_BYTES, CHS_SECTORS_MAX);
  if (sectors >= 65_535 * 16 * 63) {
    return { cylinders: Math.floor(sectors / 255 / 16), heads: 16, sectorsPerTrack: 255 };
  }
  let perTrack = 17;
  let tracks = Math.floor(sectors / perTrack);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    perTrack = 31;
    heads = 16;
    tracks = Math.floor(sectors / perTrack);
  }
  if (tracks >= heads * 1024) {
    perTrack = 63;
    heads = 16;
    tracks = Math.floor(sectors / perTrack);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack: perTrack };
}

function utf16be(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).swap16().toString('utf16le');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
