/**
 * Boots a guest in lockstep, where translated code is interpreted, too, and has it work: `lockstep.js tiny` with
 * busybox's programs, `lockstep.js debian` with those of workload.sh.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest, guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';

const WORK_MS = 4 * 60 * 60_000;
const BUSYBOX = `head -c 3000000 /dev/urandom > data
sha256sum data; md5sum data; gzip -c data | gzip -d | cmp - data; bzip2 -c data | bzip2 -d | cmp - data
awk 'BEGIN { for (n = 1; n < 100000; n++) sum += n * n % 7 + n / 3; print sum }'
hexdump -C data | head -n 20000 | sort | uniq -c | sort -n | tail -n 1
n=0; while test $n -lt 20000; do n=$((n + 1)); done
n=0; while test $n -lt 100; do busybox true; n=$((n + 1)); done
find / -xdev | wc -l; tar c data | tar t`;
const PROGRAMS = {
  tiny: { image: 'tiny', script: BUSYBOX }, debian: { image: 'debian', script: 'sh /workload.sh' },
} as const;
const END = /<<<(\d+)/;

const form = process.argv[2] === 'debian' ? 'debian' : 'tiny';
const { script, image: name } = PROGRAMS[form];
const image = guestImage(name);
const init = `#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
test -d /proc/1 || mkdir -p /proc /dev /tmp; mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc
cd /tmp
${script}
echo "<<<$?"
echo o > /proc/sysrq-trigger; sleep 60
`;
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));

try {
  const [initrd, stats] = [join(folder, 'initrd'), join(folder, 'stats')];
  const workload = readFileSync(new URL('../../../tests/proofs/workload.sh', import.meta.url), 'utf8');
  extendInitramfs(image.initrd, { 'proof-init': init, 'workload.sh': workload }, initrd);
  await using guest = new Guest({
    kernel: image.kernel, initrd, append: `${image.commandLine} rdinit=/proof-init`,
    words: ['--memory', form === 'tiny' ? '256M' : '2G', '--deterministic', '1', '--lockstep', '--stats', stats,
      '--timeout', `${WORK_MS / 1000}`],
  });
  const status = await guest.exited;
  const [, programs] = END.exec(guest.console) ?? [];
  if (status !== 0 || programs !== '0') {
    const shown = `${guest.console.slice(-2000)}${guest.errors}`;
    throw new Error(`ended with ${status}, the programs with ${programs}:\n${shown}`);
  }
  const { guestInstructions, lockstep } = JSON.parse(readFileSync(stats, 'utf8')) as {
    guestInstructions: number; lockstep: { entries: number; compared: number; instructions: number };
  };
  process.stdout.write(`figure: of ${guestInstructions} instructions and ${lockstep.entries} regions entered, ` +
    `${lockstep.compared} regions with ${lockstep.instructions} instructions compared\n`);
  process.exitCode = lockstep.compared > 1_000_000 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
