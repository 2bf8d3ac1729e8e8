/**
 * The storage thread is killed again and again under fio: four jobs of depth 32 on two disks, with flushes and
 * discards, each write read back and compared. The guest sees no error. `storage-thread.js KILLS`.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { PARTOUT } from '../guest.ts';
import { MachineGuest } from '../machine-guest.ts';
import { fioImage, fioJob } from './fio-guest.ts';

const BOOT_MS = 10 * 60_000;
const ROUND_MS = 30 * 60_000;
const MEMORY_BYTES = 2 ** 30;
const STOP_MS = 60_000;
const kills = Number(process.argv[2] ?? 50);

/** The kernel names disks in the order in which it is done with them: these are links by place. */
const JOBS = [
  fioJob('a', '/dev/first', '0'), fioJob('b', '/dev/first', '32m'),
  fioJob('c', '/dev/second', '0'), fioJob('d', '/dev/second', '32m'),
  ['--name=trim', '--filename=/dev/first', '--offset=64m', '--size=32m', '--rw=randtrim', '--bs=1m', '--iodepth=1',
    '--verify=0', '--ioengine=sync', '--rate_iops=50'],
];

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const vhdx = join(folder, 'disk.vhdx');
const raw = join(folder, 'disk.raw');

function command(...words: string[]): void {
  const { status, stdout, stderr } = spawnSync(words[0] as string, words.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status}: ${stdout}${stderr}`);
}

interface Counters { readonly writes: number; readonly bytesWritten: number; readonly failures: number }

try {
  command(PARTOUT, 'vhd', 'new', vhdx, '--size', '96M');
  writeFileSync(raw, '');
  truncateSync(raw, 96 * 2 ** 20);
  await using guest = await MachineGuest.start({
    ...fioImage(folder), processors: 2, memoryBytes: MEMORY_BYTES,
    disks: [{ path: vhdx, readOnly: false }, { path: raw, readOnly: false }],
  });
  const { storage } = guest.machine;
  const counters = (): Counters[] => storage.statistics() as Counters[];
  const written = (): number => counters().reduce((sum, { writes }) => sum + writes, 0);
  await guest.prompt(BOOT_MS);
  await guest.run('dmesg -n 1; until [ -b /dev/sda ] && [ -b /dev/sdb ]; do sleep 1; done; '
    + 'ln -s $(ls /sys/bus/scsi/devices/0:0:0:0/block) /dev/first; '
    + 'ln -s $(ls /sys/bus/scsi/devices/0:0:0:1/block) /dev/second', BOOT_MS);
  // The shell takes a thousand characters to a line, and forgets the others.
  for (const job of JOBS) await guest.run(`echo ${job.join(' ')} >> /tmp/jobs`, BOOT_MS);
  guest.type('until read -t 1 line; do fio $(cat /tmp/jobs) > /tmp/fio 2>&1; echo "round: $?"; done; '
    + 'tail -3 /tmp/fio; dmesg | grep -cE "I/O error|Sense Key|storvsc.*(error|tag)|Call Trace"; echo all d"one"\n');
  await guest.until('fio writes', () => written() > 100, BOOT_MS);
  let worstMs = 0;
  for (let kill = 0; kill < kills; kill++) {
    await setTimeout(200 + Math.random() * 800);
    const before = written();
    const killed = performance.now();
    await storage.killThread();
    await guest.until('the service is back', () => written() > before, BOOT_MS);
    worstMs = Math.max(worstMs, performance.now() - killed);
  }
  guest.type('stop\n');
  const [text] = await guest.expect(/[^]*all done\r*\n/, ROUND_MS);
  const rounds = [...text.matchAll(/^round: (\d+)/gm)].map((match) => match[1]);
  const complaints = /^(\d+)\r*\nall done/m.exec(text)?.[1];
  if (rounds.some((status) => status !== '0') || complaints !== '0') process.stdout.write(text);
  const { bytes, failures } = counters().reduce((sum, each) => ({
    bytes: sum.bytes + each.bytesWritten, failures: sum.failures + each.failures,
  }), { bytes: 0, failures: 0 });
  // The shell throws away what was typed before its prompt.
  await guest.prompt(BOOT_MS);
  guest.type('poweroff -f\n');
  const end = await guest.ended;
  await guest.machine.stop(STOP_MS);
  command(PARTOUT, 'vhd', 'check', vhdx);
  if (spawnSync('qemu-img', ['--version']).status === 0) command('qemu-img', 'check', vhdx);
  const isRight = rounds.length > 0 && rounds.every((status) => status === '0') && complaints === '0';
  process.stdout.write(`figure: ${kills} kills, ${rounds.length} rounds of fio without an error: ${isRight}; `
    + `${Math.round(bytes / 2 ** 20)} MiB written, ${failures} failures, back after ${Math.round(worstMs)} ms at most, `
    + `${complaints} complaints, then ${end.kind}\n`);
  process.exitCode = isRight && end.kind === 'off' ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
