import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync, writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { findBootEntry } from '../boot/find-boot-entry.ts';
import { damaged } from '../damaged.ts';
import type { Disk } from '../disk.ts';
import { FileSystem } from '../file-system.ts';
import { openDisk } from '../open-disk.ts';
import { diskOf, gptDisk } from '../testing/disk-layout.ts';
import { xfsImage } from '../testing/xfs-image.ts';
import { Volume } from '../volume.ts';
import { Xfs } from './xfs.ts';

const MIB = 2 ** 20;
/** The least that mkfs.xfs makes; nearly all of it is a hole. */
const IMAGE_BYTES = 320 * MIB;
const folder = mkdtempSync(join(tmpdir(), 'partout-xfs-'));
after(() => rmSync(folder, { recursive: true }));
const skip = spawnSync('mkfs.xfs', ['-V']).status !== 0 && 'xfsprogs are not here to make file systems';
let count = 0;

function filesOf(disk: Disk): FileSystem {
  const volume = new Volume(disk, 'the test', 0, disk.geometry.sizeBytes);
  return new FileSystem(new Xfs(volume), (what) => damaged(volume, what));
}

function opened(image: string, context: TestContext): FileSystem {
  const disk = openDisk(image, { readOnly: true });
  context.after(() => disk.closeSync());
  return filesOf(disk);
}

