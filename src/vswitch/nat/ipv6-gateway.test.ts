/** The IPv6 side of a NAT network, against real sockets on this machine's loopback. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ManualTimers } from '../../kit/timers.ts';
import { ipv6ChecksumHolds, readIpv6 } from '../packet/ipv6-packet.ts';
import { NatGuest } from '../testing/nat-guest.ts';
import { Ipv6Addresses, ipv6Text, MAXIMUM_IPV6_ADDRESSES } from './ipv6-addresses.ts';
import { Ipv6Network } from './ipv6-network.ts';
import { NatNetwork, type NatNetworkOptions } from './nat-network.ts';

const PAYLOAD = 54;
const UDP_DATA = 62;
const ICMP = 58;
const UDP = 17;
const SUBNET = '10.9.8.0/24';
const SKIP = Object.values(networkInterfaces()).flat().some((each) => each?.address === '::1') ? false
  : 'this host has no ::1';

function bytesOf(text: string): Uint8Array {
  const [before = '', after] = text.split('::');
  const groups = (some: string | undefined): string[] => (some === undefined || some === '' ? [] : some.split(':'));
  const [head, tail] = [groups(before), groups(after)];
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]));
}

class Bench {
  readonly network: NatNetwork;
  readonly guest: NatGuest;
  readonly addresses = new Ipv6Addresses();

  constructor(t: TestContext, options: NatNetworkOptions = {}, name = 'alpha', host = '7') {
    this.network = new NatNetwork({ subnet: SUBNET, ...options });
    const endpoint = this.network.attach(name);
    const ip = this.at(this.inPrefix(host));
    this.guest = new NatGuest({ endpoint, ip, addresses: this.addresses });
    t.after(() => {
      for (const connection of this.guest.connections.values()) connection.close();
      this.network.close();
    });
  }

  get gateway(): number {
    return this.at(this.network.ipv6.gatewayText);
  }

  inPrefix(host: string): string {
    return this.network.ipv6.prefixText.replace('::/64', `::${host}`);
  }

  at(text: string): number {
    return this.addresses.numberOfBytes(bytesOf(text));
  }

  control(to: string, message: readonly number[], from = ''): void {
    const { output, station, ip } = this.guest;
    const [source, destination] = [from === '' ? ip : this.at(from), this.at(to)];
    output.bytes.set(message, PAYLOAD);
    output.bytes.fill(0, PAYLOAD + 2, PAYLOAD + 4);
    let sum = output.pseudo(source, destination, ICMP, message.length);
    for (let i = 0; i < message.length; i += 2) sum += output.view.getUint16(PAYLOAD + i);
    while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
    output.view.setUint16(PAYLOAD + 2, ~sum & 0xffff);
    output.send(station, source, destination, ICMP, message.length, true);
  }

  datagram(to: number, fromPort: number, toPort: number, data: Uint8Array): void {
    const { output, station, ip } = this.guest;
    output.bytes.set(data, UDP_DATA);
    output.sendUdp(station, ip, fromPort, to, toPort, data.length);
  }

  /** The next frame that came, whose checksum holds; its payload. */
  async next(): Promise<{ readonly frame: Uint8Array; readonly protocol: number; readonly payload: Uint8Array }> {
    await until(() => this.guest.frames.length > 0, 'a frame');
    const frame = this.guest.frames.shift()!;
    const packet = { protocol: 0, payload: 0, payloadBytes: 0 };
    assert.equal(readIpv6(new DataView(frame.buffer), frame.length, 0, packet), undefined);
    assert.ok(ipv6ChecksumHolds(frame, packet, packet.payloadBytes, 0, 0), 'the checksum');
    const payload = frame.slice(packet.payload, packet.payload + packet.payloadBytes);
    return { frame, protocol: packet.protocol, payload };
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    if (condition()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
}

test('addresses are written as the system writes them, and the oldest are forgotten', () => {
  for (const text of ['::1', '::', 'fd00::1:0:0:1', '2001:db8::1', 'fe80::5055:aff:fe00:1', '1:2:3:4:5:6:7:8', '1::']) {
    assert.equal(ipv6Text(bytesOf(text)), text);
  }
  assert.equal(ipv6Text(bytesOf('1:0:3:4:5:6:7:8')), '1:0:3:4:5:6:7:8', 'one group is not left out');
  const addresses = new Ipv6Addresses();
  const first = addresses.numberOfBytes(bytesOf('::1'));
  assert.equal(addresses.numberOfBytes(bytesOf('::1')), first);
  for (let i = 2; i < MAXIMUM_IPV6_ADDRESSES + 2; i++) {
    addresses.numberOfBytes(bytesOf(`1::${(i >> 8).toString(16)}:${(i & 255).toString(16)}`));
  }
  assert.equal(addresses.get(first), undefined);
  assert.notEqual(addresses.numberOfBytes(bytesOf('::1')), first, 'no number is given twice');
});

test('a range has one prefix, and another range another', () => {
  assert.equal(new Ipv6Network(SUBNET).prefixText, new Ipv6Network(SUBNET).prefixText);
  assert.notEqual(new Ipv6Network(SUBNET).prefixText, new Ipv6Network('10.9.9.0/24').prefixText);
  assert.match(new Ipv6Network(SUBNET).prefixText, /^fd[0-9a-f:]+::\/64$/);
});

test('a router solicitation is answered with prefix, MTU and name server, and again now and then', async (t) => {
  const timers = new ManualTimers();
  const bench = new Bench(t, { timers, mtu: 1400 });
  bench.control('ff02::2', [133, 0, 0, 0, 0, 0, 0, 0], 'fe80::7');
  for (const isAsked of [true, false]) {
    if (!isAsked) timers.advance(600_000);
    const { frame, payload } = await bench.next();
    assert.deepEqual([...frame.subarray(0, 6)], [0x33, 0x33, 0, 0, 0, 1]);
    assert.equal(ipv6Text(frame.slice(22, 38)), 'fe80::1');
    const view = new DataView(payload.buffer);
    assert.deepEqual([payload[0], payload[5], frame[21]], [134, 0x40, 255]);
    assert.ok(view.getUint16(6) >= 1800, 'a route that outlives the next advertisement');
    const options = new Map<number, number>();
    for (let at = 16; at < payload.length; at += payload[at + 1]! * 8) options.set(payload[at]!, at);
    assert.deepEqual([...options.keys()], [1, 5, 3, 25, 31]);
    assert.equal(view.getUint32(options.get(5)! + 4), 1400);
    const prefix = options.get(3)!;
    assert.deepEqual([payload[prefix + 2], payload[prefix + 3]], [64, 0xc0]);
    assert.equal(`${ipv6Text(payload.slice(prefix + 16, prefix + 32))}/64`, bench.network.ipv6.prefixText);
    assert.equal(ipv6Text(payload.slice(options.get(25)! + 8, options.get(25)! + 24)), bench.network.ipv6.gatewayText);
  }
});

test('a network that leads nowhere gives no default route', async (t) => {
  const bench = new Bench(t, { outside: false });
  bench.control('ff02::2', [133, 0, 0, 0, 0, 0, 0, 0], 'fe80::7');
  const { payload } = await bench.next();
  assert.deepEqual([payload[0], payload[6], payload[7]], [134, 0, 0]);
});

test('the gateway is found as a neighbour, answers echo, and says that beyond it there is none', async (t) => {
  const bench = new Bench(t);
  for (const target of ['fe80::1', bench.network.ipv6.gatewayText]) {
    bench.control('ff02::1:ff00:1', [135, 0, 0, 0, 0, 0, 0, 0, ...bytesOf(target)]);
    const { payload } = await bench.next();
    assert.deepEqual([payload[0], payload[4]], [136, 0xe0]);
    assert.deepEqual([...payload.subarray(8)], [...bytesOf(target), 2, 1, 0x52, 0x55, 0x0a, 0, 0, 1]);
  }
  bench.control('ff02::1:ff00:1', [135, 0, 0, 0, 0, 0, 0, 0, ...bytesOf('fe80::1')], '::');
  const { payload: claim } = await bench.next();
  assert.equal(claim[4], 0xa0, 'nobody asked: to all');
  const echo = [128, 0, 0, 0, 1, 2, 3, 4, 5, 6];
  bench.control(bench.network.ipv6.gatewayText, echo);
  const { payload: reply } = await bench.next();
  assert.deepEqual([reply[0], ...reply.subarray(4)], [129, ...echo.slice(4)]);
  bench.control('2001:db8::1', echo);
  const { payload: complaint } = await bench.next();
  assert.deepEqual([complaint[0], complaint[1], complaint[8]! >> 4], [1, 1, 6]);
  bench.control('ff02::1:ff00:9', [135, 0, 0, 0, 0, 0, 0, 0, ...bytesOf(bench.inPrefix('9'))]);
  bench.control(bench.network.ipv6.gatewayText, [128, 0, 0, 0, 9, 9]);
  const { network } = bench;
  assert.equal(network.counters.get('icmp-malformed'), 1, 'an echo without a number');
  assert.equal(bench.guest.frames.length, 0);
});

test('names have IPv6 addresses, too', async (t) => {
  const bench = new Bench(t);
  const ask = async (name: string, type: number): Promise<Uint8Array> => {
    const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
    const query = [1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1];
    bench.datagram(bench.gateway, 999, 53, Uint8Array.from(query));
    const { payload } = await bench.next();
    return payload.subarray(8);
  };
  const gateway = await ask('gateway', 28);
  assert.deepEqual([gateway[7], ipv6Text(gateway.slice(-16))], [1, bench.network.ipv6.gatewayText]);
  const own = await ask('alpha.mshome.net', 28);
  assert.equal(ipv6Text(own.slice(-16)), bench.inPrefix('7'));
  const four = await ask('gateway', 1);
  assert.deepEqual(Array.from(four.subarray(-4)), [10, 9, 8, 1]);
  assert.equal((await ask('alpha', 1))[7], 0, 'it has no address of that kind');
});

/** A message of DHCP: type, transaction 0x010203, and options. */
function dhcp(type: number, ...options: readonly (readonly [number, readonly number[]])[]): Uint8Array {
  const bytes = options.flatMap(([code, value]) => [0, code, value.length >> 8, value.length & 255, ...value]);
  return Uint8Array.from([type, 1, 2, 3, ...bytes]);
}

test('DHCP gives an address that follows from the NIC, and what else there is to know', async (t) => {
  const bench = new Bench(t);
  const client = [1, [0, 3, 0, 1, 9, 9, 9, 9, 9, 9]] as const;
  const association = [3, [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]] as const;
  const send = (message: Uint8Array): void => bench.datagram(bench.at('ff02::1:2'), 546, 547, message);
  const answered = async (): Promise<{ type: number; options: Map<number, Uint8Array> }> => {
    const { payload } = await bench.next();
    const message = payload.subarray(8);
    assert.deepEqual([...message.subarray(1, 4)], [1, 2, 3]);
    const options = new Map<number, Uint8Array>();
    for (let at = 4; at < message.length; at += 4 + (message[at + 2]! << 8) + message[at + 3]!) {
      options.set(message[at + 1]!, message.slice(at + 4, at + 4 + (message[at + 2]! << 8) + message[at + 3]!));
    }
    return { type: message[0]!, options };
  };
  send(dhcp(1, client, association));
  const offer = await answered();
  assert.equal(offer.type, 2);
  const address = ipv6Text(offer.options.get(3)!.slice(16, 32));
  assert.equal(address, bench.inPrefix('d:15:5d00:1').replace('::', ':0:'));
  assert.equal(ipv6Text(offer.options.get(23)!), bench.network.ipv6.gatewayText);
  const server = [2, [...offer.options.get(2)!]] as const;
  send(dhcp(3, client, server, association));
  const given = await answered();
  assert.deepEqual([given.type, ipv6Text(given.options.get(3)!.slice(16, 32))], [7, address]);
  send(dhcp(1, client, association, [14, []]));
  assert.equal((await answered()).type, 7, 'at once');
  send(dhcp(8, client, server, association));
  assert.deepEqual([...(await answered()).options.get(13)!], [0, 0]);
  send(dhcp(11));
  const told = await answered();
  assert.deepEqual([told.type, told.options.has(3), told.options.has(23)], [7, false, true]);
  for (const bad of [
    dhcp(3, client, association), dhcp(1, association), dhcp(1, client, server), dhcp(2, client), dhcp(1, [1, [7]]),
    dhcp(1).subarray(0, 3), Uint8Array.of(1, 0, 0, 0, 0, 1, 0), Uint8Array.of(1, 0, 0, 0, 0, 1, 0, 9, 1),
  ]) send(bad);
  assert.equal(bench.network.counters.get('dhcp-unanswered'), 8);
});

test('datagrams reach ::1 of the host by the gateway, large ones come back in fragments', { skip: SKIP }, async (t) => {
  const server = createSocket('udp6');
  t.after(() => server.close());
  server.bind(0, '::1');
  await once(server, 'listening');
  server.on('message', (payload, peer) => {
    server.send(payload.length > 10 ? Buffer.alloc(4000, 7) : payload, peer.port, peer.address);
  });
  const bench = new Bench(t);
  const { port } = server.address();
  bench.datagram(bench.gateway, 1234, port, Buffer.from('ping'));
  const { payload, protocol } = await bench.next();
  assert.deepEqual([protocol, Buffer.from(payload.subarray(8)).toString()], [UDP, 'ping']);
  bench.datagram(bench.gateway, 1234, port, Buffer.alloc(11));
  await until(() => bench.guest.frames.length === 3, 'three fragments');
  const parts = bench.guest.frames.map((frame) => {
    const view = new DataView(frame.buffer);
    assert.deepEqual([frame[20], frame[54]], [44, UDP]);
    return { offset: view.getUint16(56) & ~7, more: view.getUint16(56) & 1, data: frame.subarray(62) };
  });
  assert.deepEqual(parts.map(({ offset, more }) => [offset, more]), [[0, 1], [1448, 1], [2896, 0]]);
  assert.equal(parts.reduce((sum, { data }) => sum + data.length, 0), 4008);
});

for (const [what, address] of [['::1', '::1'], ['127.0.0.1 where nothing listens on ::1', '127.0.0.1']] as const) {
  test(`a stream comes through whole from ${what}`, { skip: SKIP }, async (t) => {
    const data = Buffer.alloc(4 << 20, 'whatever it is');
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(data);
    }).listen(0, address);
    t.after(() => server.close());
    await once(server, 'listening');
    const bench = new Bench(t);
    const hash = createHash('sha256');
    const connection = bench.guest.connect(bench.gateway, (server.address() as AddressInfo).port, 4000);
    connection.onData = (chunk) => void hash.update(chunk);
    connection.end();
    await until(() => connection.isEnded, 'the stream ends');
    assert.equal(hash.digest('hex'), createHash('sha256').update(data).digest('hex'));
    assert.equal(bench.guest.badChecksums, 0);
  });
}

