/** The inodes of an ext4 file system: where each is, and which blocks its content has. */

import { viewOf } from '../../kit/view.ts';
import {
  EXT4_BLOCK_FIELD_BYTES, EXT4_BLOCK_FIELD_OFFSET, EXT4_EXTENT_DEPTH_MAX, EXT4_EXTENT_LENGTH_MAX, EXT4_EXTENT_MAGIC,
  Ext4Extent, Ext4ExtentHeader, Ext4ExtentIndex, Ext4GroupDescriptor, Ext4Inode, Ext4InodeFlag, FileMode,
} from '../../protocols/ext4.ts';
import { damaged, unsupported } from '../damaged.ts';
import type { FileNode, NodeKind } from '../file-system.ts';
import type { Blocks } from './blocks.ts';
import { hasSuperblockCopy, type Superblock } from './superblock.ts';

export interface Inode extends FileNode {
  readonly number: number;
  readonly flags: number;
  /** What leads to its blocks, or, of a short link, its text. */
  readonly block: Uint8Array;
}

const DIRECT_BLOCKS = 12;
const INDIRECT_LEVELS = 3;
const ENTRY_BYTES = 12;
const KINDS: Readonly<Record<number, NodeKind>> = {
  [FileMode.File]: 'file', [FileMode.Folder]: 'folder', [FileMode.Symlink]: 'symlink',
};

/** Blocks one after another; without a start they are a hole. */
interface Run {
  readonly start: number | undefined;
  readonly count: number;
}

export class Inodes {
  readonly #superblock: Superblock;
  readonly #blocks: Blocks;

  constructor(superblock: Superblock, blocks: Blocks) {
    this.#superblock = superblock;
    this.#blocks = blocks;
  }

