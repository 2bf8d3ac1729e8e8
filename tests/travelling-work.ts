/**
 * Work whose result is known: in a guest with two processors and a disk, each sorts numbers and sums up the result,
 * over and over, and has it on the disk and back in between, while the host talks with a program of the guest through
 * AF_VSOCK. In a guest with a compiler what sorts is compiled anew each time. A guest that lost a byte on its way from
 * one process to another has another sum.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { Traveller } from './traveller.ts';
import { ECHO_PORT, vsockProgram } from './vsock-program.ts';

const NUMBERS = 20_000;
const COMMAND_MS = 3 * 60_000;
/** Of all rounds, on a host that has much else to do. */
const WORK_MS = 20 * 60_000;
const LONGEST_PAUSE_MS = 1500;
const ECHO_BYTES = 40_000;
const PAUSE_MS = 50;

const numbersOf = (half: string): string =>
  `awk "BEGIN { for (i = 0; i < ${NUMBERS}; i++) print (i * 7919 + ${half}) % 100003 }"`;

/** Sorts, and sums up what came back from its half of the disk. Dropping caches makes it come from there. */
const script = (sorts: string): string => `#!/bin/sh
half=$1; rounds=$2; log=/tmp/log$1
${numbersOf('$half')} > /tmp/numbers$half
i=0
while test $i -lt $rounds; do
  ${sorts} < /tmp/numbers$half > /tmp/sorted$half
  size=$(wc -c < /tmp/sorted$half)
  dd if=/tmp/sorted$half of=/dev/sda bs=64k seek=$((half * 64)) conv=notrunc,fsync 2> /dev/null || echo write >> $log
  echo 3 > /proc/sys/vm/drop_caches
  dd if=/dev/sda bs=64k skip=$((half * 64)) count=16 2> /dev/null | head -c $size | sha256sum >> $log
  i=$((i + 1))
done
echo "half $half: ready"
`;

export const DISK_BYTES = 16 * 2 ** 20;

const SORTING_PROGRAM = `#include <stdio.h>
#include <stdlib.h>
static int order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(void) {
  static int numbers[${NUMBERS}];
  int count = 0;
  while (count < ${NUMBERS} && scanf("%d", numbers + count) == 1) count++;
  qsort(numbers, count, sizeof *numbers, order);
  for (int i = 0; i < count; i++) printf("%d\\n", numbers[i]);
  return 0;
}
`;

/** Has a Debian guest's drivers loaded, and its shell at the console. */
const INIT = `#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:/ PS1='/ # '
mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc; mount -t sysfs sysfs /sys
mkdir -p /dev/shm /tmp; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /tmp; cd /
while read -r module; do insmod "$module"; done < /etc/partout/vmbus-modules
exec sh -i < /dev/ttyS0 > /dev/ttyS0 2>&1
`;

/** What the guest needs beyond the tiny image. */
export const WORK_FILES = { 'bin/work': script('sort -n'), 'bin/vsock': vsockProgram() };
/** What a Debian guest with a compiler needs, all in its root directory; work-init is its first process. */
export const COMPILING_FILES = {
  'work-init': INIT, numbers: `#!/bin/sh\n${numbersOf('$1')}\n`, work: script('compiled $half'),
  vsock: vsockProgram(), 'sort.c': SORTING_PROGRAM,
  compiled: '#!/bin/sh\ngcc -O2 -o /tmp/sort$1 /sort.c && exec /tmp/sort$1\n',
};

/** Of the sorted numbers of a half. */
export function sumOf(half: number): string {
  const numbers = Array.from({ length: NUMBERS }, (_, i) => (i * 7919 + half) % 100_003).sort((a, b) => a - b);
  return createHash('sha256').update(`${numbers.join('\n')}\n`).digest('hex');
}

async function echo(traveller: Traveller): Promise<void> {
  const stream = await traveller.vm.socket(ECHO_PORT);
  const data = Buffer.alloc(ECHO_BYTES, 'x');
  stream.end(data);
  assert.equal(Buffer.concat(await partsOf(stream)).length, data.length);
}

async function partsOf(stream: Duplex): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return parts;
}

/** Talks until told to end; a stream that a journey has cut is no failure. How often it was answered. */
export async function talk(traveller: Traveller, isOver: () => boolean): Promise<number> {
  let answers = 0;
  while (!isOver()) {
    const { journeys, isUnderWay } = traveller;
    try {
      if (!isUnderWay) {
        await echo(traveller);
        answers++;
      }
    } catch (error) {
      if (traveller.journeys === journeys) throw error;
    }
    await setTimeout(PAUSE_MS);
  }
  return answers;
}

/** The guest is at its shell, with the program vsock, and works while it travels. */
export async function workWhileTravelling(
  traveller: Traveller, options: { times: number; rounds: number; next: (limit: number) => number },
): Promise<void> {
  const { times, rounds, next } = options;
  await traveller.run('until test -b /dev/sda; do sleep 1; done; mkdir -p /tmp; (vsock > /dev/null &)', COMMAND_MS);
  for (const half of [0, 1]) traveller.type(`work ${half} ${rounds} &\n`);
  let isOver = false;
  const talking = talk(traveller, () => isOver);
  talking.catch(() => {});
  for (let i = 0; i < times; i++) {
    await setTimeout(next(LONGEST_PAUSE_MS));
    await traveller.travel();
  }
  for (let half = 0; half < 2; half++) {
    await traveller.expect(/half [01]: ready/, WORK_MS);
  }
  isOver = true;
  assert.ok(await talking > 0);
  await echo(traveller);
  for (const half of [0, 1]) {
    const log = await traveller.run(`sort /tmp/log${half} | uniq -c`, COMMAND_MS);
    assert.match(log, new RegExp(`^ *${rounds} ${sumOf(half)} +-\n$`));
  }
}
