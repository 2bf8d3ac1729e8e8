/**
 * VHD, the virtual hard disk format of Virtual PC and of early Hyper-V: structures and limits
 * [Microsoft VHD Image Format Specification 1.0]. All integers are big-endian. A disk is fixed (data, footer), dynamic
 * or differencing:
 *
 *     +--------+----------------+-----------------+-----+-----------------------------+-- - --+--------+
 *     | copy   | dynamic header | parent locators | BAT | sector bitmap, data block   |  …    | footer |
 *     | footer | 1024 bytes      | (differencing)  |     | (each block with its own)   |       |        |
 *     +--------+----------------+-----------------+-----+-----------------------------+-- - --+--------+
 */
import { ascii, bytes, struct, u16be, u32be, u8, type Codec } from '../wire/struct.ts';

/** A 64-bit big-endian value that is known to be a safe integer, or far beyond any file. */
const u53be: Codec<number> = {
  size: 8,
  get: (view, at) => view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4),
  set: (view, at, value) => {
    view.setUint32(at, Math.floor(value / 0x1_0000_0000) >>> 0);
    view.setUint32(at + 4, value >>> 0);
  },
};

export const VHD_SECTOR_BYTES = 512;

/** The last sector of every VHD, and the first of those that are not fixed ["Hard Disk Footer Format"]. */
export const VhdFooter = struct('vhd_footer', 512, {
  cookie: ascii(8), features: u32be, formatVersion: u32be, dataOffset: u53be, timeStamp: u32be,
  creatorApplication: ascii(4, ' '), creatorVersion: u32be, creatorHost: u32be, originalSize: u53be, currentSize: u53be,
  cylinders: u16be, heads: u8, sectorsPerTrack: u8, diskType: u32be, checksum: u32be, uniqueId: bytes(16),
  savedState: u8, reserved: bytes(427),
});
export const FOOTER_COOKIE = 'conectix';
/** The reserved bit that is always set. */
export const FOOTER_FEATURES = 2;
export const VHD_VERSION = 0x1_0000;
export const VhdType = { Fixed: 2, Dynamic: 3, Differencing: 4 } as const;
/** Seconds from 1970 to 2000, where time stamps begin. */
export const VHD_EPOCH_SECONDS = 946_684_800;

/** ["Dynamic Disk Header Format"] */
export const VhdDynamicHeader = struct('vhd_dynamic_header', 1024, {
  cookie: ascii(8), dataOffsetHigh: u32be, dataOffsetLow: u32be, tableOffset: u53be, headerVersion: u32be,
  maxTableEntries: u32be, blockSize: u32be, checksum: u32be, parentUniqueId: bytes(16), parentTimeStamp: u32be,
  reserved: u32be, parentUnicodeName: bytes(512), parentLocators: bytes(192), reserved2: bytes(256),
});
export const DYNAMIC_COOKIE = 'cxsparse';
export const NO_OFFSET_WORD = 0xffff_ffff;

/** Where a platform's form of the parent's path is ["Parent Locator Entry"]. */
export const VhdParentLocator = struct('vhd_parent_locator', 24, {
  platformCode: u32be, dataSpace: u32be, dataLength: u32be, reserved: u32be, dataOffset: u53be,
});
export const PARENT_LOCATOR_COUNT = 8;
export const LocatorPlatform = {
  /** 'W2ru': UTF-16, relative. */
  WindowsRelative: 0x5732_7275,
  /** 'W2ku': UTF-16, absolute. */
  WindowsAbsolute: 0x5732_6b75,
  /** 'MacX': a file URL in UTF-8. */
  Macintosh: 0x4d61_6358,
} as const;

/** A BAT entry is the sector at which the block's bitmap begins. */
export const BAT_UNUSED = 0xffff_ffff;
export const VHD_BLOCK_BYTES_DEFAULT = 0x20_0000;
/** 2040 GiB, the limit of the implementations. */
export const VHD_DISK_BYTES_MAX = 2040 * 2 ** 30;
/** The largest that cylinders, heads and sectors can express. */
export const CHS_SECTORS_MAX = 65_535 * 16 * 255;
