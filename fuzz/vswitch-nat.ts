/**
 * Frames of every kind from a guest into a NAT network whose host is made up: nothing throws, the tables stay within
 * their bounds, and every frame that comes back is one that the guest's own parser accepts.
 */
import type { HostNetwork, HostStream, StreamEvents } from '../src/vswitch/nat/host-network.ts';
import { NatNetwork } from '../src/vswitch/nat/nat-network.ts';
import { MAXIMUM_CONNECTIONS_PER_GUEST } from '../src/vswitch/nat/tcp-table.ts';
import { readIpv4, transportChecksumHolds, type Ipv4Packet } from '../src/vswitch/packet/ipv4-packet.ts';
import { ipv6ChecksumHolds, readIpv6 } from '../src/vswitch/packet/ipv6-packet.ts';
import { ManualTimers } from '../src/kit/timers.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';
import { seededNumbers } from '../src/chipset/testing/seeded-numbers.ts';

type Numbers = (limit: number) => number;
const FRAMES_PER_ITERATION = 100;
const HEADER = [0x52, 0x55, 0x0a, 0, 0, 1, 0, 0x15, 0x5d, 0, 0, 9, 8, 0];
const PORTS = [53, 67, 80, 5000];
const EDGES = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_0000];

/** Whatever comes to the host from outside, as functions that let it come. */
interface Outside {
  /** Of connections. */
  readonly open: StreamEvents[];
  readonly arrivals: (() => void)[];
}

/** Connects, answers and ends as the numbers say, all within the call or a later one. */
function madeUpHost(next: Numbers, { open, arrivals }: Outside): HostNetwork {
  const stream = (): HostStream =>
    ({ write() {}, queuedBytes: next(4) === 0 ? next(0x10_0000) : 0, end() {}, pause() {}, resume() {}, reset() {} });
  const peer = (): [string, number] => [`127.0.0.${1 + next(3)}`, 1 + next(next(2) === 0 ? 3 : 65_535)];
  return {
    connect: (_route, events) => {
      open.push(events);
      return stream();
    },
    listen: (_address, _port, accept) => {
      arrivals.push(() => void open.push(accept(stream())));
      return Promise.resolve({ port: 1, close() {} });
    },
    datagrams: (_family, received) => ({
      send: (payload, address, port) => {
        const answer = payload.slice();
        if (next(2) === 0) received(next(3) === 0 ? new Uint8Array(next(4000)) : answer, address, port);
        if (next(8) === 0) arrivals.push(() => received(answer, ...peer()));
      },
      close() {},
    }),
    bind: (_address, _port, received) => {
      arrivals.push(() => received(new Uint8Array(next(8) === 0 ? next(5000) : next(50)), ...peer()));
      return Promise.resolve({ port: 1, send() {}, close() {} });
    },
    resolvers: () => [[], ['127.0.0.1'], ['[::1]:5353', '10.0.0.1:53']][next(3)]!,
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
    // Mostly what the other end said last, so that connections get on.
    const [sequence, acknowledgment] = next(4) === 0 ? sequences.slice(2 * next(sequences.length >> 1))
      : sequences.slice(-2);
    if (next(6) !== 0) view.setUint32(42, acknowledgment ?? 0);
    view.setUint32(38, next(3) !== 0 && sequence !== undefined ? sequence + (next(5) === 0 ? next(900) : 0)
      : next(2) === 0 ? EDGES[next(EDGES.length)]! : next(4) * 500);
    if (next(4) === 0) frame.set([0x60, 0x02, 0xff, 0xff], 46);
    if (next(3) === 0) frame.set([2, 4, 0x05, 0xb4, 3, 3, next(16), [0, 1, 2][next(3)]!], 54);
  } else if (next(2) === 0) {
    view.setUint16(38, Math.max(length - 34, 0));
    view.setUint32(278, 0x6382_5363);
  }
  return length;
}

