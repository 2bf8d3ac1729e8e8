/** Damaged partition tables and file systems: looking for what to boot ends with an entry or with a sentence. */

import { findBootEntry } from '../src/storage/boot/find-boot-entry.ts';
import { generator } from '../src/storage/testing/crash-file.ts';
import { diskOf, gptDisk, mbrDisk } from '../src/storage/testing/disk-layout.ts';
import { ext4Image } from '../src/storage/testing/ext4-image.ts';
import { fatImage } from '../src/storage/testing/fat-image.ts';
import { checkRefusal } from './disk-use.ts';

const PARTITION_START = 2048 * 512;
const BLOCK_BYTES = 1024;
const EDGES = [0, 1, 2, 7, 0xff, 0x100, 0x3ff, 0x400, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_fffe,
  0xffff_ffff];
const CONFIGURATION = Buffer.from('menuentry x { linux /grub/kernel a=b\n initrd /grub/initrd\n }\n');
const FILES = { kernel: new Uint8Array(3000).fill(1), initrd: new Uint8Array(700).fill(2), 'grub.cfg': CONFIGURATION };

const SEEDS = [
  gptDisk([ext4Image(FILES, { isDirty: true })]), gptDisk([ext4Image(FILES, { isDirty: false })]),
  gptDisk([fatImage(12, FILES, 'grub')]), mbrDisk([fatImage(16, FILES, 'grub')]),
  mbrDisk([new Uint8Array(1024), new Uint8Array(1024), new Uint8Array(1024), ext4Image(FILES, { isDirty: true })]),
];

export const target = {
  name: 'file-systems',
  covers: [
    'src/storage/ext4/', 'src/storage/fat/', 'src/storage/partitions', 'src/storage/file-system', 'src/storage/volume',
  ],
  run(seed: number, iterations: number): void {
    const next = generator(seed);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const disk = damaged(SEEDS[next(SEEDS.length)] as Uint8Array, next);
      try {
        findBootEntry(diskOf(disk));
      } catch (error) {
        checkRefusal(error);
      }
    }
  },
};

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
