/**
 * The stock hv_netvsc of an unmodified Debian kernel on our network adapter: the judge of whether it is what a Hyper-V
 * guest expects. Needs apt, to fetch the kernel and busybox.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { freePort } from '../src/vswitch/testing/free-port.ts';
import { tinyImageOrReason } from './guest.ts';
import { MachineGuest } from './machine-guest.ts';
import { NetworkPeer } from './network-peer.ts';

const BOOT_MS = 300_000;
const COMMAND_MS = 120_000;
const COMPLAINTS = /WARNING:|lockup|watchdog: BUG|Oops|Call Trace|hv_netvsc.*(invalid|unknown|fail)/i;
const STREAM_BYTES = 8 << 20;
const GIFT_PORT = 5000;
const SINK_PORT = 5001;

function md5(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}

const { image, skip } = tinyImageOrReason();

test('the stock driver finds its adapter, and streams come through whole in both directions', { skip }, async () => {
  const { kernel, initrd } = image;
  const commandLine = `${image.commandLine} partout.address=none`;
  const peer = new NetworkPeer([10, 9, 8, 1]);
  const gift = Uint8Array.from({ length: STREAM_BYTES }, (_, i) => (i * 31) >> 3);
  peer.gifts.set(GIFT_PORT, gift);
  const nics = [{ network: 'test', mac: '00-15-5d-0a-0b-0c' }];
  await using guest = await MachineGuest.start({ kernel, initrd, commandLine, nics }, {
    connectNetwork: (_nic, index) => index === 0 ? peer : new NetworkPeer([10, 9, 7, 1]),
  });
  await guest.prompt(BOOT_MS);
  await guest.run('dmesg -n 1', COMMAND_MS);
  assert.match(await guest.run('cat /sys/class/net/eth0/address', COMMAND_MS), /^00:15:5d:0a:0b:0c$/m);
  const up = 'ip addr add 10.9.8.2/24 dev eth0; ip link set eth0 up';
  await guest.run(up, COMMAND_MS);
  assert.match(await guest.run('ping -c 3 10.9.8.1', COMMAND_MS), / 0% packet loss/);
  await streams(guest, peer, gift);
  await changes(guest, peer);
  const reload = 'rmmod hv_netvsc && insmod $(grep /hv_netvsc /etc/vmbus-modules)';
  await guest.run(`${reload}; ${up}`, COMMAND_MS);
  assert.match(await guest.run('ping -c 1 10.9.8.1', COMMAND_MS), / 0% packet loss/);
  await addsAndRemoves(guest);
  assert.doesNotMatch(await guest.run('dmesg', COMMAND_MS), COMPLAINTS);
  const [adapter] = guest.machine.network.adapters;
  assert.equal(adapter?.nvspVersion, 0x6_0001);
  assert.equal(adapter?.statistics.drops.transmitMalformed, 0);
  assert.equal(adapter?.statistics.sentFrames, peer.frames, 'the sums agree to the frame');
  assert.equal(peer.wrong, 0, 'every length and checksum was right');
});

async function streams(guest: MachineGuest, peer: NetworkPeer, gift: Uint8Array): Promise<void> {
  const taken = await guest.run(`nc 10.9.8.1 ${GIFT_PORT} > /tmp/gift; md5sum /tmp/gift`, COMMAND_MS);
  assert.match(taken, new RegExp(`^${md5(gift)} `, 'm'));
  await guest.run(`nc 10.9.8.1 ${SINK_PORT} < /tmp/gift`, COMMAND_MS);
  const sink = peer.streams.get(SINK_PORT);
  assert.equal(sink?.received, STREAM_BYTES);
  assert.equal(sink?.md5(), md5(gift));
  assert.ok(peer.largest > 1514, 'large segments were sent whole');
}

/** A second adapter comes and goes while the first one works. */
async function addsAndRemoves(guest: MachineGuest): Promise<void> {
  const { network } = guest.machine;
  for (const mac of ['00-15-5d-0a-0b-0d', '00-15-5d-0a-0b-0e']) {
    const added = network.add({ network: 'test', mac });
    const seen = 'until [ -e /sys/class/net/eth1 ]; do sleep 0.1; done; cat /sys/class/net/eth1/address';
    assert.match(await guest.run(seen, COMMAND_MS), new RegExp(`^${mac.replaceAll('-', ':')}$`, 'm'));
    assert.deepEqual(network.nics.map(({ slot }) => slot), [0, 1]);
    network.remove(added);
    await guest.run('while [ -e /sys/class/net/eth1 ]; do sleep 0.1; done', COMMAND_MS);
    assert.match(await guest.run('ping -c 1 10.9.8.1', COMMAND_MS), / 0% packet loss/);
  }
}

