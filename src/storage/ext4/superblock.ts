/** What an ext2, ext3 or ext4 file system is, from its superblock, checked [Linux Documentation/filesystems/ext4]. */

import { viewOf } from '../../kit/view.ts';
import {
  EXT4_COMPATIBLE_SPARSE_SUPER2, EXT4_MAGIC, EXT4_READ_ONLY_SPARSE_SUPER, EXT4_SMALL_DESCRIPTOR_BYTES,
  EXT4_SUPERBLOCK_OFFSET, Ext4Incompatible, Ext4Superblock,
} from '../../protocols/ext4.ts';
import { damaged, unsupported } from '../damaged.ts';
import type { Volume } from '../volume.ts';

export interface Superblock {
  readonly blockBytes: number;
  readonly blockCount: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeCount: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly firstMetaGroup: number | undefined;
  readonly hasSparseSuper: boolean;
  /** The journal holds what is not in its place yet. */
  readonly needsReplay: boolean;
  readonly journalInode: number;
  readonly uuid: string;
  readonly label: string;
}

const I = Ext4Incompatible;
const KNOWN = I.FileType | I.Recover | I.MetaGroups | I.Extents | I.Wide | I.MultiMount | I.FlexGroups
  | I.AttributeInodes | I.ChecksumSeed | I.LargeFolders | I.InlineData | I.Encryption | I.CaseFolding;
const LOG_BLOCK_SIZE_MAX = 6;
const INODE_BYTES_MIN = 128;

export function isExt4(volume: Volume): boolean {
  if (volume.sizeBytes < EXT4_SUPERBLOCK_OFFSET + Ext4Superblock.$size) return false;
  return Ext4Superblock.magic.get(viewOf(volume.read(EXT4_SUPERBLOCK_OFFSET, Ext4Superblock.$size)), 0) === EXT4_MAGIC;
}

/** @throws OperatingError when it is damaged, or needs what this version does not know. */
export function readSuperblock(volume: Volume): Superblock {
  const view = viewOf(volume.read(EXT4_SUPERBLOCK_OFFSET, Ext4Superblock.$size));
  const values = Ext4Superblock.decode(view, 0);
  const { incompatible, logBlockSize } = values;
  if ((incompatible & ~KNOWN) !== 0) {
    throw unsupported(volume, `its ext4 file system has features that this version does not know (0x${
      (incompatible & ~KNOWN).toString(16)})`);
  }
  if (logBlockSize > LOG_BLOCK_SIZE_MAX) throw damaged(volume, `its blocks are said to have 2^${logBlockSize} KiB`);
  const blockBytes = 1024 << logBlockSize;
  const isWide = (incompatible & I.Wide) !== 0;
  const blockCount = values.blockCountLow + (isWide ? values.blockCountHigh * 0x1_0000_0000 : 0);
  const inodeBytes = values.revision === 0 ? INODE_BYTES_MIN : values.inodeSize;
  const descriptorBytes = isWide ? values.descriptorSize : EXT4_SMALL_DESCRIPTOR_BYTES;
  if (inodeBytes < INODE_BYTES_MIN || inodeBytes > blockBytes || (inodeBytes & (inodeBytes - 1)) !== 0) {
    throw damaged(volume, `its inodes are said to have ${inodeBytes} bytes`);
  }
  if (descriptorBytes < EXT4_SMALL_DESCRIPTOR_BYTES || descriptorBytes > blockBytes) {
    throw damaged(volume, `its group descriptors are said to have ${descriptorBytes} bytes`);
  }
  const { blocksPerGroup, inodesPerGroup, firstDataBlock } = values;
  if (blocksPerGroup === 0 || inodesPerGroup === 0 || firstDataBlock > 1 || blockCount <= firstDataBlock) {
    throw damaged(volume, `its ext4 file system is said to have ${blockCount} blocks, ${blocksPerGroup} and ${
      inodesPerGroup} inodes in a group`);
  }
  const isSparse = (values.readOnlyCompatible & EXT4_READ_ONLY_SPARSE_SUPER) !== 0;
  return {
    blockBytes, blockCount, firstDataBlock, blocksPerGroup, inodesPerGroup, inodeCount: values.inodeCount, inodeBytes,
    descriptorBytes, firstMetaGroup: (incompatible & I.MetaGroups) === 0 ? undefined : values.firstMetaGroup,
    hasSparseSuper: isSparse || (values.compatible & EXT4_COMPATIBLE_SPARSE_SUPER2) !== 0,
    needsReplay: (incompatible & I.Recover) !== 0, journalInode: values.journalInode, uuid: uuidText(values.uuid),
    label: Buffer.from(values.label).toString('utf8').replace(/\0.*$/s, ''),
  };
}

/** In the order of its bytes, unlike the GUIDs of Microsoft's structures. */
function uuidText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Whether a group begins with a copy of the superblock: with sparse copies 0, 1 and the powers of 3, 5 and 7 do. */
export function hasSuperblockCopy({ hasSparseSuper }: Superblock, group: number): boolean {
  if (!hasSparseSuper || group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
