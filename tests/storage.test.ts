/**
 * Disks as an unmodified Debian kernel meets them: its own `hv_storvsc` partitions, formats and fills a raw file and a
 * VHDX, and the host's tools judge what is left. Needs apt, to fetch the kernel and busybox.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Machine } from '../src/machine/machine.ts';
import { convertDisk } from '../src/storage/convert.ts';
import { skipWithoutDirectAccess } from '../src/storage/testing/images.ts';
import { Guest, PARTOUT, tinyImageOrReason } from './guest.ts';
import { folderFor, hasTool } from './host.ts';

const BOOT_MS = 5 * 60_000;
const COMMAND_MS = 5 * 60_000;
const MIB = 2 ** 20;
const PARTITION_START = 2048 * 512;
const COMPLAINTS = /I\/O error|Buffer I\/O|WARNING:|Call Trace|Sense Key|storvsc.*(?:error|fail)|EXT4-fs error/i;

const { image, skip } = tinyImageOrReason();

function rawFile(path: string, sizeBytes: number): string {
  writeFileSync(path, '');
  truncateSync(path, sizeBytes);
  return path;
}

function newVhdx(path: string, size: string): string {
  const { status, stderr } = spawnSync(PARTOUT, ['vhd', 'new', path, '--size', size], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return path;
}

function tiny(...disks: string[]): Guest {
  const words = disks.flatMap((disk) => ['--disk', disk]);
  return new Guest({ ...image, append: `${image.commandLine} quiet`, words });
}

/**
 * The prompt is there, and the disks are: their names by place, as the kernel names them in the order in which it is
 * done with them, beside the first programs.
 */
async function ready(guest: Guest, count = 1): Promise<string[]> {
  await guest.prompt(BOOT_MS);
  const names: string[] = [];
  for (let place = 0; place < count; place++) {
    const folder = `/sys/bus/scsi/devices/0:0:0:${place}/block`;
    await succeed(guest, `until test -b /dev/$(ls ${folder} || echo none); do sleep 1; done 2>/dev/null`);
    const output = await succeed(guest, `ls ${folder}`);
    names.push(/\bsd[a-z]+/.exec(output)?.[0] ?? assert.fail(output));
  }
  return names;
}

/** Runs a command that has to succeed. */
async function succeed(guest: Guest, command: string): Promise<string> {
  const { output, status } = await guest.run(command, COMMAND_MS);
  assert.equal(status, 0, `${command}: ${output}`);
  return output;
}

/** The MD5 sum of a file of the guest. */
async function sumOf(guest: Guest, file: string): Promise<string> {
  const [sum] = /[0-9a-f]{32}/.exec(await succeed(guest, `md5sum ${file}`)) ?? [];
  assert.ok(sum !== undefined);
  return sum;
}

async function powerOff(guest: Guest): Promise<void> {
  guest.type('poweroff -f\n');
  assert.equal(await guest.exited, 0, guest.errors);
}

/** The sum of a file in a file system that lies in a file of the host. */
function sumInFileSystem(path: string, file: string, folder: string): string {
  const copy = join(folder, 'dumped');
  spawnSync('debugfs', ['-R', `dump ${file} ${copy}`, path]);
  return createHash('md5').update(readFileSync(copy)).digest('hex');
}

function judge(tool: string, ...words: string[]): void {
  const { status, stdout, stderr } = spawnSync(tool, words, { encoding: 'utf8' });
  assert.equal(status, 0, `${tool} ${words.join(' ')}: ${stdout}${stderr}`);
}

test('a raw file and a VHDX keep what the guest writes, over a reboot', { skip }, async (context) => {
  const folder = folderFor(context);
  const raw = rawFile(join(folder, 'disk.raw'), 48 * MIB);
  const vhdx = newVhdx(join(folder, 'disk.vhdx'), '64M');
  const sums: string[] = [];
  {
    const pastCache = skipWithoutDirectAccess === false ? ',cache=none' : '';
    await using guest = tiny(`${raw}${pastCache}`, `${vhdx}${pastCache}`);
    const [first, second] = await ready(guest, 2);
    const fdisk = `printf 'n\\np\\n1\\n2048\\n\\nw\\n' | fdisk -u /dev/${first} >/dev/null`;
    await succeed(guest, `${fdisk}; test -b /dev/${first}1`);
    for (const disk of [`${first}1`, `${second}`]) {
      await succeed(guest, `mke2fs -F /dev/${disk} >/dev/null && mkdir /mnt/${disk}`);
      await succeed(guest, `mount /dev/${disk} /mnt/${disk}`);
      await succeed(guest, `head -c 12345678 /dev/urandom > /mnt/${disk}/data && cp /bin/busybox /mnt/${disk}/`);
      sums.push(await sumOf(guest, `/mnt/${disk}/data`));
    }
    // Programs come from the disk by direct access to memory, where other programs' instructions were.
    await succeed(guest, 'sync; echo 3 > /proc/sys/vm/drop_caches');
    for (const [i, disk] of [`${first}1`, `${second}`].entries()) {
      const output = await succeed(guest, `/mnt/${disk}/busybox md5sum /mnt/${disk}/data`);
      assert.match(output, new RegExp(sums[i] as string));
      await succeed(guest, `umount /mnt/${disk}`);
    }
    guest.type('reboot -f\n');
    const [raw2, vhdx2] = await ready(guest, 2);
    for (const [i, disk] of [`${raw2}1`, `${vhdx2}`].entries()) {
      await succeed(guest, `until test -b /dev/${disk}; do sleep 1; done`);
      await succeed(guest, `mkdir /mnt/${disk} && mount /dev/${disk} /mnt/${disk}`);
      assert.equal(await sumOf(guest, `/mnt/${disk}/data`), sums[i]);
      await succeed(guest, `umount /mnt/${disk}`);
    }
    assert.doesNotMatch(await succeed(guest, 'dmesg'), COMPLAINTS);
    await powerOff(guest);
  }
  if (!hasTool('debugfs') || !hasTool('e2fsck')) {
    context.diagnostic('debugfs and e2fsck are not here to judge the file systems');
    return;
  }
  const partition = join(folder, 'partition');
  writeFileSync(partition, readFileSync(raw).subarray(PARTITION_START));
  const converted = join(folder, 'converted.raw');
  await convertDisk(vhdx, converted, { format: 'raw' });
  for (const [i, path] of [partition, converted].entries()) {
    judge('e2fsck', '-fn', path);
    assert.equal(sumInFileSystem(path, '/data', folder), sums[i]);
  }
  if (hasTool('qemu-img')) judge('qemu-img', 'check', vhdx);
});

