/**
 * Hours of mixed load: a Debian guest of two processors compiles, runs stress-ng, which verifies, and answers through
 * AF_VSOCK, and is saved and restored into a new process every so many minutes: `soak.js HOURS [MINUTES]`. Nothing
 * fails, the kernel complains of nothing, and neither side grows. Hours add up: whoever stops it goes on from the last
 * saved state.
 */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Host } from 'partout';
import { Progress } from '../../tools/prove/progress.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { Traveller } from '../traveller.ts';
import { COMPILING_FILES, sumOf, talk } from '../travelling-work.ts';
import { residentBytes } from './host-process.ts';
import { complaintsOf } from './kernel-log.ts';

const PATIENCE_MS = 30 * 60_000;
const LOOK_MS = 10_000;
const MIB = 2 ** 20;
/** Between the first leg and any other: of what the guest has available, and of this process with the guest's. */
const MOST_GROWTH_BYTES = 192 * MIB;

const STRESSORS = ['cpu', 'matrix', 'vm', 'fork', 'switch', 'futex'].map((name) => `--${name} 1`).join(' ');
/** Each counts what went well and what did not. */
const FILES = {
  ...COMPILING_FILES,
  compiles: `#!/bin/sh
good=0; bad=0; numbers 0 > /tmp/numbers0; echo 0 0 > /tmp/compiles
while true; do
  case $(compiled 0 < /tmp/numbers0 | sha256sum) in ${sumOf(0)}*) good=$((good + 1)) ;; *) bad=$((bad + 1)) ;; esac
  echo "$good $bad" > /tmp/compiles
done
`,
  stresses: `#!/bin/sh
good=0; bad=0; echo 0 0 > /tmp/stresses
while true; do
  if stress-ng ${STRESSORS} --vm-bytes 64M --verify --timeout 20 > /tmp/log 2>&1
  then good=$((good + 1)); else bad=$((bad + 1)); cat /tmp/log > /dev/ttyS0; fi
  echo "$good $bad" > /tmp/stresses
done
`,
};

/** At the end of a leg. */
interface Figures {
  readonly compiled: number;
  readonly stressed: number;
  readonly availableBytes: number;
  readonly hostBytes: number;
}

interface Soaked {
  readonly seconds: number;
  readonly journeys: number;
  readonly answers: number;
  readonly first: Figures;
  readonly last: Figures;
}

async function figuresOf(traveller: Traveller): Promise<Figures> {
  const countOf = async (file: string): Promise<number> => {
    const [good = 0, bad = 0] = (await traveller.run(`cat /tmp/${file}`, PATIENCE_MS)).trim().split(' ').map(Number);
    assert.equal(bad, 0, `${bad} of ${file} failed:\n${traveller.console.slice(-3000)}`);
    return good;
  };
  const text = await traveller.run('cat /proc/meminfo', PATIENCE_MS);
  return {
    compiled: await countOf('compiles'), stressed: await countOf('stresses'),
    availableBytes: Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024,
    hostBytes: residentBytes(process.pid),
  };
}

/** Of a guest that has got on since; a busy host may have had little time for it. */
async function figuresAfter(traveller: Traveller, before: Figures | undefined): Promise<Figures> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const now = await figuresOf(traveller);
    const isOn = now.compiled > (before?.compiled ?? 0) && now.stressed > (before?.stressed ?? 0);
    if (isOn) return now;
    assert.ok(performance.now() < deadline, `the guest gets nothing done: ${JSON.stringify(now)}`);
    await setTimeout(LOOK_MS);
  }
}

function check(first: Figures, now: Figures): void {
  assert.ok(first.availableBytes - now.availableBytes < MOST_GROWTH_BYTES, 'the guest has grown');
  assert.ok(now.hostBytes - first.hostBytes < MOST_GROWTH_BYTES, 'the host has grown');
}

const [hours = 8, minutes = 10] = process.argv.slice(2).map(Number);
const progress = new Progress<Soaked>('soak');
let soaked = progress.load();
mkdirSync(progress.folder, { recursive: true });
const state = join(progress.folder, 'state');
await using host = await Host.open();

async function begun(): Promise<Traveller> {
  if (soaked !== undefined && existsSync(state)) {
    return Traveller.restored(host, { name: 'soaked', file: state }, progress.folder);
  }
  soaked = undefined;
  const { kernel, initrd: plain, commandLine } = guestImage('debian-initramfs', undefined, ['stress-ng']);
  const initrd = join(progress.folder, 'initrd');
  extendInitramfs(plain, FILES, initrd);
  const traveller = await Traveller.start(host, {
    name: 'soaked', kernel, initrd, commandLine: `${commandLine} quiet rdinit=/work-init`, memory: '1400M',
    processors: 2,
  }, progress.folder);
  await traveller.expect(/\/ # /, PATIENCE_MS);
  await traveller.run('(vsock > /dev/null &); (compiles &); (stresses &)', PATIENCE_MS);
  return traveller;
}

await using traveller = await begun();
while ((soaked?.seconds ?? 0) < hours * 3600) {
  const started = performance.now();
  let isOver = false;
  const talking = talk(traveller, () => isOver);
  talking.catch(() => {});
  await setTimeout(minutes * 60_000);
  isOver = true;
  const answers = await talking;
  assert.ok(answers > 0, 'nobody answered');
  const now = await figuresAfter(traveller, soaked?.last);
  const first: Figures = soaked?.first ?? now;
  check(first, now);
  assert.deepEqual(complaintsOf(await traveller.run('dmesg -r', PATIENCE_MS)), []);
  await traveller.travel(state);
  soaked = {
    seconds: (soaked?.seconds ?? 0) + (performance.now() - started) / 1000, journeys: (soaked?.journeys ?? 0) + 1,
    answers: (soaked?.answers ?? 0) + answers, first, last: now,
  };
  progress.save(soaked);
  process.stdout.write(`${(soaked.seconds / 3600).toFixed(2)} hours: ${JSON.stringify(soaked)}\n`);
}
const { seconds, journeys, answers, first, last } = soaked as Soaked;
process.stdout.write(`figure: ${(seconds / 3600).toFixed(1)} hours, ${journeys} journeys, ${last.compiled} ` +
  `compilations, ${last.stressed} rounds of stress-ng, ${answers} echoes, none failed; memory grew by ` +
  `${((first.availableBytes - last.availableBytes) / MIB).toFixed(0)} MiB in the guest and ` +
  `${((last.hostBytes - first.hostBytes) / MIB).toFixed(0)} MiB in the host\n`);
