/** This file is also what the contending threads run. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { SharedLock } from './shared-lock.ts';

const ROUNDS = 20_000;
const THREADS = 3;

/** Counts without atomics, which only a lock makes right. All threads begin together. */
function count(words: Int32Array): void {
  Atomics.add(words, 2, 1);
  Atomics.notify(words, 2);
  for (let there = 0; (there = Atomics.load(words, 2)) < THREADS;) Atomics.wait(words, 2, there);
  const lock = new SharedLock(words, 0);
  for (let i = 0; i < ROUNDS; i++) {
    lock.acquire();
    words[1] = (words[1] as number) + 1;
    lock.release();
  }
}

if (isMainThread) {
  test('threads that hold the lock exclude each other', async () => {
    const words = new Int32Array(new SharedArrayBuffer(12));
    const workers = Array.from({ length: THREADS }, () => new Worker(new URL(import.meta.url), { workerData: words }));
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
    assert.deepEqual([...words], [0, THREADS * ROUNDS, THREADS]);
  });
} else count(workerData as Int32Array);
