/**
 * The ext2, ext3 and ext4 file systems as far as a reader needs them [Linux Documentation/filesystems/ext4], and the
 * journal of the latter two, which is big-endian [Linux Documentation/filesystems/ext4/journal.rst].
 */
import { bytes, struct, u16, u16be, u32, u32be, u8 } from '../wire/struct.ts';

export const EXT4_SUPERBLOCK_OFFSET = 1024;
export const EXT4_MAGIC = 0xef53;

/** The superblock to the end of what is in use [super.rst]. */
export const Ext4Superblock = struct('ext4_super_block', 372, {
  inodeCount: u32, blockCountLow: u32, unused1: bytes(12), firstDataBlock: u32, logBlockSize: u32, unused2: u32,
  blocksPerGroup: u32, unused3: u32, inodesPerGroup: u32, unused4: bytes(12), magic: u16, state: u16,
  unused5: bytes(16), revision: u32, unused6: u32, firstInode: u32, inodeSize: u16, unused7: u16,
  compatible: u32, incompatible: u32, readOnlyCompatible: u32, uuid: bytes(16), label: bytes(16),
  unused8: bytes(88), journalInode: u32, journalDevice: u32, unused9: bytes(22), descriptorSize: u16,
  unused10: u32, firstMetaGroup: u32, unused11: bytes(72), blockCountHigh: u32, unused12: bytes(32),
});

export const Ext4Incompatible = {
  FileType: 0x2, Recover: 0x4, JournalDevice: 0x8, MetaGroups: 0x10, Extents: 0x40, Wide: 0x80, MultiMount: 0x100,
  FlexGroups: 0x200, AttributeInodes: 0x400, ChecksumSeed: 0x2000, LargeFolders: 0x4000, InlineData: 0x8000,
  Encryption: 0x1_0000, CaseFolding: 0x2_0000,
} as const;
export const EXT4_READ_ONLY_SPARSE_SUPER = 1;
export const EXT4_COMPATIBLE_SPARSE_SUPER2 = 0x200;

/** A group descriptor; what follows byte 32 is there where descriptors are large [group_descr.rst]. */
export const Ext4GroupDescriptor = struct('ext4_group_desc', 44, {
  unused1: bytes(8), inodeTableLow: u32, unused2: bytes(28), inodeTableHigh: u32,
});
export const EXT4_SMALL_DESCRIPTOR_BYTES = 32;

/** An inode to the end of what is in use [inodes.rst]. */
export const Ext4Inode = struct('ext4_inode', 128, {
  mode: u16, user: u16, sizeLow: u32, unused1: bytes(24), flags: u32, unused2: u32, block: bytes(60), unused3: bytes(8),
  sizeHigh: u32, unused4: bytes(16),
});
export const EXT4_BLOCK_FIELD_OFFSET = 40;
export const EXT4_BLOCK_FIELD_BYTES = 60;
export const EXT4_ROOT_INODE = 2;
export const FileMode = { Mask: 0xf000, Folder: 0x4000, File: 0x8000, Symlink: 0xa000 } as const;
export const Ext4InodeFlag = { Encrypted: 0x800, Extents: 0x8_0000, InlineData: 0x1000_0000 } as const;

/** The head of a node of an extent tree; entries of 12 bytes follow [ifork.rst]. */
export const Ext4ExtentHeader = struct('ext4_extent_header', 12, {
  magic: u16, entries: u16, maximum: u16, depth: u16, generation: u32,
});
export const EXT4_EXTENT_MAGIC = 0xf30a;
export const EXT4_EXTENT_DEPTH_MAX = 5;
export const Ext4ExtentIndex = struct('ext4_extent_idx', 12, { block: u32, leafLow: u32, leafHigh: u16, unused: u16 });
export const Ext4Extent = struct('ext4_extent', 12, { block: u32, length: u16, startHigh: u16, startLow: u32 });
/** Longer ones have room and no data, and are this much shorter than they say. */
export const EXT4_EXTENT_LENGTH_MAX = 0x8000;

/** An entry of a folder up to its name [directory.rst]. */
export const Ext4FolderEntry = struct('ext4_dir_entry_2', 8, { inode: u32, recordBytes: u16, nameBytes: u8, type: u8 });

export const JOURNAL_MAGIC = 0xc03b_3998;
export const JournalBlockType = { Descriptor: 1, Commit: 2, SuperblockV1: 3, SuperblockV2: 4, Revoke: 5 } as const;
export const JournalHeader = struct('journal_header_s', 12, { magic: u32be, type: u32be, sequence: u32be });
export const JournalSuperblock = struct('journal_superblock_s', 88, {
  magic: u32be, type: u32be, headerSequence: u32be, blockBytes: u32be, blocks: u32be, firstBlock: u32be,
  firstSequence: u32be, startBlock: u32be, error: u32be, compatible: u32be, incompatible: u32be,
  readOnlyCompatible: u32be, uuid: bytes(16), users: u32be, dynamicSuper: u32be, maxTransaction: u32be,
  maxTransactionData: u32be, checksumType: u8, padding: bytes(3), fastCommitBlocks: u32be,
});
export const JournalIncompatible = { Revoke: 1, Wide: 2, AsyncCommit: 4, ChecksumV2: 8, ChecksumV3: 0x10 } as const;
/** What says which block of the file system a logged block is for, in the three forms that there are. */
export const JournalTag3 = struct('journal_block_tag3_s', 16, {
  blockLow: u32be, flags: u32be, blockHigh: u32be, checksum: u32be,
});
export const JournalTag = struct('journal_block_tag_s', 12, {
  blockLow: u32be, checksum: u16be, flags: u16be, blockHigh: u32be,
});
export const JournalTagFlag = { Escaped: 1, SameUuid: 2, Last: 8 } as const;
/** The number of bytes in use, itself and the header included. */
export const JournalRevokeHeader = struct('jbd2_journal_revoke_header_s', 16, { header: bytes(12), count: u32be });
/** Where a commit block has its checksum. */
export const JOURNAL_COMMIT_CHECKSUM_OFFSET = 16;
/** Of a block that ends with a checksum. */
export const JOURNAL_TAIL_BYTES = 4;

