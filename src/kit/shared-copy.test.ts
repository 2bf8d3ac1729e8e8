import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedCopier } from './shared-copy.ts';

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 0xff);

test('copies between shared memory and our own are whole wherever they lie, and touch nothing else', () => {
  for (const length of [0, 1, 191, 192, 1460, 4096, 4097, 9000]) {
    for (const [there, here] of [[8, 8], [3, 3], [1, 6], [5, 0], [0, 7], [4095, 2]] as const) {
      const buffer = new SharedArrayBuffer(16_384);
      const shared = new Uint8Array(buffer);
      const copier = new SharedCopier(buffer);
      const source = pattern(length + 16);
      copier.write(there, source, here, length);
      const wanted = new Uint8Array(16_384);
      wanted.set(source.subarray(here, here + length), there);
      assert.deepEqual(Uint8Array.from(shared), wanted, `${length} bytes to ${there}`);
      // A view that itself begins at an odd place.
      const target = new Uint8Array(new ArrayBuffer(length + 64), 3, length + 32);
      copier.read(there, target, here, length);
      const got = new Uint8Array(length + 32);
      got.set(source.subarray(here, here + length), here);
      assert.deepEqual(Uint8Array.from(target), got, `${length} bytes from ${there}`);
    }
  }
});
