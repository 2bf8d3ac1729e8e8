/**
 * How fast is guest code, beside QEMU's software engine? `npm run bench guest [ROUNDS]`: a Debian user space with the
 * same kernel and command line on each, first the boot, then programs that lean on one thing each (guest-programs.c,
 * compiled in the guest), then ordinary ones, timed by the guest's own clock while nothing else runs in it. Rounds are
 * interleaved; the table that is printed, as Markdown, has medians of seconds and their ratio to the faster peer's.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guestImage } from '../tests/guest.ts';
import { extendInitramfs } from '../tests/initramfs.ts';
import { type Engine, hasQemu, median, PARTOUT_ENGINE, runUntil, TCG_ENGINES } from './guest-run.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const ENGINES = [PARTOUT_ENGINE, ...TCG_ENGINES.filter(({ name }) => name.startsWith('TCG q35'))];
const MEMORY_MIB = 2048;
const PATIENCE_MS = 20 * 60_000;
/** Clocks tell hundredths of a second. */
const SHORTEST = 0.01;

const SINGLE = ['integer', 'memory', 'branch', 'call', 'string', 'float', 'vector', 'system-call', 'fork', 'page-fault',
  'context-switch'] as const;
const ORDINARY: readonly (readonly [name: string, command: string])[] = [
  ['sh', 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'],
  ['python3', "python3 -c 'print(sum(hash(str(n)) % 7 for n in range(400000)))'"],
  ['awk', "awk 'BEGIN { for (i = 0; i < 1000000; i++) s += i * 1.5; print s }'"],
  ['gzip', 'gzip -c numbers'],
  ['sha256', 'sha256sum numbers numbers numbers numbers'],
  ['sort', 'sort -r numbers'],
  ['gcc', 'gcc -O2 -c -o /dev/null /guest-programs.c'],
];
const PROGRAMS = [...SINGLE.map((name) => [name, `./programs ${name}`] as const), ...ORDINARY];

const INIT = `#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C
echo up-$((40+2))
mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc; mount -t tmpfs tmpfs /tmp; cd /tmp
gcc -O2 -o programs /guest-programs.c && seq 600000 > numbers
now() { cut -d' ' -f1 /proc/uptime; }
${PROGRAMS.map(([, command], n) => `a=$(now); { ${command}; } >/dev/null; b=$(now); echo took-${n} $a $b`).join('\n')}
echo all-$((40+2))-done
sleep 1000
`;

if (!hasQemu()) {
  process.stderr.write('bench guest: qemu-system-x86_64 is not installed (Debian package qemu-system-x86)\n');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
const debian = guestImage('debian-initramfs');
const image = { kernel: debian.kernel, initrd: join(folder, 'initrd') };
const source = readFileSync(new URL('../../bench/guest-programs.c', import.meta.url), 'utf8');
extendInitramfs(debian.initrd, { 'bench-init': INIT, 'guest-programs.c': source }, image.initrd);
const append = `${debian.commandLine} quiet rdinit=/bench-init`;
const names = ['boot', ...PROGRAMS.map(([name]) => name)];
const all = new Map(ENGINES.map(({ name }) => [name, names.map(() => [] as number[])]));
for (let round = 0; round < ROUNDS; round++) {
  for (const engine of ENGINES) {
    (await secondsOf(engine)).forEach((seconds, n) => all.get(engine.name)?.[n]?.push(seconds));
  }
}
rmSync(folder, { recursive: true });

async function secondsOf(engine: Engine): Promise<number[]> {
  const boot = await runUntil(engine, image, append, /up-42/, PATIENCE_MS, MEMORY_MIB);
  const { console } = await runUntil(engine, image, append, /all-42-done/, PATIENCE_MS, MEMORY_MIB);
  return [boot.seconds, ...PROGRAMS.map(([name], n) => {
    const match = new RegExp(`took-${n} ([\\d.]+) ([\\d.]+)`).exec(console);
    if (!match) throw new Error(`${engine.name} did not say how long ${name} took:\n${console.slice(-1000)}`);
    return Math.max(SHORTEST, Number(match[2]) - Number(match[1]));
  })];
}

const [ours, ...peers] = ENGINES.map(({ name }) => (all.get(name) as number[][]).map(median));
const best = names.map((_, n) => Math.min(...peers.map((values) => values[n] as number)));
const ratios = best.map((value, n) => (ours?.[n] as number) / value);
process.stdout.write('| workload | Partout, s | TCG, s | ratio |\n|---|---|---|---|\n');
names.forEach((name, n) => {
  const figures = [ours?.[n], best[n], ratios[n]].map((value) => (value as number).toFixed(2));
  process.stdout.write(`| ${name} | ${figures.join(' | ')} |\n`);
});
const programs = ratios.slice(1);
const mean = Math.exp(programs.reduce((sum, ratio) => sum + Math.log(ratio), 0) / programs.length);
process.stdout.write(`| geometric mean of all but the boot | | | ${mean.toFixed(2)} |\n`);
