/** An ext2, ext3 or ext4 file system, read; one that was not unmounted is seen as its journal would leave it. */

import { viewOf } from '../../kit/view.ts';
import { EXT4_ROOT_INODE, Ext4FolderEntry } from '../../protocols/ext4.ts';
import { damaged } from '../damaged.ts';
import { type FileSystemFormat, type FolderEntry, inodeNamed, namesOf } from '../file-system.ts';
import type { Volume } from '../volume.ts';
import { Blocks } from './blocks.ts';
import { Inodes, type Inode } from './inodes.ts';
import { replayJournal } from './journal.ts';
import { readSuperblock, type Superblock } from './superblock.ts';

const FOLDER_BYTES_MAX = 16 * 2 ** 20;

export class Ext4 implements FileSystemFormat<Inode> {
  readonly kind = 'ext4';
  readonly root: Inode;
  readonly #volume: Volume;
  readonly #superblock: Superblock;
  readonly #inodes: Inodes;

  /** @throws OperatingError when it is damaged, or needs what this version does not know. */
  constructor(volume: Volume) {
    this.#volume = volume;
    this.#superblock = readSuperblock(volume);
    const { blockBytes, blockCount, needsReplay, journalInode } = this.#superblock;
    const blocks = new Blocks(volume, blockBytes, blockCount);
    this.#inodes = new Inodes(this.#superblock, blocks);
    if (needsReplay && journalInode !== 0) replayJournal(blocks, this.#inodes, this.#inodes.get(journalInode));
    this.root = this.#inodes.get(EXT4_ROOT_INODE);
    if (this.root.kind !== 'folder') throw damaged(volume, 'the root of its ext4 file system is no folder');
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
    return this.#inodes.read(node, lengthBytes);
  }

  /** Folders with an index are read like the others: to that end the index looks like entries without an inode. */
  *#entries(folder: Inode): Generator<FolderEntry> {
    const { sizeBytes } = folder;
    if (sizeBytes > FOLDER_BYTES_MAX) throw damaged(this.#volume, `a folder in it has ${sizeBytes} bytes`);
    const data = this.#inodes.read(folder, sizeBytes);
    const view = viewOf(data);
    const { blockBytes } = this.#superblock;
    for (let at = 0; at + Ext4FolderEntry.$size <= data.length;) {
      const { inode, recordBytes, nameBytes } = Ext4FolderEntry.decode(view, at);
      const end = at + Ext4FolderEntry.$size + nameBytes;
      // In blocks of 64 KiB a record that fills one says so with what 16 bits have.
      const length = recordBytes === 0xffff || recordBytes === 0 ? 0x1_0000 : recordBytes;
      if (length % 4 !== 0 || end > data.length || at % blockBytes + length > blockBytes || length < 8 + nameBytes) {
        throw damaged(this.#volume, `a folder in it has an entry of ${length} bytes at ${at}`);
      }
      if (inode !== 0) yield { inode, bytes: data.subarray(at + Ext4FolderEntry.$size, end) };
      at += length;
    }
  }
}
