/**
 * Traffic between two stock guests on a switch: iperf3 with TCP and UDP, one stream and four, then requests of one byte
 * and their responses, in turn. Nothing is lost, reset or stuck, and what the guests, their adapters and the switch have
 * counted agrees to the frame. `traffic.js SECONDS TURNS`: seconds for each of the four.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Host, type VM } from 'partout';
import type { PortStatus } from '../../src/host/switches.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { packagedPrograms } from '../program-files.ts';

const SECONDS = Number(process.argv[2] ?? 90);
const TURNS = Number(process.argv[3] ?? 200_000);
const COMMAND_MS = 60 * 60_000;
const SETTLE_MS = 2000;
const TURNS_PORT = 7000;
const UDP_STREAM_BITS = '10M';
const STREAMS = ['-P 1', '-P 4', `-P 1 -u -b ${UDP_STREAM_BITS}`, `-P 4 -u -b ${UDP_STREAM_BITS}`];
const COMPLAINTS = /WARNING:|lockup|watchdog: BUG|rcu: INFO|Oops|Call Trace|NETDEV WATCHDOG|hv_netvsc.*(invalid|fail)/i;
/** What `ethtool -S` has that no good network lets rise. */
const TROUBLES = ['tx_no_memory', 'tx_no_space', 'tx_too_big', 'tx_busy', 'rx_no_memory'];

/** `turns PORT` answers one connection, `turns PORT ADDRESS COUNT` asks that often. */
const TURNS_PROGRAM = `#!/bin/perl
my ($port, $ip, $count) = @ARGV;
socket(my $s, 2, 1, 6) or die "socket: $!\\n";
if (defined $ip) {
  connect($s, pack('S n C4 x8', 2, $port, split(/\\./, $ip))) or die "connect: $!\\n";
} else {
  bind($s, pack('S n N x8', 2, $port, 0)) or die "bind: $!\\n";
  listen($s, 1) or die "listen: $!\\n";
  accept(my $c, $s) or die "accept: $!\\n";
  $s = $c;
}
setsockopt($s, 6, 1, pack('i', 1)) or die "no delay: $!\\n";
my $byte = 'x';
if (defined $ip) {
  for (1 .. $count) {
    syswrite($s, $byte) == 1 or die "turn $_: $!\\n";
    sysread($s, $byte, 1) == 1 or die "turn $_: $!\\n";
  }
} else {
  syswrite($s, $byte) while sysread($s, $byte, 1) == 1;
}
`;

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
process.env['PARTOUT_CONFIG'] = folder;
process.env['PARTOUT_RUNTIME'] = folder;
const { kernel, initrd: plain, commandLine } = guestImage('tiny');
const initrd = join(folder, 'initrd');
const programs = await Promise.all([
  packagedPrograms('iperf3', ['usr/bin/iperf3']), packagedPrograms('perl-base', ['usr/bin/perl']),
  packagedPrograms('ethtool', ['sbin/ethtool']),
]);
extendInitramfs(plain, Object.assign({ 'bin/turns': TURNS_PROGRAM }, ...programs) as Record<string, Uint8Array>, initrd);

async function run(vm: VM, line: string): Promise<string> {
  const { stdout, stderr, exitCode } = await vm.exec(['sh', '-c', line], { deadlineMs: COMMAND_MS });
  assert.equal(exitCode, 0, `${vm.name}: ${line}: ${stdout}${stderr}`);
  return stdout;
}

