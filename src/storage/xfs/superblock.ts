/** What an XFS file system is, from its first superblock, checked [XFS Algorithms & Data Structures, 13.1]. */

import { viewOf } from '../../kit/view.ts';
import {
  XFS_FEATURE_FILE_TYPE, XFS_MAGIC, XFS_VERSION_FOLDERS_2, XFS_VERSION_MASK, XfsIncompatible, XfsSuperblock,
} from '../../protocols/xfs.ts';
import { damaged, unsupported } from '../damaged.ts';
import type { Volume } from '../volume.ts';

export interface Superblock {
  readonly version: 4 | 5;
  readonly blockBytes: number;
  readonly blockCount: number;
  readonly inodeBytes: number;
  /** How many of the lower digits of an inode's number say which it is in its block. */
  readonly inodesPerBlockLog: number;
  /** Of a block in its group. */
  readonly groupBlocksLog: number;
  readonly groupBlocks: number;
  readonly groupCount: number;
  readonly rootInode: number;
  /** A block of a folder is one of the volume, or several. */
  readonly folderBlockBytes: number;
  /** Entries of folders say what they are for. */
  readonly hasFileTypes: boolean;
  readonly uuid: string;
  readonly label: string;
}

const I = XfsIncompatible;
const KNOWN = I.FileType | I.SparseInodes | I.MetaUuid | I.BigTime | I.NeedsRepair | I.LargeCounts | I.ExchangeRange
  | I.Parents;
const BLOCK_LOG = { min: 9, max: 16 } as const;
const INODE_LOG = { min: 8, max: 11 } as const;
const GROUP_LOG_MAX = 31;

export function isXfs(volume: Volume): boolean {
  if (volume.sizeBytes < XfsSuperblock.$size) return false;
  return XfsSuperblock.magic.get(viewOf(volume.read(0, XfsSuperblock.$size)), 0) === XFS_MAGIC;
}

/** @throws OperatingError when it is damaged, or needs what this version does not know. */
export function readSuperblock(volume: Volume): Superblock {
  const values = XfsSuperblock.decode(viewOf(volume.read(0, XfsSuperblock.$size)), 0);
  const version = values.version & XFS_VERSION_MASK;
  const hasFolders2 = version === 5 || (values.version & XFS_VERSION_FOLDERS_2) !== 0;
  if ((version !== 4 && version !== 5) || !hasFolders2) {
    throw unsupported(volume, `its XFS file system is of version ${version}, and 4 and 5 are known`);
  }
  const unknown = version === 5 ? values.incompatible & ~KNOWN : 0;
  if (unknown !== 0) {
    throw unsupported(volume, `its XFS file system has features that this version does not know (0x${
      (unknown >>> 0).toString(16)})`);
  }
  checkSizes(volume, values);
  const { blockLog, inodeLog, folderBlockLog, groupBlocks, groupBlocksLog, groups } = values;
  const blockBytes = 2 ** blockLog;
  return {
    version, blockBytes, blockCount: values.blocks, inodeBytes: 2 ** inodeLog, inodesPerBlockLog: blockLog - inodeLog,
    groupBlocksLog, groupBlocks, groupCount: groups, rootInode: values.rootInode,
    folderBlockBytes: blockBytes * 2 ** folderBlockLog,
    hasFileTypes: version === 5 ? (values.incompatible & I.FileType) !== 0
      : (values.features & XFS_FEATURE_FILE_TYPE) !== 0,
    uuid: Buffer.from(values.uuid).toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    label: Buffer.from(values.label).toString('utf8').replace(/\0.*$/s, ''),
  };
}

/** Each size stands there twice: as a number and as the power of two that it is. */
function checkSizes(volume: Volume, values: ReturnType<typeof XfsSuperblock.decode>): void {
  const { blockBytes, blockLog, inodeBytes, inodeLog, inodesPerBlockLog, folderBlockLog, groupBlocksLog } = values;
  const isBlock = blockLog >= BLOCK_LOG.min && blockLog <= BLOCK_LOG.max && blockBytes === 2 ** blockLog;
  const isInode = inodeLog >= INODE_LOG.min && inodeLog <= INODE_LOG.max && inodeBytes === 2 ** inodeLog
    && inodesPerBlockLog === blockLog - inodeLog;
  if (!isBlock || !isInode || blockLog + folderBlockLog > BLOCK_LOG.max) {
    throw damaged(volume, `its XFS file system is said to have blocks of ${blockBytes} bytes and inodes of ${
      inodeBytes}`);
  }
  const { groupBlocks, groups } = values;
  if (groupBlocksLog > GROUP_LOG_MAX || groupBlocks === 0 || groupBlocks > 2 ** groupBlocksLog || groups === 0) {
    throw damaged(volume, `its XFS file system is said to have ${groups} groups of ${groupBlocks} blocks`);
  }
}