/** From a guest of the network's prefix, as all of it begins; now and then anything else. */
function fillSix(frame: Uint8Array, next: Numbers, prefix: Uint8Array): number {
  const view = new DataView(frame.buffer);
  const payload = 54;
  const length = next(8) === 0 ? next(90) : 86 + next(500);
  for (let at = 0; at < 200; at++) frame[at] = next(256);
  frame.set(HEADER);
  frame.set([0x86, 0xdd, 0x60], 12);
  if (next(3) === 0) frame.set([0x33, 0x33], 0);
  const protocol = [58, 58, 58, 17, 17, 6, 6, 0, 60, 44, 2][next(11)]!;
  frame[20] = protocol;
  if (protocol === 0 || protocol === 60) frame.set([[17, 58, 6, 60][next(4)]!, next(12) === 0 ? next(80) : 0], payload);
  if (next(8) !== 0) view.setUint16(18, Math.max(length - payload, 0));
  frame.fill(0, 22, payload);
  if (next(9) !== 0) frame.set(prefix, 22);
  if (next(9) !== 0) frame[37] = 7 + next(2);
  const to = next(5);
  if (to < 3) {
    frame.set(prefix, 38);
    frame[53] = to === 0 ? next(256) : 1;
  } else if (to === 3) frame.set([0xff, 2], 38);
  else frame.set([next(2) === 0 ? 0x20 : next(256), next(2) === 0 ? 0x80 : 0], 38);
  if (to === 4 && next(3) === 0) frame.set([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 38);
  if (protocol === 58) {
    frame[payload] = [128, 133, 135, 136, 1][next(5)]!;
    if (next(2) === 0) frame.copyWithin(payload + 8, 38, payload);
    return length;
  }
  view.setUint16(payload, 5000 + next(4));
  view.setUint16(payload + 2, [53, 547, 80, 0, 5000][next(5)]!);
  if (protocol === 6) frame.set([0x50, [2, 0x10, 0x11, 0x18, 4][next(5)]!], payload + 12);
  else {
    if (next(8) !== 0) view.setUint16(payload + 4, Math.max(length - payload, 0));
    if (view.getUint16(payload + 2) === 53) question(frame, view, payload + 8, next);
    else options(frame, view, payload + 8, length, next);
  }
  return length;
}

/** A query of the name service, mostly of one that is known here. */
function question(frame: Uint8Array, view: DataView, at: number, next: Numbers): void {
  view.setUint16(at + 2, next(6) === 0 ? next(0x1_0000) : 0x0100);
  view.setUint16(at + 4, next(6) === 0 ? next(3) : 1);
  const name = [['alpha'], ['gateway'], ['alpha', 'mshome', 'net'], ['beta'], ['example', 'org']][next(5)]!;
  const bytes = [...name.flatMap((label) => [label.length, ...Buffer.from(label)]), next(9) === 0 ? next(256) : 0];
  frame.set([...bytes, 0, [1, 28, 255, 12][next(4)]!, 0, 1], at + 12);
}

/** A message of DHCP for IPv6 with the options that clients send. */
function options(frame: Uint8Array, view: DataView, at: number, end: number, next: Numbers): void {
  frame[at] = 1 + next(12);
  let place = at + 4;
  const kinds = [1, 2, 3, 14, 6].filter(() => next(3) !== 0);
  for (const code of kinds) {
    const length = next(9) === 0 ? next(300) : code === 2 ? 10 : 14;
    if (place + 4 + length > frame.length) return;
    view.setUint16(place, code);
    view.setUint16(place + 2, length);
    if (code === 2) frame.set([0, 3, 0, 1, 0x52, 0x55, 0x0a, 0, 0, 1], place + 4);
    place += 4 + length;
  }
  // What follows is filler that ends with the datagram, so that the options are mostly whole.
  if (place + 4 <= end) {
    view.setUint16(place, 8);
    view.setUint16(place + 2, end - place - 4);
  }
}

export default {
  name: 'vswitch-nat',
  // Not the sockets of a real host, nor the choice of a range for it.
  covers: [
    ...['dhcp', 'dns', 'gateway', 'ip', 'nat-', 'neighbours', 'router', 'send', 'tcp', 'udp']
      .map((name) => `src/vswitch/nat/${name}`),
    'src/vswitch/packet/',
  ],
  async run(seed, iterations) {
    const next = seededNumbers(seed);
    const sequences: number[] = [];
    for (let iteration = 0; iteration < iterations; iteration++) {
      const outside: Outside = { open: [], arrivals: [] };
      const { open, arrivals } = outside;
      const timers = new ManualTimers();
      const network = new NatNetwork({ subnet: '10.9.8.0/24', host: madeUpHost(next, outside), timers });
      const endpoint = network.attach('alpha');
      endpoint.setReceiver({
        deliver: (bytes, offset, length) => {
          if (next(10) === 0) return false;
          // What another guest sends is passed on as it is.
          if (bytes[offset + 6] === HEADER[0]) check(bytes.slice(offset, offset + length), sequences);
          return true;
        },
      }, () => {});
      const other = network.attach('beta');
      if (next(4) !== 0) other.setReceiver({ deliver: () => next(6) !== 0 }, () => {});
      await network.forward({ hostPort: 0, guest: ['alpha', 'beta', '10.9.8.4'][next(3)]!, guestPort: 5000 });
      await network.forward({ protocol: 'udp', hostPort: 0, guest: 'alpha', guestPort: 5001 });
      const frame = new Uint8Array(800);
      for (let count = 0; count < FRAMES_PER_ITERATION; count++) {
        const length = next(3) === 0 ? fillSix(frame, next, network.ipv6.prefix) : fill(frame, next, sequences);
        (next(12) === 0 ? other : endpoint).deliver(frame, 0, length, next(4) === 0 ? 0 : 5, next(20) === 0 ? 1460 : 0);
        const events = open[next(open.length + 1)];
        if (events !== undefined) [
          () => events.connected(), () => events.data(new Uint8Array(next(3000))), () => events.ended(),
          () => events.drained(), () => events.closed(next(2) === 0),
        ][next(5)]!();
        if (next(4) === 0) endpoint.flush();
        if (next(6) === 0) arrivals[next(arrivals.length)]?.();
        if (next(200) === 0) other.close();
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
  if (frame[12] === 0x86 && frame[13] === 0xdd) return checkSix(frame);
  if (frame[12] !== 8 || frame[13] !== 0) return;
  const packet: Ipv4Packet = { source: 0, destination: 0, protocol: 0, payload: 0, payloadBytes: 0 };
  const view = new DataView(frame.buffer);
  const fault = readIpv4(view, frame.length, 0, 0, packet);
  if (fault !== undefined && fault !== 'ipv4-fragment') throw new Error(`the guest got ${fault}`);
  if (fault !== undefined || packet.protocol === 1) return;
  if (!transportChecksumHolds(frame, packet, packet.payloadBytes, 0, 0)) throw new Error('a wrong checksum');
  if (packet.protocol === 6) noteNumbers(view, packet, sequences);
}

/** What the guest would say next to that segment: its sequence number and what it acknowledges. */
function noteNumbers(view: DataView, { payload, payloadBytes }: Ipv4Packet, sequences: number[]): void {
  const flags = view.getUint8(payload + 13);
  const occupied = payloadBytes - (view.getUint8(payload + 12) >>> 4) * 4 + (flags & 1) + ((flags >> 1) & 1);
  sequences.push(view.getUint32(payload + 8), (view.getUint32(payload + 4) + occupied) >>> 0);
}

function checkSix(frame: Uint8Array): void {
  const packet = { protocol: 0, payload: 0, payloadBytes: 0 };
  const fault = readIpv6(new DataView(frame.buffer), frame.length, 0, packet);
  if (fault === 'ipv6-fragment') return;
  if (fault !== undefined) throw new Error(`the guest got ${fault}`);
  if (!ipv6ChecksumHolds(frame, packet, packet.payloadBytes, 0, 0)) throw new Error('a wrong checksum');
}
