import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeMac } from '../packet/addresses.ts';
import { MAXIMUM_MACS_PER_PORT } from './mac-table.ts';
import { Switch } from './switch.ts';
import type { SwitchPortOptions } from './switch-port.ts';

const BROADCAST = 0xffff_ffff_ffff;
let nowNs = 1e9;
const clock = { nowNs: () => nowNs, wallMs: () => 0 };

function frame(to: number, from: number, tag?: number): Uint8Array {
  const bytes = new Uint8Array(tag === undefined ? 60 : 64);
  writeMac(bytes, 0, to);
  writeMac(bytes, 6, from);
  if (tag !== undefined) bytes.set([0x81, 0, tag >>> 8, tag & 255], 12);
  bytes.set([8, 0], bytes.length - 48);
  bytes.fill(0xab, bytes.length - 46);
  return bytes;
}

function lab(...options: SwitchPortOptions[]) {
  const hub = new Switch({ clock });
  const nics = options.map((each) => {
    const port = hub.attach(each);
    const got: Uint8Array[] = [];
    port.setReceiver({
      deliver: (buffer, offset, length) => got.push(buffer.slice(offset, offset + length)) > 0,
    }, () => {});
    const send = (bytes: Uint8Array): boolean => port.deliver(bytes, 0, bytes.length, 0, 0);
    return { port, got, send, take: () => got.splice(0).length };
  });
  return { hub, nics };
}

test('a frame floods until its address was heard, and then goes to one port, until that is old', () => {
  const { nics: [a, b, c] } = lab({ name: 'a' }, { name: 'b' }, { name: 'c' });
  a!.send(frame(2, 1));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [0, 1, 1]);
  b!.send(frame(1, 2));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [1, 0, 0]);
  a!.send(frame(BROADCAST, 1));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [0, 1, 1]);
  nowNs += 301e9;
  a!.send(frame(2, 1));
  assert.deepEqual([a!.take(), b!.take(), c!.take()], [0, 1, 1]);
});

test('access, trunk and native VLANs get their frames in their form', () => {
  const { nics: [a10, b10, a20, trunk, plain] } = lab(
    { name: 'a10', vlan: { kind: 'access', id: 10 } }, { name: 'b10', vlan: { kind: 'access', id: 10 } },
    { name: 'a20', vlan: { kind: 'access', id: 20 } },
    { name: 'trunk', vlan: { kind: 'trunk', native: 20, allowed: [10, 30] } }, { name: 'plain' });
  a10!.send(frame(BROADCAST, 1));
  assert.deepEqual([b10!.got[0], a20!.got.length, plain!.got.length], [frame(BROADCAST, 1), 0, 0]);
  assert.deepEqual(trunk!.got[0], frame(BROADCAST, 1, 10));
  trunk!.send(frame(BROADCAST, 9, 0xa00a));
  assert.deepEqual(b10!.got[1], frame(BROADCAST, 9), 'the tag is gone');
  trunk!.send(frame(BROADCAST, 9));
  assert.deepEqual(a20!.got, [frame(BROADCAST, 9)], 'untagged is native');
  a20!.send(frame(BROADCAST, 3));
  assert.deepEqual(trunk!.got[1], frame(BROADCAST, 3), 'native is untagged');
  trunk!.send(frame(BROADCAST, 9, 40));
  assert.equal(trunk!.port.counters.get('drop-vlan-not-allowed'), 1);
  a10!.send(frame(BROADCAST, 1, 20));
  assert.equal(a10!.port.counters.get('drop-vlan-tagged'), 1);
});

test('a mirror gets what its source sends and receives', () => {
  const { nics: [a, b, watch] } = lab(
    { name: 'a', mirror: 'source' }, { name: 'b' }, { name: 'watch', mirror: 'destination' });
  a!.send(frame(2, 1));
  b!.send(frame(1, 2));
  assert.equal(watch!.take(), 2);
  assert.deepEqual([a!.take(), b!.take()], [1, 1]);
});

test('addresses without end fill one port alone', () => {
  const { nics: [a, b, c] } = lab({ name: 'a' }, { name: 'b' }, { name: 'c' });
  for (let mac = 16; mac < 16 + 2 * MAXIMUM_MACS_PER_PORT; mac += 1) a!.send(frame(BROADCAST, mac * 2 ** 8));
  assert.equal(a!.port.counters.get('learning-full'), MAXIMUM_MACS_PER_PORT);
  b!.send(frame(BROADCAST, 2));
  c!.take();
  a!.take();
  a!.send(frame(2, 1));
  assert.equal(c!.take(), 0, 'the neighbour was still learned');
});

test('bad frames are dropped by name, and trace says what would happen', () => {
  const { hub, nics: [a, b] } = lab({ name: 'a' }, { name: 'b' });
  a!.send(new Uint8Array(13));
  a!.send(frame(2, BROADCAST));
  a!.send(frame(2, 1, 5).subarray(0, 15));
  assert.deepEqual(a!.port.counters.snapshot(), { 'drop-runt': 2, 'drop-source-is-group': 1, 'frames-in': 3 });
  assert.deepEqual(hub.trace(a!.port, frame(2, 1)), ['ingress on a: VLAN 0', 'egress on b: plain', 'delivered to b']);
  b!.port.close();
  assert.deepEqual(hub.trace(a!.port, frame(2, 1)), ['ingress on a: VLAN 0', 'dropped: no-destination']);
});
