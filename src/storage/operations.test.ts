import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { checkDisk } from './check.ts';
import { compactDisk } from './compact.ts';
import { pattern } from './contract.ts';
import { convertDisk } from './convert.ts';
import { createChild, createDisk } from './create-disk.ts';
import { mapDisk } from './map.ts';
import { mergeDisk } from './merge.ts';
import { openDisk } from './open-disk.ts';
import { reconnectDisk } from './reconnect.ts';
import { contentOf, withDisk, withFolder } from './testing/images.ts';

const MIB = 0x10_0000;
const SIZE = 16 * MIB;
type At = (name: string) => string;
const FORMATS = ['vhd', 'vhdx'] as const;
type ChainFormat = (typeof FORMATS)[number];

function write(path: string, position: number, bytes: Uint8Array): void {
  withDisk(path, false, (disk) => disk.writeSync(bytes, 0, bytes.length, position));
}

/** VHD knows its parent by a time in seconds: what follows shall be in another one. */
function age(path: string): void {
  utimesSync(path, new Date(1e12), new Date(1e12));
}

/** base ← middle ← top, each with something of its own; returns what the top reads as. */
function chain(at: At, format: ChainFormat): Uint8Array {
  createDisk(at('base'), { format, sizeBytes: SIZE, ...(format === 'vhdx' ? { blockBytes: MIB } : {}) });
  write(at('base'), MIB, pattern(6 * MIB, 1));
  age(at('base'));
  createChild(at('middle'), at('base'));
  write(at('middle'), 3 * MIB + 512, pattern(MIB, 2));
  withDisk(at('middle'), false, (disk) => disk.discardSync(6 * MIB, MIB));
  age(at('middle'));
  createChild(at('top'), at('middle'));
  write(at('top'), 3 * MIB + 1024, pattern(512, 3));
  const expected = new Uint8Array(SIZE);
  expected.set(pattern(6 * MIB, 1), MIB);
  expected.set(pattern(MIB, 2), 3 * MIB + 512);
  expected.fill(0, 6 * MIB, 7 * MIB);
  expected.set(pattern(512, 3), 3 * MIB + 1024);
  return expected;
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const sentence = (words: RegExp) => (error: unknown): boolean =>
  error instanceof OperatingError && words.test(error.message);

for (const format of FORMATS) {
  test(`a ${format} chain of three reads as one, and converts to one`, () => withFolder(async (at) => {
    const expected = chain(at, format);
    assert.ok(isSame(contentOf(at('top')), expected));
    await convertDisk(at('top'), at('one.raw'), { format: 'raw' });
    assert.ok(isSame(contentOf(at('one.raw')), expected));
    assert.deepEqual(readdirSync(at('.')).sort(), ['base', 'middle', 'one.raw', 'top']);
  }));

  test(`a ${format} chain that moved together is found by its relative path, one left behind by the absolute`, () =>
    withFolder((at) => {
      const expected = chain(at, format);
      mkdirSync(at('other'));
      for (const name of ['base', 'middle', 'top']) cpSync(at(name), at(`other/${name}`), { preserveTimestamps: true });
      renameSync(at('base'), at('gone'));
      assert.ok(isSame(contentOf(at('other/top')), expected));
      renameSync(at('gone'), at('base'));
      renameSync(at('other/middle'), at('other/moved'));
      assert.ok(isSame(contentOf(at('other/top')), expected), 'the middle one is at its old absolute path');
    }));

  test(`a ${format} parent that is missing, was changed or is another is refused, until it is reconnected`, () =>
    withFolder((at) => {
      chain(at, format);
      renameSync(at('base'), at('elsewhere'));
      assert.throws(() => openDisk(at('top'), { readOnly: true }),
        sentence(/the parent of .*middle is not there: .*base/));
      createDisk(at('base'), { format, sizeBytes: SIZE });
      assert.throws(() => openDisk(at('top'), { readOnly: true }),
        sentence(/base is not the parent that .*middle was made of/));
      reconnectDisk(at('middle'), at('elsewhere'));
      // The middle one's file has changed, and with it what a VHD knows its parent by.
      if (format === 'vhd') reconnectDisk(at('top'), at('middle'));
      assert.equal(contentOf(at('top'))[MIB], pattern(MIB, 1)[0]);
      write(at('elsewhere'), 0, pattern(512, 9));
      assert.throws(() => openDisk(at('top'), { readOnly: true }), sentence(/or was changed since/));
      reconnectDisk(at('middle'), at('elsewhere'));
      if (format === 'vhd') reconnectDisk(at('top'), at('middle'));
      assert.ok(isSame(contentOf(at('top')).subarray(0, 512), pattern(512, 9)));
    }));

  test(`a ${format} disk that is its own parent is refused`, () => withFolder((at) => {
    chain(at, format);
    cpSync(at('top'), at('loop'));
    reconnectDisk(at('top'), at('middle'));
    cpSync(at('top'), at('middle'), { force: true });
    assert.throws(() => openDisk(at('top'), { readOnly: true }), sentence(/is its own parent/));
  }));

  test(`merging a ${format} chain down leaves one disk with everything, and no other`, () => withFolder(async (at) => {
    const expected = chain(at, format);
    createChild(at('sibling'), at('middle'));
    assert.equal(await mergeDisk(at('top')), at('middle'));
    assert.ok(!existsSync(at('top')));
    assert.ok(isSame(contentOf(at('middle')), expected));
    assert.throws(() => openDisk(at('sibling'), { readOnly: true }), sentence(/or was changed since/));
    const fractions: number[] = [];
    await mergeDisk(at('middle'), { keepsChild: true, progress: (fraction) => fractions.push(fraction) });
    assert.equal(fractions.at(-1), 1);
    assert.ok(isSame(contentOf(at('base')), expected));
    assert.throws(() => openDisk(at('middle'), { readOnly: true }), sentence(/was merged into .*base to the end/));
  }));

  test(`a ${format} merge that was stopped is begun again, and the disk is whole in between`, () =>
    withFolder(async (at) => {
    const expected = chain(at, format);
    for (let pauses = 0; pauses < 3; pauses++) {
      const abort = new AbortController();
      let left = pauses;
      const work = { signal: abort.signal, progress: () => void (left-- === 0 && abort.abort(new Error('stopped'))) };
      await assert.rejects(mergeDisk(at('middle'), work), /stopped/);
      if (format === 'vhd') reconnectDisk(at('top'), at('middle'));
      assert.ok(isSame(contentOf(at('top')), expected));
    }
    await mergeDisk(at('middle'));
    reconnectDisk(at('top'), at('base'));
    assert.ok(isSame(contentOf(at('top')), expected));
  }));

  test(`compacting a ${format} disk makes its file smaller, changes nothing, and leaves children what they are`, () =>
    withFolder(async (at) => {
      chain(at, format);
      write(at('base'), 8 * MIB, new Uint8Array(6 * MIB));
      write(at('base'), 14 * MIB, pattern(2 * MIB, 5));
      withDisk(at('base'), false, (disk) => disk.discardSync(0, 4 * MIB));
      createChild(at('child'), at('base'));
      const before = contentOf(at('child'));
      const { bytesBefore, bytesAfter } = await compactDisk(at('base'));
      assert.equal(statSync(at('base')).size, bytesAfter);
      assert.ok(bytesAfter <= bytesBefore - 8 * MIB, `${bytesBefore} -> ${bytesAfter}`);
      assert.ok(isSame(contentOf(at('child')), before));
      assert.deepEqual(checkDisk(at('base'), { repair: false }), { format, problems: [], unusedBytes: 0 });
    }));

  test(`a map of a ${format} chain says what is where`, () => withFolder((at) => {
    chain(at, format);
    const map = withDisk(at('top'), true, (disk) => [...mapDisk(disk)]);
    const own = map.filter(({ depth, state }) => depth === 0 && state === 'data');
    assert.deepEqual(own, [{ positionBytes: 3 * MIB + 1024, lengthBytes: 512, state: 'data', depth: 0 }]);
    assert.equal(map.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0), SIZE);
    const at5 =
      map.find(({ positionBytes, lengthBytes }) => positionBytes <= 5 * MIB && 5 * MIB < positionBytes + lengthBytes);
    assert.deepEqual([at5?.state, at5?.depth], ['data', 2]);
  }));

  test(`a ${format} file has one writer`, () => withFolder((at) => {
    chain(at, format);
    const disk = openDisk(at('top'), { readOnly: false });
    assert.throws(() => openDisk(at('top'), { readOnly: false }), sentence(/being written to by another program/));
    openDisk(at('top'), { readOnly: true }).closeSync();
    disk.closeSync();
    openDisk(at('top'), { readOnly: false }).closeSync();
  }));
}

