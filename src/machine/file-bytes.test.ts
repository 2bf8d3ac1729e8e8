import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { StoredBytes } from '../chipset/loaders/low-memory.ts';
import { OperatingError } from '../kit/errors.ts';
import { storedBytes } from './file-bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-files-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'initrd');

async function stored(bytes: Uint8Array): Promise<StoredBytes> {
  writeFileSync(path, bytes);
  const result = await storedBytes(path);
  assert.ok(!(result instanceof Uint8Array));
  return result;
}

test('a file is read to where it belongs, memory that threads share included', async () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, n) => n * 7);
  const file = await stored(bytes);
  assert.equal(file.length, bytes.length);
  const memory = new Uint8Array(new SharedArrayBuffer(12_000));
  file.copyTo(memory.subarray(1000, 11_000));
  assert.deepEqual(memory.slice(1000, 11_000), bytes);
  const around = [...memory.subarray(0, 1000), ...memory.subarray(11_000)];
  assert.ok(around.every((byte) => byte === 0));
});

test('one that has become shorter meanwhile, or is gone, is refused in a sentence', async () => {
  const file = await stored(new Uint8Array(5000));
  truncateSync(path, 4000);
  assert.throws(() => file.copyTo(new Uint8Array(5000)),
    (error) => error instanceof OperatingError && /has become shorter/.test(error.message));
  rmSync(path);
  assert.throws(() => file.copyTo(new Uint8Array(5000)), OperatingError);
  await assert.rejects(storedBytes(path), OperatingError);
});

test('what is no file is read at once', async () => {
  assert.deepEqual(await storedBytes('/dev/null'), Buffer.alloc(0));
});
