/** The NAT network against real sockets on this machine's loopback. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GATEWAY_MAC, NatGuest } from '../testing/nat-guest.ts';
import { parseIpv4 } from '../packet/addresses.ts';
import { NatNetwork, type NatNetworkOptions } from './nat-network.ts';

const GATEWAY = parseIpv4('10.9.8.1')!;
const GUEST = parseIpv4('10.9.8.7')!;
const MEBIBYTE = 1 << 20;

function start(t: TestContext, options: NatNetworkOptions = {}, fate?: () => 'pass' | 'lose' | 'double' | 'late') {
  const network = new NatNetwork({ subnet: '10.9.8.0/24', ...options });
  const endpoint = network.attach('alpha');
  const guest = new NatGuest({ endpoint, ip: GUEST, ...(fate === undefined ? {} : { fate }) });
  t.after(() => {
    for (const connection of guest.connections.values()) connection.close();
    network.close();
  });
  return { network, guest };
}

async function serve(t: TestContext, accept: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    if (condition()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
}

/** Bytes that repeat with a period prime to every buffer size. */
function pattern(bytes: number): Buffer {
  const block = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) block[at] = (at * 7 + (at >>> 8) + (at % 251)) & 255;
  return block;
}

async function bothWays(t: TestContext, bytes: number, fate?: () => 'pass' | 'lose' | 'double' | 'late') {
  const data = pattern(bytes);
  const expected = createHash('sha256').update(data).digest('hex');
  const atHost = createHash('sha256');
  let hostEnded = false;
  const port = await serve(t, (socket) => {
    socket.on('data', (chunk) => atHost.update(chunk));
    socket.on('end', () => { hostEnded = true; });
    socket.end(data);
  });
  const { network, guest } = start(t, {}, fate);
  const atGuest = createHash('sha256');
  const connection = guest.connect(GATEWAY, port, 4000);
  connection.onData = (chunk) => void atGuest.update(chunk);
  connection.write(data);
  connection.end();
  await until(() => hostEnded && connection.isEnded && connection.isFinished, 'both directions end');
  assert.equal(atHost.digest('hex'), expected);
  assert.equal(atGuest.digest('hex'), expected);
  assert.equal(guest.badChecksums, 0);
  return network;
}

test('bytes arrive unchanged both ways at once', async (t) => {
  await bothWays(t, 64 * MEBIBYTE);
});

test('bytes arrive unchanged over a link that loses, doubles and delays', async (t) => {
  let state = 12_345;
  const next = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16;
  const network = await bothWays(t, 2 * MEBIBYTE, () => {
    const dice = next() % 100;
    return dice < 2 ? 'lose' : dice < 4 ? 'double' : dice < 8 ? 'late' : 'pass';
  });
  assert.ok(network.counters.get('tcp-held') > 0, 'segments came out of order');
});

test('a refused connection is a reset', async (t) => {
  const port = await serve(t, () => {});
  const closed = await new Promise<number>((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => resolve(free));
    });
  });
  const { guest } = start(t);
  const open = guest.connect(GATEWAY, port, 4000);
  const refused = guest.connect(GATEWAY, closed, 4001);
  await until(() => open.state === 'open' && refused.state === 'reset', 'one opens, one is refused');
});

test('the gateway does not reach the host when told not to', async (t) => {
  const port = await serve(t, () => {});
  const { network, guest } = start(t, { hostLoopback: false });
  const connection = guest.connect(GATEWAY, port, 4000);
  await until(() => connection.state === 'reset', 'refused');
  assert.equal(network.counters.get('tcp-no-route'), 1);
});

