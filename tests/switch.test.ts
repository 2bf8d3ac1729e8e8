/**
 * Two stock guests on a private switch, each in a process of its own, and a third process that is the switch: they
 * reach each other and nobody else, and the switch may die. Needs apt, to fetch the kernel and busybox.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SwitchLink } from '../src/vswitch/link/switch-link.ts';
import { ask } from '../src/vswitch/service/ask.ts';
import { reachSwitches, startSwitches } from '../src/vswitch/service/start.ts';
import { SwitchDirectory } from '../src/vswitch/service/switch-directory.ts';
import { until } from '../src/vswitch/testing/own-switches.ts';
import { Guest, PARTOUT, tinyImageOrReason } from './guest.ts';

const BOOT_MS = 300_000;
const COMMAND_MS = 120_000;
const A = '00:15:5d:01:00:0a';
const B = '00:15:5d:01:00:0b';

const { image, skip } = tinyImageOrReason();
const folder = mkdtempSync(join(tmpdir(), 'partout-switches-'));
process.env['PARTOUT_CONFIG'] = folder;
process.env['PARTOUT_RUNTIME'] = folder;
const directory = SwitchDirectory.open();
after(async () => {
  const pid = await processId();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function processId(): Promise<number | undefined> {
  const socket = await reachSwitches(directory);
  return socket === undefined ? undefined : (await ask(socket, { kind: 'process' }) as { pid: number }).pid;
}

function partout(...words: string[]): string {
  return execFileSync(PARTOUT, words, { encoding: 'utf8' });
}

function guestOn(name: string, mac: string): Guest {
  const { kernel, initrd, commandLine } = image;
  return new Guest({
    kernel, initrd, append: `${commandLine} partout.address=none`,
    words: ['--memory', '128M', '--nic', `lab,name=${name},mac=${mac}`],
  });
}

async function prepare(guest: Guest, last: number): Promise<void> {
  await guest.prompt(BOOT_MS);
  await guest.run(`dmesg -n 1; ip addr add 10.5.0.${last}/24 dev eth0; ip link set eth0 up`, COMMAND_MS);
  await guest.run(`ip -6 addr add fd05::${last}/64 dev eth0`, COMMAND_MS);
}

/** Source and destination of every frame in a capture file. */
function addressesIn(file: string): Set<string> {
  const bytes = readFileSync(file);
  const pairs = new Set<string>();
  for (let at = 0; at + 12 <= bytes.length; at += bytes.readUInt32LE(at + 4)) {
    if (bytes.readUInt32LE(at) !== 6) continue;
    pairs.add(bytes.subarray(at + 34, at + 40).toString('hex'));
  }
  return pairs;
}

test('two guests on a private switch reach each other, nobody else, and outlive the switch', { skip }, async () => {
  partout('switch', 'new', 'lab');
  partout('switch', 'new', 'other');
  const strangers: number[] = [];
  const stranger = new SwitchLink({
    switch: 'other', nic: 'stranger', mac: 0x0015_5d01_0063, reach: (reading) => startSwitches(directory, reading),
  });
  stranger.setReceiver({ deliver: (_buffer, _offset, length) => strangers.push(length) > 0 }, () => {});
  await using a = guestOn('a', A);
  await using b = guestOn('b', B);
  await Promise.all([prepare(a, 1), prepare(b, 2)]);
  const file = join(folder, 'all.pcapng');
  const capture = spawn(PARTOUT, ['switch', 'capture', 'lab', file, '--point', 'ingress'], { stdio: 'inherit' });
  await until('the capture begins', () => {
    try {
      return readFileSync(file).length > 0;
    } catch {
      return false;
    }
  });
  for (const [guest, other] of [[a, 2], [b, 1]] as const) {
    const { output } = await guest.run(`ping -c 3 10.5.0.${other}`, COMMAND_MS);
    assert.match(output, / 0% packet loss/);
    // An address is of use once nobody else was found to have it.
    const six = await guest.run(`until ping6 -c 1 -W 1 fd05::${other}; do sleep 0.2; done`, COMMAND_MS);
    assert.match(six.output, / 0% packet loss/);
  }
  assert.equal((await a.run('ping -c 1 -W 1 10.5.0.99', COMMAND_MS)).status, 1);
  capture.kill('SIGINT');
  await once(capture, 'exit');
  assert.deepEqual([...addressesIn(file)].sort(), [A, B].map((mac) => mac.replaceAll(':', '')));
  assert.deepEqual(strangers, []);
  const figures = JSON.parse(partout('switch', 'stats', 'lab', '--json')) as { nic: string; framesIn: number }[];
  assert.ok(figures.every(({ framesIn }) => framesIn >= 12), JSON.stringify(figures));
  const steps = partout('switch', 'trace', 'lab', 'a', '--to', B.replaceAll(':', '-'));
  assert.equal(steps, 'ingress on a: VLAN 0\negress on b: plain\ndelivered to b\n');

  const killed = await processId() as number;
  process.kill(killed, 'SIGKILL');
  const { output } = await a.run('until ping -c 1 -W 1 10.5.0.2; do :; done', COMMAND_MS);
  assert.match(output, / 0% packet loss/);
  assert.notEqual(await processId(), killed, 'another process was started by those who lost it');

  partout('nic', 'set', 'lab', 'b', '--vlan', 'access:10');
  assert.equal((await a.run('ping -c 1 -W 1 10.5.0.2', COMMAND_MS)).status, 1);
  stranger.close();
});
