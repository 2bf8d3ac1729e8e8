/** The inodes of an XFS file system and where their content is [XFS Algorithms & Data Structures, 18, 19]. */

import { viewOf } from '../../kit/view.ts';
import { FileMode } from '../../protocols/ext4.ts';
import {
  XFS_INODE_BYTES, XFS_INODE_LARGE_COUNTS, XFS_INODE_MAGIC, XFS_INODE_REAL_TIME, XFS_TREE_HEADER_BYTES,
  XFS_TREE_MAGICS, XfsExtent, XfsInode, XfsInodeFormat, XfsTreeBlock, XfsTreeRoot,
} from '../../protocols/xfs.ts';
import { damaged, unsupported } from '../damaged.ts';
import type { FileNode, NodeKind } from '../file-system.ts';
import type { Volume } from '../volume.ts';
import type { Superblock } from './superblock.ts';

export interface Inode extends FileNode {
  readonly number: number;
  readonly format: number;
  readonly extentCount: number;
  /** What leads to its content, or is it. */
  readonly fork: Uint8Array;
}

/** Blocks one after another, by their place in the content and on the volume. */
interface Extent {
  readonly index: number;
  readonly start: number;
  readonly count: number;
  /** There is room for it, and nothing in it. */
  readonly isUnwritten: boolean;
}

const KINDS: Readonly<Record<number, NodeKind>> = {
  [FileMode.File]: 'file', [FileMode.Folder]: 'folder', [FileMode.Symlink]: 'symlink',
};
const FORK_UNIT_BYTES = 8;
const POINTER_BYTES = 8;
const TREE_LEVELS_MAX = 9;
/** Of a file that one can want to boot from. */
const EXTENTS_MAX = 0x2_0000;

export class Inodes {
  readonly #volume: Volume;
  readonly #superblock: Superblock;

  constructor(volume: Volume, superblock: Superblock) {
    this.#volume = volume;
    this.#superblock = superblock;
  }

  /** @throws OperatingError when there is none of that number. */
  get(number: number): Inode {
    const { inodesPerBlockLog, inodeBytes, blockBytes } = this.#superblock;
    const block = this.#placeOf(Math.floor(number / 2 ** inodesPerBlockLog), `inode ${number}`);
    const within = (number % 2 ** inodesPerBlockLog) * inodeBytes;
    const bytes = this.#volume.read(block * blockBytes + within, inodeBytes);
    const values = XfsInode.decode(viewOf(bytes), 0);
    const { magic, version } = values;
    if (magic !== XFS_INODE_MAGIC || (version !== 2 && version !== 3)) {
      throw damaged(this.#volume, `its inode ${number} is none`);
    }
    if ((values.flags & XFS_INODE_REAL_TIME) !== 0) {
      throw unsupported(this.#volume, 'a file in it is on its real-time device');
    }
    const coreBytes = XFS_INODE_BYTES[version];
    const end = values.forkOffset === 0 ? inodeBytes : coreBytes + values.forkOffset * FORK_UNIT_BYTES;
    const hasLargeCounts = version === 3 && (values.flags2 & XFS_INODE_LARGE_COUNTS) !== 0;
    return {
      number, kind: KINDS[values.mode & FileMode.Mask] ?? 'other', sizeBytes: values.sizeBytes, format: values.format,
      extentCount: hasLargeCounts ? values.largeExtentCount : values.extentCount,
      fork: bytes.subarray(coreBytes, Math.min(end, inodeBytes)),
    };
  }

  /** The first bytes of its content; what no extent covers are zeros. */
  read(inode: Inode, lengthBytes: number): Uint8Array {
    if (inode.format === XfsInodeFormat.Local) return inode.fork.slice(0, lengthBytes);
    const { blockBytes } = this.#superblock;
    const blocks = Math.ceil(lengthBytes / blockBytes);
    const target = new Uint8Array(blocks * blockBytes);
    for (const { index, start, count, isUnwritten } of this.#extentsOf(inode)) {
      if (index >= blocks) break;
      if (isUnwritten) continue;
      const wanted = Math.min(count, blocks - index);
      this.#checkBlocks(start, wanted);
      this.#volume.readInto(target, index * blockBytes, wanted * blockBytes, start * blockBytes);
    }
    return target.subarray(0, lengthBytes);
  }

  /** In the order of the content, none over another. */
  *#extentsOf(inode: Inode): Generator<Extent> {
    let [behind, count] = [0, 0];
    for (const extent of this.#allExtents(inode)) {
      if (extent.index < behind || ++count > EXTENTS_MAX) {
        throw damaged(this.#volume, `the extents of its inode ${inode.number} are in disorder`);
      }
      behind = extent.index + extent.count;
      yield extent;
    }
  }

  *#allExtents(inode: Inode): Generator<Extent> {
    const { fork, extentCount, format } = inode;
    const view = viewOf(fork);
    if (format === XfsInodeFormat.Extents) {
      if (extentCount * XfsExtent.$size > fork.length) throw this.#wrongTree(inode);
      for (let at = 0; at < extentCount; at++) yield this.#extentAt(view, at * XfsExtent.$size);
      return;
    }
    if (format !== XfsInodeFormat.Tree || fork.length < XfsTreeRoot.$size) throw this.#wrongTree(inode);
    const { level, entries } = XfsTreeRoot.decode(view, 0);
    if (level < 1 || level > TREE_LEVELS_MAX) throw this.#wrongTree(inode);
    yield* this.#children(inode, view, XfsTreeRoot.$size, level, entries);
  }

  /** Keys, as many as there is room for, and behind them as many places of the blocks of the next level. */
  *#children(inode: Inode, view: DataView, start: number, level: number, entries: number): Generator<Extent> {
    const room = Math.floor((view.byteLength - start) / (2 * POINTER_BYTES));
    if (entries > room) throw this.#wrongTree(inode);
    for (let entry = 0; entry < entries; entry++) {
      const at = start + (room + entry) * POINTER_BYTES;
      yield* this.#node(inode, view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4), level - 1);
    }
  }

