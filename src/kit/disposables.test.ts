/** Ownership: order of closing, failures on the way, handing over. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Disposables } from './disposables.ts';

test('closes in the opposite order, awaiting each', async () => {
  const log: string[] = [];
  {
    await using owned = new Disposables();
    owned.use({ [Symbol.dispose]: () => void log.push('first') });
    owned.use({ [Symbol.asyncDispose]: async () => { await Promise.resolve(); log.push('second'); } });
    owned.defer(() => void log.push('third'));
  }
  assert.deepEqual(log, ['third', 'second', 'first']);
});

test('a failure does not keep the others open, and the first one is thrown', async () => {
  const log: string[] = [];
  const owned = new Disposables();
  owned.defer(() => void log.push('closed'));
  owned.defer(() => { throw new Error('later'); });
  owned.defer(() => { throw new Error('sooner'); });
  await assert.rejects(async () => owned[Symbol.asyncDispose](), /sooner/);
  assert.deepEqual(log, ['closed']);
});

test('what was handed over is closed by the new owner alone', async () => {
  const log: string[] = [];
  const first = new Disposables();
  first.defer(() => void log.push('closed'));
  const second = first.move();
  await first[Symbol.asyncDispose]();
  assert.deepEqual(log, []);
  await second[Symbol.asyncDispose]();
  assert.deepEqual(log, ['closed']);
});