test('a side that has ended can still be written to', async (t) => {
  const port = await serve(t, (socket) => {
    const parts: Buffer[] = [];
    socket.on('data', (chunk) => parts.push(chunk));
    socket.on('end', () => setTimeout(() => socket.end(Buffer.concat(parts).toString().toUpperCase()), 50));
  });
  const { network, guest } = start(t);
  const connection = guest.connect(GATEWAY, port, 4000);
  let text = '';
  connection.onData = (chunk) => { text += Buffer.from(chunk).toString(); };
  connection.write(Buffer.from('hello'));
  connection.end();
  await until(() => connection.isEnded, 'the answer ends');
  assert.equal(text, 'HELLO');
  assert.equal(network.sizes.tcp, 1, 'kept for a while, for a last segment that comes again');
});

test('a slow reader on either side stops the other', async (t) => {
  let hostSocket: Socket | undefined;
  let offered = 0;
  const port = await serve(t, (socket) => {
    hostSocket = socket;
    socket.pause();
    const block = Buffer.alloc(MEBIBYTE);
    const more = (): void => {
      while (offered < 64 && socket.write(block)) offered++;
    };
    socket.on('drain', more);
    more();
  });
  const { guest } = start(t);
  const connection = guest.connect(GATEWAY, port, 4000);
  connection.isReading = false;
  connection.write(new Uint8Array(64 * MEBIBYTE));
  await sleep(1500);
  assert.ok(offered < 40, `the host's writer stopped at ${offered} of 64`);
  assert.ok(connection.unsentBytes > 24 * MEBIBYTE, `${connection.unsentBytes} bytes still wait in the guest`);
  connection.isReading = true;
  let atHost = 0;
  hostSocket?.on('data', (chunk) => { atHost += chunk.length; });
  hostSocket?.resume();
  await until(() => atHost === 64 * MEBIBYTE, 'the host gets everything');
});

test('200 connections open and close, and leave nothing behind when reset', async (t) => {
  const port = await serve(t, (socket) => socket.pipe(socket));
  const { network, guest } = start(t);
  const connections = Array.from({ length: 200 }, (_, index) => guest.connect(GATEWAY, port, 5000 + index));
  for (const connection of connections) connection.write(Buffer.from('x'));
  await until(() => connections.every(({ receivedBytes }) => receivedBytes === 1), 'all echo');
  assert.equal(network.sizes.tcp, 200);
  for (const connection of connections) connection.reset();
  assert.equal(network.sizes.tcp, 0);
});

test('a port of the host reaches the guest', async (t) => {
  const { network, guest } = start(t);
  guest.output.sendUdp(guest.station, GUEST, 9, GATEWAY, 9, 0);
  const { port } = await network.forward({ hostPort: 0, guest: 'alpha', guestPort: 80 });
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await until(() => guest.frames.some((frame) => frame[23] === 6 && frame[47] === 2), 'a SYN for the guest');
  socket.destroy();
});

test('datagrams go out and come back, and nobody else gets in', async (t) => {
  const server = createSocket('udp4');
  t.after(() => server.close());
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  let from = 0;
  server.on('message', (payload, peer) => {
    from = peer.port;
    server.send(`${payload.toString()}!`, peer.port, peer.address);
  });
  const { network, guest } = start(t);
  guest.output.bytes.set(Buffer.from('ping'), 42);
  guest.output.sendUdp(guest.station, GUEST, 1234, GATEWAY, server.address().port, 4);
  await until(() => guest.frames.length === 1, 'the answer');
  assert.equal(Buffer.from(guest.frames[0]!.subarray(42)).toString(), 'ping!');
  const stranger = createSocket('udp4');
  t.after(() => stranger.close());
  stranger.send('intruder', from, '127.0.0.1');
  await until(() => network.counters.get('udp-unsolicited') === 1, 'the stranger is counted');
  assert.equal(guest.frames.length, 1);
});

