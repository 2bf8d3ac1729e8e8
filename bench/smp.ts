/**
 * What do two virtual processors bring over one? Two processes that compute run in the tiny image, on one and on two
 * processors, here and on QEMU's software engine with a thread for each processor (MTTCG): `npm run bench smp
 * [ROUNDS]`. Rounds are interleaved, the figures are medians of the guest's own seconds, and the ratio is of one
 * processor's to two's. A host with two idle cores is needed.
 */

import { type Engine, hasQemu, median, PARTOUT_ENGINE, runUntil, tinyImage } from './guest-run.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const PROCESSES = 2;
const STEPS = 150_000;
const UPTIME = 'read t r < /proc/uptime';
const WORK = `i=0; while [ $i -lt ${STEPS} ]; do i=$((i+1)); done`;
const RUN = `${UPTIME}; a=$t; for p in ${'x '.repeat(PROCESSES)}; do (${WORK}) & done; wait; ${UPTIME}; ` +
  'echo took-$a-$t-seconds';
const APPEND = `console=ttyS0 quiet partout.run="${RUN}"`;
const MARKER = /took-(\d+\.\d+)-(\d+\.\d+)-seconds/;

const MTTCG: Engine = {
  name: 'QEMU MTTCG',
  command: (kernel, initrd, append, memoryMib) =>
    ['qemu-system-x86_64', '-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', String(memoryMib),
    '-display', 'none', '-serial', 'stdio', '-nodefaults', '-no-reboot', '-kernel', kernel, '-initrd', initrd,
    '-append', append],
};

/** The engine with so many processors. */
function withProcessors(engine: Engine, count: number, option: string): Engine {
  return {
    name: `${engine.name}, ${count} processor${count === 1 ? '' : 's'}`,
    command: (...words) => [...engine.command(...words), option, String(count)],
  };
}

const image = tinyImage();
const engines = [
  { engine: PARTOUT_ENGINE, option: '--cpus' }, ...(hasQemu() ? [{ engine: MTTCG, option: '-smp' }] : []),
];
const runs = engines.flatMap(({ engine, option }) => [1, 2].map((count) => ({
  name: engine.name, count, seconds: [] as number[], engine: withProcessors(engine, count, option),
})));
for (let round = 0; round < ROUNDS; round++) {
  for (const { engine, seconds } of runs) {
    const { console: text } = await runUntil(engine, image, APPEND, MARKER);
    const [, from, to] = MARKER.exec(text) as unknown as [string, string, string];
    seconds.push(Number(to) - Number(from));
  }
}
for (const { engine } of engines) {
  const [one, two] = runs.filter(({ name }) => name === engine.name).map(({ seconds }) => median(seconds));
  const ratio = ((one as number) / (two as number)).toFixed(2);
  process.stdout.write(
    `${engine.name.padEnd(12)} ${one?.toFixed(2)} s on one processor, ${two?.toFixed(2)} s on two: ${ratio} ×\n`);
}
