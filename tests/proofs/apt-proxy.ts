/**
 * apt in a Debian guest on the NAT network takes a package through an HTTP proxy that listens on the host's loopback,
 * from an archive that nobody but the proxy knows.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { debianGuest } from './debian-guest.ts';
import { PACKAGE, repositoryOf } from './package-repository.ts';

const COMMAND_MS = 10 * 60_000;
const ARCHIVE = 'archive.invalid';

const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const asked: string[] = [];
try {
  const files = repositoryOf(folder);
  // Of a request to a proxy the whole address is the path [RFC 9112, 3.2.2].
  const proxy = createServer(({ url = '' }, response) => {
    asked.push(url);
    const file = url.startsWith(`http://${ARCHIVE}/`) ? files.get(basename(url)) : undefined;
    response.writeHead(file === undefined ? 404 : 200).end(file);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  await using guest = await debianGuest(['apt', 'udhcpc']);
  const folders = '/var/lib/apt/lists/partial /var/cache/apt/archives/partial /etc/apt/apt.conf.d';
  await guest.run(`mkdir -p ${folders}`, COMMAND_MS);
  const lease = await guest.run('busybox udhcpc -n -q -i eth0 -s /etc/udhcpc/default.script; ip route', COMMAND_MS);
  assert.match(lease, /default via/);
  const gateway = guest.machine.network.nat.network?.gatewayAddress;
  const proxyLine = `Acquire::http::Proxy \\"http://${gateway}:${port}\\";`;
  await guest.run(`echo "${proxyLine}" > /etc/apt/apt.conf.d/proxy`, COMMAND_MS);
  await guest.run(`echo "deb [trusted=yes] http://${ARCHIVE}/ ./" > /etc/apt/sources.list`, COMMAND_MS);
  await guest.run('echo "APT::Sandbox::User root;" > /etc/apt/apt.conf.d/user', COMMAND_MS);
  // To install it would set up all of the guest, whose packages are only unpacked.
  const take = `cd /tmp && apt-get -q update && apt-get -q download ${PACKAGE} && dpkg-deb -x ${PACKAGE}_*.deb /`;
  const output = await guest.run(`${take}; ${PACKAGE}`, COMMAND_MS);
  assert.match(output, /^installed and run$/m, output);
  assert.ok(asked.includes(`http://${ARCHIVE}/./package.deb`), asked.join(' '));
  proxy.close();
  process.stdout.write(`figure: installed and run; the proxy was asked ${asked.length} times\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
