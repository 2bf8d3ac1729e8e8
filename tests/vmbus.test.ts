/**
 * The stock drivers of unmodified Debian kernels on our VMBus: the judge of whether offers, rings and services are what
 * a Hyper-V guest expects. Needs apt, to fetch the kernels and busybox.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { readCpio } from '../src/images/cpio.ts';
import { type Clock, HostClock } from '../src/kit/clock.ts';
import { tinyImageOrReason } from './guest.ts';
import { hangingModule } from './hanging-module.ts';
import { extendInitramfs } from './initramfs.ts';
import { MachineGuest } from './machine-guest.ts';
import { ECHO_PORT, HOST_PORT, vsockProgram } from './vsock-program.ts';

const BOOT_MS = 3 * 60_000;
const COMMAND_MS = 60_000;
const COMPLAINTS = /WARNING:|unchecked MSR|lockup|watchdog: BUG|rcu: INFO|Oops|Call Trace/;
const SERVICES = [
  /hv_vmbus: Vmbus version:5\.3/, /hv_utils: Heartbeat IC version 3\.0/, /hv_utils: Shutdown IC version 3\.2/,
  /hv_utils: TimeSync IC version 4\.0/, /hv_utils: VSS IC version 5\.0/,
];

const HOUR_MS = 3_600_000;
/** How far the guest's clock may be from ours: `date` tells seconds, and takes its time on a busy host. */
const NEAR_MS = 10_000;

/** The host's clock, set forward. */
class SteppedClock implements Clock {
  readonly #host = new HostClock();
  stepMs = 0;

  nowNs(): number {
    return this.#host.nowNs();
  }

  wallMs(): number {
    return this.#host.wallMs() + this.stepMs;
  }
}

