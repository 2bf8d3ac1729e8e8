/** The tar reader against archives made here byte by byte, and against the system's tar where there is one. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import type { ArchiveEntry } from './archive-entry.ts';
import { readTar } from './tar.ts';

interface HeaderFields {
  name?: string;
  type?: string;
  size?: string;
  checksum?: string;
  target?: string;
}

function header({ name = 'f', type = '0', size = '0', checksum, target = '' }: HeaderFields): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 'latin1');
  block.write('0000755\0' + '0000001\0' + '0000002\0', 100, 'latin1');
  block.write(`${size.padStart(11, '0')}\0`, 124, 'latin1');
  block.write('00000000017\0' + ' '.repeat(8) + type, 136, 'latin1');
  block.write(target, 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function entry(fields: HeaderFields, data = ''): Buffer {
  const padded = Buffer.alloc(Math.ceil(data.length / 512) * 512);
  padded.write(data, 'latin1');
  return Buffer.concat([header({ size: data.length.toString(8), ...fields }), padded]);
}

/** A pax record of 10 to 99 bytes. */
function record(text: string): string {
  return `${text.length + 4} ${text}\n`;
}

const END = Buffer.alloc(1024);

function read(...parts: Buffer[]): ArchiveEntry[] {
  return [...readTar(Buffer.concat(parts))];
}

test('an entry has its owner, mode, time and content', () => {
  const [file] = read(entry({ name: 'bin/x' }, 'hello'), END);
  const { data, ...rest } = file!;
  assert.deepEqual(rest, {
    path: 'bin/x', kind: 'file', mode: 0o755, uid: 1, gid: 2, modifiedSeconds: 15, target: '', major: 0, minor: 0,
  });
  assert.equal(Buffer.from(data).toString(), 'hello');
});

test('GNU long names and pax records name the entry after them and no other', () => {
  const long = 'd/'.repeat(100) + 'name';
  const paths = read(
    entry({ type: 'L', name: '././@LongLink' }, `${long}\0`), entry({ name: 'cut' }, 'x'),
    entry({ type: 'x', name: 'pax' }, record('path=from-pax')), entry({ name: 'cut' }, 'y'),
    entry({ name: 'plain' }), END,
  ).map(({ path }) => path);
  assert.deepEqual(paths, [long, 'from-pax', 'plain']);
});

const HOSTILE: readonly (readonly [what: string, archive: Buffer[], message: RegExp])[] = [
  ['a wrong checksum', [header({ checksum: '000001\0 ' })], /wrong checksum at byte 0/],
  ['a size beyond the end', [header({ size: '77777777777' }), END], /ends within the data/],
  ['a size that is no number', [header({ size: '9' })], /not octal/],
  ['an unknown type', [header({ type: 'Z' })], /unknown type "Z"/],
  ['a directory with content', [entry({ type: '5' }, 'x')], /directory "f" a content/],
  ['half a header', [header({}).subarray(0, 100)], /ends within a header/],
  ['a pax record longer than its header', [entry({ type: 'x' }, '99 path=a\n'), END], /malformed pax/],
  ['an absurd pax size', [entry({ type: 'x' }, record('size=99999999999999')), header({})], /ends within the data/],
  ['a negative pax size', [entry({ type: 'x' }, record('size=-1')), header({})], /pax header with the size "-1"/],
  ['a sparse file', [entry({ type: 'x' }, record('GNU.sparse.major=1')), header({})], /sparse/],
];

for (const [what, archive, message] of HOSTILE) {
  test(`refuses ${what}`, () => {
    const isRefusal = (error: unknown): boolean => error instanceof OperatingError && message.test(error.message);
    assert.throws(() => read(...archive), isRefusal);
  });
}

const NO_TAR = spawnSync('tar', ['--version']).status !== 0 && 'there is no tar here';

for (const format of ['gnu', 'pax', 'ustar']) {
  test(`reads what the system's tar writes as ${format}`, { skip: NO_TAR }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'partout-tar-'));
    try {
      const deep = 'a-rather-long-directory-name/'.repeat(4);
      mkdirSync(join(folder, deep), { recursive: true });
      writeFileSync(join(folder, deep, 'file'), 'x'.repeat(1000));
      symlinkSync('../target', join(folder, 'link'));
      writeFileSync(join(folder, 'y'), 'y');
      linkSync(join(folder, 'y'), join(folder, 'z'));
      const archive = execFileSync('tar', [`--format=${format}`, '--sort=name', '-C', folder, '-c', '.']);
      const entries = [...readTar(archive)].filter(({ kind }) => kind !== 'directory');
      assert.deepEqual(entries.map(({ path, kind, target, data }) => [path, kind, target, data.length]), [
        [`./${deep}file`, 'file', '', 1000], ['./link', 'symlink', '../target', 0],
        ['./y', 'file', '', 1], ['./z', 'hardlink', './y', 0],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