  get(number: number): Inode {
    const { inodesPerGroup, inodeBytes, inodeCount, blockBytes } = this.#superblock;
    if (number < 1 || number > inodeCount) {
      throw damaged(this.#blocks.volume, `its ext4 file system names inode ${number}, and it has ${inodeCount}`);
    }
    const index = (number - 1) % inodesPerGroup;
    const table = this.#inodeTable(Math.floor((number - 1) / inodesPerGroup));
    const place = table + Math.floor(index * inodeBytes / blockBytes);
    const view = viewOf(this.#blocks.read(place));
    const base = (index * inodeBytes) % blockBytes;
    const { mode, sizeLow, sizeHigh, flags } = Ext4Inode.decode(view, base);
    const kind = KINDS[mode & FileMode.Mask] ?? 'other';
    const block = new Uint8Array(view.buffer, base + EXT4_BLOCK_FIELD_OFFSET, EXT4_BLOCK_FIELD_BYTES);
    // The high word of a folder's or link's size was an access list once.
    const sizeBytes = sizeLow + (kind === 'file' ? sizeHigh * 0x1_0000_0000 : 0);
    return { number, kind, sizeBytes, flags, block };
  }

  /** The first bytes of its content. */
  read(inode: Inode, lengthBytes: number): Uint8Array {
    const { volume } = this.#blocks;
    if ((inode.flags & Ext4InodeFlag.Encrypted) !== 0) throw unsupported(volume, 'a file in it is encrypted');
    const isShortLink = inode.kind === 'symlink' && inode.sizeBytes < EXT4_BLOCK_FIELD_BYTES
      && (inode.flags & Ext4InodeFlag.Extents) === 0;
    if (isShortLink) return inode.block.slice(0, lengthBytes);
    if ((inode.flags & Ext4InodeFlag.InlineData) !== 0) {
      if (inode.sizeBytes <= EXT4_BLOCK_FIELD_BYTES) return inode.block.slice(0, lengthBytes);
      throw unsupported(volume, 'a file in it lies among its attributes (inline_data)');
    }
    const { blockBytes } = this.#superblock;
    const target = new Uint8Array(Math.ceil(lengthBytes / blockBytes) * blockBytes);
    for (let done = 0; done < target.length;) {
      const { start, count } = this.#runAt(inode, done / blockBytes);
      const taken = Math.min(count, (target.length - done) / blockBytes);
      if (start !== undefined) this.#blocks.readInto(target, done, start, taken);
      done += taken * blockBytes;
    }
    return target.subarray(0, lengthBytes);
  }

  /** The block of the volume that holds a block of the content, for those who keep places; undefined for a hole. */
  blockOf(inode: Inode, index: number): number | undefined {
    return this.#runAt(inode, index).start;
  }

  #inodeTable(group: number): number {
    const { descriptorBytes, blockBytes } = this.#superblock;
    const perBlock = Math.floor(blockBytes / descriptorBytes);
    const view = viewOf(this.#blocks.read(this.#descriptorBlock(Math.floor(group / perBlock), perBlock)));
    const base = (group % perBlock) * descriptorBytes;
    const low = Ext4GroupDescriptor.inodeTableLow.get(view, base);
    if (descriptorBytes < Ext4GroupDescriptor.$size) return low;
    return low + Ext4GroupDescriptor.inodeTableHigh.get(view, base) * 0x1_0000_0000;
  }

  /** They lie together behind the superblock, or, from some set on, in the first group of the set they describe. */
  #descriptorBlock(index: number, perBlock: number): number {
    const { firstDataBlock, firstMetaGroup, blocksPerGroup } = this.#superblock;
    if (firstMetaGroup === undefined || index < firstMetaGroup) return firstDataBlock + 1 + index;
    const group = index * perBlock;
    return firstDataBlock + group * blocksPerGroup + (hasSuperblockCopy(this.#superblock, group) ? 1 : 0);
  }

  #runAt(inode: Inode, index: number): Run {
    const isTree = (inode.flags & Ext4InodeFlag.Extents) !== 0;
    return isTree ? this.#extentAt(inode, index) : { start: this.#mappedBlock(inode, index), count: 1 };
  }

  /** Down the tree: in each node the last entry that does not begin behind the block leads to it. */
  #extentAt(inode: Inode, index: number): Run {
    let view = viewOf(inode.block);
    /** The entry after the one taken, on any level, begins here: up to it there is nothing else. */
    let end = 2 ** 32;
    for (let level = 0; level <= EXT4_EXTENT_DEPTH_MAX; level++) {
      const { magic, entries, depth } = Ext4ExtentHeader.decode(view, 0);
      if (magic !== EXT4_EXTENT_MAGIC || (entries + 1) * ENTRY_BYTES > view.byteLength
        || depth > EXT4_EXTENT_DEPTH_MAX - level) {
        throw damaged(this.#blocks.volume, `the extents of its inode ${inode.number} are none`);
      }
      let found = 0;
      for (let entry = 1; entry <= entries; entry++) {
        const block = view.getUint32(entry * ENTRY_BYTES, true);
        if (block > index) {
          end = Math.min(end, block);
          break;
        }
        found = entry;
      }
      if (found === 0) return { start: undefined, count: end - index };
      if (depth === 0) return extentRun(view, found * ENTRY_BYTES, index, end);
      const { leafLow, leafHigh } = Ext4ExtentIndex.decode(view, found * ENTRY_BYTES);
      view = viewOf(this.#blocks.read(leafLow + leafHigh * 0x1_0000_0000));
    }
    throw damaged(this.#blocks.volume, `the extents of its inode ${inode.number} have no end`);
  }

  /** The older way: twelve blocks, then blocks of block numbers on up to three levels [blockmap.rst]. */
  #mappedBlock(inode: Inode, index: number): number | undefined {
    const perBlock = this.#superblock.blockBytes / 4;
    const view = viewOf(inode.block);
    if (index < DIRECT_BLOCKS) return view.getUint32(index * 4, true) || undefined;
    let rest = index - DIRECT_BLOCKS;
    for (let level = 1; level <= INDIRECT_LEVELS; level++) {
      if (rest >= perBlock ** level) {
        rest -= perBlock ** level;
        continue;
      }
      let block = view.getUint32((DIRECT_BLOCKS + level - 1) * 4, true);
      for (let below = level - 1; below >= 0; below--) {
        if (block === 0) return undefined;
        const position = Math.floor(rest / perBlock ** below) % perBlock;
        block = viewOf(this.#blocks.read(block)).getUint32(position * 4, true);
      }
      return block || undefined;
    }
    return undefined;
  }
}

function extentRun(view: DataView, at: number, index: number, end: number): Run {
  const { block, length, startHigh, startLow } = Ext4Extent.decode(view, at);
  const hasData = length <= EXT4_EXTENT_LENGTH_MAX;
  const count = hasData ? length : length - EXT4_EXTENT_LENGTH_MAX;
  const before = index - block;
  if (before >= count) return { start: undefined, count: end - index };
  return { start: hasData ? startLow + startHigh * 0x1_0000_0000 + before : undefined, count: count - before };
}
