/**
 * How long does an unmodified Debian cloud kernel take from the start of the process to its first user process, beside
 * QEMU's software engine? `npm run bench boot [ROUNDS]`: rounds are interleaved, the figures are medians of seconds,
 * and the ratio is to the fastest peer, so that nobody wins by choosing it.
 */

import { type Engine, hasQemu, median, PARTOUT_ENGINE, runUntil, TCG_ENGINES, tinyImage } from './guest-run.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const APPEND = 'console=ttyS0 quiet partout.run="echo first-$((40+2))-process"';
const MARKER = /first-42-process/;
/** QEMU's microvm now and then does not find out its processor's frequency, and hangs. */
const PATIENCE_MS = 60_000;

if (!hasQemu()) {
  process.stderr.write('bench boot: qemu-system-x86_64 is not installed (Debian package qemu-system-x86)\n');
  process.exit(1);
}
const image = tinyImage();
const engines = [PARTOUT_ENGINE, ...TCG_ENGINES];
const seconds = new Map(engines.map(({ name }) => [name, [] as number[]]));
for (let round = 0; round < ROUNDS; round++) {
  for (const engine of engines) {
    seconds.get(engine.name)?.push(await secondsOf(engine));
  }
}

/** A peer that does not come up is slower than any other; that we do not is a failure. */
async function secondsOf(engine: Engine): Promise<number> {
  try {
    return (await runUntil(engine, image, APPEND, MARKER, PATIENCE_MS)).seconds;
  } catch (error) {
    if (engine === PARTOUT_ENGINE) throw error;
    process.stdout.write(`${engine.name} did not come up\n`);
    return Infinity;
  }
}
const best = Math.min(...TCG_ENGINES.map(({ name }) => median(seconds.get(name) as number[])));
for (const [name, values] of seconds) {
  const value = median(values);
  const ratio = (value / best).toFixed(2);
  process.stdout.write(`${name.padEnd(20)} ${value.toFixed(2).padStart(7)} s  ${ratio} × the best peer\n`);
}
