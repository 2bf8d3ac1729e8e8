/**
 * The real thing: the tiny image built from Debian's archive into the user's own cache (so that it is fetched once),
 * and booted where there is a QEMU. Skipped where there is no apt for Debian or its archive cannot be reached.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { buildImage } from './build-image.ts';
import { readCpio } from './cpio.ts';
import { FileTree } from './file-tree.ts';
import type { Image } from './image-store.ts';

const QEMU = 'qemu-system-x86_64';
const BOOT_DEADLINE_MS = 120_000;
const NO_QEMU = spawnSync(QEMU, ['--version']).status !== 0 && `there is no ${QEMU} here`;

/** The image, or why it cannot be had here. */
async function tinyImage(): Promise<Image | string> {
  try {
    return await buildImage('tiny');
  } catch (error) {
    if (error instanceof OperatingError && error.code === 'host') return error.message;
    throw error;
  }
}

const image = await tinyImage();
const unavailable = typeof image === 'string' && image;

test('the tiny image holds a shell, the first process and the Hyper-V drivers', { skip: unavailable }, () => {
  const { initrd, kernelVersion } = image as Image;
  const tree = new FileTree();
  tree.unpack(readCpio(readFileSync(initrd)));
  assert.equal(tree.get('init')?.mode, 0o755);
  assert.ok(tree.get('bin/sh')?.kind === 'file');
  assert.ok(tree.get('sbin/poweroff')?.kind === 'file');
  const drivers = tree.readText('etc/vmbus-modules')!.trim().split('\n');
  assert.equal(drivers[0], `/lib/modules/${kernelVersion}/kernel/hv_vmbus.ko`);
  for (const driver of drivers) assert.equal(tree.get(driver)?.kind, 'file', driver);
  for (const name of ['hv_utils', 'hv_storvsc', 'hv_netvsc', 'hv_sock', 'hv_balloon']) {
    assert.ok(drivers.some((driver) => driver.endsWith(`/${name}.ko`)), name);
  }
});

test('building it again gives the same image', { skip: unavailable }, async () => {
  assert.deepEqual(await buildImage('tiny'), image);
});

test('it boots, runs a command and says how that ended', { skip: unavailable || NO_QEMU }, () => {
  const { kernel, initrd, commandLine, minimumMemoryMiB, kernelVersion } = image as Image;
  // On a busy host QEMU's timer may be late for the kernel's check of it.
  const append = `${commandLine} quiet panic=-1 no_timer_check partout.hostname=guest `
    + 'partout.run="uname -nr; tty; exit 3"';
  const { stdout } = spawnSync(QEMU, [
    '-M', 'q35', '-m', `${minimumMemoryMiB}`, '-nographic', '-no-reboot', '-kernel', kernel, '-initrd', initrd,
    '-append', append,
  ], { timeout: BOOT_DEADLINE_MS, encoding: 'latin1', input: '' });
  assert.match(stdout, new RegExp(`guest ${kernelVersion.replaceAll('+', '\\+')}\r\n/dev/ttyS0\r\n`));
  assert.match(stdout, /partout\.run: exit status 3\r\n/);
});

test('what there is no recipe for is a mistake of usage', async () => {
  const isUsage = (error: unknown): boolean => error instanceof OperatingError && error.code === 'usage';
  await assert.rejects(buildImage('huge'), isUsage);
  await assert.rejects(buildImage('tiny', { packages: ['vim'] }), isUsage);
  await assert.rejects(buildImage('tiny', { sizeBytes: 2 ** 33 }), isUsage);
  await assert.rejects(buildImage('debian', { sizeBytes: 2 ** 30 }), isUsage);
});
