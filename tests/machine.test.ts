/** `partout boot` with kernels of a few instructions: how a run ends, and what it leaves behind. */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Guest } from './guest.ts';
import { IDLE, TIGHT_LOOP, TRIPLE_FAULT, debugExit, multibootKernel, says } from './multiboot-kernel.ts';

/** Far more than any of this takes. */
const PATIENCE_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Boots machine code. */
function booted(name: string, code: readonly number[], ...words: string[]): Guest {
  return new Guest({ kernel: fileOf(name, multibootKernel(code)), append: '', words });
}

for (const byte of [0, 0x10, 0x7f, 0xff]) {
  test(`the byte ${byte} at the debug-exit port ends the run with status ${(byte << 1 | 1) & 0xff}`, async () => {
    await using guest = booted('debug-exit', debugExit(byte), '--debug-exit', '--timeout', '60');
    assert.equal(await guest.exited, (byte << 1 | 1) & 0xff, guest.errors);
  });
}

test('without --debug-exit that port does nothing', async () => {
  await using guest = booted('no-debug-exit', debugExit(1), '--timeout', '2');
  assert.equal(await guest.exited, 124, guest.errors);
});

for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
  test(`${signal} ends a guest in a tight loop with interrupts off`, async () => {
    await using guest = booted('tight-loop', [...says('up').slice(0, -IDLE.length), ...TIGHT_LOOP]);
    await guest.expect(/up/, PATIENCE_MS);
    guest.process.kill(signal);
    assert.equal(await guest.exited, status, guest.errors);
  });
}

test('the deadline ends an idle guest', async () => {
  await using guest = booted('idle', IDLE, '--timeout', '1');
  assert.equal(await guest.exited, 124);
  assert.match(guest.errors, /^partout: stopped after 1 seconds, as --timeout says\n$/);
});

test('a triple fault is a crash under --no-reboot', async () => {
  await using guest = booted('triple-fault', TRIPLE_FAULT, '--no-reboot', '--timeout', '60');
  assert.equal(await guest.exited, 8, guest.errors);
  assert.match(guest.errors, /triple fault/);
});

test('a crash shows the last instructions, by name, when they were traced', async () => {
  await using guest = booted('traced', TRIPLE_FAULT, '--no-reboot', '--trace', 'instructions', '--timeout', '60');
  assert.equal(await guest.exited, 8, guest.errors);
  assert.match(guest.errors, /^ *[0-9a-f]{16}  (?:[0-9a-f]{2} ){8} (?:LIDT|INT3|UD2|INT)/m);
});
test('a triple fault starts the guest again in place', async () => {
  await using guest = booted('again', [...says('.').slice(0, -IDLE.length), ...TRIPLE_FAULT]);
  await guest.expect(/\.{3}/, PATIENCE_MS);
  guest.process.kill('SIGTERM');
  assert.equal(await guest.exited, 143);
});

test('figures about the run are written', async () => {
  const statsFile = join(folder, 'stats.json');
  await using guest = booted('stats', debugExit(0), '--debug-exit', '--stats', statsFile);
  assert.equal(await guest.exited, 1, guest.errors);
  const figures = JSON.parse(readFileSync(statsFile, 'utf8')) as Record<string, unknown>;
  assert.equal(figures['engine'], 'wasm');
  assert.equal(figures['status'], 1);
  for (const name of ['wallSeconds', 'peakMemoryBytes']) assert.ok(Number(figures[name]) > 0, name);
});

const TEXT = fileOf('text', Buffer.from('this is no kernel\n'.repeat(1000)));
const KERNEL = fileOf('kernel', multibootKernel(IDLE));
const LARGE = fileOf('large', Buffer.alloc(20 * 2 ** 20));
const EMPTY = fileOf('empty', Buffer.alloc(0));
const ABSENT = join(folder, 'absent');

const REFUSED: readonly (readonly [what: string, words: readonly string[]])[] = [
  ['a kernel that is not there', ['--kernel', ABSENT]],
  ['a folder as kernel', ['--kernel', folder]],
  ['a kernel that is none', ['--kernel', TEXT]],
  ['an empty kernel', ['--kernel', EMPTY]],
  ['an initrd that is not there', ['--kernel', KERNEL, '--initrd', ABSENT]],
  ['an initrd larger than the memory', ['--kernel', KERNEL, '--initrd', LARGE, '--memory', '16M']],
];

for (const [what, words] of REFUSED) {
  test(`${what} is refused in one sentence`, async () => {
    const before = readdirSync(folder);
    const [, kernel = '', ...rest] = words;
    await using guest = new Guest({ kernel, words: rest });
    assert.equal(await guest.exited, 2, guest.errors);
    assert.match(guest.errors, /^partout: [^\n]+\n$/);
    assert.equal(guest.console, '');
    assert.deepEqual(readdirSync(folder), before);
    assert.equal(existsSync(ABSENT), false);
  });
}