test('a refused connection is a reset, and so is one to where nobody may go', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const bench = new Bench(t);
  const refused = [bench.gateway, bench.at('::1'), bench.at('::ffff:7f00:1'), bench.at(bench.inPrefix('99'))]
    .map((address, i) => bench.guest.connect(address, port, 4000 + i));
  await until(() => refused.every(({ state }) => state === 'reset'), 'all are refused');
  assert.equal(bench.network.counters.get('tcp-no-route'), 3);
});

test('nobody speaks from an address that is not its own', (t) => {
  const bench = new Bench(t);
  const { network } = bench;
  for (const foreign of ['2001:db8::1', network.ipv6.gatewayText, 'fe80::1', '::1']) {
    bench.control(network.ipv6.gatewayText, [128, 0, 0, 0, 0, 0, 0, 0], foreign);
  }
  assert.equal(network.counters.get('spoofed-address'), 4);
  bench.control(network.ipv6.gatewayText, [128, 0, 0, 0, 0, 0, 0, 0]);
  const { guest, addresses } = bench;
  const other = new NatGuest({ endpoint: network.attach('beta'), ip: guest.ip, addresses });
  other.output.sendUdp(other.station, guest.ip, 9, bench.gateway, 9, 0);
  assert.equal(network.counters.get('spoofed-address'), 5, 'another has it');
});
