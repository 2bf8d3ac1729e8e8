/**
 * `kill -9` of the whole VM under fio, again and again: afterwards the image opens, its checks are clean, and whatever
 * the guest was told is flushed is there. `kill-under-writes.js KILLS`.
 *
 * While fio writes to one part of the disk, a loop writes record after record to the other, each with a flush, and says
 * so on the console. A record is 64 KiB of its own number; there is room for so many, then they go round.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openDisk } from '../../src/storage/open-disk.ts';
import { Guest, PARTOUT, type GuestImage } from '../guest.ts';
import { fioImage, fioJob } from './fio-guest.ts';

const BOOT_MS = 10 * 60_000;
const RECORD_BYTES = 65_536;
const RECORDS_AT = 64 * 2 ** 20;
const RECORDS = 128;
const DISK_SIZE = '96M';

const kills = Number(process.argv[2] ?? 50);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;

function command(...words: string[]): void {
  const { status, stdout, stderr } = spawnSync(words[0] as string, words.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status}: ${stdout}${stderr}`);
}

/** One disk of each format, used over and over. */
function makeDisks(): string[] {
  const [vhdx, parent, child, vhd, raw] = ['a.vhdx', 'parent.vhdx', 'child.vhdx', 'b.vhd', 'c.raw']
    .map((name) => join(folder, name)) as [string, string, string, string, string];
  for (const path of [vhdx, parent, vhd]) command(PARTOUT, 'vhd', 'new', path, '--size', DISK_SIZE);
  command(PARTOUT, 'vhd', 'new', child, '--parent', parent);
  writeFileSync(raw, '');
  truncateSync(raw, 96 * 2 ** 20);
  return [vhdx, child, vhd, raw];
}

/** Kills a guest that writes; the number of the last record that it was told is flushed. */
async function killOnce(image: GuestImage, disk: string, first: number): Promise<number> {
  await using guest = new Guest({
    ...image, append: `${image.commandLine} quiet`, words: ['--memory', '512M', '--disk', disk],
  });
  await guest.prompt(BOOT_MS);
  const jobs = [...fioJob('a', '/dev/sda', '0', ['--loops=1000']), ...fioJob('b', '/dev/sda', '32m', ['--loops=1000'])];
  guest.type(`dmesg -n 1; fio ${jobs.join(' ')} > /tmp/fio 2>&1 & n=${first}; while :; do n=$((n+1)); `
    + `printf "%016d%.0s" $(printf "$n %s " $(seq 4096)) > /tmp/record; dd if=/tmp/record of=/dev/sda `
    + `bs=64k seek=$((${RECORDS_AT / RECORD_BYTES}+n%${RECORDS})) conv=fsync,notrunc 2>/dev/null && `
    + 'echo "flush"ed $n; done\n');
  for (let i = 0; i < 3; i++) await guest.expect(/flushed \d+\r*\n/, BOOT_MS);
  await setTimeout(Math.random() * 2000);
  guest.process.kill('SIGKILL');
  await guest.exited;
  const all = [...guest.console.matchAll(/flushed (\d+)\r*\n/g)].map((match) => Number(match[1]));
  return all.at(-1) as number;
}

/** What is missing of the records up to `last`; a few behind it may be there, over the oldest ones. */
function missing(path: string, last: number): string[] {
  const disk = openDisk(path, { readOnly: false });
  try {
    const bytes = Buffer.alloc(RECORD_BYTES);
    const wrong: string[] = [];
    for (let number = Math.max(1, last - RECORDS + 8); number <= last; number++) {
      disk.readSync(bytes, 0, RECORD_BYTES, RECORDS_AT + (number % RECORDS) * RECORD_BYTES);
      if (bytes.toString('latin1') !== String(number).padStart(16, '0').repeat(RECORD_BYTES / 16)) {
        wrong.push(`${path}: record ${number} of ${last} is not there`);
      }
    }
    return wrong;
  } finally {
    disk.closeSync();
  }
}

try {
  const image = fioImage(folder);
  const disks = makeDisks();
  const lasts = new Map(disks.map((disk) => [disk, 0]));
  const wrong: string[] = [];
  let records = 0;
  for (let kill = 0; kill < kills; kill++) {
    const disk = disks[kill % disks.length] as string;
    const before = lasts.get(disk) as number;
    const last = await killOnce(image, disk, before);
    lasts.set(disk, last);
    records += last - before;
    wrong.push(...missing(disk, last));
    if (!disk.endsWith('.raw')) command(PARTOUT, 'vhd', 'check', disk);
    // QEMU reads no differencing VHDX.
    if (hasQemu && disk.endsWith('a.vhdx')) command('qemu-img', 'check', disk);
    process.stdout.write(`kill ${kill + 1}: ${disk.slice(folder.length + 1)}, ${last - before} records flushed\n`);
  }
  for (const line of wrong) process.stdout.write(`${line}\n`);
  process.stdout.write(`figure: ${kills} kills over VHDX, a differencing VHDX, VHD and raw, ${records} flushed records `
    + `of 64 KiB, ${wrong.length} of them missing, every check clean\n`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
