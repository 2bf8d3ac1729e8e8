/**
 * Many processors, and processors that come and go: with 4 each is taken off and brought back twenty times, a program
 * that computes with floating point is moved between them, and the guest reboots; with 16 and 64, far more than the
 * host may have cores, the guest boots, has all of them work at once, reboots and powers off. No complaint in any log.
 */

import { Guest, guestImage } from '../guest.ts';
import { complaintsOf } from './kernel-log.ts';

const BOOT_MS = 20 * 60_000;
const COMMAND_MS = 20 * 60_000;
const SWITCHES = 20;
const OTHERS = '1 2 3';
const SWITCH = (to: number): string => `for c in ${OTHERS}; do echo ${to} > /sys/devices/system/cpu/cpu$c/online; done`;
/** Its last digits change with the least error. */
const COMPUTE =
  "awk 'BEGIN { for (i = 1; i < 150000; i++) s = s * 0.9999 + (i % 1000) / i; printf \"%.17g\\n\", s }'";
const MOVE = 'while kill -0 $! 2> /dev/null; do for c in 0 1 2 3; do taskset -pc $c $! > /dev/null 2>&1; done; done';
const WORK = (processes: number): string =>
  `n=0; while [ $n -lt ${processes} ]; do (i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done) & n=$((n+1)); done; wait`;

const image = guestImage('tiny');
const wrong: string[] = [];

function check(what: string, holds: boolean): void {
  process.stdout.write(`${what}: ${holds ? 'yes' : 'NO'}\n`);
  if (!holds) wrong.push(what);
}

async function lookForComplaints(guest: Guest): Promise<void> {
  const { output } = await guest.run('dmesg -r', COMMAND_MS);
  for (const line of complaintsOf(output)) check(`no "${line}"`, false);
}

async function rebooted(guest: Guest, processors: number): Promise<void> {
  guest.type('reboot -f\n');
  await guest.expect(/Linux version/, BOOT_MS);
  await guest.prompt(BOOT_MS);
  check(`${processors} are there after a reboot`,
    (await guest.run('nproc', COMMAND_MS)).output.trim() === String(processors));
}

async function poweredOff(guest: Guest): Promise<void> {
  guest.type('poweroff -f\n');
  check('it powers off', await guest.exited === 0);
}

function started(processors: number, memory: string): Guest {
  return new Guest({
    ...image, append: image.commandLine, words: ['--cpus', String(processors), '--memory', memory],
  });
}

async function comeAndGo(): Promise<void> {
  await using guest = started(4, '512M');
  await guest.prompt(BOOT_MS);
  await guest.run('dmesg -n 1', COMMAND_MS);
  const rounds = `for r in $(seq ${SWITCHES}); do ${SWITCH(0)}; nproc; ${SWITCH(1)}; nproc; done`;
  const { output } = await guest.run(rounds, COMMAND_MS);
  check(`${SWITCHES} times off and on again`, output.trim() === '1\n4\n'.repeat(SWITCHES).trim());
  const resting = (await guest.run(COMPUTE, COMMAND_MS)).output.trim();
  const moved = (await guest.run(`${COMPUTE} & ${MOVE}; wait`, COMMAND_MS)).output.trim();
  check(`a program computes ${resting}`, /^\d+\.\d{9,}$/.test(resting));
  check('it computes the same while it is moved between processors', moved.split('\n').includes(resting));
  await lookForComplaints(guest);
  await rebooted(guest, 4);
  await poweredOff(guest);
}

async function many(processors: number): Promise<void> {
  await using guest = started(processors, '1G');
  await guest.prompt(BOOT_MS);
  check(`${processors} are there`, (await guest.run('nproc', COMMAND_MS)).output.trim() === String(processors));
  await guest.run(WORK(processors), COMMAND_MS);
  await lookForComplaints(guest);
  await rebooted(guest, processors);
  await poweredOff(guest);
}

await comeAndGo();
for (const processors of [16, 64]) await many(processors);
process.stdout.write(`figure: 4 come and go, 16 and 64 work and reboot: ${wrong.length} things wrong\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
