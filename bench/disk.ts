/**
 * How fast is a VHDX through our disk port, beside `qemu-img bench` on the same file? Sequential in pieces of 256 KiB
 * and random in 4 KiB, reads and writes, one request at a time; with the host's page cache on both sides and past it
 * (O_DIRECT) on both sides, writes also with a flush after every 64. `npm run bench disk [ROUNDS [WORD]]`: rounds are
 * interleaved, each side going first in half of them; the figures are medians of requests a second, and of the
 * processor time that a request takes, which a busy host does not change. WORD picks the rows that have it.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pageAlignedBytes } from '../src/kit/page-aligned.ts';
import { createDisk } from '../src/storage/create-disk.ts';
import { openDisk } from '../src/storage/open-disk.ts';
import { median } from './guest-run.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const WORD = process.argv[3] ?? '';
const MIB = 2 ** 20;
const SIZE = 256 * MIB;

interface Work {
  readonly name: string;
  readonly bytes: number;
  readonly step: number;
  readonly count: number;
  readonly writes: boolean;
  /** A flush after so many requests; none with 0. */
  readonly flushEvery: number;
  readonly cache: 'host' | 'none';
}

/** qemu-img goes through the file in steps, and so do we: a step of an odd number of pieces is as good as random. */
const SCATTER = 4096 * 4099;
const PATTERNS = [
  { name: 'sequential', bytes: 256 * 1024, step: 256 * 1024, counts: { host: 4096, none: 1024 } },
  { name: 'random 4 KiB', bytes: 4096, step: SCATTER, counts: { host: 40_000, none: 5000 } },
] as const;
const MODES = [
  { name: 'read', writes: false, flushEvery: 0 },
  { name: 'write', writes: true, flushEvery: 0 },
  { name: 'write, flushed', writes: true, flushEvery: 64 },
] as const;
const WORKS: readonly Work[] = (['host', 'none'] as const).flatMap((cache) => PATTERNS.flatMap((pattern) =>
  MODES.map((mode) => ({
    ...pattern, ...mode, cache, name: `${pattern.name} ${mode.name}, ${cache === 'host' ? 'cached' : 'uncached'}`,
    count: pattern.counts[cache] / (mode.flushEvery > 0 && cache === 'host' ? 8 : 1),
  }))));
/** What goes with which cache; native is for files without one only. */
const QEMU_OPTIONS = { host: ['-t', 'writeback', '-i', 'threads'], none: ['-t', 'none', '-i', 'native'] } as const;

interface Figures {
  readonly perSecond: number;
  readonly processorMicroseconds: number;
}

function ours(path: string, { bytes, step, count, writes, flushEvery, cache }: Work): Figures {
  const disk = openDisk(path, { readOnly: !writes, cache });
  try {
    // As the memory of a guest is.
    const buffer = pageAlignedBytes(bytes).fill(0x5a);
    const before = process.cpuUsage();
    const started = performance.now();
    for (let i = 0, position = 0; i < count; i++) {
      if (writes) disk.writeSync(buffer, 0, bytes, position);
      else disk.readSync(buffer, 0, bytes, position);
      if (flushEvery > 0 && i % flushEvery === flushEvery - 1) disk.flushSync();
      position = (position + step) % (SIZE - bytes + 4096);
      position -= position % 4096;
      if (position + bytes > SIZE) position = 0;
    }
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(before);
    return { perSecond: count / seconds, processorMicroseconds: (user + system) / count };
  } finally {
    disk.closeSync();
  }
}

function theirs(path: string, { bytes, step, count, writes, flushEvery, cache }: Work): Figures {
  const words = ['bench', '-f', 'vhdx', '-c', String(count), '-d', '1', '-s', String(bytes), '-S', String(step),
    ...QEMU_OPTIONS[cache],
    ...(writes ? ['-w'] : []), ...(flushEvery > 0 ? [`--flush-interval=${flushEvery}`] : []), path];
  const { stdout, stderr, status } = spawnSync('sh', ['-c', 'qemu-img "$@" && times', 'sh', ...words],
    { encoding: 'utf8' });
  const seconds = Number(/Run completed in ([\d.]+) seconds/.exec(stdout)?.[1] ?? NaN);
  if (status !== 0 || !(seconds > 0)) throw new Error(`qemu-img ${words.join(' ')}: ${stdout}${stderr}`);
  // The last line of `times` is of the children: minutes and seconds, in user and in system mode.
  const times = [...(stdout.trim().split('\n').at(-1) as string).matchAll(/(\d+)m([\d.]+)s/g)];
  const processor = times.reduce((sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest), 0);
  return { perSecond: count / seconds, processorMicroseconds: processor * 1e6 / count };
}

if (spawnSync('qemu-img', ['--version']).status !== 0) {
  process.stderr.write('bench disk: qemu-img is not installed (Debian package qemu-utils)\n');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
try {
  const path = join(folder, 'disk.vhdx');
  createDisk(path, { format: 'vhdx', sizeBytes: SIZE });
  const disk = openDisk(path, { readOnly: false });
  const piece = new Uint8Array(MIB).fill(1);
  for (let at = 0; at < SIZE; at += MIB) disk.writeSync(piece, 0, MIB, at);
  disk.closeSync();
  for (const work of WORKS.filter(({ name }) => name.includes(WORD))) {
    const [mine, other]: [Figures[], Figures[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      if (round % 2 === 0) mine.push(ours(path, work));
      other.push(theirs(path, work));
      if (round % 2 === 1) mine.push(ours(path, work));
    }
    const of = (figures: readonly Figures[], what: keyof Figures): number => median(figures.map((each) => each[what]));
    const rate = of(mine, 'perSecond') / of(other, 'perSecond');
    const [busy, otherBusy] = [of(mine, 'processorMicroseconds'), of(other, 'processorMicroseconds')];
    process.stdout.write(`${work.name.padEnd(37)} ${of(mine, 'perSecond').toFixed(0).padStart(7)} /s, qemu-img `
      + `${of(other, 'perSecond').toFixed(0).padStart(7)} /s: ${rate.toFixed(2)} ×; processor ${busy.toFixed(1)} us, `
      + `qemu-img ${otherBusy.toFixed(1)} us: ${(otherBusy / busy).toFixed(2)} ×\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