async function allOf(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function echoes(guest: MachineGuest, data: Buffer): Promise<boolean> {
  const stream = await guest.machine.socket(ECHO_PORT);
  stream.end(data);
  return (await allOf(stream)).equals(data);
}

const bookworm = tinyImageOrReason();

test('every driver binds, answers, survives being reloaded, and obeys', { skip: bookworm.skip }, async () => {
  const { kernel, initrd, commandLine } = bookworm.image;
  const folder = mkdtempSync(join(tmpdir(), 'partout-test-'));
  try {
    const extended = join(folder, 'initrd');
    const module = readCpio(readFileSync(initrd)).find(({ path }) => path.endsWith('/hyperv_keyboard.ko'));
    assert.ok(module?.kind === 'file');
    extendInitramfs(initrd, { 'bin/vsock': vsockProgram(), 'hang.ko': hangingModule(module.data) }, extended);
    const clock = new SteppedClock();
    await using guest = await MachineGuest.start({ kernel, initrd: extended, commandLine }, { clock });
    await guest.prompt(BOOT_MS);
    await bindsAndCounts(guest);
    await reloads(guest);
    await speaks(guest);
    await followsTheClock(guest, clock);
    const log = await guest.run('dmesg', COMMAND_MS);
    assert.doesNotMatch(log, COMPLAINTS);
    await hangs(guest);
    await guest.machine.shutdown();
    assert.deepEqual(await guest.ended, { kind: 'off' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

async function bindsAndCounts(guest: MachineGuest): Promise<void> {
  const log = await guest.run('dmesg', COMMAND_MS);
  for (const line of SERVICES) assert.match(log, line);
  const { heartbeat } = guest.machine.vmbus;
  await guest.until('the heartbeat goes on', () => heartbeat.answered > 1, COMMAND_MS);
  assert.equal(guest.machine.heartbeat, 'ok');
  const seconds = Number(await guest.run('date +%s', COMMAND_MS));
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 5, `the guest's clock says ${seconds}`);
}

/** Nothing is left on our side of a driver that went and came. */
async function reloads(guest: MachineGuest): Promise<void> {
  const { bus } = guest.machine.vmbus;
  const before = { lists: bus.gpadls.count, offers: bus.offers.all().length };
  const reload = 'rmmod hv_utils && insmod $(grep /hv_utils /etc/vmbus-modules) || break';
  await guest.run('dmesg -n 1', COMMAND_MS);
  assert.equal(await guest.run(`for i in 1 2 3 4 5; do ${reload}; done; echo $i`, COMMAND_MS), '5\n');
  await guest.until('the channels are open again', () => bus.gpadls.count === before.lists, COMMAND_MS);
  assert.equal(bus.offers.all().length, before.offers);
  await guest.until('the heart beats again', () => guest.machine.heartbeat === 'ok', COMMAND_MS);
}

/** Streams in both directions, large, many at once, and to nobody. */
async function speaks(guest: MachineGuest): Promise<void> {
  const { sockets } = guest.machine.vmbus;
  await assert.rejects(sockets.connect(ECHO_PORT, 500), /nothing there listens on it/);
  guest.type('vsock &\n');
  await guest.expect(/listening\r*\n/, COMMAND_MS);
  assert.ok(await echoes(guest, Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) >> 3))));
  const many = Array.from({ length: 30 }, (_, i) => echoes(guest, Buffer.alloc(5000, i)));
  assert.deepEqual(new Set(await Promise.all(many)), new Set([true]));
  const heard: Promise<Buffer>[] = [];
  using listening = sockets.listen(HOST_PORT, (stream) => {
    heard.push(allOf(stream));
    stream.end('heard you\n');
  });
  assert.ok(listening);
  assert.match(await guest.run('echo hello | vsock out', COMMAND_MS), /heard you/);
  assert.equal((await heard[0])?.toString(), 'hello\n');
  await losesItsPeer(guest);
  await guest.until('every connection is gone', () => sockets.connectionCount === 0, COMMAND_MS);
  const { offers } = guest.machine.vmbus.bus;
  const isStream = (classId: string): boolean => classId.endsWith('-facb-11e6-bd58-64006a7986d3');
  await guest.until('the guest has let go of every stream',
    () => offers.all().every(({ service }) => !isStream(service.description.classId)), COMMAND_MS);
}

/** A program of the guest that is killed ends its streams, in the midst of them. */
async function losesItsPeer(guest: MachineGuest): Promise<void> {
  const stream = await guest.machine.socket(ECHO_PORT);
  stream.write('are you there?');
  assert.equal(String((await once(stream, 'data'))[0]), 'are you there?');
  const signal = AbortSignal.timeout(COMMAND_MS);
  const [ended, closed] = [once(stream, 'end', { signal }), once(stream, 'close', { signal })];
  await guest.run('kill -9 $(pidof vsock)', COMMAND_MS);
  await ended;
  stream.end('you were');
  await closed;
}

async function followsTheClock(guest: MachineGuest, clock: SteppedClock): Promise<void> {
  clock.stepMs = 24 * HOUR_MS;
  const deadline = performance.now() + COMMAND_MS;
  for (;;) {
    const seconds = Number(await guest.run('date +%s', COMMAND_MS));
    if (Math.abs(seconds * 1000 - clock.wallMs()) < NEAR_MS) return;
    assert.ok(performance.now() < deadline, `the guest's clock says ${seconds}`);
  }
}

/** A guest that loops with its interrupts off is noticed, and so is its return. */
async function hangs(guest: MachineGuest): Promise<void> {
  guest.type('rmmod hyperv_keyboard; echo "hang"ing; insmod /hang.ko; echo "return"ed\n');
  await guest.expect(/hanging\r*\n/, COMMAND_MS);
  await guest.until('the loss is noticed', () => guest.machine.heartbeat === 'lost', COMMAND_MS);
  guest.type('.');
  await guest.expect(/returned\r*\n/, COMMAND_MS);
  await guest.until('the heart beats again', () => guest.machine.heartbeat === 'ok', COMMAND_MS);
}

const trixie = tinyImageOrReason('trixie');

test('a guest of kernel 6.12 restarts when asked to, and finds everything again', { skip: trixie.skip }, async () => {
  const { kernel, initrd, commandLine } = trixie.image;
  await using guest = await MachineGuest.start({ kernel, initrd, commandLine, rebootInPlace: true });
  for (const isAgain of [false, true]) {
    await guest.prompt(BOOT_MS);
    const log = await guest.run('dmesg', COMMAND_MS);
    for (const line of SERVICES) assert.match(log, line);
    assert.doesNotMatch(log, COMPLAINTS);
    await guest.until('the heart beats', () => guest.machine.heartbeat === 'ok', COMMAND_MS);
    if (!isAgain) await guest.machine.reboot();
  }
  await guest.machine.shutdown();
  assert.deepEqual(await guest.ended, { kind: 'off' });
});
