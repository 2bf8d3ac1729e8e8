/** Small guests saved and restored, and files that are no state any more. */

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync }
  from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { Host, type VM } from 'partout';
import { GENERATION_ID_BYTES, GENERATION_ID_GPA } from '../src/chipset/platform.ts';
import { CHUNK_BYTES } from '../src/engine/absent-memory.ts';
import { OperatingError } from '../src/kit/errors.ts';
import { FORMAT_VERSION, HEADER_BYTES, StateHeader } from '../src/machine/saved-state/layout.ts';
import { SavedMemorySource } from '../src/machine/saved-state/memory-source.ts';
import { StateFile } from '../src/machine/saved-state/read.ts';
import { Guest } from './guest.ts';
import { MachineGuest } from './machine-guest.ts';
import { counts, multibootKernel } from './multiboot-kernel.ts';

const PATIENCE_MS = 60_000;
const PAGE = 4096;
const CORPUS = fileURLToPath(new URL('../../tests/saved-states/', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
after(() => rmSync(folder, { recursive: true }));
const kernel = join(folder, 'kernel');
writeFileSync(kernel, multibootKernel(counts()));
const DESCRIPTION = { kernel, commandLine: '', memoryBytes: 16 * 2 ** 20 };

/** A state of a guest that has answered twice. */
async function saved(name: string, description: object = {}): Promise<string> {
  const file = join(folder, name);
  await using guest = await MachineGuest.start({ ...DESCRIPTION, ...description });
  await guest.expect(/>/, PATIENCE_MS);
  guest.type('xx');
  await guest.expect(/A0B1/, PATIENCE_MS);
  await guest.machine.save(file);
  assert.deepEqual(await guest.ended, { kind: 'off' });
  return file;
}

const good = await saved('good');

test('a guest goes on in a new machine where it was, and again from there', async () => {
  const second = join(folder, 'second');
  {
    await using guest = await MachineGuest.restore({ file: good });
    guest.type('x');
    await guest.expect(/^C2/, PATIENCE_MS);
    await guest.machine.save(second);
  }
  await using guest = await MachineGuest.restore({ file: second });
  guest.type('x');
  await guest.expect(/^D3/, PATIENCE_MS);
  assert.notDeepEqual(generationOf(second), generationOf(good));
});

/** The number by which the guest of a state knows that it was restored. */
function generationOf(file: string): Uint8Array {
  using state = new StateFile(file);
  const number = Math.floor(GENERATION_ID_GPA / CHUNK_BYTES);
  const { pages, bytes } = new SavedMemorySource(state.memory).read(number);
  const page = (GENERATION_ID_GPA % CHUNK_BYTES) / PAGE;
  assert.ok((pages & (1 << page)) !== 0);
  let before = 0;
  for (let each = 0; each < page; each++) if ((pages & (1 << each)) !== 0) before += PAGE;
  return bytes.slice(before, before + GENERATION_ID_BYTES);
}

test('bytes that are on their way to the guest arrive in the new machine', async () => {
  const file = join(folder, 'typed');
  {
    await using guest = await MachineGuest.restore({ file: good });
    guest.type('x'.repeat(20));
    await guest.machine.save(file);
  }
  await using guest = await MachineGuest.restore({ file });
  guest.type('x');
  await guest.expect(/W22|W[0-9:;<=>?@A-F]$/, PATIENCE_MS);
});

test('a state that cannot be written is refused in a sentence, and the guest goes on', async () => {
  await using guest = await MachineGuest.restore({ file: good });
  await assert.rejects(guest.machine.save(join(folder, 'nowhere', 'file')), (error: Error) => {
    assert.ok(error instanceof OperatingError);
    assert.match(error.message, /^cannot write the state to .*: there is no such file or folder$/);
    return true;
  });
  guest.type('x');
  await guest.expect(/C2/, PATIENCE_MS);
});

test('on the command line SIGUSR2 saves, and --restore goes on', async () => {
  const file = join(folder, 'by-signal');
  {
    await using guest = new Guest({ kernel, append: '', words: ['--memory', '16M', '--save', file] });
    await guest.expect(/>/, PATIENCE_MS);
    guest.type('x');
    await guest.expect(/A0/, PATIENCE_MS);
    guest.process.kill('SIGUSR2');
    assert.equal(await guest.exited, 0, guest.errors);
  }
  assert.ok(existsSync(file));
  assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith('.partial')), []);
  await using guest = Guest.restored(file, ['--timeout', '60']);
  guest.type('x');
  await guest.expect(/B1/, PATIENCE_MS);
});