test('a read-only disk refuses writes and stays as it is', { skip }, async (context) => {
  const folder = folderFor(context);
  const raw = rawFile(join(folder, 'disk.raw'), 4 * MIB);
  writeFileSync(raw, 'as it was', { flag: 'r+' });
  const before = readFileSync(raw);
  await using guest = tiny(`${raw},ro`);
  await ready(guest);
  assert.equal((await succeed(guest, 'cat /sys/block/sda/ro')).trim(), '1');
  const { status } = await guest.run('dd if=/dev/zero of=/dev/sda bs=512 count=1', COMMAND_MS);
  assert.notEqual(status, 0);
  assert.equal((await succeed(guest, 'head -c 9 /dev/sda')).trim(), 'as it was');
  await powerOff(guest);
  assert.ok(readFileSync(raw).equals(before));
});

test('flushed writes are there after SIGKILL', { skip }, async (context) => {
  const folder = folderFor(context);
  const vhdx = newVhdx(join(folder, 'disk.vhdx'), '64M');
  let sum: string;
  {
    await using guest = tiny(vhdx);
    await ready(guest);
    await succeed(guest, 'head -c 8388608 /dev/urandom > /tmp/data; dd if=/tmp/data of=/dev/sda bs=64k conv=fsync');
    sum = await sumOf(guest, '/tmp/data');
    // More is on its way when the end comes.
    guest.type('echo "be"gun; dd if=/tmp/data of=/dev/sda bs=4k seek=4096 oflag=direct\n');
    await guest.expect(/begun\r*\n/, COMMAND_MS);
    guest.process.kill('SIGKILL');
    await guest.exited;
  }
  const converted = join(folder, 'converted.raw');
  await convertDisk(vhdx, converted, { format: 'raw' });
  const start = readFileSync(converted).subarray(0, 8 * MIB);
  assert.equal(createHash('md5').update(start).digest('hex'), sum);
});

test('one image has one writer', { skip }, async (context) => {
  const folder = folderFor(context);
  const raw = rawFile(join(folder, 'disk.raw'), 4 * MIB);
  await using guest = tiny(raw);
  await guest.prompt(BOOT_MS);
  await using second = tiny(raw);
  assert.equal(await second.exited, 1);
  assert.match(second.errors, /disk\.raw is being written to by another program/);
  await using reader = tiny(join(folder, 'none.raw'));
  assert.equal(await reader.exited, 2);
  assert.match(reader.errors, /cannot open .*none\.raw.*: there is no such file or folder/);
  await powerOff(guest);
});

test('the storage thread is killed again and again, and the guest notices nothing', { skip }, async (context) => {
  const disk = newVhdx(join(folderFor(context), 'disk.vhdx'), '64M');
  let shown = '';
  const machine = await Machine.create({
    ...image, commandLine: `${image.commandLine} quiet`, memoryBytes: 256 * MIB, processors: 1, rebootInPlace: false,
    debugExit: false, disks: [{ path: disk, readOnly: false }],
  }, { console: { output: (bytes) => { shown += Buffer.from(bytes).toString('latin1'); } } });
  context.after(() => machine.stop(1000));
  const ended = machine.start();
  const until = async (pattern: RegExp): Promise<RegExpExecArray> => {
    const deadline = performance.now() + BOOT_MS;
    for (;;) {
      const match = pattern.exec(shown);
      if (match !== null) return match;
      assert.ok(performance.now() < deadline, `${pattern} did not come: ${shown.slice(-2000)}`);
      await setTimeout(20);
    }
  };
  await until(/\n(?:~|\/) # /);
  const copy = 'head -c 16777216 /dev/urandom > /tmp/data; dd if=/tmp/data of=/dev/sda bs=16k conv=fsync; '
    + 'echo 3 > /proc/sys/vm/drop_caches; head -c 16777216 /dev/sda | cmp - /tmp/data && echo sa"me"; '
    + `dmesg | grep -cE "I/O error|Sense Key|storvsc.*(error|tag)"; echo e"nd"\n`;
  await machine.input(Buffer.from(copy));
  const isOver = (): boolean => /end\r*\n/.test(shown);
  let kills = 0;
  for (; !isOver() && kills < 60; kills++) {
    await setTimeout(100);
    await machine.vmbus.storage?.killThread();
  }
  await until(/same\r*\n0\r*\nend\r*\n/);
  assert.ok(kills > 5, `${kills}`);
  await machine.input(Buffer.from('poweroff -f\n'));
  assert.deepEqual(await ended, { kind: 'off' });
});
