/**
 * The thread that runs a fuzz target for `fuzz-run.ts`, batch after batch. It says which seed comes next before it
 * starts it, so that the seed is known when the target hangs.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { BranchCounter } from './fuzz-coverage.ts';
import { processorSecondsUsed, type WorkerMessage, type WorkerOrder } from './fuzz-run.ts';
import { Tally, targetsOf } from './fuzz-target.ts';

const ITERATIONS = 200;

const { module, name, seed, processorSeconds } = workerData as WorkerOrder;
const endsAt = processorSecondsUsed() + processorSeconds;
// Before the code is loaded, or V8 counts nothing of it.
const branches = new BranchCounter();
const tally = new Tally();
const target = targetsOf(await import(module) as Record<string, unknown>).find((each) => each.name === name);
let iterations = 0;
let next = seed;
for (; processorSecondsUsed() < endsAt; next++) {
  parentPort?.postMessage({ seed: next, iterations } satisfies WorkerMessage);
  await target?.run(next, ITERATIONS, tally);
  iterations += ITERATIONS;
}
const coverage = target?.covers === undefined ? undefined : branches.take(target.covers);
const { inputs, valid } = tally;
parentPort?.postMessage({ seed: next, iterations, inputs, valid, coverage } satisfies WorkerMessage);
