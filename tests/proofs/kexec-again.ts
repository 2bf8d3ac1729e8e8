/**
 * A kernel jumps into the next with kexec, again and again, each with all of its drivers: `kexec-again.js COUNT`. The
 * kernel and its initramfs come from two disks.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { MachineGuest } from '../machine-guest.ts';
import { KEXEC_IN_GUEST, kexecFiles } from './kexec-files.ts';
import { allOpen, type BusCounts, busCounts, growth, type Memory, memoryOf } from './leaks.ts';

const BOOT_MS = 20 * 60_000;
const MEMORY_BYTES = 512 * 2 ** 20;
const WARM_UP = 2;
const NEXT = `#!/bin/sh
disk() { echo /dev/$(ls /sys/bus/scsi/devices/0:0:0:$1/block); }
cat $(disk 0) > /kernel; cat $(disk 1) > /initrd
${KEXEC_IN_GUEST}
kexec --load /kernel --initrd=/initrd --reuse-cmdline && kexec --exec
`;

const count = Number(process.argv[2] ?? 20);
const image = guestImage('tiny');
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, { ...kexecFiles(), 'next': NEXT }, initrd);
  await using guest = await MachineGuest.start({
    ...image, initrd, memoryBytes: MEMORY_BYTES, nics: [{ network: 'nat' }],
    disks: [{ path: image.kernel, readOnly: true }, { path: initrd, readOnly: true }],
  });
  const { bus } = guest.machine.vmbus;
  let counts: BusCounts | undefined;
  let memory: Memory | undefined;
  let grown = '';
  for (let kernel = 0; kernel <= count; kernel++) {
    await guest.expect(/Linux version/, BOOT_MS);
    await guest.prompt(BOOT_MS);
    await guest.run('dmesg -n 1', BOOT_MS);
    await allOpen(guest, bus.offers.all().length);
    counts ??= busCounts(guest);
    assert.deepEqual(busCounts(guest), counts);
    assert.doesNotMatch(await guest.run('dmesg', BOOT_MS), /WARNING:|BUG|Oops|Call Trace/);
    const now = await memoryOf(guest, MEMORY_BYTES);
    if (kernel === WARM_UP) memory = now;
    if (memory !== undefined) grown = growth(memory, now);
    process.stdout.write(`kernel ${kernel}: ${counts.open} channels, ${grown}\n`);
    if (kernel < count) guest.type('/next\n');
  }
  process.stdout.write(`figure: ${count} of ${count}, ${counts?.open ?? 0} channels each time; ${grown}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
