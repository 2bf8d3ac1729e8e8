/**
 * VHDX, the virtual hard disk format of Hyper-V: structures, identifiers and limits [MS-VHDX 2]. All integers are
 * little-endian. Offsets and lengths are read as doubles: one above 2^53 loses its low bits, but stays far beyond any
 * file, so that a range check refuses it all the same.
 *
 *      0       64 KiB    128 KiB   192 KiB    256 KiB    1 MiB
 *      +--------+---------+---------+----------+----------+-------- - - -
 *      | file   | header  | header  | region   | region   | log, metadata, BAT,
 *      | ident. | 1       | 2       | table 1  | table 2  | blocks: at whole MiB
 *      +--------+---------+---------+----------+----------+-------- - - -
 */
import { ascii, bytes, struct, u16, u32, u53 } from '../wire/struct.ts';

export const MIB = 0x10_0000;

/** [MS-VHDX 2.2.1] */
export const FileIdentifier = struct('vhdx_file_identifier', 520, { signature: ascii(8), creator: bytes(512) });
export const FILE_SIGNATURE = 'vhdxfile';

/** The copy with the higher sequence number and a right checksum is current [MS-VHDX 2.2.2]. */
export const VhdxHeader = struct('vhdx_header', 80, {
  signature: ascii(4), checksum: u32, sequenceNumber: u53, fileWriteGuid: bytes(16), dataWriteGuid: bytes(16),
  logGuid: bytes(16), logVersion: u16, version: u16, logLength: u32, logOffset: u53,
});
export const HEADER_SIGNATURE = 'head';
export const HEADER_OFFSETS = [0x1_0000, 0x2_0000] as const;
/** What the checksum covers. */
export const HEADER_BYTES = 4096;
export const VHDX_VERSION = 1;
export const LOG_VERSION = 0;

/** [MS-VHDX 2.2.3] */
export const RegionTableHeader = struct('vhdx_region_table_header', 16, {
  signature: ascii(4), checksum: u32, entryCount: u32, reserved: u32,
});
export const RegionTableEntry = struct('vhdx_region_table_entry', 32, {
  guid: bytes(16), fileOffset: u53, length: u32, flags: u32,
});
export const REGION_SIGNATURE = 'regi';
export const REGION_TABLE_OFFSETS = [0x3_0000, 0x4_0000] as const;
export const REGION_TABLE_BYTES = 0x1_0000;
export const REGION_ENTRIES_MAX = 2047;
export const REGION_REQUIRED = 1;
export const REGION_BAT = '2dc27766-f623-4200-9d64-115e9bfd4a08';
export const REGION_METADATA = '8b7ca206-4790-4b9a-b8fe-575f050f886e';

/** [MS-VHDX 2.3.1.1] */
export const LogEntryHeader = struct('vhdx_log_entry_header', 64, {
  signature: ascii(4), checksum: u32, entryLength: u32, tail: u32, sequenceNumber: u53, descriptorCount: u32,
  reserved: u32, logGuid: bytes(16), flushedFileOffset: u53, lastFileOffset: u53,
});
/** Zeros over a range of the file [MS-VHDX 2.3.1.2]. */
export const LogZeroDescriptor = struct('vhdx_log_zero_descriptor', 32, {
  signature: ascii(4), reserved: u32, zeroLength: u53, fileOffset: u53, sequenceNumber: u53,
});
/** One sector of the file; its first 8 and last 4 bytes are here, the rest in a data sector [MS-VHDX 2.3.1.3]. */
export const LogDataDescriptor = struct('vhdx_log_data_descriptor', 32, {
  signature: ascii(4), trailingBytes: bytes(4), leadingBytes: bytes(8), fileOffset: u53, sequenceNumber: u53,
});
/** [MS-VHDX 2.3.1.4] */
export const LogDataSector = struct('vhdx_log_data_sector', 4096, {
  signature: ascii(4), sequenceHigh: u32, data: bytes(4084), sequenceLow: u32,
});
export const LOG_ENTRY_SIGNATURE = 'loge';
export const LOG_ZERO_SIGNATURE = 'zero';
export const LOG_DESCRIPTOR_SIGNATURE = 'desc';
export const LOG_DATA_SIGNATURE = 'data';
export const LOG_SECTOR_BYTES = 4096;

/** The low three bits of a BAT entry; the high 44 are the file offset in MiB [MS-VHDX 2.5.1]. */
export const PayloadState = {
  NotPresent: 0, Undefined: 1, Zero: 2, Unmapped: 3, FullyPresent: 6, PartiallyPresent: 7,
} as const;
export const BitmapState = { NotPresent: 0, Present: 6 } as const;
export const BAT_ENTRY_BYTES = 8;
export const BAT_STATE_MASK = 7;
export const BAT_RESERVED_MASK = 0xf_fff8;

/** [MS-VHDX 2.6.1] */
export const MetadataTableHeader = struct('vhdx_metadata_table_header', 32, {
  signature: ascii(8), reserved: u16, entryCount: u16, reserved2: bytes(20),
});
/** Offsets count from the start of the region, and are 64 KiB at least. */
export const MetadataTableEntry = struct('vhdx_metadata_table_entry', 32, {
  itemId: bytes(16), offset: u32, length: u32, flags: u32, reserved: u32,
});
export const METADATA_SIGNATURE = 'metadata';
export const METADATA_TABLE_BYTES = 0x1_0000;
export const METADATA_ENTRIES_MAX = 2047;
export const MetadataFlag = { IsUser: 1, IsVirtualDisk: 2, IsRequired: 4 } as const;

/** Known metadata items [MS-VHDX 2.6.2]. */
export const MetadataItem = {
  FileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  VirtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  VirtualDiskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  LogicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  PhysicalSectorSize: 'cda348c7-445d-4471-9cc9-e9885251c556',
  ParentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;

/** [MS-VHDX 2.6.2.1] */
export const FileParameters = struct('vhdx_file_parameters', 8, { blockSize: u32, flags: u32 });
export const FileFlag = { LeaveBlocksAllocated: 1, HasParent: 2 } as const;

/** [MS-VHDX 2.6.2.6] */
export const ParentLocatorHeader = struct('vhdx_parent_locator_header', 20, {
  locatorType: bytes(16), reserved: u16, keyValueCount: u16,
});
export const ParentLocatorEntry = struct('vhdx_parent_locator_entry', 12, {
  keyOffset: u32, valueOffset: u32, keyLength: u16, valueLength: u16,
});
export const LOCATOR_TYPE_VHDX = 'b04aefb7-d19e-4a81-b789-25b8e9445913';

export const BLOCK_BYTES_MIN = MIB;
export const BLOCK_BYTES_MAX = 256 * MIB;
/** 64 TiB. */
export const DISK_BYTES_MAX = 64 * MIB * MIB;
/** One block of sector bitmap; each bit stands for a logical sector [MS-VHDX 2.4]. */
export const BITMAP_BLOCK_BYTES = MIB;
export const SECTORS_PER_BITMAP_BLOCK = BITMAP_BLOCK_BYTES * 8;