function makeImage(...words: string[]): string {
  const image = join(folder, `image${count++}`);
  writeFileSync(image, '');
  truncateSync(image, IMAGE_BYTES);
  const { status, stderr } = spawnSync('mkfs.xfs', ['-q', '-L', 'a label', ...words, image], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return image;
}

const KERNEL = randomBytes(3 * MIB + 123);

/** What mkfs.xfs is to put into the file system [mkfs.xfs(8), -p]. */
function prototype(): string {
  const [kernel, small, path] = ['kernel', 'small', 'prototype'].map((name) => join(folder, name)) as
    [string, string, string];
  writeFileSync(kernel, KERNEL);
  writeFileSync(small, 'small');
  const files = (names: number, name: string): string[] =>
    Array.from({ length: names }, (_, index) => `${name}-${index} ---644 0 0 ${small}`);
  writeFileSync(path, ['/dev/null', '0 0', 'd--755 0 0',
    'boot d--755 0 0', `kernel ---644 0 0 ${kernel}`, 'absolute l--777 0 0 /boot/./deep/../kernel',
    'deep d--755 0 0', '$', '$',
    'vmlinuz l--777 0 0 boot/kernel', 'circle l--777 0 0 circle',
    'few d--755 0 0', ...files(20, 'name'), '$', 'many d--755 0 0', ...files(600, 'a-file-with-a-longer-name'), '$',
    '$', ''].join('\n'));
  return path;
}

for (const words of [[], ['-m', 'crc=0'], ['-b', 'size=1024', '-n', 'size=4096', '-i', 'nrext64=1']]) {
  test(`files, folders and links of mkfs.xfs ${words.join(' ')} are read`, { skip }, (context) => {
    const files = opened(makeImage(...words, '-p', prototype()), context);
    assert.deepEqual([files.kind, files.label], ['xfs', 'a label']);
    assert.match(files.uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.deepEqual(files.list('/'), ['boot', 'circle', 'few', 'many', 'vmlinuz']);
    assert.equal(files.list('/few').length, 20);
    assert.equal(files.list('/many').length, 600);
    for (const path of ['/boot/kernel', '/vmlinuz', '/boot/absolute', '/boot/../many/../vmlinuz']) {
      assert.ok(KERNEL.equals(files.readFile(path, 2 ** 24) ?? new Uint8Array()), path);
    }
    assert.equal(files.readText('/many/a-file-with-a-longer-name-599', 100), 'small');
    assert.equal(files.readText('/few/name-19', 100), 'small');
    assert.deepEqual([files.kindOf('/circle'), files.kindOf('/none'), files.kindOf('/boot/deep')],
      [undefined, undefined, 'folder']);
    assert.throws(() => files.readFile('/boot/kernel', 100), /no more than 100 are read/);
  });
}

const canMount = process.getuid?.() === 0 && spawnSync('grep', ['-qw', 'xfs', '/proc/filesystems']).status === 0;

test('what a kernel has written is read: trees of extents, holes, long links, folders with gaps', {
  skip: skip || (!canMount && 'a kernel that has XFS mounts it for root alone'),
}, (context) => {
  const image = makeImage();
  const mounted = join(folder, 'mounted');
  mkdirSync(mounted);
  assert.equal(spawnSync('mount', ['-o', 'loop', image, mounted]).status, 0);
  const target = `${'x/'.repeat(400)}end`;
  try {
    const file = openSync(join(mounted, 'pieces'), 'w');
    for (let piece = 0; piece < 1500; piece++) {
      writeSync(file, Buffer.alloc(4096, piece % 251 + 1), 0, 4096, piece * 8192);
    }
    closeSync(file);
    symlinkSync(target, join(mounted, 'long'));
    mkdirSync(join(mounted, 'gaps'));
    for (let at = 0; at < 2000; at++) writeFileSync(join(mounted, `gaps/a-rather-long-file-name-${at}`), '');
    for (let at = 0; at < 2000; at++) if (at % 7 !== 0) unlinkSync(join(mounted, `gaps/a-rather-long-file-name-${at}`));
  } finally {
    spawnSync('umount', [mounted]);
  }
  const files = opened(image, context);
  const pieces = files.readFile('/pieces', 2 ** 24) ?? assert.fail();
  for (let piece = 0; piece < 1500; piece++) {
    const byte = piece % 251 + 1;
    const at = piece * 8192;
    assert.deepEqual([pieces[at], pieces[at + 4095], pieces[at + 4096] ?? 0], [byte, byte, 0]);
  }
  assert.equal(files.list('/gaps').length, 286);
  // Followed, it leads nowhere; of a link that is damaged that would be said.
  assert.equal(files.kindOf('/long'), undefined);
});

const FILES = { kernel: new Uint8Array(3000).fill(1), 'tree-file': new Uint8Array(2500).fill(3), link: 'tree-file' };

test('a small file system in memory is read', () => {
  const files = filesOf(diskOf(xfsImage(FILES)));
  assert.equal(files.label, 'small');
  assert.deepEqual(files.list('/grub'), ['kernel', 'link', 'tree-file']);
  assert.deepEqual(files.readFile('/grub/kernel', 5000), FILES.kernel);
  assert.deepEqual(files.readFile('/grub/link', 5000), FILES['tree-file']);
});

test('a system is found on it', () => {
  const configuration = Buffer.from('menuentry x { linux /grub/kernel a=b\n initrd /grub/tree-file\n }\n');
  const entry = findBootEntry(diskOf(gptDisk([xfsImage({ ...FILES, 'grub.cfg': configuration })])));
  assert.deepEqual([entry.kernel, entry.initrd, entry.commandLine], [FILES.kernel, FILES['tree-file'], 'a=b']);
});

for (const [what, at, value, words] of [
  ['a version', 101, 3, /is of version 3, and 4 and 5 are known/], ['a feature', 218, 1, /does not know \(0x100\)/],
  ['blocks of another size', 6, 8, /blocks of 2048 bytes/], ['no groups', 91, 0, /0 groups of 64 blocks/],
  ['a root elsewhere', 62, 9, /inode 2336 is in group|inode 2336 is none|group 9/],
  ['an inode that is none', 8 * 1024, 0, /its inode 32 is none/],
  ['a folder that is cut off', 8 * 1024 + 63, 3, /cut off/],
] as const) {
  test(`an XFS file system with ${what} is refused in a sentence`, () => {
    const bytes = xfsImage(FILES);
    bytes[at] = value;
    assert.throws(() => filesOf(diskOf(bytes)).list('/'), words);
  });
}
