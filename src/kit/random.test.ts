import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostRandom, SeededRandom } from './random.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('a seed gives the bytes that its authors publish for it', () => {
  const words = new BigUint64Array(new SeededRandom(1234567n).bytes(24).buffer);
  assert.deepEqual([...words], [6457827717110365317n, 3203168211198807973n, 9817491932198370423n]);
});

test('another seed gives others, and the bytes go on', () => {
  const random = new SeededRandom(1n);
  assert.notEqual(hex(random.bytes(16)), hex(random.bytes(16)));
  assert.notEqual(hex(new SeededRandom(1n).bytes(16)), hex(new SeededRandom(2n).bytes(16)));
  assert.equal(new SeededRandom(1n).bytes(5).length, 5);
});

test('the host has as many bytes as are asked for', () => {
  assert.equal(new HostRandom().bytes(64).length, 64);
});
