import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { loadNativeCalls } from '../kit/native-calls.ts';
import { pattern } from './contract.ts';
import { createDisk } from './create-disk.ts';
import { mapDisk } from './map.ts';
import { contentOf, withDisk, withFolder } from './testing/images.ts';

const MIB = 0x10_0000;
const SIZE = 16 * MIB + 512;
const skip = loadNativeCalls() === undefined && 'the optional package koffi is not installed';

test('what is discarded of a raw image gives its room back to the host', { skip }, () => withFolder((at) => {
  const path = at('disk.raw');
  createDisk(path, { format: 'raw', sizeBytes: SIZE });
  const bytes = pattern(8 * MIB, 1);
  withDisk(path, false, (disk) => disk.writeSync(bytes, 0, bytes.length, 4 * MIB));
  const before = statSync(path);
  withDisk(path, false, (disk) => {
    assert.equal(disk.blockBytes, 4096);
    disk.discardSync(5 * MIB, 2 * MIB);
    disk.discardSync(9 * MIB + 512, 1024);
  });
  const after = statSync(path);
  assert.equal(after.size, before.size);
  assert.ok(before.blocks - after.blocks >= 2 * MIB / 512 - 8, `${before.blocks} blocks, then ${after.blocks}`);
  const expected = new Uint8Array(SIZE);
  expected.set(bytes, 4 * MIB);
  expected.fill(0, 5 * MIB, 7 * MIB).fill(0, 9 * MIB + 512, 9 * MIB + 1536);
  assert.ok(Buffer.compare(contentOf(path), expected) === 0);
  withDisk(path, true, (disk) => {
    const ranges = [...mapDisk(disk)].map(({ positionBytes, state }) => [positionBytes / MIB, state]);
    assert.deepEqual(ranges, [[0, 'zero'], [4, 'data'], [5, 'zero'], [7, 'data'], [12, 'zero']]);
  });
}));