test('datagrams to a port of the host reach the guest, and its answers their senders', async (t) => {
  const { network, guest } = start(t);
  guest.output.sendUdp(guest.station, GUEST, 9, GATEWAY, 9, 0);
  const { port } = await network.forward({ protocol: 'udp', hostPort: 0, guest: 'alpha', guestPort: 700 });
  const peers = ['one', 'two'].map((text) => {
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    const got: string[] = [];
    socket.on('message', (payload) => got.push(payload.toString()));
    socket.send(text, port, '127.0.0.1');
    return { socket, got };
  });
  await until(() => guest.frames.length === 2, 'both come');
  for (const frame of guest.frames) {
    const view = new DataView(frame.buffer, frame.byteOffset);
    assert.deepEqual([view.getUint32(26), view.getUint16(36)], [GATEWAY, 700]);
    const answer = Buffer.concat([frame.subarray(42), Buffer.from('!')]);
    guest.output.bytes.set(answer, 42);
    guest.output.sendUdp(guest.station, GUEST, 700, GATEWAY, view.getUint16(34), answer.length);
  }
  await until(() => peers.every(({ got }) => got.length === 1), 'both are answered');
  assert.deepEqual(peers.map(({ got }) => got[0]), ['one!', 'two!']);
});

test('10,000 flows of datagrams at once are all answered', async (t) => {
  const server = createSocket('udp4');
  t.after(() => server.close());
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  server.on('message', (payload, peer) => server.send(payload, peer.port, peer.address));
  const { network, guest } = start(t);
  const answered = new Set<number>();
  const flows = Array.from({ length: 10_000 }, (_, i) => 20_000 + i);
  // What UDP loses on the way is sent again.
  for (let round = 0; answered.size < flows.length && round < 50; round++) {
    for (const flow of flows) {
      if (answered.has(flow)) continue;
      guest.output.bytes.set([flow >>> 8, flow & 255], 42);
      guest.output.sendUdp(guest.station, GUEST, flow, GATEWAY, server.address().port, 2);
      if (flow % 100 === 0) await sleep(1);
    }
    await sleep(200);
    for (const frame of guest.frames.splice(0)) {
      const view = new DataView(frame.buffer, frame.byteOffset);
      if (view.getUint16(36) === view.getUint16(42)) answered.add(view.getUint16(36));
    }
  }
  assert.deepEqual([answered.size, network.sizes.udp], [10_000, 10_000]);
});

test('a guest reaches its own port of the host by the address of the gateway', async (t) => {
  const { network, guest } = start(t);
  guest.output.sendUdp(guest.station, GUEST, 9, GATEWAY, 9, 0);
  const { port } = await network.forward({ hostPort: 0, guest: 'alpha', guestPort: 80 });
  guest.connect(GATEWAY, port, 4000);
  await until(() => guest.frames.some((frame) => frame[23] === 6 && frame[47] === 2), 'a SYN for the guest itself');
});

test('hostile frames are counted and change nothing', async (t) => {
  const { network, guest } = start(t);
  const endpoint = network.attach('beta');
  const frame = new Uint8Array(1600);
  let state = 99;
  const next = (limit: number): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8) % limit;
  const mac = new DataView(new ArrayBuffer(8));
  mac.setBigUint64(0, BigInt(GATEWAY_MAC) << 16n);
  for (let count = 0; count < 20_000; count++) {
    for (let at = 0; at < 64; at++) frame[at] = next(256);
    frame.set(new Uint8Array(mac.buffer, 0, 6));
    frame.set([0, 0x15, 0x5d, 0, 0, 9, 8, next(4) === 0 ? 6 : 0, next(4) === 0 ? next(256) : 0x45], 6);
    // From the guest's subnet, to the gateway, so that most come far; never to another host.
    frame.set([10, 9, 8, 3 + next(3), 10, 9, 8, 1], 26);
    frame[23] = [1, 6, 17, 2][next(4)]!;
    if (frame[23] === 6) frame[47] = next(256) & ~2;
    if (frame[23] === 17) frame.set([0, 67], 36);
    endpoint.deliver(frame, 0, next(5) === 0 ? next(64) : 64 + next(1000), next(2) * 5, next(20) === 0 ? 1460 : 0);
  }
  endpoint.flush();
  assert.equal(network.sizes.tcp, 0);
  assert.ok(Object.keys(network.counters.snapshot()).length < 60);
  assert.equal(guest.badChecksums, 0);
});