  /** Each block is one level below the one that names it: the tree has an end. */
  *#node(inode: Inode, address: number, level: number): Generator<Extent> {
    const { blockBytes, version } = this.#superblock;
    const block = this.#placeOf(address, `a block of the extents of inode ${inode.number}`);
    const view = viewOf(this.#volume.read(block * blockBytes, blockBytes));
    const header = XfsTreeBlock.decode(view, 0);
    const start = XFS_TREE_HEADER_BYTES[version];
    if (!XFS_TREE_MAGICS.includes(header.magic) || header.level !== level) throw this.#wrongTree(inode);
    if (level > 0) {
      yield* this.#children(inode, view, start, level, header.entries);
      return;
    }
    if (start + header.entries * XfsExtent.$size > blockBytes || header.entries === 0) throw this.#wrongTree(inode);
    for (let at = 0; at < header.entries; at++) yield this.#extentAt(view, start + at * XfsExtent.$size);
  }

  #extentAt(view: DataView, at: number): Extent {
    const { word0, word1, word2, word3 } = XfsExtent.decode(view, at);
    const address = (word1 & 0x1ff) * 2 ** 43 + word2 * 2 ** 11 + (word3 >>> 21);
    return {
      index: (word0 & 0x7fff_ffff) * 2 ** 23 + (word1 >>> 9), count: word3 & 0x1f_ffff,
      start: this.#placeOf(address, 'an extent'), isUnwritten: word0 >>> 31 === 1,
    };
  }

  /** The lower digits of an address count blocks in the group that the upper ones name. */
  #placeOf(address: number, what: string): number {
    const { groupBlocksLog, groupBlocks, groupCount } = this.#superblock;
    const group = Math.floor(address / 2 ** groupBlocksLog);
    const within = address % 2 ** groupBlocksLog;
    if (group >= groupCount || within >= groupBlocks) {
      throw damaged(this.#volume, `its XFS file system says that ${what} is in group ${group}, and has ${groupCount}`);
    }
    return group * groupBlocks + within;
  }

  #checkBlocks(start: number, count: number): void {
    const { blockCount } = this.#superblock;
    if (start + count <= blockCount) return;
    throw damaged(this.#volume, `its XFS file system names block ${start + count - 1}, and it has ${blockCount}`);
  }

  #wrongTree(inode: Inode): Error {
    return damaged(this.#volume, `the extents of its inode ${inode.number} are none`);
  }
}
