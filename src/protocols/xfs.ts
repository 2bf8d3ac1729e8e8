/**
 * The XFS file system as far as a reader needs it, versions 4 and 5; everything is big-endian [XFS Algorithms & Data
 * Structures, 3rd edition]. Where a structure grew with version 5 it has two sizes.
 */
import { bytes, struct, u16be, u32be, u53be, u8 } from '../wire/struct.ts';

/** "XFSB" [13.1]. */
export const XFS_MAGIC = 0x5846_5342;
export const XfsSuperblock = struct('xfs_dsb', 264, {
  magic: u32be, blockBytes: u32be, blocks: u53be, unused1: bytes(16), uuid: bytes(16), unused2: bytes(8),
  rootInode: u53be, unused3: bytes(20), groupBlocks: u32be, groups: u32be, unused4: bytes(8), version: u16be,
  sectorBytes: u16be, inodeBytes: u16be, inodesPerBlock: u16be, label: bytes(12), blockLog: u8, sectorLog: u8,
  inodeLog: u8, inodesPerBlockLog: u8, groupBlocksLog: u8, unused5: bytes(67), folderBlockLog: u8, unused6: bytes(7),
  features: u32be, unused7: bytes(12), incompatible: u32be, unused8: bytes(44),
});
export const XFS_VERSION_MASK = 0xf;
/** In `version`: folders are of the second kind, as they are always in version 5. */
export const XFS_VERSION_FOLDERS_2 = 0x2000;
/** In `features`, of version 4: entries of folders say what they are for. */
export const XFS_FEATURE_FILE_TYPE = 0x200;
export const XfsIncompatible = {
  FileType: 0x1, SparseInodes: 0x2, MetaUuid: 0x4, BigTime: 0x8, NeedsRepair: 0x10, LargeCounts: 0x20,
  ExchangeRange: 0x40, Parents: 0x80,
} as const;

/** An inode's core; version 5 has 76 bytes more, of which the first flags are of interest [18.1]. */
export const XfsInode = struct('xfs_dinode', 176, {
  magic: u16be, mode: u16be, version: u8, format: u8, unused1: bytes(18), largeExtentCount: u53be, unused2: bytes(24),
  sizeBytes: u53be, unused3: bytes(12), extentCount: u32be, unused4: bytes(2), forkOffset: u8, unused5: bytes(7),
  flags: u16be, unused6: bytes(28), flags2: u53be, unused7: bytes(48),
});
/** "IN" */
export const XFS_INODE_MAGIC = 0x494e;
export const XFS_INODE_BYTES = { 2: 100, 3: 176 } as const;
export const XfsInodeFormat = { Local: 1, Extents: 2, Tree: 3 } as const;
/** The content is on the real-time device. */
export const XFS_INODE_REAL_TIME = 0x1;
/** In `flags2`: the count of extents is the large one. */
export const XFS_INODE_LARGE_COUNTS = 0x10;

/** An extent: a flag, 54 bits of place in the file, 52 of place on the volume, and 21 of length [19.1]. */
export const XfsExtent = struct('xfs_bmbt_rec', 16, { word0: u32be, word1: u32be, word2: u32be, word3: u32be });

/** A block of a tree of extents, to where keys or records begin in version 4; version 5 has more [19.2]. */
export const XfsTreeBlock = struct('xfs_bmbt_block', 24, {
  magic: u32be, level: u16be, entries: u16be, unused: bytes(16),
});
/** "BMAP", "BMA3" */
export const XFS_TREE_MAGICS: readonly number[] = [0x424d_4150, 0x424d_4133];
export const XFS_TREE_HEADER_BYTES = { 4: 24, 5: 72 } as const;
export const XfsTreeRoot = struct('xfs_bmdr_block', 4, { level: u16be, entries: u16be });

/** Where in a folder's content what is no entry begins [20.2]. */
export const XFS_FOLDER_DATA_BYTES_MAX = 2 ** 35;
/** "XD2B", "XDB3": a folder of one block. "XD2D", "XDD3": one of several blocks. */
export const XfsFolderMagic = {
  Block4: 0x5844_3242, Block5: 0x5844_4233, Data4: 0x5844_3244, Data5: 0x5844_4433,
} as const;
export const XFS_FOLDER_HEADER_BYTES = { 4: 16, 5: 64 } as const;
export const XfsFolderTail = struct('xfs_dir2_block_tail', 8, { count: u32be, stale: u32be });
export const XFS_FOLDER_LEAF_BYTES = 8;
/** In place of the upper half of an inode's number: nothing is here, for as long as the next half says. */
export const XFS_FOLDER_FREE = 0xffff;
/** An entry up to its name. */
export const XfsFolderEntry = struct('xfs_dir2_data_entry', 9, { inode: u53be, nameBytes: u8 });

/** The head of each block of a long symbolic link in version 5 [21]. */
export const XFS_LINK_HEADER_BYTES = 56;
/** "XSLM" */
export const XFS_LINK_MAGIC = 0x5853_4c4d;
