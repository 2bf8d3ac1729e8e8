/** Clocks of several threads: this file is also what they run. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { HostClock } from './clock.ts';

const ROUNDS = 2000;

/** Both threads in turn put their time behind the other's: it never goes back. */
function count(words: Int32Array, times: Float64Array, mine: number): void {
  const clock = new HostClock();
  for (let turn = mine; turn < ROUNDS; turn += 2) {
    for (let seen = Atomics.load(words, 0); seen !== turn; seen = Atomics.load(words, 0)) Atomics.wait(words, 0, seen);
    times[turn] = clock.nowNs();
    Atomics.store(words, 0, turn + 1);
    Atomics.notify(words, 0);
  }
}

if (isMainThread) {
  test('the clocks of two threads agree to a microsecond', async () => {
    const words = new Int32Array(new SharedArrayBuffer(4));
    const times = new Float64Array(new SharedArrayBuffer(ROUNDS * 8));
    const worker = new Worker(new URL(import.meta.url), { workerData: { words, times } });
    const ended = once(worker, 'exit');
    count(words, times, 0);
    await ended;
    for (let turn = 1; turn < ROUNDS; turn++) {
      assert.ok((times[turn] as number) > (times[turn - 1] as number) - 1000, `turn ${turn}`);
    }
  });
} else {
  const { words, times } = workerData as { words: Int32Array; times: Float64Array };
  count(words, times, 1);
}
