/**
 * How fast is a disk inside a guest, beside the same guest on QEMU's software engine? fio in the tiny image, random
 * 4 KiB and sequential 256 KiB at depth 32, past the guest's page cache: here on a VHDX through the stock storvsc,
 * there on virtio-blk with a thread of its own, on the same VHDX and on QCOW2. `npm run bench guest-disk [ROUNDS
 * [none]]`: rounds are interleaved, the figures are medians of the guest's requests a second, and the ratio is to the
 * better of the peers; `none` goes past the host's page cache on all sides.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDisk } from '../src/storage/create-disk.ts';
import { openDisk } from '../src/storage/open-disk.ts';
import { extendInitramfs } from '../tests/initramfs.ts';
import { kernelModules } from '../tests/kernel-modules.ts';
import { fioImage } from '../tests/proofs/fio-guest.ts';
import { type Engine, hasQemu, median, PARTOUT_ENGINE, runUntil, TCG_ENGINES } from './guest-run.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const IS_CACHED = process.argv[3] !== 'none';
const MIB = 2 ** 20;
const SIZE = 256 * MIB;
const SECONDS = 5;
const PATIENCE_MS = 15 * 60_000;

const WORKS = [
  { name: 'random 4 KiB read', words: '--rw=randread --bs=4k' },
  { name: 'random 4 KiB write', words: '--rw=randwrite --bs=4k' },
  { name: 'random 4 KiB write, flushed', words: '--rw=randwrite --bs=4k --fsync=64' },
  { name: 'sequential read', words: '--rw=read --bs=256k' },
  { name: 'sequential write', words: '--rw=write --bs=256k' },
] as const;

/** Says "row N, READS;WRITES" for each, in requests a second [fio --minimal, version 3]. */
function guestScript(modules: readonly string[]): string {
  const fio = `/usr/bin/fio --name=x --filename=$disk --ioengine=libaio --direct=1 --iodepth=32 --time_based `
    + `--runtime=${SECONDS} --ramp_time=1 --randrepeat=0 --minimal`;
  return `#!/bin/sh
dmesg -n 1
[ -e /sys/bus/vmbus ] || for module in ${modules.join(' ')}; do insmod /$module; done
until [ -b "$disk" ]; do sleep 0.1; disk=$(ls /dev/sda /dev/vda 2> /dev/null); done
${WORKS.map(({ words }, row) => `echo "row ${row}, $(${fio} ${words} | cut -d';' -f8,49)"`).join('\n')}
echo all d"one"
`;
}

function withWords(engine: Engine, name: string, words: readonly string[]): Engine {
  return { name, command: (...image) => [...engine.command(...image), ...words] };
}

function peer(path: string, format: string): Engine {
  const cache = IS_CACHED ? 'writeback' : 'none,aio=native';
  return withWords(TCG_ENGINES[0] as Engine, `TCG, ${format}`, [
    '-object', 'iothread,id=io', '-drive', `if=none,id=disk,file=${path},format=${format},discard=unmap,cache=${cache}`,
    '-device', 'virtio-blk-pci,drive=disk,iothread=io',
  ]);
}

/** Requests a second, by work. */
async function figuresOf(engine: Engine, image: { kernel: string; initrd: string }): Promise<number[]> {
  const append = 'console=ttyS0 quiet partout.address=none partout.run=/bench';
  const { console: text } = await runUntil(engine, image, append, /all done/, PATIENCE_MS);
  return WORKS.map((_, row) => {
    const [, reads = '', writes = ''] = new RegExp(`row ${row}, (\\d+);(\\d+)`).exec(text) ?? [];
    if (writes === '') throw new Error(`${engine.name} says nothing of work ${row}:\n${text.slice(-2000)}`);
    return Number(reads) + Number(writes);
  });
}

if (!hasQemu() || spawnSync('qemu-img', ['--version']).status !== 0) {
  process.stderr.write('bench guest-disk: QEMU is not installed (Debian packages qemu-system-x86 and qemu-utils)\n');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'partout-bench-'));
try {
  const [ours, theirs, qcow2] = ['ours.vhdx', 'theirs.vhdx', 'theirs.qcow2'].map((name) => join(folder, name)) as
    [string, string, string];
  createDisk(ours, { format: 'vhdx', sizeBytes: SIZE });
  const disk = openDisk(ours, { readOnly: false });
  for (let at = 0; at < SIZE; at += MIB) disk.writeSync(new Uint8Array(MIB).fill(1), 0, MIB, at);
  disk.closeSync();
  copyFileSync(ours, theirs);
  spawnSync('qemu-img', ['convert', '-f', 'vhdx', '-O', 'qcow2', ours, qcow2]);
  const image = fioImage(folder);
  const modules = await kernelModules(image, ['virtio_pci', 'virtio_blk']);
  const initrd = join(folder, 'initrd-of-bench');
  extendInitramfs(image.initrd, { ...modules, bench: guestScript(Object.keys(modules)) }, initrd);
  const engines = [
    withWords(PARTOUT_ENGINE, 'Partout', ['--disk', `${ours}${IS_CACHED ? '' : ',cache=none'}`, '--nic', 'none']),
    peer(theirs, 'vhdx'), peer(qcow2, 'qcow2'),
  ];
  const figures = engines.map(() => WORKS.map(() => [] as number[]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, engine] of engines.entries()) {
      const found = await figuresOf(engine, { kernel: image.kernel, initrd });
      found.forEach((perSecond, work) => figures[index]?.[work]?.push(perSecond));
    }
  }
  for (const [work, { name }] of WORKS.entries()) {
    const [own, ...peers] = figures.map((each) => median(each[work] as number[])) as [number, ...number[]];
    process.stdout.write(`${name.padEnd(28)} ${engines.map((engine, index) =>
      `${engine.name} ${[own, ...peers][index]} /s`).join(', ')}: ${(own / Math.max(...peers)).toFixed(2)} ×\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
