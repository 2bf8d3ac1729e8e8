/** The lock between processes: one at a time, and free again when its holder ends, even by a signal. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { acquireProcessLock } from './process-lock.ts';

const ABSENT = process.platform !== 'linux' && 'abstract sockets are of Linux';

function lockName(): string {
  return `test-${randomBytes(8).toString('hex')}`;
}

test('a second holder waits for the first to release', { skip: ABSENT }, async () => {
  const name = lockName();
  const order: string[] = [];
  const first = await acquireProcessLock(name);
  const waiting = acquireProcessLock(name).then(async (second) => {
    order.push('second holds');
    await second[Symbol.asyncDispose]();
  });
  await new Promise((resolve) => { setImmediate(resolve); });
  order.push('first releases');
  await first[Symbol.asyncDispose]();
  await waiting;
  assert.deepEqual(order, ['first releases', 'second holds']);
});

test('each of many gets its turn', { skip: ABSENT }, async () => {
  const name = lockName();
  let holders = 0;
  let most = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    const lock = await acquireProcessLock(name);
    most = Math.max(most, ++holders);
    await new Promise((resolve) => { setImmediate(resolve); });
    holders--;
    await lock[Symbol.asyncDispose]();
  }));
  assert.equal(most, 1);
});

test('a killed process holds nothing any more', { skip: ABSENT }, async () => {
  const name = lockName();
  const address = new URL('./process-lock.js', import.meta.url);
  const script = `const { acquireProcessLock } = await import(${JSON.stringify(address)});
    await acquireProcessLock(${JSON.stringify(name)});
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const waiting = acquireProcessLock(name);
  child.kill('SIGKILL');
  await (await waiting)[Symbol.asyncDispose]();
});
