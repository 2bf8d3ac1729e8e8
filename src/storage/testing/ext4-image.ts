/** A small ext4 file system in memory for tests, its files in one folder, its journal perhaps with work left. */

import { viewOf } from '../../kit/view.ts';
import {
  EXT4_EXTENT_MAGIC, EXT4_MAGIC, EXT4_ROOT_INODE, EXT4_SUPERBLOCK_OFFSET, Ext4Extent, Ext4ExtentHeader,
  Ext4FolderEntry, Ext4GroupDescriptor, Ext4Incompatible, Ext4Inode, Ext4InodeFlag, Ext4Superblock, FileMode,
  JOURNAL_MAGIC, JournalBlockType, JournalHeader, JournalSuperblock, JournalTag, JournalTagFlag,
} from '../../protocols/ext4.ts';

const BLOCK = 1024;
const BLOCKS = 128;
const INODES = 32;
const INODE_BYTES = 128;
const TABLE_BLOCK = 5;
const FIRST_FREE_BLOCK = TABLE_BLOCK + INODES * INODE_BYTES / BLOCK;
const JOURNAL_INODE = 8;
const JOURNAL_BLOCKS = 16;
const SEQUENCE = 7;
const DIRECT_BLOCKS = 12;

export interface Ext4ImageOptions {
  /** The journal has work left. */
  readonly isDirty: boolean;
  /** Files have block numbers, as in ext2, in place of extents. */
  readonly isMapped?: boolean;
}

/**
 * The folder is "grub"; a text is where a link leads. With work left, its block is empty in its place and whole in the
 * journal.
 */
export function ext4Image(
  files: Readonly<Record<string, Uint8Array | string>>, { isDirty, isMapped = false }: Ext4ImageOptions,
): Uint8Array {
  const image = new Uint8Array(BLOCKS * BLOCK);
  const view = viewOf(image);
  let free = FIRST_FREE_BLOCK;
  const put = (inode: number, mode: number, data: Uint8Array, minimumBlocks = 1): number => {
    const start = free;
    const count = Math.max(minimumBlocks, Math.ceil(data.length / BLOCK));
    image.set(data, start * BLOCK);
    free += count;
    const block = new Uint8Array(60);
    const hasExtents = !isMapped || mode !== FileMode.File;
    if (hasExtents) {
      Ext4ExtentHeader.encode(viewOf(block), 0, { magic: EXT4_EXTENT_MAGIC, entries: 1, maximum: 4 });
      Ext4Extent.encode(viewOf(block), 12, { length: count, startLow: start });
    } else {
      if (count > DIRECT_BLOCKS) viewOf(block).setUint32(DIRECT_BLOCKS * 4, free, true);
      for (let index = 0; index < count; index++) {
        if (index < DIRECT_BLOCKS) viewOf(block).setUint32(index * 4, start + index, true);
        else view.setUint32(free * BLOCK + (index - DIRECT_BLOCKS) * 4, start + index, true);
      }
      if (count > DIRECT_BLOCKS) free++;
    }
    Ext4Inode.encode(view, TABLE_BLOCK * BLOCK + (inode - 1) * INODE_BYTES, {
      mode: mode | 0o644, sizeLow: minimumBlocks > 1 ? count * BLOCK : data.length,
      flags: hasExtents ? Ext4InodeFlag.Extents : 0, block,
    });
    return start;
  };
  const link = (inode: number, target: string): void => {
    const block = new Uint8Array(60);
    block.set(Buffer.from(target));
    Ext4Inode.encode(view, TABLE_BLOCK * BLOCK + (inode - 1) * INODE_BYTES, {
      mode: FileMode.Symlink | 0o777, sizeLow: target.length, flags: 0, block,
    });
  };
  const names = Object.entries(files).map(([name, data], index): [string, number] => {
    if (typeof data === 'string') link(12 + index, data);
    else put(12 + index, FileMode.File, data);
    return [name, 12 + index];
  });
  const content = folder([['.', 11], ['..', EXT4_ROOT_INODE], ...names]);
  const place = put(11, FileMode.Folder, isDirty ? folder([['.', 11], ['..', EXT4_ROOT_INODE]]) : content);
  put(EXT4_ROOT_INODE, FileMode.Folder, folder([['.', 2], ['..', 2], ['grub', 11]]));
  put(JOURNAL_INODE, FileMode.File, isDirty ? journal(place, content) : journal(0, undefined), JOURNAL_BLOCKS);
  Ext4Superblock.encode(view, EXT4_SUPERBLOCK_OFFSET, {
    magic: EXT4_MAGIC, inodeCount: INODES, blockCountLow: BLOCKS, firstDataBlock: 1, blocksPerGroup: 8192,
    inodesPerGroup: INODES, revision: 1, inodeSize: INODE_BYTES, journalInode: JOURNAL_INODE,
    incompatible: Ext4Incompatible.FileType | Ext4Incompatible.Extents | (isDirty ? Ext4Incompatible.Recover : 0),
  });
  Ext4GroupDescriptor.inodeTableLow.set(view, 2 * BLOCK, TABLE_BLOCK);
  return image;
}

function folder(entries: readonly (readonly [string, number])[]): Uint8Array {
  const block = new Uint8Array(BLOCK);
  let at = 0;
  for (const [index, [name, inode]] of entries.entries()) {
    const isLast = index === entries.length - 1;
    const recordBytes = isLast ? BLOCK - at : Math.ceil((Ext4FolderEntry.$size + name.length) / 4) * 4;
    Ext4FolderEntry.encode(viewOf(block), at, { inode, recordBytes, nameBytes: name.length });
    block.set(Buffer.from(name), at + Ext4FolderEntry.$size);
    at += recordBytes;
  }
  return block;
}

/** One transaction with one block. */
function journal(block: number, content: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(JOURNAL_BLOCKS * BLOCK);
  const view = viewOf(bytes);
  JournalSuperblock.encode(view, 0, {
    magic: JOURNAL_MAGIC, type: JournalBlockType.SuperblockV2, blockBytes: BLOCK, blocks: JOURNAL_BLOCKS, firstBlock: 1,
    firstSequence: SEQUENCE, startBlock: content === undefined ? 0 : 1,
  });
  if (content === undefined) return bytes;
  const header = { magic: JOURNAL_MAGIC, sequence: SEQUENCE };
  JournalHeader.encode(view, BLOCK, { ...header, type: JournalBlockType.Descriptor });
  JournalTag.encode(view, BLOCK + JournalHeader.$size, {
    blockLow: block, flags: JournalTagFlag.Last | JournalTagFlag.SameUuid,
  });
  bytes.set(content, 2 * BLOCK);
  JournalHeader.encode(view, 3 * BLOCK, { ...header, type: JournalBlockType.Commit });
  return bytes;
}
