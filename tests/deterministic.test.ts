/** Runs that can be had twice: kernels of our own, and a stock Debian kernel whose console is typed on. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { DeterministicDescription } from '../src/machine/description.ts';
import { tinyImageOrReason } from './guest.ts';
import { MachineGuest } from './machine-guest.ts';
import { multibootKernel } from './multiboot-kernel.ts';

const DEADLINE_MS = 60_000;
const BOOT_MS = 5 * 60_000;
const EXIT = [0xb0, 0, 0xe6, 0xf4, 0xeb, 0xfe]; // mov al, 0; out 0xf4, al; jmp $
const PRINT = [0x66, 0xba, 0xf8, 0x03, 0xee]; // mov dx, 0x3f8; out dx, al
// rdtsc; mov dx, 0x3f8; out dx, al; mov al, ah; out dx, al
const PRINT_TIME = [0x0f, 0x31, 0x66, 0xba, 0xf8, 0x03, 0xee, 0x88, 0xe0, 0xee];
const RANDOM = [0x0f, 0xc7, 0xf0]; // rdrand eax
const WAIT_FOR_INPUT = [
  0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, // mov dx, 0x3fd; in al, dx; test al, 1; jz to in
  0x66, 0xba, 0xf8, 0x03, 0xec, 0xee, // mov dx, 0x3f8; in al, dx; out dx, al
];

const folder = mkdtempSync(join(tmpdir(), 'partout-twice-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function kernelOf(name: string, code: readonly number[]): string {
  const path = join(folder, name);
  writeFileSync(path, multibootKernel(code));
  return path;
}

/** What a run has printed, and its hash. */
async function runOf(kernel: string, deterministic: DeterministicDescription, typed = ''):
Promise<{ console: string; hash: unknown }> {
  const guest = await MachineGuest.start({
    kernel, commandLine: '', memoryBytes: 16 * 2 ** 20, debugExit: true, deterministic,
  });
  if (typed !== '') guest.type(typed);
  await guest.ended;
  await guest[Symbol.asyncDispose]();
  return { console: guest.console, hash: hashOf(guest) };
}

function hashOf(guest: MachineGuest): unknown {
  return (guest.machine.statistics() as { traceHash?: string }).traceHash;
}

test('the same seed gives the same run, another seed another', { timeout: DEADLINE_MS }, async () => {
  const kernel = kernelOf('random', [...RANDOM, ...PRINT, ...PRINT_TIME, ...EXIT]);
  const first = await runOf(kernel, { seed: 1n });
  assert.match(String(first.hash), /^[\da-f]{16}$/);
  assert.equal(first.console.length, 3);
  assert.deepEqual(await runOf(kernel, { seed: 1n }), first);
  assert.notEqual((await runOf(kernel, { seed: 2n })).hash, first.hash);
});

test('what was typed comes at the same instruction again', { timeout: DEADLINE_MS }, async () => {
  const kernel = kernelOf('typed', [...WAIT_FOR_INPUT, ...PRINT_TIME, ...EXIT]);
  const recordFile = join(folder, 'typed.record');
  const first = await runOf(kernel, { seed: 1n, recordFile }, 'x');
  assert.match(first.console, /^x[^]{2}$/);
  assert.match(readFileSync(recordFile, 'latin1'), /^partout input 1\n\d+ 78\n$/);
  assert.deepEqual(await runOf(kernel, { seed: 1n, replayFile: recordFile }), first);
});

test('a guest that prints more than the host has taken waits for it, and never knows', { timeout: DEADLINE_MS },
  async () => {
    const COUNT = 200_000;
    // mov ecx, COUNT; mov dx, 0x3fd; in al, dx; test al, 0x20; jz fail; mov dx, 0x3f8; out dx, al; loop
    const code = [0xb9, COUNT & 0xff, (COUNT >> 8) & 0xff, (COUNT >> 16) & 0xff, 0, 0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8,
      0x20, 0x74, 0x07, 0x66, 0xba, 0xf8, 0x03, 0xee, 0xe2, 0xf0];
    const end = await runOf(kernelOf('prints', [...code, ...EXIT]), { seed: 1n });
    assert.equal(end.console.length, COUNT);
  });

const { image, skip } = tinyImageOrReason();

function debian(deterministic: DeterministicDescription): Promise<MachineGuest> {
  return MachineGuest.start({
    kernel: image.kernel, initrd: image.initrd, commandLine: image.commandLine, memoryBytes: 256 * 2 ** 20,
    deterministic,
  });
}

test('a stock kernel boots, works and powers off twice in the same way', { timeout: 3 * BOOT_MS, skip }, async () => {
  const recordFile = join(folder, 'debian.record');
  await using first = await debian({ seed: 7n, recordFile });
  await first.prompt(BOOT_MS);
  const work = 'cat /proc/sys/kernel/random/uuid; dmesg | sha256sum; date';
  assert.match(await first.run(work, BOOT_MS), /^[\da-f-]{36}\n[\da-f]{64} {2}-\n.* 00:\d\d:\d\d UTC 2026\n$/);
  first.type('poweroff -f\n');
  await first.ended;
  await first.machine.stop(BOOT_MS);

  await using second = await debian({ seed: 7n, replayFile: recordFile });
  await second.ended;
  await second.machine.stop(BOOT_MS);
  assert.equal(second.console, first.console);
  assert.equal(hashOf(second), hashOf(first));
});