/** Of the guest's own: frames both ways, and what should stay at nothing. */
async function countersOf(vm: VM): Promise<{ received: number; sent: number; troubles: Record<string, number> }> {
  const text = await run(vm, 'cd /sys/class/net/eth0/statistics; grep . *; ethtool -S eth0');
  const values = Object.fromEntries([...text.matchAll(/^\s*(\w+):\s*(\d+)$/gm)].map(([, name, value]) =>
    [name as string, Number(value)]));
  const isTrouble = (name: string): boolean => TROUBLES.includes(name) || /_(errors|dropped)$/.test(name);
  const troubles = Object.fromEntries(Object.entries(values).filter(([name, value]) => value > 0 && isTrouble(name)));
  assert.equal(values['stop_queue'], values['wake_queue'], 'a queue that was stopped was woken');
  return { received: values['rx_packets'] ?? 0, sent: values['tx_packets'] ?? 0, troubles };
}

/** Rates in Mbit/s, as the receiver has them. */
async function streams(from: VM): Promise<string[]> {
  const rates: string[] = [];
  for (const words of STREAMS) {
    const json = await run(from, `iperf3 -J -t ${SECONDS} -c 10.5.0.2 ${words}`);
    const { error, end } = JSON.parse(json) as {
      error?: string;
      end: { sum?: { bits_per_second: number; lost_packets: number }; sum_received?: { bits_per_second: number } };
    };
    assert.equal(error, undefined);
    assert.equal(end.sum?.lost_packets ?? 0, 0, 'datagrams are lost');
    const bits = end.sum_received?.bits_per_second ?? end.sum?.bits_per_second ?? 0;
    assert.ok(bits > 1e6, `${words}: ${bits} bit/s`);
    rates.push((bits / 1e6).toFixed(0));
    process.stdout.write(`${words}: ${(bits / 1e6).toFixed(1)} Mbit/s\n`);
  }
  return rates;
}

try {
  await using host = await Host.open();
  const lab = await host.createSwitch({ name: 'lab', type: 'private' });
  const guests: VM[] = [];
  for (const [i, name] of ['a', 'b'].entries()) {
    const vm = await host.createVM({
      name, kernel, initrd, commandLine: `${commandLine} partout.address=none`, memory: '256M',
      nics: [{ switch: lab, name }],
    });
    await vm.start();
    await run(vm, `ip addr add 10.5.0.${i + 1}/24 dev eth0; ip link set eth0 up`);
    guests.push(vm);
  }
  const [a, b] = guests as [VM, VM];
  await run(b, `iperf3 -s -D; turns ${TURNS_PORT} > /dev/null 2>&1 & true`);
  await run(a, 'until ping -c 1 -W 1 10.5.0.2 > /dev/null; do :; done');
  const rates = await streams(a);
  // What the guest counts is segments, where it cuts them itself.
  const before = await countersOf(a);
  await run(a, 'ethtool -K eth0 tso off gso off');
  const start = performance.now();
  await run(a, `turns ${TURNS_PORT} 10.5.0.2 ${TURNS}`);
  const seconds = (performance.now() - start) / 1000;
  await wait(SETTLE_MS);
  const counted = [await countersOf(a), await countersOf(b)];
  const { ports = [] } = await lab.status();
  const port = (name: string): PortStatus['counters'] => ports.find(({ nic }) => nic === name)!.counters;
  process.stdout.write(`${JSON.stringify({ counted, before, a: port('a'), b: port('b') })}\n`);
  for (const each of counted) assert.deepEqual(each.troubles, {});
  for (const [i, name] of (['a', 'b'] as const).entries()) {
    assert.equal(counted[i]?.received, port(name).framesOut, `${name} has received what the switch gave it`);
  }
  assert.equal(port('a').framesIn, port('b').framesOut, 'what one has sent the other was given');
  assert.equal(port('b').framesIn, port('a').framesOut);
  for (const vm of guests) assert.doesNotMatch(await run(vm, 'dmesg'), COMPLAINTS);
  process.stdout.write(`figure: TCP and UDP of 1 and 4 streams ${rates.join(', ')} Mbit/s, ${SECONDS} s each; ${TURNS} `
    + `turns in ${seconds.toFixed(0)} s; ${port('a').framesIn + port('b').framesIn} frames, all accounted for\n`);
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
