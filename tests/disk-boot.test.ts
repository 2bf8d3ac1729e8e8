/**
 * A guest that is booted from its disk, without --kernel: what the disk's boot loader would take is found by us, and
 * anew at each reset, from a file system that nobody unmounted. Needs apt for the kernel, and mke2fs for the disk.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gptDisk } from '../src/storage/testing/disk-layout.ts';
import { Guest, type GuestImage, PARTOUT, tinyImageOrReason } from './guest.ts';
import { folderFor, hasTool } from './host.ts';

const BOOT_MS = 10 * 60_000;
const COMMAND_MS = 5 * 60_000;
const CONFIGURATION = `
set default=second
set menu=first
menuentry 'one' --id first { linux /boot/vmlinuz wrong; }
menuentry 'two' --id second {
  search --label --set=root system
  linux /boot/vmlinuz console=ttyS0 quiet partout.hostname=$menu
  initrd /boot/initrd
}
`;

const { image, skip } = hasTool('mke2fs') ? tinyImageOrReason()
  : { image: {} as GuestImage, skip: 'mke2fs is not here to make a disk' };

/** A raw disk with a GPT and, behind another partition, one with the tiny image and GRUB's configuration. */
function makeDisk(folder: string, { kernel, initrd }: GuestImage): string {
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'boot/grub'), { recursive: true });
  copyFileSync(kernel, join(tree, 'boot/vmlinuz'));
  copyFileSync(initrd, join(tree, 'boot/initrd'));
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), CONFIGURATION);
  const system = join(folder, 'system');
  const { status, stderr } = spawnSync('mke2fs', [
    '-q', '-F', '-t', 'ext4', '-L', 'system', '-d', tree, system, '64M',
  ], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const disk = join(folder, 'disk.raw');
  writeFileSync(disk, gptDisk([new Uint8Array(2 ** 20), readFileSync(system)]));
  return disk;
}

test('a disk is booted by its own configuration, and after a reset by the changed one', { skip }, async (context) => {
  const folder = folderFor(context);
  const raw = makeDisk(folder, image);
  const vhdx = join(folder, 'disk.vhdx');
  assert.equal(spawnSync(PARTOUT, ['vhd', 'convert', raw, vhdx]).status, 0);
  await using guest = new Guest({ words: ['--disk', vhdx, '--append', 'extra'] });
  await guest.prompt(BOOT_MS);
  const { output } = await guest.run('hostname; cat /proc/cmdline', COMMAND_MS);
  assert.match(output, /^first\s+console=ttyS0 quiet partout.hostname=first extra\s+$/);
  const change = 'mount -t ext4 /dev/sda2 /mnt && sed -i s/menu=first/menu=changed/ /mnt/boot/grub/grub.cfg && sync';
  assert.equal((await guest.run(change, COMMAND_MS)).status, 0);
  guest.type('reboot -f\n');
  await guest.expect(/\n(?:~|\/) # /, BOOT_MS);
  assert.match((await guest.run('hostname', COMMAND_MS)).output, /^changed\s+$/);
  guest.type('poweroff -f\n');
  assert.equal(await guest.exited, 0, guest.errors);
});

test('a disk without a system is refused in a sentence', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
  const disk = join(folder, 'empty.raw');
  writeFileSync(disk, new Uint8Array(2 ** 20));
  const { status, stderr } = spawnSync(PARTOUT, ['boot', '--disk', disk], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  assert.equal(status, 2);
  assert.match(stderr, /empty\.raw holds no boot loader's configuration that could be read .*--kernel\n$/);
});
