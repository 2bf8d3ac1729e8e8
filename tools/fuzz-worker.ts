/**
 * The thread that runs a fuzz target for `fuzz.ts`, batch after batch. It says which seed comes next before it starts
 * it, so that the seed is known when the target hangs.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { BranchCounter } from './fuzz-coverage.ts';
import { Tally, targetsOf } from './fuzz-target.ts';

const ITERATIONS = 200;

const { module, name, seed, endsAtMs } = workerData as Readonly<{
  module: string; name: string; seed: number; endsAtMs: number;
}>;
// Before the code is loaded, or V8 counts nothing of it.
const branches = new BranchCounter();
const tally = new Tally();
const target = targetsOf(await import(module) as Record<string, unknown>).find((each) => each.name === name);
let iterations = 0;
for (let next = seed; Date.now() < endsAtMs; next++) {
  parentPort?.postMessage({ seed: next, iterations });
  await target?.run(next, ITERATIONS, tally);
  iterations += ITERATIONS;
}
const coverage = target?.covers === undefined ? undefined : branches.take(target.covers);
parentPort?.postMessage({ iterations, inputs: tally.inputs, valid: tally.valid, coverage });
