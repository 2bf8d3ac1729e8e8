import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync,
  symlinkSync, writeFileSync, writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { damaged } from '../damaged.ts';
import { FileSystem } from '../file-system.ts';
import { diskOf } from '../testing/disk-layout.ts';
import { Volume } from '../volume.ts';
import { Ext4 } from './ext4.ts';

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'partout-ext4-'));
after(() => rmSync(folder, { recursive: true }));
const hasTools = ['mke2fs', 'debugfs', 'e2fsck'].every((tool) => spawnSync(tool, ['-V']).status === 0);
const skip = !hasTools && 'e2fsprogs are not here to make file systems';
let count = 0;

function filesOf(image: string): FileSystem {
  const bytes = readFileSync(image);
  const volume = new Volume(diskOf(bytes), 'the test', 0, bytes.length);
  return new FileSystem(new Ext4(volume), (what) => damaged(volume, what));
}

/** A file with holes, one of many blocks, links of both kinds, and a folder that is large enough for an index. */
function makeTree(): string {
  const tree = join(folder, `tree${count++}`);
  mkdirSync(join(tree, 'boot/deep'), { recursive: true });
  writeFileSync(join(tree, 'boot/kernel'), randomBytes(3 * MIB + 123));
  writeFileSync(join(tree, 'boot/empty'), '');
  const sparse = openSync(join(tree, 'boot/sparse'), 'w');
  for (const place of [0, 300_000, 301_000, 2 * MIB]) writeSync(sparse, 'here', place);
  closeSync(sparse);
  symlinkSync('boot/kernel', join(tree, 'vmlinuz'));
  symlinkSync('/boot/./deep/../kernel', join(tree, 'boot/absolute'));
  symlinkSync(`${'deep/../'.repeat(20)}kernel`, join(tree, 'boot/long'));
  symlinkSync('circle', join(tree, 'circle'));
  mkdirSync(join(tree, 'many'));
  for (let at = 0; at < 600; at++) writeFileSync(join(tree, 'many', `a-file-with-a-longer-name-${at}`), `${at}`);
  return tree;
}

function makeImage(tree: string, words: readonly string[]): string {
  const image = join(folder, `image${count++}`);
  const { status, stderr } = spawnSync('mke2fs', ['-q', '-F', '-L', 'a label', '-d', tree, ...words, image, '24M'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return image;
}

for (const words of [
  ['-t', 'ext4'], ['-t', 'ext3'], ['-t', 'ext2', '-b', '1024'], ['-t', 'ext4', '-O', '64bit,meta_bg,^resize_inode'],
  ['-t', 'ext4', '-b', '1024', '-I', '128', '-O', '^64bit,^metadata_csum,^flex_bg'],
  ['-t', 'ext4', '-O', 'inline_data'], ['-t', 'ext2', '-r', '0'],
]) {
  test(`what mke2fs ${words.join(' ')} wrote reads back the same`, { skip }, () => {
    const tree = makeTree();
    const files = filesOf(makeImage(tree, words));
    assert.equal(files.label, 'a label');
    assert.match(files.uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    for (const path of ['boot/kernel', 'boot/empty', 'boot/sparse', 'many/a-file-with-a-longer-name-599']) {
      assert.ok(readFileSync(join(tree, path)).equals(files.readFile(path, 4 * MIB)!), path);
    }
    const kernel = readFileSync(join(tree, 'boot/kernel'));
    for (const path of ['vmlinuz', '/boot/absolute', 'boot/long', '../boot//kernel']) {
      assert.ok(kernel.equals(files.readFile(path, 4 * MIB)!), path);
    }
    assert.equal(files.list('many').length, 600);
    assert.deepEqual(files.list('/').filter((name) => name !== 'lost+found'), ['boot', 'circle', 'many', 'vmlinuz']);
    assert.equal(files.readFile('circle', MIB), undefined);
    assert.equal(files.readFile('many', MIB), undefined);
    assert.equal(files.readFile('boot/kernel/x', MIB), undefined);
    assert.throws(() => files.readFile('boot/kernel', MIB), /no more than 1048576 are read/);
  });
}

for (const features of ['journal_checksum_v3', 'plain']) {
  test(`an unfinished journal (${features}) is seen as its replay leaves it`, { skip }, () => {
    const tree = makeTree();
    const image = makeImage(tree, ['-t', 'ext4', ...features === 'plain' ? ['-O', '^64bit,^metadata_csum'] : []]);
    const debug = (...commands: string[]): string =>
      spawnSync('debugfs', ['-w', '-f', '-', image], { input: `${commands.join('\n')}\n`, encoding: 'utf8' }).stdout;
    const block = (path: string): number => Number(/^(\d+)/m.exec(debug(`blocks ${path}`).split('\n')[1]!)?.[1]);
    const [first, second, third] = [0, 1, 2].map((at) => block(`/many/a-file-with-a-longer-name-${at}`));
    const data = [1, 2, 3].map((value) => {
      const path = join(folder, `block${count++}`);
      writeFileSync(path, Buffer.alloc(4096, value === 3 ? 'C' : `${value}`));
      return path;
    });
    // Begins as a block of the journal itself does, so that it is changed in there.
    writeFileSync(data[2]!, Buffer.concat([Buffer.from('c03b3998', 'hex'), Buffer.alloc(4092, 'C')]));
    const open = features === 'plain' ? 'jo' : 'jo -c';
    debug(
      open, `jw -b ${first} ${data[0]}`, `jw -b ${second} ${data[1]}`, `jw -r ${second}`,
      `jw -b ${third} ${data[2]}`, 'jc',
    );
    const repaired = join(folder, `repaired${count++}`);
    copyFileSync(image, repaired);
    spawnSync('e2fsck', ['-fy', repaired]);
    const before = filesOf(image);
    const then = filesOf(repaired);
    for (const at of [0, 1, 2]) {
      const path = `many/a-file-with-a-longer-name-${at}`;
      assert.deepEqual(before.readFile(path, MIB), then.readFile(path, MIB), path);
    }
    assert.equal(before.readText('many/a-file-with-a-longer-name-0', MIB), '1');
    assert.equal(before.readText('many/a-file-with-a-longer-name-1', MIB), '1');
    assert.equal(before.readFile('many/a-file-with-a-longer-name-2', MIB)![0], 0xc0);
    assert.ok(existsSync(image));
  });
}

test('what is no file system, or one of another kind, is said in a sentence', () => {
  const bytes = new Uint8Array(64 * 1024);
  const volume = new Volume(diskOf(bytes), 'the test', 0, bytes.length);
  assert.throws(() => new Ext4(volume), /^OperatingError: the test is damaged: its ext4 file system is said to have/);
});
