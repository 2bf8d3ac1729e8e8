import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressWatch } from './progress-watch.ts';

test('a thread that has work and does nothing is stuck; one that works or has none is not', () => {
  const thread = { progress: 0, isIdle: false };
  let stuck = 0;
  const watch = new ProgressWatch({
    progress: () => thread.progress, isIdle: () => thread.isIdle, stuckMs: 6000, onStuck: () => { stuck++; },
  });
  const look = (times: number): void => { for (let i = 0; i < times; i++) watch.look(); };
  for (let i = 0; i < 20; i++) {
    thread.progress++;
    look(3);
  }
  assert.equal(stuck, 0, 'it works, if slowly');
  thread.isIdle = true;
  look(20);
  assert.equal(stuck, 0, 'it has nothing to do');
  thread.isIdle = false;
  look(5);
  assert.equal(stuck, 0, 'not yet');
  look(1);
  assert.equal(stuck, 1);
});
