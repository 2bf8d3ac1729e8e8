/**
 * An unmodified Debian cloud kernel as a Hyper-V child partition, from its first line to its end, as a user meets it.
 * Needs apt, to fetch the kernel and busybox.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { extractVmlinux } from '../src/chipset/loaders/vmlinux.ts';
import { Guest, tinyImageOrReason } from './guest.ts';
import { hasTool } from './host.ts';

const BOOT_MS = 3 * 60_000;
const COMMAND_MS = 60_000;
const COMPLAINTS = /WARNING:|unchecked MSR|lockup|watchdog: BUG|rcu: INFO|Oops|Call Trace/;

const { image, skip } = tinyImageOrReason();

function tiny(...words: string[]): Guest {
  return new Guest({ ...image, append: image.commandLine, words });
}

test('the kernel reaches a shell, finds Hyper-V, and powers off with status 0', { skip }, async () => {
  await using guest = tiny();
  await guest.prompt(BOOT_MS);
  const { output: log } = await guest.run('dmesg', COMMAND_MS);
  assert.match(log, /Hypervisor detected: Microsoft Hyper-V/);
  assert.doesNotMatch(log, COMPLAINTS);
  const read = async (file: string): Promise<string> => (await guest.run(`cat ${file}`, COMMAND_MS)).output.trim();
  assert.equal(
    await read('/sys/devices/system/clocksource/clocksource0/current_clocksource'), 'hyperv_clocksource_tsc_page',
  );
  assert.match(await read('/sys/devices/system/clockevents/clockevent0/current_device'), /Hyper-V/);
  guest.type('poweroff -f\n');
  assert.equal(await guest.exited, 0, guest.errors);
});

test('two processors come up, both take interrupts and run programs, and the guest powers off', { skip }, async () => {
  await using guest = tiny('--cpus', '2');
  await guest.prompt(BOOT_MS);
  assert.equal((await guest.run('nproc', COMMAND_MS)).output.trim(), '2');
  const { output: log } = await guest.run('dmesg', COMMAND_MS);
  assert.match(log, /Brought up 1 node, 2 CPUs/);
  assert.doesNotMatch(log, COMPLAINTS);
  const work = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done $i';
  for (const processor of [0, 1]) {
    const { output } = await guest.run(`taskset -c ${processor} sh -c '${work}'`, COMMAND_MS);
    assert.equal(output.trim(), 'done 20000');
  }
  // Timer interrupts: of Hyper-V's timers, delivered straight to a vector.
  const { output: counts } = await guest.run('grep -E "HVS|LOC" /proc/interrupts', COMMAND_MS);
  const taken = counts.split('\n').map((line) => line.trim().split(/\s+/).slice(1, 3).map(Number));
  for (const processor of [0, 1]) {
    assert.ok(taken.some((of) => Number(of[processor]) > 0), `processor ${processor} took none:\n${counts}`);
  }
  guest.type('poweroff -f\n');
  assert.equal(await guest.exited, 0, guest.errors);
});

test('the ELF kernel inside starts by its PVH note', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
  try {
    const result = extractVmlinux(readFileSync(image.kernel));
    assert.ok(result.kind === 'extracted', JSON.stringify(result));
    const kernel = join(folder, 'vmlinux');
    writeFileSync(kernel, result.elf);
    await using guest = new Guest({
      kernel, initrd: image.initrd, append: `${image.commandLine} partout.run=uname -a`,
      words: ['--timeout', String(BOOT_MS / 1000)],
    });
    assert.equal(await guest.exited, 0, guest.errors);
    assert.match(guest.console, /Linux tiny .* x86_64/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a crash ends with status 8, the crash registers and the trace', { skip }, async () => {
  await using guest = tiny('--trace', 'exits');
  await guest.prompt(BOOT_MS);
  guest.type('echo c > /proc/sysrq-trigger\n');
  assert.equal(await guest.exited, 8, guest.errors);
  assert.match(guest.errors, /partout: the guest crashed: P0=\S+ P1=\S+ P2=\S+ P3=\S+ P4=\S+\n$/);
  assert.match(guest.errors, /trace, oldest first:\n( {2}.+\n)+/);
});

test('a reboot starts the kernel again in place; under --no-reboot it ends the run', { skip }, async () => {
  await using again = tiny();
  await again.prompt(BOOT_MS);
  again.type('reboot -f\n');
  await again.expect(/Linux version/, BOOT_MS);
  await again.prompt(BOOT_MS);
  again.process.kill('SIGTERM');
  assert.equal(await again.exited, 143);
  await using once = tiny('--no-reboot');
  await once.prompt(BOOT_MS);
  once.type('reboot -f\n');
  assert.equal(await once.exited, 0, once.errors);
});

test('on a terminal Ctrl-C stops a program of the guest, and Ctrl-] leaves', {
  skip: skip !== false ? skip : hasTool('script') ? false : 'script(1) is not here to make a terminal',
}, async () => {
  await using guest = new Guest({ ...image, append: image.commandLine, terminal: true });
  await guest.prompt(BOOT_MS);
  guest.type('echo "be"gin; cat\n');
  await guest.expect(/begin\r+\n/, COMMAND_MS);
  // The line comes twice, from the guest's terminal and from the program: now it runs.
  guest.type('here\n');
  await guest.expect(/here\r+\n[^]*here\r+\n/, COMMAND_MS);
  guest.type('\x03');
  await guest.prompt(COMMAND_MS);
  guest.type('\x1d');
  assert.equal(await guest.exited, 130, guest.console);
});
