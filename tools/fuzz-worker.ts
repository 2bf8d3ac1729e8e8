/**
 * The thread that runs a fuzz target for `fuzz.ts`, batch after batch. It says which seed comes next before it starts
 * it, so that the seed is known when the target hangs.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { targetsOf } from './fuzz-target.ts';

const ITERATIONS = 200;

const { module, name, seed, endsAtMs } = workerData as Readonly<{
  module: string; name: string; seed: number; endsAtMs: number;
}>;
const target = targetsOf(await import(module) as Record<string, unknown>).find((each) => each.name === name);
let iterations = 0;
for (let next = seed; Date.now() < endsAtMs; next++) {
  parentPort?.postMessage({ seed: next, iterations });
  await target?.run(next, ITERATIONS);
  iterations += ITERATIONS;
}
parentPort?.postMessage({ iterations });
