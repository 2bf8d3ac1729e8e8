/**
 * `npm run fuzz -- TARGET SECONDS [SEED]`: tries inputs for that long, from a seed that it prints. A target that throws
 * or that does not come back ends the run with the seed to give again; TARGET `all` shares the time between all. At the
 * end stands how many inputs were valid, and how many branches of the code under test they reached; which they did not
 * is said when FUZZ_MISSED is set.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { BranchCoverage } from './fuzz-coverage.ts';
import { targetsOf } from './fuzz-target.ts';
import { ROOT, filesUnder } from './repository.ts';

/** No batch takes nearly as long: a target that is silent for this time hangs. */
const SILENCE_MS = 60_000;

interface WorkerMessage {
  readonly seed?: number;
  readonly iterations: number;
  /** With the last message. */
  readonly inputs?: number;
  readonly valid?: number;
  readonly coverage?: BranchCoverage;
}

interface Found {
  readonly name: string;
  readonly module: string;
}

async function allTargets(): Promise<Found[]> {
  const found: Found[] = [];
  for (const file of filesUnder(ROOT, 'fuzz')) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    const module = pathToFileURL(join(ROOT, 'dist', file.replace(/\.ts$/, '.js'))).href;
    const targets = targetsOf(await import(module) as Record<string, unknown>);
    found.push(...targets.map(({ name }) => ({ name, module })));
  }
  return found;
}

/** True when the target withstood everything. */
async function fuzz({ name, module }: Found, seconds: number, seed: number): Promise<boolean> {
  process.stdout.write(`fuzz: ${name} for ${seconds} s from seed ${seed}\n`);
  const endsAtMs = Date.now() + seconds * 1000;
  const workerData = { module, name, seed, endsAtMs };
  const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url), { workerData });
  let current = seed;
  let iterations = 0;
  let end: WorkerMessage | undefined;
  const failure = await new Promise<string | undefined>((resolve) => {
    const silence = setTimeout(() => resolve(`no sign of life for ${SILENCE_MS / 1000} s`), SILENCE_MS);
    worker.on('message', (message: WorkerMessage) => {
      silence.refresh();
      if (message.inputs !== undefined) end = message;
      current = message.seed ?? current;
      iterations = message.iterations;
    });
    worker.on('error', (error: Error) => resolve(error.stack));
    worker.on('exit', () => {
      clearTimeout(silence);
      resolve(undefined);
    });
  });
  await worker.terminate();
  if (failure !== undefined) {
    process.stdout.write(`${failure}\nfuzz: ${name} broke; again: npm run fuzz -- ${name} 1 ${current}\n`);
    return false;
  }
  process.stdout.write(`fuzz: ${name} withstood ${iterations} inputs\n`);
  if (end !== undefined) process.stdout.write(accountOf(name, end));
  return true;
}

/** What the inputs were, and how far they came. */
function accountOf(name: string, { inputs = 0, valid = 0, coverage }: WorkerMessage): string {
  const percent = (part: number, whole: number): string => `${((part * 100) / Math.max(whole, 1)).toFixed(0)} %`;
  const lines: string[] = [];
  if (inputs > 0) lines.push(`${percent(valid, inputs)} of the inputs were valid`);
  if (coverage !== undefined) {
    lines.push(`${percent(coverage.covered, coverage.total)} of ${coverage.total} branches were reached`);
    const says = process.env['FUZZ_MISSED'] !== undefined;
    if (says) lines.push(...coverage.missed.map((place) => `not reached: ${place}`));
  }
  return lines.map((line) => `fuzz: ${name}: ${line}\n`).join('');
}

const [wanted = '', time = '', start = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2);
const targets = await allTargets();
const chosen = targets.filter(({ name }) => wanted === 'all' || name === wanted);
const [seconds, seed] = [Number(time), Number(start)];
if (chosen.length === 0 || !(seconds > 0) || !Number.isInteger(seed)) {
  process.stderr.write(`fuzz: npm run fuzz -- TARGET SECONDS [SEED]; targets: ${
    ['all', ...targets.map(({ name }) => name)].join(', ')}\n`);
  process.exit(2);
}
let withstood = true;
for (const target of chosen) withstood = await fuzz(target, seconds / chosen.length, seed) && withstood;
process.exit(withstood ? 0 : 1);
