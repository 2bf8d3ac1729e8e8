/**
 * `fuzz-proof.js TARGET MINUTES`: the target withstands inputs for so many processor minutes, which add up over runs,
 * and reaches four fifths of the branches that it is for.
 */

import { allTargets, runTarget } from './fuzz-run.ts';
import { Progress } from './prove/progress.ts';

/** What is lost when a run is ended. */
const SLICE_SECONDS = 180;
const LEAST_SHARE = 0.8;

interface Done {
  readonly seconds: number;
  readonly seed: number;
  readonly iterations: number;
  readonly inputs: number;
  readonly valid: number;
  /** The best of all slices. */
  readonly covered: number;
  readonly branches: number;
}

const NOTHING: Done = { seconds: 0, seed: 1, iterations: 0, inputs: 0, valid: 0, covered: 0, branches: 1 };

const [name = '', minutes = '30'] = process.argv.slice(2);
const target = (await allTargets()).find((each) => each.name === name);
if (target === undefined) throw new Error(`there is no target ${name}`);
const progress = new Progress<Done>(`fuzz-${name}`);
let done = progress.load() ?? NOTHING;
while (done.seconds < Number(minutes) * 60) {
  const processorSeconds = Math.min(SLICE_SECONDS, Number(minutes) * 60 - done.seconds);
  const { failure, secondsUsed, seed, iterations, inputs = 0, valid = 0, coverage } = await runTarget({
    ...target, seed: done.seed, processorSeconds,
  });
  if (failure !== undefined) {
    process.stdout.write(`${failure}\nagain: npm run fuzz -- ${name} 1 ${seed}\n` +
      `figure: broke with seed ${seed} after ${done.iterations + iterations} inputs\n`);
    process.exit(1);
  }
  const better = coverage !== undefined && coverage.covered / coverage.total > done.covered / done.branches;
  done = {
    seconds: done.seconds + secondsUsed, seed, iterations: done.iterations + iterations,
    inputs: done.inputs + inputs, valid: done.valid + valid,
    covered: better ? coverage.covered : done.covered, branches: better ? coverage.total : done.branches,
  };
  progress.save(done);
  process.stdout.write(`${(done.seconds / 60).toFixed(1)} minutes, ${JSON.stringify(done)}\n`);
}
const share = done.covered / done.branches;
process.stdout.write(`figure: ${(done.seconds / 60).toFixed(0)} processor minutes, ${done.iterations} runs, ` +
  `${((100 * done.valid) / Math.max(done.inputs, 1)).toFixed(0)} % of the inputs valid; ` +
  `${(100 * share).toFixed(0)} % of ${done.branches} branches\n`);
process.exit(share >= LEAST_SHARE ? 0 : 1);
