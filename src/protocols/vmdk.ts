/**
 * VMDK, VMware's image format, as far as a reader needs it [VMware Virtual Disk Format 5.0]. A sparse extent has a
 * header, a descriptor of lines of text, and tables of two levels that lead from grains of the disk to grains of the
 * file. In a stream-optimised one grains are deflated, and the tables are behind them.
 */
import { bytes, struct, u16, u32, u53, u8 } from '../wire/struct.ts';

export const VMDK_SECTOR_BYTES = 512;
/** "KDMV". */
export const VMDK_MAGIC = 0x564d_444b;
export const VMDK_DESCRIPTOR_START = '# Disk DescriptorFile';

/** At the start of a sparse extent, and, where the tables are at the end, once more in front of the last sector. */
export const VmdkSparseHeader = struct('SparseExtentHeader', 79, {
  magic: u32, version: u32, flags: u32, capacity: u53, grainSectors: u53, descriptorSector: u53, descriptorSectors: u53,
  entriesPerTable: u32, redundantDirectorySector: u53, directorySectorLow: u32, directorySectorHigh: u32,
  overheadSectors: u53, uncleanShutdown: u8, lineEnds: bytes(4), compression: u16,
});
export const VmdkFlag = { RedundantTable: 2, ZeroGrains: 4, Compressed: 0x1_0000, Markers: 0x2_0000 } as const;
export const VMDK_COMPRESSION_DEFLATE = 1;
/** Of `directorySector`: the header at the end of the file says where the directory is. */
export const VMDK_AT_END = 0xffff_ffff;
/** Where that header begins, from the end of the file: behind it is the end-of-stream marker. */
export const VMDK_FOOTER_FROM_END = 1024;
export const VMDK_ENTRIES_PER_TABLE_MAX = 512 * 1024;
export const VMDK_GRAIN_BYTES_MAX = 0x100_0000;
export const VMDK_DESCRIPTOR_BYTES_MAX = 0x1_0000;
/** Of a table's entry: the grain reads as zeros. */
export const VMDK_ZERO_GRAIN = 1;

/** In front of a deflated grain [grain marker]. */
export const VmdkGrainMarker = struct('GrainMarker', 12, { sector: u53, dataBytes: u32 });
