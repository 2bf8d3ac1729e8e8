/**
 * stress-ng, from Debian's packages, in a guest of two processors: two workers of each stressor, one stressor after the
 * other, all of them checking what they compute. `stress.js SECONDS` in total.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest, guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { complaintsOf } from './kernel-log.ts';

const BOOT_MS = 10 * 60_000;
const PROCESSORS = 2;
/** Dekker's and Peterson's mutual exclusion hold by memory order alone. */
const STRESSORS = [
  'cpu', 'matrix', 'vm', 'fork', 'switch', 'sigq', 'signest', 'futex', 'dekker', 'peterson', 'atomic', 'membarrier',
];

const seconds = Number(process.argv[2] ?? 600);
const each = Math.ceil(seconds / STRESSORS.length);
const INIT = `#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc; mount -t sysfs sysfs /sys
mkdir -p /dev/shm /tmp; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /tmp; cd /tmp
while read -r module; do insmod "$module"; done < /etc/partout/vmbus-modules
for name in ${STRESSORS.join(' ')}; do
  stress-ng --$name ${PROCESSORS} --vm-bytes 64M --verify --timeout ${each} 2>&1
  echo "stressed $name: $?"
done
echo ">>>"; dmesg -r; echo "<<<"
echo o > /proc/sysrq-trigger; sleep 60
`;

const image = guestImage('debian-initramfs', undefined, ['stress-ng']);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const initrd = join(folder, 'initrd');
  extendInitramfs(image.initrd, { 'proof-init': INIT }, initrd);
  await using guest = new Guest({
    kernel: image.kernel, initrd, append: `${image.commandLine} quiet rdinit=/proof-init`,
    words: ['--memory', '2G', '--cpus', String(PROCESSORS)],
  });
  let passed = 0;
  for (const name of STRESSORS) {
    const from = guest.console.length;
    const [, status] = await guest.expect(new RegExp(`stressed ${name}: (\\d+)`), BOOT_MS + each * 10_000);
    if (status === '0') passed++;
    else process.stdout.write(`${guest.console.slice(from)}\n`);
    process.stdout.write(`${name}: status ${status}\n`);
  }
  await guest.expect(/<<</, BOOT_MS);
  const complaints = complaintsOf(guest.console);
  for (const line of complaints) process.stdout.write(`${line}\n`);
  const ended = await guest.exited;
  process.stdout.write(`figure: ${passed} of ${STRESSORS.length} stressors without a failure, ${each} s each on ` +
    `${PROCESSORS} processors, ${complaints.length} complaints, then status ${ended}\n`);
  process.exitCode = passed === STRESSORS.length && complaints.length === 0 && ended === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
