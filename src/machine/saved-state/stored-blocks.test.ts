/** Streams of stored blocks, as zlib sees them and as we do. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { fromStoredBlocks } from './stored-blocks.ts';

const lengths = [0, 1, 4096, 0x7fff, 0x8000, 0x8001, 0x10000];
const stored = (bytes: Uint8Array): Buffer => deflateRawSync(bytes, { level: 0 });
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 31) >> 3);

for (const length of lengths) {
  test(`${length} bytes come back, by zlib and by us`, () => {
    const bytes = bytesOf(length);
    const stream = stored(bytes);
    assert.deepEqual(new Uint8Array(inflateRawSync(stream)), bytes);
    assert.deepEqual(new Uint8Array(fromStoredBlocks(stream) ?? []), bytes);
  });
}

test('what is compressed, cut off, continued or damaged is none', () => {
  const stream = stored(bytesOf(40_000));
  assert.equal(fromStoredBlocks(deflateRawSync(bytesOf(40_000))), undefined);
  for (const length of [0, 3, 5, 100, 0x8005, stream.length - 1]) {
    assert.equal(fromStoredBlocks(stream.subarray(0, length)), undefined, `${length} bytes`);
  }
  assert.equal(fromStoredBlocks(Buffer.concat([stream, Buffer.of(0)])), undefined);
  stream[1] = (stream[1] as number) ^ 1;
  assert.equal(fromStoredBlocks(stream), undefined);
});
