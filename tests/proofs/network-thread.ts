/**
 * The network threads of two guests on a switch are killed in turn, again and again, under TCP and under numbered
 * datagrams both ways: each time frames pass again within two seconds, no datagram comes twice, and nothing that the
 * guests have begun stays unanswered: the connections live, and their drivers unload. `network-thread.js KILLS`.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readConfiguration } from '../../src/vswitch/service/configuration.ts';
import { SwitchDirectory } from '../../src/vswitch/service/switch-directory.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { MachineGuest } from '../machine-guest.ts';
import { packagedPrograms } from '../program-files.ts';

const KILLS = Number(process.argv[2] ?? 50);
const BOOT_MS = 10 * 60_000;
const COMMAND_MS = 5 * 60_000;
const LONGEST_GAP_MS = 2000;
const PORT = 7000;
const TCP_PORT = 5201;
const COMPLAINTS =
  /WARNING:|lockup|watchdog: BUG|rcu: INFO|Oops|Call Trace|NETDEV WATCHDOG|hv_netvsc.*(invalid|unknown|fail|error)/i;

/**
 * `numbers PORT ADDRESS` sends numbered datagrams until /tmp/stop is there, then how many they were, a few times;
 * `numbers PORT` takes them and says what came.
 */
const NUMBERS_PROGRAM = `#!/bin/perl
my ($port, $ip) = @ARGV;
socket(my $s, 2, 2, 17) or die "socket: $!\\n";
if (defined $ip) {
  my $to = pack('S n C4 x8', 2, $port, split(/\\./, $ip));
  my $n = 0;
  until (-e '/tmp/stop') {
    send($s, pack('C N x100', 0, $n++), 0, $to) for 1 .. 8;
    select(undef, undef, undef, 0.005);
  }
  sleep(3);
  for (1 .. 10) { send($s, pack('C N', 1, $n), 0, $to); select(undef, undef, undef, 0.2); }
} else {
  bind($s, pack('S n N x8', 2, $port, 0)) or die "bind: $!\\n";
  my ($seen, $came, $twice) = ('', 0, 0);
  while (defined recv($s, my $data, 200, 0)) {
    my ($isEnd, $n) = unpack('C N', $data);
    if ($isEnd) { print "came $came of $n, twice $twice\\n"; exit 0; }
    $came++;
    $twice++ if vec($seen, $n, 1);
    vec($seen, $n, 1) = 1;
  }
}
`;

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
process.env['PARTOUT_CONFIG'] = folder;
process.env['PARTOUT_RUNTIME'] = folder;

/** How often frames were counted, by both guests. */
function received(guest: MachineGuest): number {
  return guest.machine.network.adapters[0]?.statistics.receivedFrames ?? 0;
}

async function startGuest(name: string, number: number, processors: number): Promise<MachineGuest> {
  const { kernel, commandLine } = guestImage('tiny');
  const guest = await MachineGuest.start({
    kernel, initrd: join(folder, 'initrd'), commandLine: `${commandLine} partout.address=none`, processors,
    memoryBytes: 2 ** 28, nics: [{ network: 'lab', name }],
  });
  await guest.prompt(BOOT_MS);
  await guest.run(`dmesg -n 1; ip addr add 10.5.0.${number}/24 dev eth0; ip link set eth0 up`, COMMAND_MS);
  return guest;
}

/** What the receiver of a guest has seen, as soon as it says so. */
async function verdict(guest: MachineGuest): Promise<{ came: number; sent: number; twice: number }> {
  const text = await guest.run('until grep -q twice /tmp/numbers; do sleep 0.2; done; cat /tmp/numbers', COMMAND_MS);
  const [came, sent, twice] = (/came (\d+) of (\d+), twice (\d+)/.exec(text) ?? []).slice(1).map(Number);
  return { came: came ?? 0, sent: sent ?? 0, twice: twice ?? -1 };
}

try {
  const programs = await Promise.all([
    packagedPrograms('iperf3', ['usr/bin/iperf3']), packagedPrograms('perl-base', ['usr/bin/perl']),
  ]);
  extendInitramfs(guestImage('tiny').initrd, {
    ...Object.assign({}, ...programs) as Record<string, Uint8Array>, 'bin/numbers': NUMBERS_PROGRAM,
  }, join(folder, 'initrd'));
  SwitchDirectory.open().write(readConfiguration({ version: 1, name: 'lab', type: 'private' }));
  await using a = await startGuest('a', 1, 2);
  await using b = await startGuest('b', 2, 1);
  const guests = [a, b];
  await a.run('until ping -c 1 -W 1 10.5.0.2 > /dev/null; do :; done', COMMAND_MS);
  await b.run(`{ iperf3 -s -1 -p ${TCP_PORT} > /tmp/server 2>&1 & }`, COMMAND_MS);
  for (const guest of guests) await guest.run(`{ numbers ${PORT} > /tmp/numbers & }`, COMMAND_MS);
  for (const [i, guest] of guests.entries()) await guest.run(`{ numbers ${PORT} 10.5.0.${2 - i} & }`, COMMAND_MS);
  await a.run(`{ { iperf3 -p ${TCP_PORT} -t 36000 -c 10.5.0.2 > /tmp/client 2>&1; echo $? > /tmp/status; } & }`,
    COMMAND_MS);
  const gaps: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const start = guests.map(received);
    await a.until('frames pass', () => guests.every((each, i) => received(each) > start[i]! + 20), COMMAND_MS);
    await wait(Math.random() * 400);
    const killed = performance.now();
    await guests[kill % 2]!.machine.network.killThread();
    const before = guests.map(received);
    await a.until('frames pass again', () => guests.every((each, i) => received(each) > before[i]!), COMMAND_MS);
    gaps.push(performance.now() - killed);
  }
  for (const guest of guests) await guest.run('touch /tmp/stop', COMMAND_MS);
  const seen = await Promise.all(guests.map(verdict));
  // It ends by itself when it was not to: the connection has lived till now, and moves bytes.
  assert.equal(await a.run('ls /tmp/status 2> /dev/null', COMMAND_MS), '', 'the TCP connection lives');
  const tcp = received(b);
  await a.until('TCP goes on', () => received(b) > tcp + 100, COMMAND_MS);
  await a.run('killall -INT iperf3; until [ -e /tmp/status ]; do sleep 0.1; done', COMMAND_MS);
  for (const [i, { came, sent, twice }] of seen.entries()) {
    assert.equal(twice, 0, `${'ab'[i]}: datagrams that came twice`);
    assert.ok(came > sent / 10, `${came} of ${sent} datagrams`);
  }
  for (const guest of guests) {
    // Its driver waits until each send is completed.
    await guest.run('rmmod hv_netvsc', COMMAND_MS);
    assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), COMPLAINTS);
    assert.ok(guest.machine.network.restarts >= Math.floor(KILLS / 2));
  }
  gaps.sort((x, y) => x - y);
  const [median, worst] = [gaps[KILLS >> 1]!, gaps.at(-1)!].map(Math.round);
  assert.ok(worst! < LONGEST_GAP_MS, `frames pass again after ${worst} ms`);
  const [came, sent] = [0, 0].map((_, i) => seen.reduce((sum, each) => sum + [each.came, each.sent][i]!, 0));
  process.stdout.write(`figure: ${KILLS} kills, ${came} of ${sent} datagrams came and none twice, a TCP connection `
    + `lived; frames back after ${median} ms in the median and ${worst} ms at worst\n`);
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
