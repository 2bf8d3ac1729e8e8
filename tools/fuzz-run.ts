/**
 * One fuzz target for some processor time, in a process of its own: until then it withstands every input, or breaks.
 * Time is the processors', so that a busy host makes a run longer and not smaller, and takes no slow input for one that
 * hangs.
 */

import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BranchCoverage } from './fuzz-coverage.ts';
import { targetsOf } from './fuzz-target.ts';
import { ROOT, filesUnder } from './repository.ts';

/** No batch takes nearly as long: a target that says nothing for so much processor time hangs. */
const SILENCE_SECONDS = 120;
/** Nor this long by the clock, were it asleep. */
const SLEEP_MS = 30 * 60_000;
const LOOK_MS = 500;
/** Of /proc, on every x86-64 Linux. */
const TICKS = 100;
const PAGE_BYTES = 4096;
/** What a target grows beyond is a finding, and no reason to take the host's memory. */
const MOST_BYTES = 2 * 2 ** 30;
/** As bin/partout has it: shared buffers come from the system and go back to it [mallopt(3)]. */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '131072' };

export interface FoundTarget {
  readonly name: string;
  readonly module: string;
}

export interface WorkerOrder extends FoundTarget {
  readonly seed: number;
  readonly processorSeconds: number;
}

/** What the process says before each batch, and, with all of its fields, at the end. */
export interface WorkerMessage {
  /** Of the batch that comes. */
  readonly seed: number;
  readonly iterations: number;
  readonly secondsUsed: number;
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

/** Of all threads of this process, since it began. */
export function processorSecondsUsed(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export async function runTarget(order: WorkerOrder): Promise<FuzzResult> {
  const child = fork(fileURLToPath(new URL('./fuzz-worker.js', import.meta.url)), [JSON.stringify(order)], {
    env: { ...process.env, ...ALLOCATOR }, execArgv: ['--expose-gc', '--enable-source-maps'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let last: WorkerMessage = { seed: order.seed, iterations: 0, secondsUsed: 0 };
  let heardMs = performance.now();
  let complaint = '';
  let watch: NodeJS.Timeout | undefined;
  child.stderr?.on('data', (text: Buffer) => { complaint += text.toString(); });
  const failure = await new Promise<string | undefined>((resolve) => {
    watch = setInterval(() => {
      const { seconds, bytes } = measured(child.pid ?? 0);
      if (bytes > MOST_BYTES) resolve(`it grew to ${(bytes / 2 ** 20).toFixed(0)} MiB`);
      const isSilent = seconds - last.secondsUsed > SILENCE_SECONDS;
      if (isSilent) resolve(`no sign of life for ${SILENCE_SECONDS} seconds of a processor`);
      if (performance.now() - heardMs > SLEEP_MS) resolve(`no sign of life for ${SLEEP_MS / 60_000} minutes`);
    }, LOOK_MS);
    child.on('message', (message: WorkerMessage) => {
      heardMs = performance.now();
      last = message;
    });
    child.on('close', () => {
      const isDone = last.inputs !== undefined;
      resolve(isDone ? undefined : complaint === '' ? 'it waits for what never comes' : complaint);
    });
  });
  clearInterval(watch);
  child.kill('SIGKILL');
  return failure === undefined ? last : { ...last, failure };
}

/** What the host's kernel says of a process [proc(5)]; of one that is gone, nothing. */
function measured(pid: number): { readonly seconds: number; readonly bytes: number } {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
    const [user = 0, system = 0] = fields.slice(11);
    return { seconds: (user + system) / TICKS, bytes: (fields[21] ?? 0) * PAGE_BYTES };
  } catch {
    return { seconds: 0, bytes: 0 };
  }
}
