/**
 * Frames of every kind from a guest into a NAT network whose host is made up: nothing throws, the tables stay within
 * their bounds, and every frame that comes back is one that the guest's own parser accepts.
 */
import type { HostNetwork, StreamEvents } from '../src/vswitch/nat/host-network.ts';
import { NatNetwork } from '../src/vswitch/nat/nat-network.ts';
import { MAXIMUM_CONNECTIONS_PER_GUEST } from '../src/vswitch/nat/tcp-table.ts';
import { readIpv4, transportChecksumHolds, type Ipv4Packet } from '../src/vswitch/packet/ipv4-packet.ts';
import { ManualTimers } from '../src/kit/timers.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';
import { seededNumbers } from '../src/chipset/testing/seeded-numbers.ts';

type Numbers = (limit: number) => number;
const FRAMES_PER_ITERATION = 100;
const HEADER = [0x52, 0x55, 0x0a, 0, 0, 1, 0, 0x15, 0x5d, 0, 0, 9, 8, 0];
const PORTS = [53, 67, 80, 5000];
const EDGES = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_0000];

/** Connects, answers and ends as the numbers say, all within the call or a later one. */
function madeUpHost(next: Numbers, open: StreamEvents[]): HostNetwork {
  return {
    connect: (_address, _port, events) => {
      open.push(events);
      return { write() {}, queuedBytes: 0, end() {}, pause() {}, resume() {}, reset() {} };
    },
    listen: () => Promise.resolve({ port: 1, close() {} }),
    datagrams: (_family, received) => ({
      send: (payload, address, port) => { if (next(2) === 0) received(payload, address, port); },
      close() {},
    }),
    bind: (_address, _port, received) => {
      received(new Uint8Array(next(50)), '127.0.0.1', 1 + next(65_535));
      return Promise.resolve({ port: 1, send() {}, close() {} });
    },
    resolvers: () => ['127.0.0.1'],
  };
}

function fill(frame: Uint8Array, next: Numbers, sequences: number[]): number {
  const view = new DataView(frame.buffer);
  const length = next(8) === 0 ? next(70) : 60 + next(600);
  for (let at = 0; at < 120; at++) frame[at] = next(256);
  frame.set(HEADER);
  if (next(20) === 0) frame.fill(0xff, 0, 6);
  if (next(10) === 0) frame[13] = 6;
  if (next(8) !== 0) frame[14] = 0x45;
  if (next(8) !== 0) view.setUint16(16, Math.max(length - 14, 0));
  if (next(8) !== 0) view.setUint16(20, 0);
  frame[23] = [1, 6, 6, 6, 17, 17, 2][next(7)]!;
  if (next(8) !== 0) frame.set([10, 9, 8, 3 + next(3), 10, 9, 8, next(8) === 0 ? 255 : 1], 26);
  view.setUint16(34, 5000 + next(4));
  view.setUint16(36, PORTS[next(PORTS.length)]!);
  if (frame[23] === 6) {
    if (next(2) === 0) frame[46] = 0x50;
    if (next(2) === 0) frame[47] = [2, 0x10, 0x11, 0x18, 4][next(5)]!;
    if (next(3) !== 0) view.setUint32(42, sequences[next(sequences.length)] ?? 0);
    view.setUint32(38, next(2) === 0 ? EDGES[next(EDGES.length)]! : next(4) * 500);
  } else if (next(2) === 0) {
    view.setUint16(38, Math.max(length - 34, 0));
    view.setUint32(278, 0x6382_5363);
  }
  return length;
}

export default {
  name: 'vswitch-nat',
  covers: ['src/vswitch/nat/', 'src/vswitch/packet/'],
  run(seed, iterations) {
    const next = seededNumbers(seed);
    const sequences: number[] = [];
    for (let iteration = 0; iteration < iterations; iteration++) {
      const open: StreamEvents[] = [];
      const timers = new ManualTimers();
      const network = new NatNetwork({ subnet: '10.9.8.0/24', host: madeUpHost(next, open), timers });
      const endpoint = network.attach('alpha');
      endpoint.setReceiver({
        deliver: (bytes, offset, length) => {
          if (next(10) === 0) return false;
          check(bytes.slice(offset, offset + length), sequences);
          return true;
        },
      }, () => {});
      const frame = new Uint8Array(800);
      for (let count = 0; count < FRAMES_PER_ITERATION; count++) {
        endpoint.deliver(frame, 0, fill(frame, next, sequences), next(4) === 0 ? 0 : 5, next(20) === 0 ? 1460 : 0);
        const events = open[next(open.length + 1)];
        if (events !== undefined) [
          () => events.connected(), () => events.data(new Uint8Array(next(3000))), () => events.ended(),
          () => events.drained(), () => events.closed(next(2) === 0),
        ][next(5)]!();
        if (next(4) === 0) endpoint.flush();
        if (next(12) === 0) timers.advance(next(8) === 0 ? next(400_000) : next(2000));
      }
      if (network.sizes.tcp > MAXIMUM_CONNECTIONS_PER_GUEST) throw new Error('too many connections');
      network.close();
      if (network.sizes.tcp + network.sizes.udp + network.sizes.ports > 0) throw new Error('something is left');
      sequences.splice(0);
    }
  },
} satisfies FuzzTarget;

function check(frame: Uint8Array, sequences: number[]): void {
  if (frame[12] !== 8 || frame[13] !== 0) return;
  const packet: Ipv4Packet = { source: 0, destination: 0, protocol: 0, payload: 0, payloadBytes: 0 };
  const view = new DataView(frame.buffer);
  const fault = readIpv4(view, frame.length, 0, 0, packet);
  if (fault !== undefined && fault !== 'ipv4-fragment') throw new Error(`the guest got ${fault}`);
  if (fault !== undefined || packet.protocol === 1) return;
  if (!transportChecksumHolds(frame, packet, packet.payloadBytes, 0, 0)) throw new Error('a wrong checksum');
  if (packet.protocol === 6) sequences.push((view.getUint32(packet.payload + 4) + 1) >>> 0);
}
