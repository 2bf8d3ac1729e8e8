/**
 * The process that runs a fuzz target for `fuzz-run.ts`, batch after batch. It says which seed comes next before it
 * starts it, so that the seed is known when the target hangs.
 */

import { setImmediate } from 'node:timers/promises';
import { BranchCounter } from './fuzz-coverage.ts';
import { processorSecondsUsed, type WorkerMessage, type WorkerOrder } from './fuzz-run.ts';
import { Tally, targetsOf } from './fuzz-target.ts';

const ITERATIONS = 200;

const { module, name, seed, processorSeconds } = JSON.parse(process.argv[2] ?? '') as WorkerOrder;
// Before the code is loaded, or V8 counts nothing of it.
const branches = new BranchCounter();
const tally = new Tally();
const say = (message: Omit<WorkerMessage, 'secondsUsed'>): void => {
  process.send?.({ ...message, secondsUsed: processorSecondsUsed() } satisfies WorkerMessage);
};
// Whoever waited for it is gone.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();
const target = targetsOf(await import(module) as Record<string, unknown>).find((each) => each.name === name);
let iterations = 0;
let next = seed;
for (; processorSecondsUsed() < processorSeconds; next++) {
  say({ seed: next, iterations });
  await target?.run(next, ITERATIONS, tally);
  iterations += ITERATIONS;
  // V8 does not see how large shared buffers are, and lets gigabytes of them wait.
  globalThis.gc?.();
  // Or nothing but promises would ever have its turn.
  await setImmediate();
}
const coverage = target?.covers === undefined ? undefined : branches.take(target.covers);
const { inputs, valid } = tally;
say({ seed: next, iterations, inputs, valid, coverage });
