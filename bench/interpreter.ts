/**
 * How fast is guest code, beside QEMU's software engine? Ordinary busybox programs in the tiny image, one a row, each
 * timed by the guest's own clock while nothing else runs in it. `npm run bench interpreter [ROUNDS]`: interleaved
 * rounds, medians of seconds, and the ratio to the faster peer.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extendInitramfs } from '../tests/initramfs.ts';
import { hasQemu, median, PARTOUT_ENGINE, runUntil, TCG_ENGINES, tinyImage, type Engine } from './guest-run.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const PEERS = TCG_ENGINES.filter(({ name }) => name.startsWith('TCG q35'));

const PROGRAMS: readonly (readonly [name: string, command: string])[] = [
  ['shell loop', 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done'],
  ['awk numbers', "awk 'BEGIN { for (i = 0; i < 300000; i++) s += i * 1.5; print s }'"],
  ['sha256 8 MiB', 'head -c 8388608 /dev/zero | sha256sum'],
  ['gzip 4 MiB', 'seq 600000 | head -c 4194304 | gzip | md5sum'],
  ['sort 60000', 'seq 60000 | sort -r | md5sum'],
  ['fork 200', 'i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done'],
  ['copy 256 MiB', 'dd if=/dev/zero of=/dev/null bs=1M count=256'],
  ['system calls', 'dd if=/dev/zero of=/dev/null bs=1 count=100000'],
];

/** A script that runs each program and says how long it took, in the guest's seconds. */
function script(): string {
  const timed = PROGRAMS.map(([, command], n) =>
    `a=$(now); { ${command}; } >/dev/null 2>&1; b=$(now); echo took-${n} $a $b`);
  return ['#!/bin/sh', "now() { cut -d' ' -f1 /proc/uptime; }", ...timed, 'echo all-$((40+2))-done'].join('\n') + '\n';
}

async function secondsOf(engine: Engine, image: { kernel: string; initrd: string }): Promise<number[]> {
  const append = 'console=ttyS0 quiet';
  const { console } = await runUntil(engine, image, append, /all-42-done/);
  return PROGRAMS.map((_, n) => {
    const match = new RegExp(`took-${n} ([\\d.]+) ([\\d.]+)`).exec(console);
    if (!match) throw new Error(`${engine.name} did not say how long program ${n} took:\n${console.slice(-1000)}`);
    return Number(match[2]) - Number(match[1]);
  });
}

if (!hasQemu()) {
  process.stderr.write('bench interpreter: qemu-system-x86_64 is not installed (Debian package qemu-system-x86)\n');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
const image = { kernel: tinyImage().kernel, initrd: join(folder, 'initrd') };
extendInitramfs(tinyImage().initrd, { 'etc/rc.d/bench': script() }, image.initrd);
const engines = [PARTOUT_ENGINE, ...PEERS];
const all = new Map(engines.map(({ name }) => [name, PROGRAMS.map(() => [] as number[])]));
for (let round = 0; round < ROUNDS; round++) {
  for (const engine of engines) {
    (await secondsOf(engine, image)).forEach((seconds, n) => all.get(engine.name)?.[n]?.push(seconds));
  }
}
rmSync(folder, { recursive: true });
const medianOf = (engine: Engine, n: number): number => median(all.get(engine.name)?.[n] as number[]);
const ratios = PROGRAMS.map(([name], n) => {
  const ours = medianOf(PARTOUT_ENGINE, n);
  const best = Math.min(...PEERS.map((peer) => medianOf(peer, n)));
  const ratio = ours / Math.max(best, 0.01);
  const figures = `${ours.toFixed(2).padStart(7)} s  TCG ${best.toFixed(2).padStart(6)} s  ${ratio.toFixed(2)} ×`;
  process.stdout.write(`${name.padEnd(16)} ${figures}\n`);
  return ratio;
});
const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
process.stdout.write(`geometric mean ${mean.toFixed(2)} × TCG\n`);
