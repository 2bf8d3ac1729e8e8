/**
 * An unmodified Debian kernel is put away and goes on in another process: while it boots, and while it works. Needs
 * apt, to fetch the kernel and busybox.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Host } from 'partout';
import { seededNumbers } from '../src/chipset/testing/seeded-numbers.ts';
import { tinyImageOrReason } from './guest.ts';
import { extendInitramfs } from './initramfs.ts';
import { Traveller, travelWhileBooting } from './traveller.ts';
import { DISK_BYTES, WORK_FILES, workWhileTravelling } from './travelling-work.ts';

const BOOT_MS = 5 * 60_000;
const COMMAND_MS = 60_000;
const COMPLAINTS = /WARNING:|unchecked MSR|lockup|watchdog: BUG|rcu: INFO|Oops|Call Trace|I\/O error|BUG:/;
const SEED = Number(process.env['PARTOUT_SEED'] ?? Date.now() % 100_000);

const { image, skip } = tinyImageOrReason();
const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
after(() => rmSync(folder, { recursive: true }));

test(`a guest that travels while it boots and while it works notices nothing (seed ${SEED})`, { skip }, async () => {
  const next = seededNumbers(SEED);
  const { kernel, commandLine } = image;
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, WORK_FILES, initrd);
  const disk = join(folder, 'disk');
  writeFileSync(disk, Buffer.alloc(DISK_BYTES));
  await using host = await Host.open();
  await using traveller = await Traveller.start(host, {
    name: 'traveller', kernel, initrd, commandLine, memory: '256M', processors: 2, disks: [disk],
  }, folder);
  await travelWhileBooting(traveller, 2, next, BOOT_MS);
  await traveller.expect(/\/ # /, BOOT_MS);
  await workWhileTravelling(traveller, { times: 2, rounds: 4, next });
  const seconds = Number(await traveller.run('date +%s', COMMAND_MS));
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 10, `the guest's clock says ${seconds}`);
  assert.doesNotMatch(await traveller.run('dmesg', COMMAND_MS), COMPLAINTS);
  traveller.type('poweroff -f\n');
  assert.deepEqual(await traveller.vm.ended, { kind: 'off' });
});
