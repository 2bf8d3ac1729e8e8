/** A small XFS file system in memory for tests, of version 5: a folder in the root's inode, its files in one block. */

import { viewOf } from '../../kit/view.ts';
import { FileMode } from '../../protocols/ext4.ts';
import {
  XFS_FOLDER_HEADER_BYTES, XFS_INODE_BYTES, XFS_INODE_MAGIC, XFS_MAGIC, XFS_TREE_HEADER_BYTES, XFS_TREE_MAGICS,
  XfsExtent, XfsFolderEntry, XfsFolderMagic, XfsFolderTail, XfsIncompatible, XfsInode, XfsInodeFormat, XfsSuperblock,
  XfsTreeBlock, XfsTreeRoot,
} from '../../protocols/xfs.ts';

const BLOCK = 1024;
const BLOCKS = 64;
const INODE_BYTES = 256;
/** Where the inodes are, four to a block. */
const INODE_BLOCK = 8;
const FIRST_FREE_BLOCK = 16;
const ROOT = INODE_BLOCK * BLOCK / INODE_BYTES;
const FOLDER = ROOT + 1;
const FORK_BYTES = INODE_BYTES - XFS_INODE_BYTES[3];

/** The folder is "grub"; a text is where a link leads; files whose names begin with "tree" have a tree of extents. */
export function xfsImage(files: Readonly<Record<string, Uint8Array | string>>): Uint8Array {
  const image = new Uint8Array(BLOCKS * BLOCK);
  const view = viewOf(image);
  let free = FIRST_FREE_BLOCK;
  const take = (data: Uint8Array): number => {
    const start = free;
    free += Math.max(1, Math.ceil(data.length / BLOCK));
    image.set(data, start * BLOCK);
    return start;
  };
  const put = (
    number: number, mode: number, format: number, sizeBytes: number, fork: Uint8Array, extents = 0,
  ): void => {
    const at = number * INODE_BYTES;
    XfsInode.encode(view, at, {
      magic: XFS_INODE_MAGIC, mode: mode | 0o755, version: 3, format, sizeBytes, extentCount: extents,
    });
    image.set(fork.subarray(0, FORK_BYTES), at + XFS_INODE_BYTES[3]);
  };
  const names = Object.entries(files).map(([name, data], index): [string, number] => {
    const number = FOLDER + 1 + index;
    if (typeof data === 'string') {
      put(number, FileMode.Symlink, XfsInodeFormat.Local, data.length, Buffer.from(data));
    } else if (name.startsWith('tree')) {
      put(number, FileMode.File, XfsInodeFormat.Tree, data.length, treeRoot(take(treeLeaf(take(data), data.length))));
    } else {
      const half = Math.ceil(data.length / 2 / BLOCK) * BLOCK;
      const pieces = [data.subarray(0, half), data.subarray(half)].filter((piece) => piece.length > 0);
      const records = pieces.map((piece, at) => extent(at * half / BLOCK, take(piece), piece.length));
      put(number, FileMode.File, XfsInodeFormat.Extents, data.length, Buffer.concat(records), records.length);
    }
    return [name, number];
  });
  const place = take(folder([['.', FOLDER], ['..', ROOT], ...names]));
  put(FOLDER, FileMode.Folder, XfsInodeFormat.Extents, BLOCK, extent(0, place, BLOCK), 1);
  const root = shortFolder('grub', FOLDER);
  put(ROOT, FileMode.Folder, XfsInodeFormat.Local, root.length, root);
  XfsSuperblock.encode(view, 0, {
    magic: XFS_MAGIC, blockBytes: BLOCK, blocks: BLOCKS, rootInode: ROOT, groupBlocks: BLOCKS, groups: 1, version: 5,
    sectorBytes: 512, inodeBytes: INODE_BYTES, inodesPerBlock: 4, blockLog: 10, sectorLog: 9, inodeLog: 8,
    inodesPerBlockLog: 2, groupBlocksLog: 6, incompatible: XfsIncompatible.FileType, label: Buffer.from('small'),
  });
  return image;
}

function extent(index: number, start: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(XfsExtent.$size);
  XfsExtent.encode(viewOf(bytes), 0, {
    word1: index << 9, word2: start >>> 11, word3: (start << 21 | Math.ceil(lengthBytes / BLOCK)) >>> 0,
  });
  return bytes;
}

function treeRoot(leaf: number): Uint8Array {
  const fork = new Uint8Array(FORK_BYTES);
  XfsTreeRoot.encode(viewOf(fork), 0, { level: 1, entries: 1 });
  const keys = Math.floor((FORK_BYTES - XfsTreeRoot.$size) / 16);
  viewOf(fork).setUint32(XfsTreeRoot.$size + keys * 8 + 4, leaf);
  return fork;
}

function treeLeaf(start: number, lengthBytes: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  XfsTreeBlock.encode(viewOf(block), 0, { magic: XFS_TREE_MAGICS[1] as number, entries: 1 });
  block.set(extent(0, start, lengthBytes), XFS_TREE_HEADER_BYTES[5]);
  return block;
}

function shortFolder(name: string, inode: number): Uint8Array {
  const bytes = new Uint8Array(6 + 3 + name.length + 5);
  bytes[0] = 1;
  viewOf(bytes).setUint32(2, ROOT);
  bytes[6] = name.length;
  bytes.set(Buffer.from(name), 9);
  viewOf(bytes).setUint32(10 + name.length, inode);
  return bytes;
}

function folder(entries: readonly (readonly [string, number])[]): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const view = viewOf(block);
  view.setUint32(0, XfsFolderMagic.Block5);
  let at: number = XFS_FOLDER_HEADER_BYTES[5];
  for (const [name, inode] of entries) {
    XfsFolderEntry.encode(view, at, { inode, nameBytes: name.length });
    block.set(Buffer.from(name), at + XfsFolderEntry.$size);
    at += Math.ceil((XfsFolderEntry.$size + name.length + 3) / 8) * 8;
  }
  const tail = BLOCK - XfsFolderTail.$size;
  XfsFolderTail.encode(view, tail, { count: entries.length });
  // The rest, up to the index, is free.
  view.setUint16(at, 0xffff);
  view.setUint16(at + 2, tail - entries.length * 8 - at);
  return block;
}
