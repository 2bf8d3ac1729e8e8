/**
 * An XFS file system, read: its folders, files and symbolic links [XFS Algorithms & Data Structures, 20, 21]. Its log
 * is not looked at, as by the boot loaders that we stand in for: what a guest has not unmounted is as it was written
 * back.
 */

import { viewOf } from '../../kit/view.ts';
import {
  XFS_FOLDER_DATA_BYTES_MAX, XFS_FOLDER_FREE, XFS_FOLDER_HEADER_BYTES, XFS_FOLDER_LEAF_BYTES, XFS_LINK_HEADER_BYTES,
  XFS_LINK_MAGIC, XfsFolderEntry, XfsFolderMagic, XfsFolderTail, XfsInodeFormat,
} from '../../protocols/xfs.ts';
import { damaged } from '../damaged.ts';
import { type FileSystemFormat, type FolderEntry, inodeNamed, namesOf } from '../file-system.ts';
import type { Volume } from '../volume.ts';
import { type Inode, Inodes } from './inodes.ts';
import { readSuperblock, type Superblock } from './superblock.ts';

const FOLDER_BYTES_MAX = 16 * 2 ** 20;
const ENTRY_UNIT_BYTES = 8;
/** Behind an entry's name stands where it begins. */
const TAG_BYTES = 2;

export class Xfs implements FileSystemFormat<Inode> {
  readonly kind = 'xfs';
  readonly root: Inode;
  readonly #volume: Volume;
  readonly #superblock: Superblock;
  readonly #inodes: Inodes;

  /** @throws OperatingError when it is damaged, or needs what this version does not know. */
  constructor(volume: Volume) {
    this.#volume = volume;
    this.#superblock = readSuperblock(volume);
    this.#inodes = new Inodes(volume, this.#superblock);
    this.root = this.#inodes.get(this.#superblock.rootInode);
    if (this.root.kind !== 'folder') throw damaged(volume, 'the root of its XFS file system is no folder');
  }

  get uuid(): string {
    return this.#superblock.uuid;
  }

  get label(): string {
    return this.#superblock.label;
  }

  find(folder: Inode, name: string): Inode | undefined {
    const inode = inodeNamed(this.#entries(folder), name);
    return inode === undefined ? undefined : this.#inodes.get(inode);
  }

  names(folder: Inode): string[] {
    return namesOf(this.#entries(folder));
  }

  read(node: Inode, lengthBytes: number): Uint8Array {
    const isLong = node.kind === 'symlink' && node.format !== XfsInodeFormat.Local;
    return isLong && this.#superblock.version === 5 ? this.#longLink(node, lengthBytes)
      : this.#inodes.read(node, lengthBytes);
  }

  /** Each block of it has a head. */
  #longLink(link: Inode, lengthBytes: number): Uint8Array {
    const { blockBytes } = this.#superblock;
    const perBlock = blockBytes - XFS_LINK_HEADER_BYTES;
    const raw = this.#inodes.read(link, Math.ceil(lengthBytes / perBlock) * blockBytes);
    const target = new Uint8Array(lengthBytes);
    for (let done = 0, block = 0; done < lengthBytes; done += perBlock, block++) {
      const start = block * blockBytes + XFS_LINK_HEADER_BYTES;
      if (viewOf(raw).getUint32(block * blockBytes) !== XFS_LINK_MAGIC) {
        throw damaged(this.#volume, `the symbolic link ${link.number} in it is none`);
      }
      target.set(raw.subarray(start, start + Math.min(perBlock, lengthBytes - done)), done);
    }
    return target;
  }

  *#entries(folder: Inode): Generator<FolderEntry> {
    if (folder.format === XfsInodeFormat.Local) {
      yield* this.#shortEntries(folder);
      return;
    }
    const { folderBlockBytes } = this.#superblock;
    // Beyond it is the index by hashes, which we do without.
    const sizeBytes = Math.min(folder.sizeBytes, XFS_FOLDER_DATA_BYTES_MAX);
    if (sizeBytes > FOLDER_BYTES_MAX) throw damaged(this.#volume, `a folder in it has ${sizeBytes} bytes`);
    const data = this.#inodes.read(folder, sizeBytes - sizeBytes % folderBlockBytes);
    for (let at = 0; at < data.length; at += folderBlockBytes) {
      yield* this.#blockEntries(data.subarray(at, at + folderBlockBytes));
    }
  }

  /** In the inode itself: how many, how many of them with numbers of eight bytes, the parent, and the entries. */
  *#shortEntries({ fork, sizeBytes }: Inode): Generator<FolderEntry> {
    const view = viewOf(fork.subarray(0, sizeBytes));
    if (view.byteLength < 2) throw damaged(this.#volume, 'a folder in it is cut off');
    const count = view.getUint8(0);
    const numberBytes = view.getUint8(1) > 0 ? 8 : 4;
    let at = 2 + numberBytes;
    for (let entry = 0; entry < count; entry++) {
      const nameBytes = at < view.byteLength ? view.getUint8(at) : 0;
      const name = at + 3;
      const number = name + nameBytes + (this.#superblock.hasFileTypes ? 1 : 0);
      if (nameBytes === 0 || number + numberBytes > view.byteLength) {
        throw damaged(this.#volume, 'a folder in it is cut off');
      }
      const low = view.getUint32(number + numberBytes - 4);
      const inode = low + (numberBytes === 8 ? view.getUint32(number) * 2 ** 32 : 0);
      yield { inode, bytes: fork.subarray(name, name + nameBytes) };
      at = number + numberBytes;
    }
  }

  *#blockEntries(block: Uint8Array): Generator<FolderEntry> {
    const view = viewOf(block);
    const magic = view.getUint32(0);
    const isAlone = magic === XfsFolderMagic.Block4 || magic === XfsFolderMagic.Block5;
    // A block that is not there any more is a hole.
    if (!isAlone && magic !== XfsFolderMagic.Data4 && magic !== XfsFolderMagic.Data5) return;
    const { version, hasFileTypes } = this.#superblock;
    const end = isAlone ? this.#endOfEntries(view) : block.length;
    const extraBytes = TAG_BYTES + (hasFileTypes ? 1 : 0);
    for (let at: number = XFS_FOLDER_HEADER_BYTES[version]; at + XfsFolderEntry.$size <= end;) {
      const isFree = view.getUint16(at) === XFS_FOLDER_FREE;
      const { inode, nameBytes } = XfsFolderEntry.decode(view, at);
      const needed = XfsFolderEntry.$size + nameBytes + extraBytes;
      const length = isFree ? view.getUint16(at + 2) : Math.ceil(needed / ENTRY_UNIT_BYTES) * ENTRY_UNIT_BYTES;
      if (length === 0 || length % ENTRY_UNIT_BYTES !== 0 || at + length > end || (!isFree && nameBytes === 0)) {
        throw damaged(this.#volume, `a folder in it has an entry of ${length} bytes at ${at} of ${end}`);
      }
      const name = at + XfsFolderEntry.$size;
      if (!isFree) yield { inode, bytes: block.subarray(name, name + nameBytes) };
      at += length;
    }
  }

  /** A block that is all of a folder ends with its index. */
  #endOfEntries(view: DataView): number {
    const tail = view.byteLength - XfsFolderTail.$size;
    const { count } = XfsFolderTail.decode(view, tail);
    const end = tail - count * XFS_FOLDER_LEAF_BYTES;
    if (end < 0) throw damaged(this.#volume, `a folder in it has ${count} entries in one block`);
    return end;
  }
}
