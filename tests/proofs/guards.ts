/**
 * A guest that sends from a foreign address, answers DHCP, advertises routes and storms, by stock tools where there are
 * such (dnsmasq): each works while its guard is off, and is stopped and counted by name when it is on, and two other
 * guests of the switch reach each other all the time.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Host, type VirtualSwitch, type VM } from 'partout';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { packagedPrograms } from '../program-files.ts';
import { addressLine, runIn, startOnSwitch } from './lab-guests.ts';

const COMMAND_MS = 10 * 60_000;
const FRAMES = 50;
const STORM_SECONDS = 5;
const STORM_LIMIT = 100;
/** Of experiments, which nothing answers [IEEE 802, 9.2.3]. */
const TYPE = '88b5';

/**
 * `frames FROM TO COUNT SECONDS` sends so many frames from one address to another, or as many as it can in that time.
 */
const FRAMES_PROGRAM = `#!/bin/perl
my ($from, $to, $count, $seconds) = @ARGV;
socket(my $s, 17, 3, 0) or die "socket: $!\\n";
open(my $f, '<', '/sys/class/net/eth0/ifindex') or die "eth0: $!\\n";
my $address = pack('S n i S C C a8', 17, 3, <$f>, 0, 0, 6, '');
my $frame = pack('H12 H12 H4 x46', $to, $from, '${TYPE}');
my $end = time + $seconds;
my $sent = 0;
while ($seconds > 0 ? time < $end : $sent < $count) {
  $sent++ if defined send($s, $frame, 0, $address);
}
print "sent $sent\\n";
`;
const SERVER = 'dnsmasq -u root -g root -d -p 0 -i eth0 --no-ping -x /tmp/pid -l /tmp/leases '
  + '--dhcp-range=10.6.0.50,10.6.0.99 --enable-ra --dhcp-range=fd06::,ra-only,64';
const LEASE = 'udhcpc -i eth0 -n -q -t 6 -T 1 -A 1 -s /bin/true';
/** Interfaces ask for routers when they come up, and dnsmasq advertises by itself, too. */
const ROUTED = 'ip link set eth0 down; ip link set eth0 up; for i in 1 2 3 4 5 6 7 8; do '
  + 'ip -6 addr show dev eth0 | grep -q fd06 && exit 0; sleep 1; done; exit 1';

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
process.env['PARTOUT_CONFIG'] = folder;
process.env['PARTOUT_RUNTIME'] = folder;

async function succeeds(vm: VM, line: string): Promise<boolean> {
  return (await vm.exec(['sh', '-c', line], { deadlineMs: COMMAND_MS })).exitCode === 0;
}

const run = (vm: VM, line: string): Promise<string> => runIn(vm, line, COMMAND_MS);

async function dropped(lab: VirtualSwitch, cause: string): Promise<number> {
  const { ports = [] } = await lab.status();
  const { drops } = ports.find(({ nic }) => nic === 'bad')!.counters as { drops?: Record<string, number> };
  return drops?.[cause] ?? 0;
}

/** Frames of the experiment that a NIC was given while something was done. */
async function given(lab: VirtualSwitch, action: () => Promise<void>): Promise<number> {
  let count = 0;
  const frames = lab.capture({ nic: 'victim', points: ['egress'] });
  const ended = (async (): Promise<void> => {
    for await (const { bytes } of frames) if (Buffer.from(bytes).toString('hex', 12, 14) === TYPE) count++;
  })();
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  await action();
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  await frames.return(undefined);
  await ended;
  return count;
}

/** The others reach each other meanwhile. */
async function undisturbed(other: VM, action: () => Promise<void>): Promise<void> {
  const pings = run(other, 'ping -c 8 -i 1 -W 2 10.5.0.2');
  await action();
  assert.match(await pings, / 0% packet loss/);
}

try {
  const programs = await Promise.all([
    packagedPrograms('dnsmasq-base', ['usr/sbin/dnsmasq']), packagedPrograms('perl-base', ['usr/bin/perl']),
  ]);
  const { kernel, initrd: plain, commandLine } = guestImage('tiny');
  const initrd = join(folder, 'initrd');
  extendInitramfs(plain, {
    ...Object.assign({}, ...programs) as Record<string, Uint8Array>, 'bin/frames': FRAMES_PROGRAM,
  }, initrd);
  await using host = await Host.open();
  const lab = await host.createSwitch({ name: 'lab', type: 'private' });
  const [bad, victim, other] = await startOnSwitch(host, lab, {
    image: { kernel, initrd, commandLine }, memory: '128M', deadlineMs: COMMAND_MS,
    lines: { bad: addressLine(1), victim: addressLine(2), other: addressLine(3) },
  }) as [VM, VM, VM];
  const [own, to] = await Promise.all([bad, victim].map(async (vm) =>
    (await run(vm, 'cat /sys/class/net/eth0/address')).trim().replaceAll(':', '')));
  await run(other, 'until ping -c 1 -W 1 10.5.0.2 > /dev/null; do :; done');

  // A foreign address: off by default, which is that its guard is on.
  const foreign = (): Promise<void> => run(bad, `frames 026666666666 ${to} ${FRAMES} 0`).then(() => {});
  assert.equal(await given(lab, foreign), 0, 'frames from a foreign address');
  assert.equal(await dropped(lab, 'macSpoofed'), FRAMES);
  await lab.setNic('bad', { macSpoofing: true });
  assert.equal(await given(lab, foreign), FRAMES, 'frames from a foreign address that is permitted');
  await lab.setNic('bad', { macSpoofing: false });

  await run(bad, 'ip addr add 10.6.0.1/24 dev eth0; ip -6 addr add fd06::1/64 dev eth0; sleep 3');
  await run(bad, `${SERVER} > /tmp/server 2>&1 &`);
  assert.ok(await succeeds(victim, LEASE), `a lease without the guard; ${await run(bad, 'cat /tmp/server')}`);
  assert.ok(await succeeds(victim, ROUTED), 'a prefix without the guard');
  await lab.setNic('bad', { dhcpGuard: true, routerGuard: true });
  await undisturbed(other, async () => {
    assert.equal(await succeeds(victim, LEASE), false, 'no lease');
  });
  assert.equal(await succeeds(victim, ROUTED), false, 'no prefix');
  const [answers, advertisements] = [await dropped(lab, 'dhcpGuard'), await dropped(lab, 'routerGuard')];
  assert.ok(answers > 0 && advertisements > 0, `${answers} answers, ${advertisements} advertisements`);
  await run(bad, 'killall dnsmasq');

  const storm = (): Promise<void> => run(bad, `frames ${own} ffffffffffff 0 ${STORM_SECONDS}`).then(() => {});
  const free = await given(lab, storm);
  await lab.setNic('bad', { stormLimit: STORM_LIMIT });
  const limited = await given(lab, () => undisturbed(other, storm));
  const stopped = await dropped(lab, 'stormLimit');
  assert.ok(free > 2 * limited && limited <= STORM_LIMIT * (STORM_SECONDS + 2), `${free} and ${limited} broadcasts`);
  assert.ok(stopped > 0, 'the storm is counted');
  process.stdout.write(`figure: ${FRAMES} frames from a foreign address, ${answers} DHCP answers and ${advertisements} `
    + `router advertisements of dnsmasq stopped; of a storm ${limited} broadcasts in ${STORM_SECONDS} s instead of `
    + `${free}, ${stopped} stopped; the others reached each other without a loss\n`);
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
