/**
 * A kernel crashes into the crash kernel that it has loaded with kexec: that one gets the bus, all services and the
 * network adapter, finds the memory of the first, and powers off. `crash-kernel.js SUITE PROCESSORS`.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest, guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { KEXEC_IN_GUEST, kexecFiles } from './kexec-files.ts';

const BOOT_MS = 10 * 60_000;
const COMMAND_MS = 5 * 60_000;
/** Exit status of a run whose guest has crashed. */
const CRASHED = 8;
const DRIVERS = 'ls -d /sys/bus/vmbus/devices/*/driver | wc -l';
const LOOK_AROUND = `dmesg -n 1; echo drivers $(${DRIVERS}); ls -l /proc/vmcore`;
const LOAD = `#!/bin/sh
disk() { echo /dev/$(ls /sys/bus/scsi/devices/0:0:0:$1/block); }
cat $(disk 0) > /kernel; cat $(disk 1) > /initrd
${KEXEC_IN_GUEST}
kexec --load-panic /kernel --initrd=/initrd \\
  --append='console=ttyS0 nr_cpus=1 reset_devices partout.run="${LOOK_AROUND}"'
`;

const [suite, processors = '1'] = process.argv.slice(2);
const image = guestImage('tiny', suite);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, { ...kexecFiles(), 'load-crash-kernel': LOAD }, initrd);
  await using guest = new Guest({
    kernel: image.kernel, initrd, append: `${image.commandLine} crashkernel=256M`,
    words: [
      '--memory', '1G', '--cpus', processors, '--nic', 'nat', '--disk', `${image.kernel},ro`, '--disk', `${initrd},ro`,
    ],
  });
  await guest.prompt(BOOT_MS);
  await guest.run('dmesg -n 1', COMMAND_MS);
  const { output: drivers } = await guest.run(DRIVERS, COMMAND_MS);
  const { output, status } = await guest.run('/load-crash-kernel', COMMAND_MS);
  assert.equal(status, 0, output);
  guest.type('echo c > /proc/sysrq-trigger\n');
  const [, again] = await guest.expect(/^drivers (\d+)\r$/m, BOOT_MS);
  assert.equal(Number(again), Number(drivers), 'drivers bound in the crash kernel');
  assert.equal(await guest.exited, CRASHED, guest.console.slice(-2000));
  assert.match(guest.console, /^-r.* \/proc\/vmcore\r$/m, 'the memory of the crashed kernel is not there');
  assert.match(guest.errors, /the guest crashed: .*; its crash kernel goes on/);
  process.stdout.write(`figure: ${Number(again)} drivers bound again, then status ${CRASHED}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
