/**
 * A Debian guest loads a second kernel with kexec and jumps into it; that one reaches user space and powers off.
 * `kexec.js PROCESSORS`.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest, guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';

const BOOT_MS = 10 * 60_000;
const INIT = `#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /tmp /run
kexec --load /second/vmlinuz --initrd=/second/initrd \\
  --append='console=ttyS0 quiet partout.run="echo kernel-$((1+1))-is-up on $(nproc)"'
echo "loaded: $?"
kexec --exec
`;

const debian = guestImage('debian-initramfs', undefined, ['kexec-tools']);
const tiny = guestImage('tiny');
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const initrd = join(folder, 'initrd');
  extendInitramfs(debian.initrd, {
    'proof-init': INIT, 'second/vmlinuz': readFileSync(tiny.kernel), 'second/initrd': readFileSync(tiny.initrd),
  }, initrd);
  await using guest = new Guest({
    kernel: debian.kernel, initrd, append: `${debian.commandLine} quiet rdinit=/proof-init`,
    words: ['--memory', '2G', '--cpus', process.argv[2] ?? '1'],
  });
  await guest.expect(/loaded: 0/, BOOT_MS);
  await guest.expect(/kernel-2-is-up/, BOOT_MS);
  const status = await guest.exited;
  if (status !== 0) throw new Error(`the second kernel ended with ${status}:\n${guest.console.slice(-2000)}`);
  process.stdout.write('figure: 1 of 1\n');
} finally {
  rmSync(folder, { recursive: true });
}
