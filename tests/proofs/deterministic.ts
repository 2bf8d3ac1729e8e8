/**
 * Two runs of a boot with a compiler at work, under the same seed, are the same as far as the trace hash tells; another
 * seed gives another run.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guest, guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';

const WORK_MS = 30 * 60_000;
const INIT = `#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc; mkdir -p /tmp; cd /tmp
cat > program.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(void) {
  unsigned long sum = 0; struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now);
  for (unsigned long n = 1; n < 3000000; n++) sum += n * n % (n + 7);
  printf("%lu at %ld.%09ld\\n", sum, now.tv_sec, now.tv_nsec); return 0;
}
C
gcc -O2 -o program program.c && ./program && sha256sum program && cat /proc/sys/kernel/random/uuid
echo o > /proc/sysrq-trigger; sleep 60
`;

const image = guestImage('debian-initramfs');
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));

interface Run {
  readonly console: string;
  readonly traceHash: string;
  readonly guestInstructions: number;
}

async function run(seed: number): Promise<Run> {
  const [initrd, stats] = [join(folder, 'initrd'), join(folder, 'stats')];
  extendInitramfs(image.initrd, { 'proof-init': INIT }, initrd);
  await using guest = new Guest({
    kernel: image.kernel, initrd, append: `${image.commandLine} rdinit=/proof-init`,
    words: ['--memory', '1200M', '--deterministic', `${seed}`, '--stats', stats, '--timeout', `${WORK_MS / 1000}`],
  });
  const status = await guest.exited;
  if (status !== 0) throw new Error(`seed ${seed} ended with ${status}:\n${guest.console.slice(-2000)}${guest.errors}`);
  return { ...JSON.parse(readFileSync(stats, 'utf8')) as Omit<Run, 'console'>, console: guest.console };
}

try {
  const [first, second, other] = [await run(1), await run(1), await run(2)];
  const works = /\d+ at \d+\.\d{9}/.test(first.console);
  const same = first.traceHash === second.traceHash && first.console === second.console
    && first.guestInstructions === second.guestInstructions;
  const differs = other.traceHash !== first.traceHash;
  process.stdout.write(`figure: seed 1: ${first.traceHash} and ${second.traceHash} after ${first.guestInstructions} ` +
    `instructions; seed 2: ${other.traceHash}\n`);
  process.exitCode = works && same && differs ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