test('a program saves a VM and restores it under another name; started again, it begins anew', async () => {
  const file = join(folder, 'by-program');
  await using host = await Host.open();
  {
    await using vm = await host.createVM({ name: 'a', kernel, memory: '16M', nics: [] });
    const shows = consoleOf(vm);
    await vm.start();
    await shows(/>/);
    vm.console.write('x');
    await shows(/A0/);
    await assert.rejects(vm.saveState(join(folder, 'nowhere', 'file')), /^OperatingError: cannot write the state to/);
    await vm.saveState(file);
    assert.equal(vm.state, 'off');
  }
  await using vm = await host.restore({ name: 'b', file });
  const shows = consoleOf(vm);
  assert.equal(vm.state, 'running');
  vm.console.write('x');
  await shows(/^B1/);
  await vm.stop();
  await vm.start();
  await shows(/>/);
  await assert.rejects(host.restore({ name: 'c', file: kernel }), /is damaged|is no saved state/);
  assert.equal(host.vm('c'), undefined);
});

/** Reads a VM's console until it shows `pattern`. */
function consoleOf(vm: VM): (pattern: RegExp) => Promise<void> {
  let text = '';
  vm.console.on('data', (bytes: Buffer) => { text += bytes.toString('latin1'); });
  return async (pattern) => {
    const deadline = performance.now() + PATIENCE_MS;
    while (!pattern.test(text)) {
      if (performance.now() > deadline) throw new Error(`no ${pattern} in ${text}`);
      await setTimeout(10);
    }
    text = '';
  };
}

for (const name of readdirSync(CORPUS).filter((each) => each.endsWith('.state'))) {
  test(`the state ${name} of an earlier version goes on`, async () => {
    await using guest = await MachineGuest.restore({ file: join(CORPUS, name) });
    guest.type('x');
    await guest.expect(/C2/, PATIENCE_MS);
  });
}

/** What is wrong with a file, as its reader says it. */
function refusal(bytes: Uint8Array): string {
  const file = join(folder, 'bad');
  writeFileSync(file, bytes);
  try {
    using state = new StateFile(file);
    state.verifyMemory();
  } catch (error) {
    assert.ok(error instanceof OperatingError, String(error));
    assert.match(error.message, /^[^\n]+$/);
    return error.message;
  }
  return '';
}

test('every byte is under a checksum', () => {
  const bytes = readFileSync(good);
  assert.equal(refusal(bytes), '');
  for (let at = 0; at < bytes.length; at += at < 160 ? 1 : 97) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] as number) ^ (1 << (at % 8));
    assert.match(refusal(changed), /is damaged: |is no saved state: |format version/, `byte ${at}`);
  }
});

test('a file that was cut off anywhere is refused', () => {
  const bytes = readFileSync(good);
  for (let length = 0; length < bytes.length; length += 61) {
    assert.match(refusal(bytes.subarray(0, length)), /is damaged: /, `${length} bytes`);
  }
});

test('a state of a newer format, and what is no state, are refused in a sentence', () => {
  const bytes = readFileSync(good);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  StateHeader.formatVersion.set(view, 0, FORMAT_VERSION + 1);
  StateHeader.checksum.set(view, 0, 0);
  StateHeader.checksum.set(view, 0, crc32(bytes.subarray(0, HEADER_BYTES)));
  assert.match(refusal(bytes), /^cannot go on from .*: it has format version 2, and this program reads up to 1: /);
  assert.match(refusal(Buffer.alloc(5000, 'text')), /is no saved state: give a file that partout boot --save wrote/);
});

test('on the command line a damaged state has status 2 and one sentence', async () => {
  const bytes = readFileSync(good);
  const file = join(folder, 'damaged');
  writeFileSync(file, bytes.subarray(0, bytes.length - 100));
  await using guest = Guest.restored(file);
  assert.equal(await guest.exited, 2);
  assert.match(guest.errors, /^partout: [^\n]+ is damaged: [^\n]+\n$/);
  assert.equal(guest.console, '');
});

test('a disk that has changed since is refused, unless the user names it', async () => {
  const path = join(folder, 'disk');
  writeFileSync(path, Buffer.alloc(2 ** 20));
  const file = await saved('with-disk', { disks: [{ path, readOnly: false }] });
  const copy = join(folder, 'copy');
  copyFileSync(path, copy);
  {
    await using guest = await MachineGuest.restore({ file });
    guest.type('x');
    await guest.expect(/C2/, PATIENCE_MS);
  }
  utimesSync(path, 1, 1);
  await assert.rejects(MachineGuest.restore({ file }), /the disk .* has changed since .* name the disks with --disk/);
  await assert.rejects(MachineGuest.restore({ file, disks: [] }), /has 1 disks, and 0 were given/);
  await using guest = await MachineGuest.restore({ file, disks: [{ path: copy, readOnly: false }] });
  guest.type('x');
  await guest.expect(/C2/, PATIENCE_MS);
});
