/**
 * Frames of any content into a switch whose ports and settings change meanwhile: nothing throws, every frame that goes
 * in is counted once, and what is remembered is what would be decided anew (each hit of the cache is decided again).
 */
import assert from 'node:assert/strict';
import { seededNumbers } from '../src/chipset/testing/seeded-numbers.ts';
import { BROADCAST, frame, lab, nicOn, type LabNic } from '../src/vswitch/testing/lab.ts';
import { KeyWord } from '../src/vswitch/switch/flow-key.ts';
import type { VlanMode } from '../src/vswitch/switch/vlan.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';

const FRAMES = 300;
const MODES: readonly VlanMode[] = [
  { kind: 'untagged' }, { kind: 'access', id: 10 }, { kind: 'access', id: 20 },
  { kind: 'trunk', native: 10, allowed: [20, 200] }, { kind: 'trunk', native: 0, allowed: [10] },
  { kind: 'isolated', primary: 10, secondary: 200 }, { kind: 'community', primary: 10, secondary: 201 },
  { kind: 'promiscuous', primary: 10, secondaries: [200, 201] },
];
const TYPES = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806];

function anyFrame(next: (limit: number) => number): Uint8Array {
  const tags = Array.from({ length: next(3) }, () => (next(8) << 13) | [0, 10, 20, 200, 201, 4095][next(6)]!);
  const to = next(4) === 0 ? BROADCAST : next(12) * 2;
  const bytes = frame(to, next(20) === 0 ? BROADCAST : 2 * next(12), ...tags);
  const at = 14 + tags.length * 4;
  bytes.set([TYPES[next(5)]! >>> 8, TYPES[next(5)]! & 0xff], at - 2);
  for (let i = at; i < at + 48 && i < bytes.length; i++) if (next(2) === 0) bytes[i] = next(256);
  if (next(2) === 0) bytes[at] = [0x45, 0x60, 0x4f][next(3)]!;
  if (next(2) === 0) bytes[at + 9] = [1, 17, 6][next(3)]!;
  if (next(2) === 0) bytes[at + 6] = [58, 17, 0, 43, 44, 51, 60][next(7)]!;
  return next(10) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes;
}

function change(next: (limit: number) => number, nics: LabNic[], nic: LabNic): void {
  switch (next(4)) {
    case 0: nic.port.configure({ vlan: MODES[next(MODES.length)]! }); break;
    case 1: nic.port.configure({ mirror: (['none', 'source', 'destination'] as const)[next(3)]! }); break;
    case 2:
      nic.port.configure({ policy: {
        macSpoofing: next(2) === 0, dhcpGuard: next(2) === 0, routerGuard: next(2) === 0, priorityTag: next(2) === 0,
        stormLimit: next(3) * 5,
      } });
      break;
    default: if (!nic.port.enter('disconnected')) nic.port.enter('connected');
  }
  for (const each of nics) each.take();
}

export const target: FuzzTarget = {
  name: 'switch-core',
  covers: ['src/vswitch/switch/'],
  run(seed, iterations) {
    const next = seededNumbers(seed);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const { hub, clock, nics } = lab([{ name: 'a', mac: 2 }, { name: 'b', mac: 4 }, { name: 'c' }, { name: 'd' }]);
      hub.setExtensions(next(3) > 0 ? [] : [{
        kind: 'filter', name: 'some', looksAt: 'network',
        ingress: (flow) => (flow.network(KeyWord.Ports) & 7) === 7 ? 'drop' : undefined,
        egress: (flow, { name }) =>
          name === 'd' && (flow.network(KeyWord.Protocol) & 0xff) === 1 ? 'exclude' : undefined,
      }]);
      for (let count = 0; count < FRAMES; count++) {
        const at = next(nics.length);
        const nic = nics[at]!;
        if (next(12) === 0) change(next, nics, nic);
        if (next(50) === 0) {
          nic.port.close();
          nics[at] = nicOn(hub, { name: nic.port.name, vlan: MODES[next(MODES.length)]! });
        }
        if (next(30) === 0) clock.seconds += next(400);
        const before = nics[at]!.port.counters.snapshot();
        const bytes = anyFrame(next);
        hub.trace(nics[at]!.port, bytes);
        nics[at]!.send(bytes);
        const after = nics[at]!.port.counters.snapshot();
        const got = nics.reduce((sum, each) => sum + each.got.length, 0);
        const lost = Object.values(after.drops).reduce((sum, each) => sum + each, 0) -
          Object.values(before.drops).reduce((sum, each) => sum + each, 0);
        assert.equal(nics[at]!.got.length, 0, 'a frame came back');
        assert.equal(after.framesIn, before.framesIn + 1);
        assert.ok(lost === 1 ? got === 0 : lost === 0 && got > 0, `lost ${lost}, delivered ${got}`);
        for (const each of nics) each.take();
      }
    }
  },
};
