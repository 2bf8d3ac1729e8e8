/**
 * Traffic between two stock guests on a switch: iperf3 with TCP and UDP, one stream and four, then requests of one byte
 * and their responses, in turn. Nothing is reset or stuck, and what the guests, their adapters and the switch have
 * counted agrees to the frame; what a guest is too slow to take is counted, too. `traffic.js SECONDS TURNS`: seconds
 * for each of the four.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Host, type VirtualSwitch, type VM } from 'partout';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { packagedPrograms } from '../program-files.ts';
import { addressLine, runIn, startOnSwitch } from './lab-guests.ts';

const SECONDS = Number(process.argv[2] ?? 90);
const TURNS = Number(process.argv[3] ?? 200_000);
const COMMAND_MS = 60 * 60_000;
/** Looks at the counters until they should stand still. */
const MOST_ROUNDS = 100;
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
const files = Object.assign({}, ...programs) as Record<string, Uint8Array>;
extendInitramfs(plain, { ...files, 'bin/turns': TURNS_PROGRAM }, initrd);

const run = (vm: VM, line: string): Promise<string> => runIn(vm, line, COMMAND_MS);

/** Frames by whom they were counted last, on their way from one guest and to it. */
interface Counts {
  readonly sent: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly received: number;
  /** Frames that were lost and counted, by cause. */
  readonly adapterDrops: Readonly<Record<string, number>>;
  readonly portDrops: Readonly<Record<string, number>>;
}

/** Causes that count where the frame was to go; the others count where it came from. */
const DROPS_AT_TARGET = ['nicFull', 'nicAbsent'];

function sumOf(drops: Readonly<Record<string, number>>, counts: (cause: string) => boolean): number {
  return Object.entries(drops).reduce((sum, [cause, count]) => sum + (counts(cause) ? count : 0), 0);
}

/** What the guest has counted; what should stay at nothing is. */
async function guestCounts(vm: VM): Promise<{ sent: number; received: number }> {
  const text = await run(vm, 'cd /sys/class/net/eth0/statistics; grep . *; ethtool -S eth0');
  const values = new Map([...text.matchAll(/^\s*(\w+):\s*(\d+)$/gm)].map(([, name, value]) =>
    [name as string, Number(value)]));
  const isTrouble = (name: string): boolean => TROUBLES.includes(name) || /_(errors|dropped)$/.test(name);
  assert.deepEqual([...values].filter(([name, value]) => value > 0 && isTrouble(name)), [], vm.name);
  assert.equal(values.get('stop_queue'), values.get('wake_queue'), 'a queue that was stopped was woken');
  return { sent: values.get('tx_packets') ?? 0, received: values.get('rx_packets') ?? 0 };
}

async function countsNow(lab: VirtualSwitch, guests: readonly VM[]): Promise<Map<string, Counts>> {
  const counts = new Map<string, Counts>();
  for (const vm of guests) {
    const { network } = await vm.inspect() as { network: { adapters: readonly { drops: Record<string, number> }[] } };
    const { ports = [] } = await lab.status();
    const { framesIn, framesOut, drops } = ports.find(({ nic }) => nic === vm.name)!.counters;
    counts.set(vm.name, {
      ...await guestCounts(vm), framesIn, framesOut, adapterDrops: network.adapters[0]!.drops, portDrops: drops,
    });
  }
  return counts;
}

/** By the guest's name, once nothing is on its way: guests say things of their own accord, and are asked in turn. */
async function countsOf(lab: VirtualSwitch, guests: readonly VM[]): Promise<Map<string, Counts>> {
  let before = await countsNow(lab, guests);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await wait(SETTLE_MS);
    const now = await countsNow(lab, guests);
    if (isDeepStrictEqual(before, now)) return now;
    before = now;
  }
  return assert.fail(`the counters never stood still: ${JSON.stringify([...before])}`);
}

/** Every frame of `from` has come to `to`, or was lost and counted. How many were sent, and how many lost. */
function accounted(counts: ReadonlyMap<string, Counts>, from: string, to: string): { sent: number; lost: number } {
  const [source, target] = [counts.get(from)!, counts.get(to)!];
  const atTarget = (cause: string): boolean => DROPS_AT_TARGET.includes(cause);
  const steps = [
    sumOf(source.adapterDrops, (cause) => cause.startsWith('transmit')),
    sumOf(source.portDrops, (cause) => !atTarget(cause)) + sumOf(target.portDrops, atTarget),
    sumOf(target.adapterDrops, (cause) => cause.startsWith('receive')),
  ] as const;
  assert.equal(source.framesIn + steps[0], source.sent, `between ${from} and the switch`);
  assert.equal(target.framesOut + steps[1], source.framesIn, `on the switch, from ${from} to ${to}`);
  assert.equal(target.received + steps[2], target.framesOut, `between the switch and ${to}`);
  return { sent: source.sent, lost: steps[0] + steps[1] + steps[2] };
}

/**
 * Rates in Mbit/s, as the receiver has them. What a program is too slow to take from its socket is no loss of the
 * network, which is judged by the frames.
 */
async function streams(from: VM): Promise<string[]> {
  const rates: string[] = [];
  for (const words of STREAMS) {
    const json = await run(from, `iperf3 -J -t ${SECONDS} -c 10.5.0.2 ${words}`);
    const { error, end } = JSON.parse(json) as {
      error?: string;
      end: { sum?: { bits_per_second: number }; sum_received?: { bits_per_second: number } };
    };
    assert.equal(error, undefined);
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
  const guests = await startOnSwitch(host, lab, {
    image: { kernel, initrd, commandLine }, memory: '256M', deadlineMs: COMMAND_MS,
    lines: { a: addressLine(1), b: addressLine(2) },
  });
  const [a, b] = guests as [VM, VM];
  await run(b, `iperf3 -s -D; turns ${TURNS_PORT} > /dev/null 2>&1 & true`);
  await run(a, 'until ping -c 1 -W 1 10.5.0.2 > /dev/null; do :; done');
  const start = await countsOf(lab, guests);
  const rates = await streams(a);
  const began = performance.now();
  await run(a, `turns ${TURNS_PORT} 10.5.0.2 ${TURNS}`);
  const seconds = (performance.now() - began) / 1000;
  const end = await countsOf(lab, guests);
  process.stdout.write(`${JSON.stringify([[...start], [...end]])}\n`);
  let [frames, lost] = [0, 0];
  for (const [from, to] of [['a', 'b'], ['b', 'a']] as const) {
    const [before, after] = [accounted(start, from, to), accounted(end, from, to)];
    const sent = after.sent - before.sent;
    assert.ok(sent > TURNS, `${sent} frames from ${from}`);
    const { nicFull = 0 } = end.get(to)!.portDrops;
    assert.equal(after.lost - before.lost, nicFull, 'only a guest that is too slow loses frames');
    frames += sent;
    lost += nicFull;
  }
  for (const vm of guests) assert.doesNotMatch(await run(vm, 'dmesg'), COMPLAINTS);
  process.stdout.write(`figure: TCP and UDP of 1 and 4 streams ${rates.join(', ')} Mbit/s, ${SECONDS} s each; ${TURNS} `
    + `turns in ${seconds.toFixed(0)} s; ${frames} frames, all accounted for: ${lost} had no room at the receiver\n`);
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
