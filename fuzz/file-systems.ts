/** Damaged partition tables and file systems: looking for what to boot ends with an entry or with a sentence. */

import { EXT4_MAGIC, JOURNAL_MAGIC } from '../src/protocols/ext4.ts';
import { DiskFiles } from '../src/storage/boot/disk-files.ts';
import { XFS_MAGIC, XFS_TREE_MAGICS, XfsFolderMagic } from '../src/protocols/xfs.ts';
import { findBootEntry } from '../src/storage/boot/find-boot-entry.ts';
import { generator } from '../src/storage/testing/crash-file.ts';
import { diskOf, gptDisk, mbrDisk } from '../src/storage/testing/disk-layout.ts';
import { ext4Image } from '../src/storage/testing/ext4-image.ts';
import { fatImage } from '../src/storage/testing/fat-image.ts';
import { xfsImage } from '../src/storage/testing/xfs-image.ts';
import { checkRefusal } from './disk-use.ts';

const PARTITION_START = 2048 * 512;
const BLOCK_BYTES = 1024;
/** Of the images that are made here. */
const INODE_TABLE_BLOCK = 5;
const INODE_BYTES = 128;
const XFS_BLOCK_MAGICS: readonly number[] = [...XFS_TREE_MAGICS, ...Object.values(XfsFolderMagic)];
const EDGES = [0, 1, 2, 7, 0xff, 0x100, 0x3ff, 0x400, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_fffe,
  0xffff_ffff];
const CONFIGURATION = Buffer.from('menuentry x { linux /grub/kernel a=b\n initrd /grub/initrd\n }\n');
const FILES = { kernel: new Uint8Array(3000).fill(1), initrd: new Uint8Array(700).fill(2), 'grub.cfg': CONFIGURATION };

const LINKS = {
  'real-kernel': new Uint8Array(15_000).fill(1), initrd: new Uint8Array(700).fill(2),
  'real.cfg': CONFIGURATION, kernel: '/./grub/../grub/real-kernel', 'grub.cfg': 'real.cfg', loop: 'loop',
};

const TREES = {
  'tree-kernel': new Uint8Array(3000).fill(1), initrd: new Uint8Array(700).fill(2), 'tree.cfg': CONFIGURATION,
  kernel: '/./grub/../grub/tree-kernel', 'grub.cfg': 'tree.cfg', loop: 'loop',
};

const SEEDS = [
  gptDisk([xfsImage(TREES)]), xfsImage(TREES), xfsImage(FILES),
  gptDisk([ext4Image(LINKS, { isDirty: false, isMapped: true })]), ext4Image(LINKS, { isDirty: true, isMapped: true }),
  ext4Image(FILES, { isDirty: true }),
  gptDisk([ext4Image(FILES, { isDirty: true })]), gptDisk([ext4Image(FILES, { isDirty: false })]),
  gptDisk([fatImage(12, FILES, 'grub')]), mbrDisk([fatImage(16, FILES, 'grub')]),
  mbrDisk([new Uint8Array(1024), new Uint8Array(1024), new Uint8Array(1024), ext4Image(FILES, { isDirty: true })]),
].map((bytes) => ({ bytes, fields: fieldsOf(bytes) }));

export const target = {
  name: 'file-systems',
  covers: [
    'src/storage/ext4/', 'src/storage/xfs/', 'src/storage/fat/', 'src/storage/partitions',
    'src/storage/file-system', 'src/storage/volume',
  ],
  run(seed: number, iterations: number): void {
    const next = generator(seed);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const { bytes, fields } = SEEDS[next(SEEDS.length)] as (typeof SEEDS)[number];
      const disk = damaged(bytes, next);
      for (let count = next(3); count > 0 && fields.length > 0; count--) {
        const at = (fields[next(fields.length)] as number) + next(4);
        if (at < disk.length) disk[at] = (disk[at] as number) ^ (1 << next(8));
      }
      for (const look of [() => findBootEntry(diskOf(disk)), () => lookAround(disk)]) {
        try {
          look();
        } catch (error) {
          checkRefusal(error);
        }
      }
    }
  },
};

/** Where an ext4 file system has the words that say what follows: a changed bit there is a turn in the reader's way. */
function fieldsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: number[] = [];
  for (let at = 0; at + 4096 < bytes.length; at += 512) {
    if (view.getUint32(at) === JOURNAL_MAGIC) for (let word = 4; word < 48; word += 4) fields.push(at + word);
    if (view.getUint32(at) === XFS_MAGIC) fields.push(...xfsFields(at));
    if (XFS_BLOCK_MAGICS.includes(view.getUint32(at))) {
      for (let word = 0; word < 128; word += 4) fields.push(at + word, at + BLOCK_BYTES - 64 + word / 2);
    }
    if (view.getUint16(at + BLOCK_BYTES + 0x38, true) !== EXT4_MAGIC) continue;
    for (const word of [0x18, 0x28, 0x4c, 0x54, 0x58, 0x60, 0x64, 0xe0, 0xfe, 0x104]) {
      fields.push(at + BLOCK_BYTES + word);
    }
    const inodes = at + INODE_TABLE_BLOCK * BLOCK_BYTES;
    for (let inode = 0; inode < 18; inode++) {
      for (const word of [0, 4, 0x20, 0x28, 0x2a, 0x2e, 0x34, 0x38, 0x58]) {
        fields.push(inodes + inode * INODE_BYTES + word);
      }
    }
  }
  return fields;
}

/** Of the superblock, and of the inodes of the images that are made here with what they lead to. */
function xfsFields(at: number): number[] {
  const fields = [4, 8, 56, 60, 84, 88, 99, 104, 120, 123, 192, 199, 200, 216].map((word) => at + word);
  for (let inode = 0; inode < 12; inode++) {
    for (const word of [0, 2, 4, 24, 28, 56, 60, 76, 80, 88, 90, 120, 124, 176, 180, 184, 188, 192, 212]) {
      fields.push(at + 8 * BLOCK_BYTES + inode * 256 + word);
    }
  }
  return fields;
}

/** What a boot loader's configuration may name, beside what it does. */
function lookAround(disk: Uint8Array): void {
  for (const { files } of new DiskFiles(diskOf(disk)).partitions) {
    for (const path of ['/', '/grub', '/grub/..', '/grub/loop', '/grub/kernel', '/grub/grub.cfg/x', '/none']) {
      files.kindOf(path);
      files.list(path);
      files.readText(path, 2000);
    }
  }
}

/** A copy with words changed in its tables, most of which are in the first blocks of the first partition. */
function damaged(seed: Uint8Array, next: (limit: number) => number): Uint8Array {
  const disk = seed.slice();
  const view = new DataView(disk.buffer);
  for (let count = 1 + next(5); count > 0; count--) {
    const starts = [0, 440, 512, 1024, PARTITION_START, PARTITION_START + BLOCK_BYTES * next(24), next(disk.length)];
    const at = (starts[next(starts.length)] as number) + next(next(2) === 0 ? 128 : BLOCK_BYTES);
    if (at + 4 > disk.length) continue;
    const value = next(2) === 0 ? EDGES[next(EDGES.length)] as number : next(64);
    if (next(3) === 0) disk[at] = value;
    else if (next(2) === 0) view.setUint16(at, value, true);
    else view.setUint32(at, value, next(4) !== 0);
  }
  return next(20) === 0 ? disk.subarray(0, next(disk.length)) : disk;
}
