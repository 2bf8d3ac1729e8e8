/**
 * The guest unloads all drivers of the bus, and loads them again: `modules.js COUNT`. Left out are hv_balloon, which
 * Linux does not let go, and hv_vmbus, whose end stops the timers of a guest that has them in direct mode [Linux
 * drivers/clocksource/hyperv_timer.c, hv_stimer_global_cleanup].
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCpio } from '../../src/images/cpio.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { MachineGuest } from '../machine-guest.ts';
import { allOpen, busCounts, growth, memoryOf } from './leaks.ts';

const BOOT_MS = 10 * 60_000;
const COMMAND_MS = 10 * 60_000;
const MEMORY_BYTES = 512 * 2 ** 20;
const DISK_BYTES = 16 * 2 ** 20;
const WARM_UP = 5;
const MODULES = 'etc/vmbus-modules';
const KEPT = /hv_(?:balloon|vmbus)\.ko$/;

const count = Number(process.argv[2] ?? 100);
const image = guestImage('tiny');
const listed = readCpio(readFileSync(image.initrd)).find(({ path }) => path === MODULES) ?? assert.fail('no list');
const modules = Buffer.from(listed.data).toString().split('\n').filter((path) => path !== '' && !KEPT.test(path));
const names = modules.map((path) => /([^/]+)\.ko$/.exec(path)?.[1]?.replaceAll('-', '_') ?? assert.fail(path));
const reload = `#!/bin/sh
${names.toReversed().map((name) => `rmmod ${name} || exit 1`).join('\n')}
${modules.map((path) => `insmod ${path} || exit 2`).join('\n')}
`;

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const [initrd, disk] = [join(folder, 'initrd'), join(folder, 'disk')];
  extendInitramfs(image.initrd, { reload }, initrd);
  writeFileSync(disk, '');
  truncateSync(disk, DISK_BYTES);
  await using guest = await MachineGuest.start({
    ...image, initrd, memoryBytes: MEMORY_BYTES,
    disks: [{ path: disk, readOnly: false }], nics: [{ network: 'nat' }],
  });
  await guest.prompt(BOOT_MS);
  // Who waits for commands of the host keeps its module.
  await guest.run('dmesg -n 1; killall partout-listen', COMMAND_MS);
  const offers = guest.machine.vmbus.bus.offers.all().length;
  await allOpen(guest, offers);
  const counts = busCounts(guest);
  let memory = await memoryOf(guest, MEMORY_BYTES);
  for (let i = 1; i <= count; i++) {
    assert.match(await guest.run('/reload; echo "status "$?', COMMAND_MS), /status 0/);
    await allOpen(guest, offers);
    assert.deepEqual(busCounts(guest), counts);
    if (i === WARM_UP) memory = await memoryOf(guest, MEMORY_BYTES);
    if (i % 10 === 0) process.stdout.write(`${i} times\n`);
  }
  const grown = growth(memory, await memoryOf(guest, MEMORY_BYTES));
  assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), /WARNING:|BUG|Oops|Call Trace/);
  process.stdout.write(`figure: ${names.length} modules unloaded and loaded ${count} times; ${grown}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
