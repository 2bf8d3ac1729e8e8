/**
 * QCOW2, QEMU's image format, as far as a reader needs it [QEMU docs/interop/qcow2.txt]. Integers are big-endian.
 * Tables of two levels lead from guest clusters to clusters of the file.
 */
import { struct, u32be, type Codec } from '../wire/struct.ts';

/** A 64-bit big-endian value that is known to be a safe integer, or far beyond any file. */
const u53be: Codec<number> = {
  size: 8,
  get: (view, at) => view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4),
  set: (view, at, value) => {
    view.setUint32(at, Math.floor(value / 0x1_0000_0000) >>> 0);
    view.setUint32(at + 4, value >>> 0);
  },
};

/** What versions 2 and 3 have in common ["Header"]. */
export const Qcow2Header = struct('qcow2_header', 72, {
  magic: u32be, version: u32be, backingFileOffset: u53be, backingFileSize: u32be, clusterBits: u32be, size: u53be,
  encryption: u32be, l1Size: u32be, l1TableOffset: u53be, refcountTableOffset: u53be, refcountTableClusters: u32be,
  snapshotCount: u32be, snapshotsOffset: u53be,
});
/** What version 3 adds. Of each set of features only the low word is in use. */
export const Qcow2HeaderExtension = struct('qcow2_header_version_3', 32, {
  incompatibleHigh: u32be, incompatible: u32be, compatibleHigh: u32be, compatible: u32be, autoclearHigh: u32be,
  autoclear: u32be, refcountOrder: u32be, headerLength: u32be,
});
/** Byte 104, in headers that are long enough; zero is deflate. */
export const COMPRESSION_TYPE_OFFSET = 104;

/** "QFI" and 0xFB. */
export const QCOW2_MAGIC = 0x5146_49fb;
export const CLUSTER_BITS_MIN = 9;
export const CLUSTER_BITS_MAX = 21;
/** QEMU's own limit of the first-level table: 32 MiB. */
export const L1_BYTES_MAX = 0x200_0000;
export const BACKING_NAME_BYTES_MAX = 1023;

export const Incompatible = {
  Dirty: 1, Corrupt: 2, ExternalData: 4, Compression: 8, ExtendedL2: 16,
} as const;
export const INCOMPATIBLE_KNOWN = 31;

/** Bits of the high word of a second-level entry ["L2 table entry"]. */
export const L2_COMPRESSED_HIGH = 0x4000_0000;
/** Bits 9 to 55 are the offset, of both levels' entries. */
export const OFFSET_HIGH_MASK = 0x00ff_ffff;
export const OFFSET_LOW_MASK = 0xffff_fe00;
/** Bit 0 of a standard entry: reads as zeros. */
export const L2_ZERO_LOW = 1;
