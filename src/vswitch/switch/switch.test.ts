import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROADCAST, frame, lab, nicOn } from '../testing/lab.ts';
import { KeyWord } from './flow-key.ts';
import { MAXIMUM_MACS_PER_PORT } from './mac-table.ts';
import type { SwitchPortOptions } from './switch-port.ts';
import type { VlanMode } from './vlan.ts';

const access = (name: string, id: number): SwitchPortOptions => ({ name, vlan: { kind: 'access', id } });

test('a frame floods until its address was heard, and then goes to one port, until that is old', () => {
  const { clock, nics: [a, b, c] } = lab([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  a!.send(frame(2, 0x10));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [0, 1, 1]);
  b!.send(frame(0x10, 2));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [1, 0, 0]);
  a!.send(frame(BROADCAST, 0x10));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [0, 1, 1]);
  a!.send(frame(2, 0x10));
  a!.send(frame(2, 0x10));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [0, 2, 0]);
  clock.seconds += 301;
  a!.send(frame(2, 0x10));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [0, 1, 1]);
});

test('an address that moves is followed from the first frame on', () => {
  const { nics: [a, b, c] } = lab([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  for (const nic of [b!, b!, c!]) nic.send(frame(BROADCAST, 0x20));
  a!.take();
  b!.take();
  c!.take();
  a!.send(frame(0x20, 0x10));
  assert.deepEqual([b!.take(), c!.take()], [0, 1]);
  b!.send(frame(BROADCAST, 0x20));
  c!.take();
  a!.send(frame(0x20, 0x10));
  assert.deepEqual([b!.take(), c!.take()], [1, 0]);
});

test('a NIC sends from its own address alone, unless it may spoof; nobody takes an address that was given', () => {
  const { nics: [a, b, c] } = lab([
    { name: 'a', mac: 0x10 }, { name: 'b', mac: 0x20 },
    { name: 'c', mac: 0x30, policy: { macSpoofing: true } },
  ]);
  a!.send(frame(0x20, 0x11));
  assert.deepEqual([a!.port.counters.dropped('macSpoofed'), b!.take()], [1, 0]);
  c!.send(frame(BROADCAST, 0x20));
  assert.equal(c!.port.counters.get('learningRefused'), 1);
  b!.take();
  c!.take();
  a!.send(frame(0x20, 0x10));
  assert.deepEqual([b!.take(), c!.take()], [1, 0]);
  a!.port.configure({ policy: { macSpoofing: true } });
  a!.send(frame(0x20, 0x11));
  assert.equal(b!.take(), 1, 'a change holds for the next frame');
});

test('access, trunk and native VLANs get their frames in their form', () => {
  const { nics: [a10, b10, a20, trunk, plain] } = lab([
    access('a10', 10), access('b10', 10), access('a20', 20),
    { name: 'trunk', vlan: { kind: 'trunk', native: 20, allowed: [10, 30] } }, { name: 'plain' },
  ]);
  a10!.send(frame(BROADCAST, 0x10));
  assert.deepEqual([b10!.got[0], a20!.got.length, plain!.got.length], [frame(BROADCAST, 0x10), 0, 0]);
  assert.deepEqual(trunk!.got[0], frame(BROADCAST, 0x10, 10));
  trunk!.send(frame(BROADCAST, 0x90, 0xa00a));
  assert.deepEqual(b10!.got[1], frame(BROADCAST, 0x90), 'the tag is gone');
  trunk!.send(frame(BROADCAST, 0x90));
  assert.deepEqual(a20!.got, [frame(BROADCAST, 0x90)], 'untagged is native');
  a20!.send(frame(BROADCAST, 0x30));
  assert.deepEqual(trunk!.got[1], frame(BROADCAST, 0x30), 'native is untagged');
  trunk!.send(frame(BROADCAST, 0x90, 40));
  assert.equal(trunk!.port.counters.dropped('vlanNotAllowed'), 1);
  a10!.send(frame(BROADCAST, 0x10, 20));
  assert.equal(a10!.port.counters.dropped('vlanTagged'), 1);
});

test('no second tag ever comes to light where the first was taken off', () => {
  const trunkOf = (name: string, native: number): SwitchPortOptions =>
    ({ name, vlan: { kind: 'trunk', native, allowed: [10, 20] } });
  const { nics: [one, two, ten] } = lab([trunkOf('one', 0), trunkOf('two', 10), access('ten', 10)]);
  one!.send(frame(BROADCAST, 0x10, 10, 20));
  assert.deepEqual([two!.take(), ten!.take()], [0, 0], 'neither as its native VLAN nor on an access port');
  one!.send(frame(BROADCAST, 0x10, 20, 10));
  assert.deepEqual(two!.got, [frame(BROADCAST, 0x10, 20, 10)], 'it stays where the first one stays');
  ten!.send(frame(BROADCAST, 0x30, 0, 20));
  assert.equal(ten!.port.counters.dropped('vlanDoubleTagged'), 1);
  const service = frame(BROADCAST, 0x30);
  service.set([0x88, 0xa8], 12);
  ten!.send(service);
  assert.equal(ten!.port.counters.dropped('vlanTagged'), 1);
});

test('priorities become 0 unless the NIC may set them', () => {
  const trunk = (name: string, priorityTag: boolean): SwitchPortOptions =>
    ({ name, vlan: { kind: 'trunk', native: 0, allowed: [10] }, policy: { priorityTag } });
  const { nics: [a, b, plain] } = lab([trunk('a', false), trunk('b', true), access('plain', 10)]);
  a!.send(frame(BROADCAST, 0x10, 0xa00a));
  assert.deepEqual([b!.got[0], plain!.got[0]], [frame(BROADCAST, 0x10, 10), frame(BROADCAST, 0x10)]);
  b!.send(frame(BROADCAST, 0x20, 0xa00a));
  assert.deepEqual([a!.got[0], plain!.got[1]], [frame(BROADCAST, 0x20, 0xa00a), frame(BROADCAST, 0x20, 0xa000)]);
});

/** Rows send, columns receive; from NDIS_SWITCH_PORT_PVLAN_MODE. */
const PRIVATE_PORTS: readonly (readonly [name: string, vlan: VlanMode, reaches: string])[] = [
  ['P', { kind: 'promiscuous', primary: 10, secondaries: [200, 201, 300] }, 'QIJCDEA'],
  ['Q', { kind: 'promiscuous', primary: 10, secondaries: [200, 201, 300] }, 'PIJCDEA'],
  ['I', { kind: 'isolated', primary: 10, secondary: 200 }, 'PQ'],
  ['J', { kind: 'isolated', primary: 10, secondary: 200 }, 'PQ'],
  ['C', { kind: 'community', primary: 10, secondary: 201 }, 'PQD'],
  ['D', { kind: 'community', primary: 10, secondary: 201 }, 'PQC'],
  ['E', { kind: 'community', primary: 10, secondary: 202 }, ''],
  ['A', { kind: 'access', id: 10 }, 'PQIJCDE'],
];

test('private VLANs reach whom they may, by broadcast and by address', () => {
  const { nics } = lab(PRIVATE_PORTS.map(([name, vlan], i) => ({ name, vlan, mac: 0x10 + i })));
  PRIVATE_PORTS.forEach(([name, , reaches], from) => {
    nics[from]!.send(frame(BROADCAST, 0x10 + from));
    const got = nics.map((nic, i) => nic.take() > 0 ? PRIVATE_PORTS[i]![0] : '').join('');
    assert.equal([...got].sort().join(''), [...reaches].sort().join(''), `broadcast of ${name}`);
    PRIVATE_PORTS.forEach(([other], to) => {
      if (from === to) return;
      nics[from]!.send(frame(0x10 + to, 0x10 + from));
      assert.deepEqual(nics.map((nic) => nic.take()), nics.map((_, i) => i === to && reaches.includes(other) ? 1 : 0),
        `${name} to ${other}`);
    });
  });
});

test('a mirror gets what its source sends and receives', () => {
  const { nics: [a, b, watch] } = lab(
    [{ name: 'a', mirror: 'source' }, { name: 'b' }, { name: 'watch', mirror: 'destination' }]);
  a!.send(frame(2, 0x10));
  b!.send(frame(0x10, 2));
  assert.equal(watch!.take(), 2);
  assert.deepEqual([a!.take(), b!.take()], [1, 1]);
});

test('addresses without end fill one port alone', () => {
  const { nics: [a, b, c] } = lab([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  for (let mac = 16; mac < 16 + 2 * MAXIMUM_MACS_PER_PORT; mac += 1) a!.send(frame(BROADCAST, mac * 2 ** 8));
  assert.ok(a!.port.counters.get('learningRefused') >= MAXIMUM_MACS_PER_PORT);
  b!.send(frame(BROADCAST, 2));
  c!.take();
  a!.take();
  a!.send(frame(2, 0x10));
  assert.equal(c!.take(), 0, 'the neighbour was still learned');
});

test('bad frames are dropped by name, and trace says what would happen', () => {
  const { hub, nics: [a, b] } = lab([{ name: 'a' }, { name: 'b' }]);
  a!.send(new Uint8Array(13));
  a!.send(frame(2, BROADCAST));
  a!.send(frame(2, 0x10, 5).subarray(0, 15));
  a!.send(frame(0x0180_c200_0000, 0x10));
  const { drops, framesIn } = a!.port.counters.snapshot();
  assert.deepEqual([drops, framesIn], [{ runt: 2, sourceIsGroup: 1, reservedAddress: 1 }, 4]);
  assert.deepEqual(
    hub.trace(a!.port, frame(2, 0x10)), ['ingress on a: VLAN 0', 'egress on b: plain', 'delivered to b']);
  b!.port.close();
  assert.deepEqual(hub.trace(a!.port, frame(2, 0x10)), ['ingress on a: VLAN 0', 'dropped: noDestination']);
});

test('a NIC that is disconnected neither sends nor gets anything, and goes on when it is connected again', () => {
  const { nics: [a, b] } = lab([{ name: 'a' }, { name: 'b' }]);
  const changes: boolean[] = [];
  b!.port.onConnectionChange = () => changes.push(b!.port.isConnected);
  assert.ok(b!.port.enter('disconnected'));
  assert.equal(b!.port.enter('torn-down'), false, 'its NIC is still there');
  b!.send(frame(BROADCAST, 2));
  a!.send(frame(BROADCAST, 0x10));
  assert.deepEqual([a!.take(), b!.take(), b!.port.counters.dropped('notConnected')], [0, 0, 1]);
  b!.port.enter('connected');
  a!.send(frame(BROADCAST, 0x10));
  assert.deepEqual([b!.take(), changes], [1, [false, true]]);
});

test('a NIC that storms is held to its limit, and harms nobody', () => {
  const { clock, nics: [a, b, c] } = lab([{ name: 'a', policy: { stormLimit: 3 } }, { name: 'b' }, { name: 'c' }]);
  for (let i = 0; i < 10; i++) a!.send(frame(BROADCAST, 0x10));
  b!.send(frame(BROADCAST, 2));
  assert.deepEqual([b!.take(), c!.take(), a!.port.counters.dropped('stormLimit')], [3, 4, 7]);
  a!.send(frame(2, 0x10));
  assert.equal(b!.take(), 1, 'what goes to one port is no storm');
  clock.seconds += 1;
  a!.send(frame(BROADCAST, 0x10));
  assert.equal(b!.take(), 1);
});

test('a NIC sends no more bytes in a second than it may', () => {
  const { clock, nics: [a, b] } = lab([{ name: 'a', policy: { maximumBandwidth: 8 * 60_000 } }, { name: 'b' }]);
  for (let i = 0; i < 3000; i++) a!.send(frame(BROADCAST, 0x10));
  const first = b!.take();
  clock.seconds += 1;
  for (let i = 0; i < 3000; i++) a!.send(frame(BROADCAST, 0x10));
  assert.deepEqual([first, b!.take()], [1000, 1000]);
  assert.equal(a!.port.counters.dropped('bandwidthMaximum'), 4000);
});

test('extensions filter, exclude and forward, and what they decide is remembered for what they looked at', () => {
  let looks = 0;
  const { hub, nics: [a, b, c] } = lab([{ name: 'a' }, { name: 'b' }, { name: 'c' }], [
    {
      kind: 'filter', name: 'no-udp', looksAt: 'network',
      ingress: (flow) => {
        looks++;
        return ((flow.network(KeyWord.Protocol) >>> 16) & 0xff) === 17 ? 'drop' : undefined;
      },
      egress: (_flow, { name }) => name === 'c' ? 'exclude' : undefined,
    },
  ]);
  const udp = frame(BROADCAST, 0x10);
  udp[14 + 9] = 17;
  a!.send(udp);
  a!.send(frame(BROADCAST, 0x10));
  assert.deepEqual([b!.take(), c!.take(), a!.port.counters.dropped('filtered')], [1, 0, 1]);
  assert.deepEqual(hub.trace(a!.port, udp), ['ingress on a: VLAN 0', 'filter no-udp drops it', 'dropped: filtered']);
  looks = 0;
  hub.setExtensions([{
    kind: 'forwarding', name: 'to-c', looksAt: 'link', mayCreatePort: (name) => name !== 'x',
    forward: (_flow, ports) => [...ports].filter(({ name }) => name === 'c'),
  }]);
  a!.send(udp);
  assert.deepEqual([b!.take(), c!.take(), looks], [0, 1, 0]);
  assert.throws(() => nicOn(hub, { name: 'x' }), /the extension to-c refuses the port x/);
});

test('what is remembered is found again, and by what was looked at alone', () => {
  const { hub, nics: [a, b] } = lab([{ name: 'a' }, { name: 'b' }]);
  b!.send(frame(BROADCAST, 2));
  for (let i = 0; i < 3; i++) a!.send(frame(2, 0x10));
  assert.ok(hub.cacheFigures.microHits >= 2);
  const { misses } = hub.cacheFigures;
  hub.setExtensions([{ kind: 'filter', name: 'blind', looksAt: 'network' }]);
  a!.send(frame(2, 0x10));
  for (let host = 0; host < 5; host++) {
    const other = frame(2, 0x10);
    other[14] = 0x45;
    other[30] = host;
    a!.send(other);
  }
  assert.deepEqual([hub.cacheFigures.misses - misses, hub.cacheFigures.megaHits], [1, 5]);
});
