/**
 * One fuzz target for some processor time, in a thread of its own: until then it withstands every input, or breaks.
 * Time is the processors', so that a busy host makes a run longer and not smaller, and takes no slow input for one that
 * hangs.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { BranchCoverage } from './fuzz-coverage.ts';
import { targetsOf } from './fuzz-target.ts';
import { ROOT, filesUnder } from './repository.ts';

/** No batch takes nearly as long: a target that says nothing for so much processor time hangs. */
const SILENCE_SECONDS = 120;
/** Nor this long by the clock, were it asleep. */
const SLEEP_MS = 30 * 60_000;
const LOOK_MS = 1000;

export interface FoundTarget {
  readonly name: string;
  readonly module: string;
}

export interface WorkerOrder extends FoundTarget {
  readonly seed: number;
  readonly processorSeconds: number;
}

/** What the thread says before each batch, and, with all of its fields, at the end. */
export interface WorkerMessage {
  /** Of the batch that comes. */
  readonly seed: number;
  readonly iterations: number;
  readonly inputs?: number;
  readonly valid?: number;
  readonly coverage?: BranchCoverage | undefined;
}

export interface FuzzResult extends WorkerMessage {
  /** How the target broke, with the batch of `seed`. */
  readonly failure?: string;
}

/** Of every file of fuzz/. */
export async function allTargets(): Promise<FoundTarget[]> {
  const found: FoundTarget[] = [];
  for (const file of filesUnder(ROOT, 'fuzz')) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    const module = pathToFileURL(join(ROOT, 'dist', file.replace(/\.ts$/, '.js'))).href;
    const targets = targetsOf(await import(module) as Record<string, unknown>);
    found.push(...targets.map(({ name }) => ({ name, module })));
  }
  return found;
}

/** Of all threads of this process. */
export function processorSecondsUsed(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export async function runTarget(order: WorkerOrder): Promise<FuzzResult> {
  const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url), { workerData: order });
  let last: WorkerMessage = { seed: order.seed, iterations: 0 };
  let heard = { processorSeconds: processorSecondsUsed(), clockMs: performance.now() };
  let watch: NodeJS.Timeout | undefined;
  const failure = await new Promise<string | undefined>((resolve) => {
    watch = setInterval(() => {
      const isSilent = processorSecondsUsed() - heard.processorSeconds > SILENCE_SECONDS;
      if (isSilent) resolve(`no sign of life for ${SILENCE_SECONDS} seconds of a processor`);
      if (performance.now() - heard.clockMs > SLEEP_MS) resolve(`no sign of life for ${SLEEP_MS / 60_000} minutes`);
    }, LOOK_MS);
    worker.on('message', (message: WorkerMessage) => {
      heard = { processorSeconds: processorSecondsUsed(), clockMs: performance.now() };
      last = message;
    });
    worker.on('error', (error: Error) => resolve(error.stack));
    worker.on('exit', () => resolve(last.inputs === undefined ? 'it waits for what never comes' : undefined));
  });
  clearInterval(watch);
  await worker.terminate();
  return failure === undefined ? last : { ...last, failure };
}
