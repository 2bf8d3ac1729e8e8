/** The switch process as its clients see it: real processes, real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LinkMessage, LinkMessageKind } from '../../protocols/switch-link.ts';
import { BROADCAST, frame } from '../testing/lab.ts';
import { OwnSwitches, until } from '../testing/own-switches.ts';
import { ask, capture } from './ask.ts';
import { readConfiguration } from './configuration.ts';
import { reachSwitches, startSwitches } from './start.ts';

const LAB = readConfiguration({ version: 1, name: 'lab', type: 'private' });
const A = 0x0015_5d00_0001;
const B = 0x0015_5d00_0002;

test('NICs of a switch exchange frames whole, with what is said about them', async () => {
  await using own = new OwnSwitches();
  own.directory.write(LAB);
  const [a, b, c] = ['a', 'b', 'c'].map((nic, i) => own.nic({ switch: 'lab', nic, mac: A + i }));
  await until('the links come up', () => a!.link.isConnected && b!.link.isConnected && c!.link.isConnected);
  const large = new Uint8Array(60_000).fill(7);
  large.set(frame(B, A));
  for (let i = 0; i < 500; i++) a!.send(frame(B, A));
  a!.send(large, 4, 1448);
  a!.send(frame(BROADCAST, A));
  await until('the frames come', () => b!.got.length === 502 && c!.got.length === 1);
  assert.deepEqual(b!.got[500], large);
  assert.deepEqual(c!.got[0], frame(BROADCAST, A));
  assert.equal(a!.got.length, 0);
});

test('frames for a NIC without room wait in their order, and those that no longer can are counted', async () => {
  await using own = new OwnSwitches();
  own.directory.write(LAB);
  const [a, b] = [own.nic({ switch: 'lab', nic: 'a', mac: A }), own.nic({ switch: 'lab', nic: 'b', mac: B })];
  await until('the links come up', () => a.link.isConnected && b.link.isConnected);
  b.hasRoom = false;
  const [frames, bytes] = [2000, 16_000];
  for (let i = 0; i < frames;) {
    const each = new Uint8Array(bytes);
    each.set(frame(B, A));
    new DataView(each.buffer).setUint32(60, i);
    if (a.send(each)) i++;
    else await new Promise(setImmediate);
  }
  const counters = async (): Promise<{ framesOut: number; drops: Record<string, number> }> => {
    const { ports } = await ask((await reachSwitches(own.directory))!, { kind: 'status', switch: 'lab' }) as
      { ports: { nic: string; counters: { framesOut: number; drops: Record<string, number> } }[] };
    return ports.find(({ nic }) => nic === 'b')!.counters;
  };
  const switched = async (): Promise<boolean> => {
    const { framesOut, drops: { nicFull = 0 } } = await counters();
    return framesOut + nicFull === frames;
  };
  await until('all of them are switched', switched);
  b.hasRoom = true;
  const { framesOut, drops } = await counters();
  assert.deepEqual(Object.keys(drops), ['nicFull']);
  assert.ok(framesOut > 1000 && framesOut < frames, `${framesOut} frames`);
  await until('all that it sent on come', () => {
    b.link.flush();
    return b.got.length >= framesOut;
  });
  const numbers = b.got.map((each) => new DataView(each.buffer).getUint32(60));
  assert.deepEqual(numbers, Array.from({ length: framesOut }, (_, i) => i));
});

test('only one process runs, whoever starts it, and a switch that there is not is refused in a sentence', async () => {
  await using own = new OwnSwitches();
  own.directory.write(LAB);
  const sockets = await Promise.all([1, 2, 3].map(() => startSwitches(own.directory)));
  const pids = await Promise.all(sockets.map((socket) => ask(socket, { kind: 'process' })));
  assert.equal(new Set(pids.map((each) => (each as { pid: number }).pid)).size, 1);
  const lost = own.nic({ switch: 'elsewhere', nic: 'a', mac: A });
  await until('it is refused', () => lost.link.reason.includes('there is no switch "elsewhere"'));
  assert.equal(lost.link.isConnected, false);
  own.directory.write({ ...LAB, name: 'elsewhere' });
  await until('it comes up when there is one', () => lost.link.isConnected);
  const twin = own.nic({ switch: 'elsewhere', nic: 'a', mac: B });
  await until('its twin is refused', () => twin.link.reason.includes('there is a NIC a on the switch elsewhere'));
});

test('a killed process comes back with configuration, addresses and counters, and links follow it', async () => {
  await using own = new OwnSwitches();
  own.directory.write({ ...LAB, nics: { a: { macSpoofing: true }, b: { dhcpGuard: true } } });
  const [a, b] = [own.nic({ switch: 'lab', nic: 'a', mac: A }), own.nic({ switch: 'lab', nic: 'b', mac: B })];
  await until('the links come up', () => a.link.isConnected && b.link.isConnected);
  const changes: boolean[] = [];
  a.link.onConnectionChange = () => changes.push(a.link.isConnected);
  a.send(frame(B, 0x42));
  await until('it comes', () => b.got.length === 1);
  const tables = own.directory.tablesPath('lab');
  await until('it is written down', () => existsSync(tables) && readFileSync(tables, 'utf8').includes('"mac":66'));
  const first = await own.processId();
  process.kill(first as number, 'SIGKILL');
  await until('the link goes', () => changes[0] === false);
  await until('the links come back', () => a.link.isConnected && b.link.isConnected);
  assert.notEqual(await own.processId(), first);
  const status = await ask((await reachSwitches(own.directory))!, { kind: 'status', switch: 'lab' }) as {
    ports: { nic: string; dhcpGuard: boolean; counters: { framesIn: number } }[];
    addresses: { mac: string; nic: string }[];
  };
  assert.equal(status.ports.find(({ nic }) => nic === 'b')?.dhcpGuard, true);
  assert.equal(status.ports.find(({ nic }) => nic === 'a')?.counters.framesIn, 1);
  assert.deepEqual(status.addresses.find(({ mac }) => mac === '00-00-00-00-00-42')?.nic, 'a');
  b.send(frame(A, B));
  await until('frames pass again', () => a.got.length === 1);
});

test('a change of the configuration holds for NICs that are there; a switch that goes takes their link', async () => {
  await using own = new OwnSwitches();
  own.directory.write(LAB);
  const [a, b] = [own.nic({ switch: 'lab', nic: 'a', mac: A }), own.nic({ switch: 'lab', nic: 'b', mac: B })];
  await until('the links come up', () => a.link.isConnected && b.link.isConnected);
  own.directory.write({ ...LAB, nics: { b: { vlan: { kind: 'access', id: 10 } } } });
  const question = async (query: Parameters<typeof ask>[1]) => ask((await reachSwitches(own.directory))!, query);
  assert.equal(await question({ kind: 'reload', switch: 'lab' }), true);
  const hex = Buffer.from(frame(BROADCAST, A)).toString('hex');
  assert.deepEqual(await question({ kind: 'trace', switch: 'lab', nic: 'a', frame: hex }),
    ['ingress on a: VLAN 0', 'egress on b: not on this VLAN', 'dropped: noDestination']);
  await assert.rejects(question({ kind: 'trace', switch: 'lab', nic: 'x', frame: hex }), /there are a, b/);
  own.directory.remove('lab');
  await question({ kind: 'reload', switch: 'lab' });
  await until('the links go', () => !a.link.isConnected && !b.link.isConnected);
});

test('a capture holds the frames of the points that were asked for, as pcapng', async () => {
  await using own = new OwnSwitches();
  own.directory.write(LAB);
  const [a, b] = [own.nic({ switch: 'lab', nic: 'a', mac: A }), own.nic({ switch: 'lab', nic: 'b', mac: B })];
  await until('the links come up', () => a.link.isConnected && b.link.isConnected);
  const blocks: Uint8Array[] = [];
  const socket = (await reachSwitches(own.directory))!;
  const request = { kind: 'capture', switch: 'lab', nic: undefined, points: ['egress', 'drop'] } as const;
  await capture(socket, request, (bytes) => blocks.push(bytes.slice()), () => {});
  a.send(frame(B, A));
  a.send(frame(B, 0x43));
  await until('five blocks come', () => blocks.length === 5);
  socket.destroy();
  const types = blocks.map((block) => new DataView(block.buffer, block.byteOffset).getUint32(0, true));
  assert.deepEqual(types, [0x0a0d_0d0a, 1, 6, 1, 6]);
  assert.deepEqual(blocks[2]!.subarray(28, 88), frame(B, A));
  assert.match(Buffer.from(blocks[4]!).toString('latin1'), /dropped: macSpoofed/);
  for (const block of blocks) {
    const view = new DataView(block.buffer, block.byteOffset, block.length);
    assert.deepEqual([view.getUint32(4, true), view.getUint32(block.length - 4, true)], [block.length, block.length]);
  }
});

test('a client that makes no sense is let go, and nobody else notices', async () => {
  await using own = new OwnSwitches();
  own.directory.write(LAB);
  const [a, b] = [own.nic({ switch: 'lab', nic: 'a', mac: A }), own.nic({ switch: 'lab', nic: 'b', mac: B })];
  await until('the links come up', () => a.link.isConnected && b.link.isConnected);
  const head = (kind: number, bodyBytes: number): Uint8Array => {
    const bytes = new Uint8Array(LinkMessage.$size + Math.min(bodyBytes, 16));
    LinkMessage.encode(new DataView(bytes.buffer), 0, { bodyBytes, kind, reserved: 0, count: 1 });
    return bytes;
  };
  for (const nonsense of [
    head(LinkMessageKind.Control, 0xffff_ffff), head(LinkMessageKind.Control, 8), head(LinkMessageKind.Frames, 8),
    head(9, 0), head(LinkMessageKind.Capture, 4),
  ]) {
    const socket = await startSwitches(own.directory);
    socket.on('error', () => {});
    socket.resume();
    socket.write(nonsense);
    await once(socket, 'close');
  }
  a.send(frame(B, A));
  await until('frames still pass', () => b.got.length === 1);
});

test('configurations are checked value by value', () => {
  const good = { version: 1, name: 'lab', type: 'external', adapter: 'eth1', nics: { a: { stormLimit: 5,
    forwards: [{ protocol: 'udp', hostPort: 53, guestPort: 5300 }] } } };
  assert.deepEqual(readConfiguration(good), { ...good, allowManagement: true });
  for (const [change, sentence] of [
    [{ version: 2 }, /version of a switch's configuration is 1/],
    [{ adapter: undefined }, /an external switch needs an adapter/],
    [{ type: 'private' }, /only an external switch has an adapter/],
    [{ adapter: 'a b' }, /is the name of an interface/],
    [{ nics: { 'a b': {} } }, /a NIC's name is letters/],
    [{ nics: { a: { speed: 1 } } }, /a NIC has no setting "speed"/],
    [{ nics: { a: { stormLimit: -1 } } }, /stormLimit is a whole number/],
    [{ nics: { a: { vlan: { kind: 'access', id: 4095 } } } }, /a VLAN is a number from 1 to 4094/],
    [{ nics: { a: { vlan: { kind: 'trunk', native: 1, allowed: 5 } } } }, /a list of VLANs/],
    [{ nics: { a: { mirror: 'both' } } }, /mirror is none, source or destination/],
    [{ nics: { a: { forwards: {} } } }, /forwards are a list of at most 64/],
    [{ nics: { a: { forwards: [{ protocol: 'icmp', hostPort: 1, guestPort: 1 }] } } }, /a forward is tcp or udp/],
    [{ nics: { a: { forwards: [{ protocol: 'tcp', hostPort: 0, guestPort: 80 }] } } }, /a forward is tcp or udp/],
  ] as const) assert.throws(() => readConfiguration({ ...good, ...change }), sentence);
});

test('a damaged file is named', async () => {
  await using own = new OwnSwitches();
  own.directory.write(LAB);
  writeFileSync(join(own.directory.configuration, 'switches/lab.json'), '{"version":1,');
  assert.throws(() => own.directory.read('lab'), /lab\.json is no configuration of a switch/);
  assert.throws(() => own.directory.read('../lab'), /there is no switch/);
});
