import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPartitions } from './partitions.ts';
import { diskOf, gptDisk, mbrDisk } from './testing/disk-layout.ts';
import { fatImage } from './testing/fat-image.ts';

const CONTENTS = [1, 2, 3, 4, 5].map((value) => new Uint8Array(value * 1024).fill(value));

function firstBytes(bytes: Uint8Array): (number | string)[][] {
  return readPartitions(diskOf(bytes)).map(({ number, partitionUuid, volume }) =>
    [number, volume.sizeBytes, volume.read(1, 1)[0]!, partitionUuid]);
}

test('the partitions of a GPT, also when only the copy at the end is right', () => {
  const disk = gptDisk(CONTENTS);
  const expected = CONTENTS.map((content, index) =>
    [index + 1, content.length, index + 1, `00000000-0000-0000-0000-00000000000${index + 1}`]);
  assert.deepEqual(firstBytes(disk), expected);
  disk.fill(0, 512, 1024);
  assert.deepEqual(firstBytes(disk), expected);
});

test('the partitions of an MBR, logical ones from 5 on', () => {
  const disk = mbrDisk(CONTENTS);
  new DataView(disk.buffer).setUint32(440, 0xdeadbeef, true);
  assert.deepEqual(firstBytes(disk), [
    [1, 1024, 1, 'deadbeef-01'], [2, 2048, 2, 'deadbeef-02'], [3, 3072, 3, 'deadbeef-03'],
    [5, 4096, 4, 'deadbeef-05'], [6, 5120, 5, 'deadbeef-06'],
  ]);
});

test('a disk without a table is one volume, a boot sector of a file system no table', () => {
  assert.deepEqual(readPartitions(diskOf(new Uint8Array(4096))).map(({ number }) => number), [0]);
  const fat = fatImage(12, {});
  fat.fill(0x41, 62, 510);
  const whole = readPartitions(diskOf(fat)).map(({ number, volume }) => [number, volume.sizeBytes]);
  assert.deepEqual(whole, [[0, fat.length]]);
});

test('logical partitions that go in a circle end', () => {
  const disk = mbrDisk(CONTENTS);
  const view = new DataView(disk.buffer);
  const extended = view.getUint32(446 + 3 * 16 + 8, true);
  view.setUint32(extended * 512 + 446 + 16 + 8, 0, true);
  view.setUint8(extended * 512 + 446 + 16 + 4, 5);
  assert.ok(readPartitions(diskOf(disk)).length <= 64);
});
