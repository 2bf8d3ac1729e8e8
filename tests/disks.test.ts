/**
 * Disks that change while an unmodified Debian kernel runs: two processors with a channel each, disks that come, grow
 * and go, a DVD drive whose medium is changed, a storage thread that dies, and a host that has no room for a while.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createDisk } from '../src/storage/create-disk.ts';
import { mergeDisk } from '../src/storage/merge.ts';
import { contentOf } from '../src/storage/testing/images.ts';
import { Guest, PARTOUT, tinyImageOrReason } from './guest.ts';
import { folderFor } from './host.ts';
import { MachineGuest } from './machine-guest.ts';

const BOOT_MS = 5 * 60_000;
const COMMAND_MS = 5 * 60_000;
const MIB = 2 ** 20;
// A read that is under way when the medium is taken out fails, as it should.
const COMPLAINTS = 'dmesg | grep -E "I/O error|WARNING:|Call Trace|storvsc.*(error|fail)" | grep -v "dev sr0"';

const { image, skip } = tinyImageOrReason();

function file(path: string, sizeBytes: number, content = ''): string {
  writeFileSync(path, content);
  truncateSync(path, sizeBytes);
  return path;
}

test('disks and media come and go, and the storage thread dies, under two processors', { skip }, async (context) => {
  const folder = folderFor(context);
  const first = file(join(folder, 'first.raw'), 32 * MIB);
  const limited = file(join(folder, 'limited.raw'), 4 * MIB);
  const medium = file(join(folder, 'a.iso'), 2 * MIB, 'this is medium A');
  const other = file(join(folder, 'b.iso'), 3 * MIB, 'this is medium B');
  await using guest = await MachineGuest.start({
    ...image, commandLine: `${image.commandLine} quiet`, processors: 2, disks: [
      { path: first, readOnly: false }, { path: limited, readOnly: false, limits: { operations: 100 } },
      { kind: 'dvd', path: medium },
    ],
  });
  const { storage } = guest.machine;
  const run = (command: string): Promise<string> => guest.run(command, COMMAND_MS);
  await guest.prompt(BOOT_MS);
  // The kernel names disks in the order in which it is done with them: the names here are links by place.
  await run('until [ -b /dev/sda ] && [ -b /dev/sdb ] && [ -b /dev/sr0 ]; do sleep 0.1; done; for i in 0 1; do '
    + 'ln -s $(ls /sys/bus/scsi/devices/0:0:0:$i/block) /dev/disk$i; done');
  const { controllers } = storage.inspect() as { controllers: { channels: number }[] };
  assert.equal(controllers[0]?.channels, 2, 'a channel for each processor');

  // Both processors write, each through its channel, while the thread dies again and again.
  await run('head -c 8388608 /dev/urandom > /tmp/0; head -c 8388608 /dev/urandom > /tmp/1');
  guest.type('echo b"egins"; for i in 0 1; do taskset $((i+1)) dd if=/tmp/$i of=/dev/disk0 bs=16k seek=$((i*512)) '
    + 'conv=fsync 2>/dev/null & done; wait; echo 3 > /proc/sys/vm/drop_caches; cat /tmp/0 /tmp/1 | md5sum > /tmp/a; '
    + 'head -c 16777216 /dev/disk0 | md5sum | cmp - /tmp/a && echo sa"me as it was"\n');
  await guest.expect(/begins\r*\n/, COMMAND_MS);
  const same = guest.expect(/same as it was\r*\n/, COMMAND_MS);
  for (let kills = 0; kills < 40; kills++) {
    const isOver = await Promise.race([same.then(() => true), setTimeout(50, false)]);
    if (isOver) break;
    await storage.killThread();
  }
  await same;
  await guest.prompt(COMMAND_MS);

  const started = performance.now();
  await run('dd if=/dev/zero of=/dev/disk1 bs=8k count=64 oflag=direct');
  assert.ok(performance.now() - started > 400, '64 operations at 100 a second, less a tenth of a second');

  const address = await storage.add({ path: file(join(folder, 'third.raw'), 8 * MIB, 'plugged in'), readOnly: false });
  assert.deepEqual(address, { controller: 0, lun: 3 });
  assert.match(await run('until [ -b /dev/sdc ]; do sleep 0.1; done; head -c 10 /dev/sdc'), /plugged in/);
  await storage.resize(address, 12 * MIB);
  await run(`until [ $(cat /sys/block/sdc/size) = ${12 * MIB / 512} ]; do sleep 0.1; done`);
  await assert.rejects(storage.resize(address, MIB), /in use and cannot become smaller/);
  await storage.remove(address);
  await run('while [ -b /dev/sdc ]; do sleep 0.1; done');
  await assert.rejects(storage.add({ path: join(folder, 'none.raw'), readOnly: false }), /there is no such file/);
  await assert.rejects(storage.remove(address), /there is no disk at 3/);

  assert.match(await run('head -c 16 /dev/sr0; cat /sys/block/sr0/size'), /medium A4096/);
  const drive = { controller: 0, lun: 2 };
  await storage.changeMedium(drive, other);
  assert.match(await run('head -c 16 /dev/sr0; cat /sys/block/sr0/size'), /medium B6144/);
  // The driver opens the drive by itself when nobody reads any more.
  await run('echo 1 > /proc/sys/dev/cdrom/autoeject; head -c 16 /dev/sr0; echo 0 > /proc/sys/dev/cdrom/autoeject');
  await guest.until('the guest has taken it out',
    () => !JSON.stringify(storage.inspect()).includes('b.iso'), COMMAND_MS);
  await storage.changeMedium(drive, medium);
  assert.match(await run('head -c 16 /dev/sr0'), /medium A/);
  assert.equal(await run(COMPLAINTS), '');
  guest.type('poweroff -f\n');
  assert.deepEqual(await guest.ended, { kind: 'off' });
});

test('a disk gets a child and is merged with it again, while the guest writes and the storage thread dies', {
  skip,
}, async (context) => {
  const folder = folderFor(context);
  const [base, child, again] = ['base', 'child', 'again'].map((name) => join(folder, `${name}.vhdx`)) as
    [string, string, string];
  createDisk(base, { format: 'vhdx', sizeBytes: 16 * MIB, blockBytes: MIB });
  await using guest = await MachineGuest.start({
    ...image, commandLine: `${image.commandLine} quiet`, disks: [{ path: base, readOnly: false }],
  });
  const { storage } = guest.machine;
  const run = (command: string): Promise<string> => guest.run(command, COMMAND_MS);
  const address = { controller: 0, lun: 0 };
  const paths = (): (string | undefined)[] => storage.descriptions.map(({ path }) => path);
  await guest.prompt(BOOT_MS);
  await run('until [ -b /dev/sda ]; do sleep 0.1; done; cat /sys/block/sda/device/wwid > /tmp/wwid');
  await run('head -c 4194304 /dev/urandom > /tmp/0; head -c 4194304 /dev/urandom > /tmp/1; '
    + 'dd if=/tmp/0 of=/dev/sda bs=64k conv=fsync 2>/dev/null');

  await storage.branch([{ address, path: child }]);
  assert.deepEqual(paths(), [child]);
  const before = contentOf(base);
  await run('dd if=/tmp/1 of=/dev/sda bs=64k seek=32 conv=fsync 2>/dev/null');
  assert.ok(Buffer.compare(contentOf(base), before) === 0, 'nobody writes to the disk any more');
  await assert.rejects(storage.branch([{ address, path: base }]), /is there already/);

  guest.type('echo b"egins"; for i in 0 1 2; do dd if=/tmp/1 of=/dev/sda bs=16k seek=$((i*256)) conv=fsync '
    + '2>/dev/null; done; echo 3 > /proc/sys/vm/drop_caches; for i in 0 1 2; do dd if=/dev/sda bs=1M skip=$((i*4)) '
    + 'count=4 2>/dev/null | cmp - /tmp/1 || echo different; done; echo sa"me as it was"\n');
  await guest.expect(/begins\r*\n/, COMMAND_MS);
  const merge = (): Promise<string> => storage.merge(address).catch((error: Error) => {
    // The thread was killed before it had begun.
    if (error.message.includes('try again')) return merge();
    throw error;
  });
  const merged = merge();
  await assert.rejects(storage.merge(address), /is being merged already/);
  for (let kills = 0; kills < 3; kills++) {
    await setTimeout(30);
    await storage.killThread();
  }
  assert.equal(await merged, base);
  assert.ok(!existsSync(child));
  assert.deepEqual(paths(), [base]);
  assert.match(await guest.expect(/[^]*same as it was\r*\n/, COMMAND_MS).then(([text]) => text), /^(?!.*different)/s);
  await guest.prompt(COMMAND_MS);
  assert.equal(await run('cat /sys/block/sda/device/wwid | cmp - /tmp/wwid'), '', 'the guest has the same disk');
  await assert.rejects(storage.merge(address), /has no parent to merge into/);

  // Switched off in the middle, and begun again by the next guest of that disk.
  await storage.branch([{ address, path: again }]);
  await run('dd if=/tmp/0 of=/dev/sda bs=64k seek=32 conv=fsync 2>/dev/null');
  const stopped = storage.merge(address).catch((error: Error) => error.message);
  guest.type('poweroff -f\n');
  assert.deepEqual(await guest.ended, { kind: 'off' });
  await guest.machine.stop(5000);
  assert.match(await stopped, /begin again|base\.vhdx$/);
  if (existsSync(again)) await mergeDisk(again);
  const [zero, one] = [before.subarray(0, 4 * MIB), contentOf(base).subarray(8 * MIB, 12 * MIB)];
  const expected = Buffer.concat([one, one, one, before.subarray(12 * MIB)]);
  expected.set(zero, 2 * MIB);
  assert.ok(Buffer.compare(contentOf(base), expected) === 0);
});

const mayMount = process.getuid?.() === 0;

test('a guest is paused while its host has no room, and loses nothing', {
  skip: skip || (mayMount ? false : 'a small file system can be mounted by root alone'),
}, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
  const small = join(folder, 'small');
  mkdirSync(small);
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', small]).status, 0);
  context.after(() => {
    spawnSync('umount', ['-l', small]);
    rmSync(folder, { recursive: true, force: true });
  });
  const disk = join(small, 'disk.vhdx');
  const words = ['vhd', 'new', disk, '--size', '64M', '--block-size', '1M'];
  const { status, stderr } = spawnSync(PARTOUT, words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const ballast = join(small, 'ballast');
  writeFileSync(ballast, new Uint8Array(14 * MIB));
  await using guest = new Guest({ ...image, append: `${image.commandLine} quiet`, words: ['--disk', disk] });
  await guest.prompt(BOOT_MS);
  guest.type('head -c 12582912 /dev/urandom > /tmp/data; dd if=/tmp/data of=/dev/sda bs=64k conv=fsync 2>/dev/null; '
    + 'echo 3 > /proc/sys/vm/drop_caches; cmp -n 12582912 /tmp/data /dev/sda && echo sa"me"\n');
  const deadline = performance.now() + COMMAND_MS;
  while (!guest.errors.includes('no room for')) {
    assert.ok(performance.now() < deadline, guest.errors);
    await setTimeout(50);
  }
  assert.match(guest.errors, /the host has no room for .*disk\.vhdx: the guest is paused until there is/);
  assert.ok(statSync(disk).size > MIB);
  unlinkSync(ballast);
  await guest.expect(/same\r*\n/, COMMAND_MS);
  assert.match(guest.errors, /there is room again: the guest goes on/);
  const { output } = await guest.run(COMPLAINTS, COMMAND_MS);
  assert.equal(output, '');
  guest.type('poweroff -f\n');
  assert.equal(await guest.exited, 0);
  assert.equal(spawnSync(PARTOUT, ['vhd', 'check', disk]).status, 0);
});