test('what cannot be made is refused in a sentence, and leaves no file', () => withFolder(async (at) => {
  const refused: readonly [() => void, RegExp][] = [
    [() => createDisk(at('a'), { format: 'vhdx', sizeBytes: 0 }), /a disk of 0 bytes/],
    [() => createDisk(at('a'), { format: 'vhdx', sizeBytes: 513 }), /whole sectors of 512/],
    [() => createDisk(at('a'), { format: 'vhdx', sizeBytes: 65 * 2 ** 40 }), /64 TiB/],
    [() => createDisk(at('a'), { format: 'vhd', sizeBytes: 3 * 2 ** 40 }), /up to 2040 GiB are right; VHDX holds more/],
    [() => createDisk(at('a'), { format: 'vhdx', sizeBytes: MIB, blockBytes: 3 * MIB }), /a power of two from/],
    [() => createDisk(at('a'), { format: 'raw', sizeBytes: MIB, logicalSectorBytes: 4096 }), /need VHDX/],
    [() => createDisk(at('a'), { format: 'vhdx', sizeBytes: MIB, logicalSectorBytes: 520 }), /sector of 520 bytes/],
    [() => createDisk(at('no/a'), { format: 'raw', sizeBytes: MIB }), /there is no such file or folder/],
  ];
  for (const [make, words] of refused) assert.throws(make, sentence(words));
  createDisk(at('raw'), { format: 'raw', sizeBytes: MIB + 512 });
  assert.throws(() => createDisk(at('raw'), { format: 'raw', sizeBytes: MIB }), sentence(/is there already/));
  assert.throws(() => createChild(at('a'), at('raw')), sentence(/is raw, which has no children/));
  await assert.rejects(convertDisk(at('raw'), at('a'), { format: 'vhdx', logicalSectorBytes: 4096 }),
    sentence(/not whole sectors of 4096/));
  await assert.rejects(mergeDisk(at('raw')), sentence(/has no parent/));
  await assert.rejects(compactDisk(at('raw')), sentence(/is a fixed disk/));
  assert.deepEqual(readdirSync(at('.')), ['raw']);
}));

test('room that was given back is taken again, also by a later writer', () => withFolder((at) => {
  for (const format of FORMATS) {
    createDisk(at(format), { format, sizeBytes: SIZE, ...(format === 'vhdx' ? { blockBytes: MIB } : {}) });
    const sizes = Array.from({ length: 6 }, () => {
      write(at(format), 0, pattern(8 * MIB, 1));
      withDisk(at(format), false, (disk) => disk.discardSync(0, 8 * MIB));
      return statSync(at(format)).size;
    });
    assert.equal(new Set(sizes).size, 1, sizes.join(' '));
  }
}));

test('a raw image that ends within a sector is continued with zeros', () => withFolder((at) => {
  writeFileSync(at('raw'), new Uint8Array(700).fill(7));
  const content = contentOf(at('raw'));
  assert.equal(content.length, 1024);
  assert.deepEqual(content.subarray(698, 702), Uint8Array.of(7, 7, 0, 0));
}));
