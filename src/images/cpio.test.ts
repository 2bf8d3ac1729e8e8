/** cpio both ways: what we write we read, GNU cpio agrees where it is installed, and hostile archives are refused. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { readCpio, writeCpio } from './cpio.ts';
import { FileTree } from './file-tree.ts';

const NO_CPIO = spawnSync('cpio', ['--version']).status !== 0 && 'there is no cpio here';

function sampleTree(): FileTree {
  const tree = new FileTree();
  tree.addFile('zeta', 'odd');
  tree.addDirectory('dev');
  tree.addDevice('dev/console', 'character', 5, 1);
  tree.addFile('bin/a', 'content', { mode: 0o4755 });
  tree.add('bin/b', tree.get('bin/a')!);
  tree.addSymlink('sbin', 'bin');
  return tree;
}

function packed(tree: FileTree): Buffer {
  return Buffer.concat([...writeCpio(tree)]);
}

test('a tree comes back with its links, devices, modes and contents', () => {
  const copy = new FileTree();
  copy.unpack(readCpio(packed(sampleTree())));
  const paths = copy.entries().map(([path]) => path);
  assert.deepEqual(paths, ['bin', 'bin/a', 'bin/b', 'dev', 'dev/console', 'sbin', 'zeta']);
  const console = copy.get('dev/console')!;
  assert.ok(console.kind === 'character');
  assert.deepEqual([console.major, console.minor, console.mode, console.uid], [5, 1, 0o600, 0]);
  assert.equal(copy.get('bin/a'), copy.get('bin/b'));
  assert.equal(copy.get('bin/a')!.mode, 0o4755);
  assert.equal(copy.readText('sbin/b'), 'content');
});

test('the order in which a tree was made does not show in the archive', () => {
  const reversed = new FileTree();
  const entries = readCpio(packed(sampleTree()));
  reversed.unpack(entries.filter(({ kind }) => kind !== 'hardlink').reverse());
  reversed.add('bin/b', reversed.get('bin/a')!);
  assert.ok(packed(reversed).equals(packed(sampleTree())));
});

const HEADER = packed(new FileTree()).subarray(0, 110).toString('latin1');

function withField(index: number, value: string): Buffer {
  const header = HEADER.slice(0, 6 + 8 * index) + value + HEADER.slice(14 + 8 * index);
  return Buffer.from(header.padEnd(200, '\0'), 'latin1');
}

const HOSTILE: readonly (readonly [what: string, archive: Buffer, message: RegExp])[] = [
  ['nothing at all', Buffer.alloc(0), /without its trailer/],
  ['an archive without a trailer', packed(sampleTree()).subarray(0, -124), /without its trailer|no "newc" header/],
  ['the old binary format', Buffer.alloc(200, 0xc7), /no "newc" header at byte 0/],
  ['a file size beyond the end', withField(6, 'ffffffff'), /ends within the entry at byte 0/],
  ['a name size beyond the end', withField(11, 'fffffff0'), /ends within the entry at byte 0/],
  ['a name of no bytes', withField(11, '00000000'), /ends within the entry at byte 0/],
];

for (const [what, archive, message] of HOSTILE) {
  test(`refuses ${what}`, () => {
    const isRefusal = (error: unknown): boolean => error instanceof OperatingError && message.test(error.message);
    assert.throws(() => readCpio(archive), isRefusal);
  });
}

test('GNU cpio lists what we write', { skip: NO_CPIO }, () => {
  const { status, stdout, stderr } = spawnSync('cpio', ['-tv', '--quiet'], { input: packed(sampleTree()) });
  assert.equal(status, 0, stderr.toString());
  const lines = stdout.toString().trim().split('\n').map((line) => line.replace(/ +/g, ' '));
  const summaries = lines.map((line) => line.replace(/ \S+ +\S+ +\S+ (?=\S+( -> \S+)?$)/, ' '));
  assert.deepEqual(summaries, [
    'drwxr-xr-x 1 root root 0 bin', '-rwsr-xr-x 2 root root 0 bin/a', '-rwsr-xr-x 2 root root 7 bin/b',
    'drwxr-xr-x 1 root root 0 dev', 'crw------- 1 root root 5, 1 dev/console', 'lrwxrwxrwx 1 root root 3 sbin -> bin',
    '-rw-r--r-- 1 root root 3 zeta',
  ]);
});

test('we read what GNU cpio writes', { skip: NO_CPIO }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'partout-cpio-'));
  try {
    mkdirSync(join(folder, 'd'));
    writeFileSync(join(folder, 'd/one'), 'linked');
    linkSync(join(folder, 'd/one'), join(folder, 'd/two'));
    symlinkSync('one', join(folder, 'd/link'));
    const input = 'd\nd/one\nd/two\nd/link\n';
    const archive = spawnSync('cpio', ['-o', '-H', 'newc', '--quiet'], { cwd: folder, input }).stdout;
    const tree = new FileTree();
    tree.unpack(readCpio(archive));
    assert.deepEqual(tree.entries().map(([path, { kind }]) => [path, kind]), [
      ['d', 'directory'], ['d/link', 'symlink'], ['d/one', 'file'], ['d/two', 'file'],
    ]);
    assert.equal(tree.readText('d/link'), 'linked');
    assert.equal(tree.get('d/one'), tree.get('d/two'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
