import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Console } from './console.ts';

const settle = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

test('a first reader gets the last of what was written before', async () => {
  const console = new Console(async () => {});
  for (let i = 0; i < 100; i++) await console.output(Buffer.alloc(1024, i));
  const read: number[] = [];
  console.on('data', (bytes: Buffer) => read.push(bytes[0] as number));
  await settle();
  assert.deepEqual(read, Array.from({ length: 64 }, (_, i) => 36 + i));
});

test('a reader that falls behind holds up the guest, and loses nothing', async () => {
  const console = new Console(async () => {});
  assert.equal(console.read(), null);
  let written = 0;
  const writing = (async (): Promise<void> => {
    for (; written < 100; written++) await console.output(Buffer.alloc(1024, written));
  })();
  await settle();
  assert.ok(written > 0 && written < 100, String(written));
  let readBytes = 0;
  console.on('data', (bytes: Buffer) => { readBytes += bytes.length; });
  await writing;
  await settle();
  assert.equal(readBytes, 100 * 1024);
});

test('what is typed goes to the guest, one piece after the other', async () => {
  const typed: string[] = [];
  const console = new Console(async (bytes) => { typed.push(Buffer.from(bytes).toString()); });
  console.write('a');
  console.write('b');
  await new Promise<void>((resolve) => { console.end('c', () => resolve()); });
  assert.equal(typed.join(''), 'abc');
});