/** The guest follows the link; it takes another MTU. */
async function changes(guest: MachineGuest, peer: NetworkPeer): Promise<void> {
  for (const [isConnected, carrier] of [[false, '0\n'], [true, '1\n']] as const) {
    peer.setConnected(isConnected);
    const wait = `while [ "$(cat /sys/class/net/eth0/carrier)" = ${1 - Number(carrier)} ]; do sleep 0.1; done`;
    assert.equal(await guest.run(`${wait}; cat /sys/class/net/eth0/carrier`, COMMAND_MS), carrier);
  }
  await guest.run('ip link set eth0 down; ip link set mtu 9000 dev eth0; ip link set eth0 up', COMMAND_MS);
  assert.match(await guest.run('ping -c 1 -s 8000 10.9.8.1', COMMAND_MS), / 0% packet loss/);
}

/** The kernel makes itself an address of the prefix that is told, and goes by the gateway. */
async function byIpv6(guest: MachineGuest, port: number, sum: string): Promise<void> {
  const network = guest.machine.network.nat.network?.ipv6;
  const settled = "ip -6 addr show dev eth0 scope global | grep 'inet6 fd' | grep -qv tentative";
  const route = await guest.run(`until ${settled}; do sleep 0.2; done; ip -6 route`, COMMAND_MS);
  assert.match(route, /default via fe80::1 dev eth0/);
  assert.match(await guest.run(`ping6 -c 2 ${network?.gatewayText}`, COMMAND_MS), / 0% packet loss/);
  const fetched = await guest.run(`wget -q -O /tmp/six http://[${network?.gatewayText}]:${port}/; md5sum /tmp/six`,
    COMMAND_MS);
  assert.match(fetched, new RegExp(`^${sum} `, 'm'));
  assert.match(await guest.run('nslookup -type=aaaa gateway', COMMAND_MS), new RegExp(`${network?.gatewayText}`));
}

test('the NAT network gives an address, names, and a way to what listens on the host', { skip }, async () => {
  const { kernel, initrd, commandLine } = image;
  const page = Uint8Array.from({ length: STREAM_BYTES }, (_, i) => (i * 29) >> 2);
  const server = createServer((_, response) => response.end(page)).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const forwards = [{ protocol: 'tcp', hostPort: await freePort(), guestPort: 80 }] as const;
    await using guest = await MachineGuest.start({
      kernel, initrd, commandLine, nics: [{ network: 'nat', forwards }],
    });
    await guest.prompt(BOOT_MS);
    await guest.run('dmesg -n 1', COMMAND_MS);
    const gateway = guest.machine.network.nat.network?.gatewayAddress ?? '';
    // The image asks for an address by itself.
    const lease = await guest.run('until grep -q nameserver /etc/resolv.conf; do sleep 0.1; done 2>/dev/null; ip route',
      COMMAND_MS);
    assert.match(lease, new RegExp(`default via ${gateway} dev eth0`));
    assert.match(await guest.run(`nslookup gateway`, COMMAND_MS), new RegExp(`Address: ${gateway}`));
    const fetched = await guest.run(`wget -q -O /tmp/page http://${gateway}:${port}/; md5sum /tmp/page`, COMMAND_MS);
    assert.match(fetched, new RegExp(`^${md5(page)} `, 'm'));
    await byIpv6(guest, port, md5(page));
    await guest.run('mkdir /tmp/www; echo welcome > /tmp/www/index.html; httpd -h /tmp/www', COMMAND_MS);
    const visited = await fetch(`http://127.0.0.1:${forwards[0].hostPort}/`);
    assert.equal(await visited.text(), 'welcome\n');
    server.close();
    const refused = await guest.run(`wget -q -O /tmp/x http://${gateway}:${port}/ 2>&1`, COMMAND_MS);
    assert.match(refused, /refused/);
  } finally {
    server.close();
  }
});
