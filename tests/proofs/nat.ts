/**
 * The NAT network under a stock guest, without privilege: a lease, names, what listens on the host's loopback by the
 * gateway's name and a guest's server by a forward, a long download by IPv4 and by IPv6 whose checksum is right, a
 * connection that is refused, and ten thousand flows of datagrams at once. Takes the mebibytes and the flows as
 * arguments.
 */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { freePort } from '../../src/vswitch/testing/free-port.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { MachineGuest } from '../machine-guest.ts';
import { packagedPrograms } from '../program-files.ts';

const BOOT_MS = 10 * 60_000;
const COMMAND_MS = 60 * 60_000;
const MIB = 2 ** 20;
const DOWNLOAD_MIB = Number(process.argv[2] ?? 1024);
const FLOWS = Number(process.argv[3] ?? 10_000);
const COMPLAINTS = /WARNING:|lockup|watchdog: BUG|rcu: INFO|Oops|Call Trace/;
const BLOCK = randomBytes(MIB);

/** Sends on every socket, then waits for each answer; what UDP lost is sent again. */
const SCRIPT = `#!/bin/perl
my ($ip, $port, $flows) = @ARGV;
my $peer = pack('S n C4 x8', 2, $port, split(/\\./, $ip));
my @sockets;
for my $i (0 .. $flows - 1) {
  socket(my $s, 2, 2, 17) or die "socket $i: $!\\n";
  setsockopt($s, 1, 20, pack('l!l!', 2, 0)) or die "timeout: $!\\n";
  connect($s, $peer) or die "connect: $!\\n";
  push @sockets, $s;
}
my @left = (0 .. $flows - 1);
for my $round (1 .. 20) {
  for my $n (0 .. $#left) {
    send($sockets[$left[$n]], "flow $left[$n]", 0);
    select(undef, undef, undef, 0.02) if $n % 100 == 99;
  }
  my @missing;
  for my $i (@left) {
    my $answer = '';
    recv($sockets[$i], $answer, 100, @missing > 20 ? 64 : 0);
    push @missing, $i if $answer ne "flow $i";
  }
  @left = @missing;
  print "round $round: ", scalar(@left), " without an answer\\n";
  last unless @left;
}
exit(@left ? 1 : 0);
`;

function sumOf(mebibytes: number): string {
  const hash = createHash('sha256');
  for (let i = 0; i < mebibytes; i++) hash.update(BLOCK);
  return hash.digest('hex');
}

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const image = guestImage('tiny');
const initrd = join(folder, 'initrd');
const perl = await packagedPrograms('perl-base', ['usr/bin/perl']);
const curl = await packagedPrograms('curl', ['usr/bin/curl']);
extendInitramfs(image.initrd, { ...perl, ...curl, 'bin/flows': SCRIPT }, initrd);
const forwards = [{ protocol: 'tcp', hostPort: await freePort(), guestPort: 80 }] as const;
const server = createServer((request, response) => {
  const mebibytes = Number(request.url?.slice(1));
  response.setHeader('Content-Length', mebibytes * MIB);
  Readable.from(Array.from({ length: mebibytes }, () => BLOCK)).pipe(response);
}).listen(0, '127.0.0.1');
const echo = createSocket('udp4');
echo.on('message', (payload, peer) => echo.send(payload, peer.port, peer.address));
echo.bind(0, '127.0.0.1');
await Promise.all([once(server, 'listening'), once(echo, 'listening')]);
const { port } = server.address() as AddressInfo;

try {
  await using guest = await MachineGuest.start({
    kernel: image.kernel, initrd, commandLine: image.commandLine, nics: [{ network: 'nat', forwards }],
  });
  await guest.prompt(BOOT_MS);
  await guest.run('dmesg -n 1; until grep -q nameserver /etc/resolv.conf; do sleep 0.5; done 2> /dev/null', COMMAND_MS);
  const network = guest.machine.network.nat.network ?? assert.fail('there is no NAT network');
  const { gatewayAddress, ipv6 } = network;
  const settled = "ip -6 addr show dev eth0 scope global | grep 'inet6 fd' | grep -qv tentative";
  await guest.run(`until ${settled}; do sleep 0.5; done`, COMMAND_MS);
  const sources = [[gatewayAddress, DOWNLOAD_MIB], [`[${ipv6.gatewayText}]`, DOWNLOAD_MIB / 8]] as const;
  for (const [host, mebibytes] of sources) {
    const start = performance.now();
    const sum = await guest.run(`wget -q -O - http://${host}:${port}/${mebibytes} | sha256sum`, COMMAND_MS);
    assert.match(sum, new RegExp(`^${sumOf(mebibytes)} `, 'm'));
    const seconds = (performance.now() - start) / 1000;
    process.stdout.write(`figure: ${mebibytes} MiB from ${host} in ${seconds.toFixed(0)} s, checksum right\n`);
  }
  const flows = `ulimit -n ${FLOWS + 1000}; flows ${gatewayAddress} ${echo.address().port} ${FLOWS}`;
  const output = await guest.run(`(${flows}); echo status $?`, COMMAND_MS);
  assert.match(output, /^status 0$/m, output);
  assert.ok(network.sizes.udp >= FLOWS, `${network.sizes.udp} flows at once`);
  process.stdout.write(`figure: ${network.sizes.udp} flows at once, ${output.trim().split('\n').at(-2)}\n`);
  await guest.run('mkdir /tmp/www; echo welcome > /tmp/www/index.html; httpd -h /tmp/www', COMMAND_MS);
  assert.equal(await (await fetch(`http://127.0.0.1:${forwards[0].hostPort}/`)).text(), 'welcome\n');
  const named = `curl -sS http://gateway.mshome.net:${port}/1 | sha256sum`;
  assert.match(await guest.run(named, COMMAND_MS), new RegExp(`^${sumOf(1)} `, 'm'));
  const refused = await guest.run(`curl -sv http://gateway:${await freePort()}/ 2>&1`, COMMAND_MS);
  assert.match(refused, /refused/i);
  process.stdout.write('figure: curl by the gateway\'s name and by a forward, refused where nobody listens\n');
  const errors = await guest.run('cat /sys/class/net/eth0/statistics/*errors', COMMAND_MS);
  assert.match(errors, /^(0\n)+$/);
  assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), COMPLAINTS);
} finally {
  server.close();
  echo.close();
  rmSync(folder, { recursive: true, force: true });
}
