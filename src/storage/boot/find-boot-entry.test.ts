import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diskOf, gptDisk, mbrDisk } from '../testing/disk-layout.ts';
import { ext4Image } from '../testing/ext4-image.ts';
import { fatImage } from '../testing/fat-image.ts';
import { findBootEntry } from './find-boot-entry.ts';

const FILES = { kernel: Buffer.from('the kernel'), a: Buffer.from('first'), b: Buffer.from('second') };
const CONFIGURATION = 'menuentry "a title" { linux /grub/kernel quiet\n initrd /grub/a /grub/b\n }';

test('what the boot loader would start is read from whichever partition has it', () => {
  const image = fatImage(16, { ...FILES, 'grub.cfg': Buffer.from(CONFIGURATION) }, 'grub');
  const files = { ...FILES, 'grub.cfg': Buffer.from(CONFIGURATION) };
  for (const disk of [
    gptDisk([new Uint8Array(4096), image]), mbrDisk([new Uint8Array(4096), image]), image,
    gptDisk([ext4Image(files, { isDirty: false })]), ext4Image(files, { isDirty: true }),
  ]) {
    const entry = findBootEntry(diskOf(disk));
    assert.deepEqual([entry.loader, entry.title, entry.kernelPath, entry.commandLine], [
      'grub', 'a title', '/grub/kernel', 'quiet',
    ]);
    assert.equal(Buffer.from(entry.kernel).toString(), 'the kernel');
    // The kernel looks for the second at a multiple of four.
    assert.equal(Buffer.from(entry.initrd ?? []).toString(), 'first\0\0\0second\0\0');
  }
});

for (const [what, disk, sentence] of [
  ['nothing', new Uint8Array(8192), /holds no boot loader's configuration that could be read .* --kernel$/],
  ['an entry without files', fatImage(12, { 'grub.cfg': Buffer.from(CONFIGURATION) }, 'grub'),
    /has no entry that could be started here: give a kernel with --kernel$/],
  ['less than a sector of content', new Uint8Array(100), /holds no boot loader's configuration/],
] as const) {
  test(`a disk with ${what} is refused in a sentence`, () => {
    assert.throws(() => findBootEntry(diskOf(disk)), sentence);
  });
}
