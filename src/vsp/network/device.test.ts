import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../kit/timers.ts';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { LoopbackPort } from '../../vmbus/testing/loopback.ts';
import { VmBus } from '../../vmbus/bus.ts';
import { GuestNic, rndisFrame, SEND_SECTIONS, words } from '../testing/guest-nic.ts';
import { NetworkEnd } from '../testing/network-end.ts';
import { settle } from '../testing/guest-utility.ts';
import { NetworkAdapter } from './device.ts';
import { allocationBytes } from './receive.ts';
import { BATCH_FRAMES } from './receive-queue.ts';
import { MAX_WAITING_SENDS } from './transmit.ts';

const MAC = Uint8Array.of(0x00, 0x15, 0x5d, 1, 2, 3);
const PEER = Uint8Array.of(0x02, 0, 0, 0, 0, 9);
const INSTANCE = '00000000-0000-0000-0000-000000000001';
const OFFLOAD_CAPABILITIES = 0xfc01_020d;
const OFFLOAD_PARAMETERS = 0xfc01_020c;
const CONFIG_PARAMETER = 0x0001_021b;
const NOT_SUPPORTED = 0xc000_00bb;

type Tuple = [Uint8Array, Uint8Array, Uint8Array, Uint8Array];

interface Bench {
  readonly end: NetworkEnd;
  readonly adapter: NetworkAdapter;
  readonly nic: GuestNic;
}

function plugged(options: { allowsAddressChange?: boolean; ringPages?: number } = {}): Bench {
  const guest = new GuestDriver();
  const end = new NetworkEnd();
  const adapter = adapterOf(guest, end, options.allowsAddressChange);
  return { end, adapter, nic: new GuestNic(guest, adapter, options.ringPages) };
}

function adapterOf(guest: GuestDriver, endpoint: NetworkEnd, allowsAddressChange = false): NetworkAdapter {
  return new NetworkAdapter({
    instanceId: INSTANCE, macAddress: MAC, ram: guest.memory, endpoint, allowsAddressChange,
  });
}

function started(options: Parameters<GuestNic['start']>[0] & Parameters<typeof plugged>[0] = {}): Bench {
  const bench = plugged(options);
  bench.nic.start(options);
  return bench;
}

/** A frame of that length to `to`, with a number in it. */
function frame(to: Uint8Array, length = 60, number = 0): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + number) & 0xff);
  bytes.set(to);
  bytes.set(PEER, 6);
  bytes.set([0x88, 0xb5], 12);
  return bytes;
}

/** A TCP segment in IPv4, its sums left out. */
function segment(payload: number): Uint8Array {
  const bytes = new Uint8Array(54 + payload).fill(0x61, 54);
  bytes.set(PEER);
  bytes.set(MAC, 6);
  bytes.set([8, 0, 0x45], 12);
  bytes.set([64, 6], 22);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  bytes[46] = 0x50;
  return bytes;
}

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x1_0000);
  return total;
}

for (const version of [0x6_0001, 0x6_0000, 0x5_0000, 0x4_0000, 0x3_0002, 2]) {
  test(`version 0x${version.toString(16)} is agreed on, and frames flow`, () => {
    const { adapter, nic, end } = started({ version });
    assert.equal(adapter.nvspVersion, version);
    assert.equal(nic.send({ section: rndisFrame(frame(PEER)) }), 1);
    assert.equal(end.frames.length, 1);
  });
}

test('a version that nobody knows is refused, and a second choice too', () => {
  const { nic } = plugged();
  assert.equal(nic.nvsp([1, 0x7_0000, 0x7_0000])[3], 2);
  assert.equal(nic.nvsp([101, 1, 0xcafe])[1], 2, 'no buffer before a version');
  assert.equal(nic.nvsp([1, 0x5_0000, 0x5_0000])[3], 1);
  assert.equal(nic.nvsp([1, 0x6_0000, 0x6_0000])[3], 2);
});

test('the receive buffer is cut to the MTU', () => {
  for (const [frameBytes, size] of [[1514, 1728], [9028, 9280], [0, 1728], [0xffff_ffff, 9280]] as const) {
    const { nic } = plugged();
    nic.nvsp([1, 0x6_0001, 0x6_0001]);
    nic.nvsp([125, frameBytes, 0, 0, 0], false);
    const [type, status, sections, offset, allocation, count, end] = nic.giveReceiveBuffer();
    assert.deepEqual([type, status, sections, offset, allocation], [102, 1, 1, 0, size]);
    assert.equal(count, Math.floor(64 * 4096 / size));
    assert.equal(end, size * (count as number));
    assert.equal(nic.nvsp([101, nic.receiveGpadl, 0xcafe])[1], 2, 'only one');
  }
});

test('a large receive buffer is cut so that a coalesced segment takes few parts', () => {
  const large = 16 << 20;
  for (const [frameBytes, bufferBytes, isCoalescing, size] of [
    [1514, large, true, 8320], [9028, large, true, 9280], [1514, large, false, 1728], [1514, large >>> 3, true, 1728],
  ] as const) assert.equal(allocationBytes(frameBytes, bufferBytes, isCoalescing), size);
});

test('a buffer of pages that nobody gave is refused', () => {
  const { nic } = plugged();
  nic.nvsp([1, 0x6_0001, 0x6_0001]);
  assert.equal(nic.nvsp([101, 0x1234, 0xcafe])[1], 2);
  assert.equal(nic.nvsp([104, 0x1234, 0])[1], 2);
});

test('objects answer in the sizes that a driver has room for', () => {
  const { nic, end } = started();
  assert.deepEqual([...nic.query(0x0101_0101).value], [...MAC]);
  assert.deepEqual([...nic.query(0x0001_0106).value], [...words(1500)]);
  assert.deepEqual([...nic.query(0x0001_0107).value], [...words(100_000_000)]);
  assert.deepEqual([...nic.query(0x0001_0114).value], [...words(0)]);
  end.isConnected = false;
  assert.deepEqual([...nic.query(0x0001_0114).value], [...words(1)]);
  for (const [revision, size] of [[1, 112], [2, 144], [3, 156]] as const) {
    const wanted = Uint8Array.of(0xa7, revision, size, 0, ...new Uint8Array(size - 4));
    const { status, value } = nic.query(OFFLOAD_CAPABILITIES, wanted);
    assert.deepEqual([status, value.length, value[0], value[1], value[2]], [0, size, 0xa7, revision, size]);
    const view = new DataView(value.buffer, value.byteOffset);
    assert.deepEqual([view.getUint32(8, true), view.getUint32(24, true)], [0x54, 0x55], 'checksums');
    assert.deepEqual([view.getUint32(80, true), view.getUint32(92, true), view.getUint32(104, true)], [2, 2, 5]);
  }
  const scaling = nic.query(0x0001_0203, new Uint8Array(18));
  assert.deepEqual([scaling.status, scaling.value.length], [NOT_SUPPORTED, 0], 'one queue');
  assert.equal(nic.set(OFFLOAD_PARAMETERS, Uint8Array.of(0x80, 3, 28, 0, 4, 4, 4, 4, 4, ...new Uint8Array(19))), 0);
});

test('frames leave from the section, from pages, and from both', () => {
  const { nic, end, adapter } = started();
  const sent = [frame(PEER, 60, 1), frame(PEER, 1514, 2), frame(PEER, 700, 3), frame(PEER, 61, 4)];
  const [one, two, three, four] = sent.map((each) => rndisFrame(each)) as Tuple;
  assert.equal(nic.send({ section: one }), 1);
  assert.equal(nic.send({ pages: two }), 1);
  assert.equal(nic.send({ section: three.subarray(0, 100), pages: three.subarray(100) }), 1);
  const together = new Uint8Array(four.length + one.length);
  together.set(four);
  together.set(one, four.length);
  assert.equal(nic.send({ section: together }), 1);
  assert.deepEqual(end.frames.map(({ bytes }) => bytes), [...sent, sent[0]]);
  assert.equal(end.frames[0]?.offload, 0);
  assert.equal(adapter.statistics.sentFrames, 5);
  assert.equal(adapter.statistics.sentBytes, 60 + 1514 + 700 + 61 + 60);
  assert.ok(end.flushes >= 4);
});

test('checksums that the guest leaves out are announced, and a large segment gets whole headers', () => {
  const { nic, end } = started();
  nic.send({ pages: rndisFrame(segment(100), [[0, 0x5]]) });
  assert.deepEqual([end.frames[0]?.offload, end.frames[0]?.segmentBytes], [4, 0]);
  assert.equal(nic.send({ pages: rndisFrame(segment(20_000), [[2, 0x4000_0000 | 1448 | (34 << 20)]]) }), 1);
  const large = end.frames[1];
  assert.deepEqual([large?.offload, large?.segmentBytes, large?.bytes.length], [4, 1448, 20_054]);
  const bytes = large?.bytes ?? new Uint8Array(0);
  const view = new DataView(bytes.buffer);
  assert.equal(view.getUint16(16), 20_040);
  assert.equal(sum(bytes.subarray(14, 34)), 0xffff, 'the IP header is whole');
  assert.equal(view.getUint16(50), sum(Uint8Array.of(...bytes.subarray(26, 34), 0, 6, 20_020 >> 8, 20_020 & 0xff)));
});

test('a tag beside the frame becomes one within it', () => {
  const { nic, end } = started();
  nic.send({ section: rndisFrame(frame(PEER, 64), [[6, (100 << 4) | 5]]) });
  const bytes = end.frames[0]?.bytes ?? new Uint8Array(0);
  assert.equal(bytes.length, 68);
  assert.deepEqual([...bytes.subarray(0, 18)], [...frame(PEER).subarray(0, 12), 0x81, 0, 0xa0, 100, 0x88, 0xb5]);
});

test('frames arrive whole and in order, many in one packet', async () => {
  const { nic, end, adapter } = started();
  const frames = Array.from({ length: 20 }, (_, i) => frame(MAC, 60 + i * 60, i));
  for (const each of frames) assert.ok(end.give(each));
  await settle();
  nic.poll();
  assert.equal(new Set(nic.received.map(({ transaction }) => transaction)).size, 1, 'one packet');
  assert.deepEqual(nic.frames().map((each) => each.frame), frames);
  assert.equal(adapter.statistics.receivedFrames, 20);
});

test('only frames that the guest wants arrive', async () => {
  const { nic, end, adapter } = started({ filter: 0x9 });
  const all = new Uint8Array(6).fill(0xff);
  const group = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
  for (const to of [MAC, all, group, PEER]) end.give(frame(to));
  await settle();
  assert.equal(nic.frames().length, 2);
  assert.equal(adapter.statistics.drops.receiveFiltered, 2);
  nic.set(0x0001_010e, words(0x20));
  for (const to of [MAC, all, group, PEER]) end.give(frame(to));
  await settle();
  assert.equal(nic.frames().length, 4);
  nic.set(0x0001_010e, words(0));
  assert.ok(end.give(frame(MAC)));
  assert.equal(adapter.statistics.drops.receiveNotReady, 1);
  nic.set(0x0001_010e, words(0x20));
  assert.ok(end.give(frame(MAC).subarray(0, 13)));
  assert.equal(adapter.statistics.drops.receiveMalformed, 1);
});

test('a frame that is too long is lost and counted, both ways', async () => {
  const { nic, end, adapter } = started();
  assert.ok(end.give(frame(MAC, 1518)));
  assert.ok(end.give(frame(MAC, 1519)));
  await settle();
  assert.equal(nic.frames().length, 1);
  nic.send({ pages: rndisFrame(frame(PEER, 1518)) });
  nic.send({ pages: rndisFrame(frame(PEER, 1519)) });
  assert.equal(end.frames.length, 1);
  assert.deepEqual([adapter.statistics.drops.receiveOversized, adapter.statistics.drops.transmitOversized], [1, 1]);
});

test('a checksum that is half done is completed, and the guest told of what is good', async () => {
  const { nic, end } = started();
  const bytes = segment(33);
  bytes.set(MAC);
  new DataView(bytes.buffer).setUint16(16, 73);
  end.give(bytes, 0x5);
  end.give(bytes, 0x2);
  await settle();
  const [partial, good] = nic.frames();
  assert.equal(partial?.verdict, 0x28);
  assert.equal(good?.verdict, 0x8);
  const arrived = partial?.frame ?? new Uint8Array(0);
  const pseudo = Uint8Array.of(...arrived.subarray(26, 34), 0, 6, 0, 53);
  assert.equal(sum(Uint8Array.of(...arrived.subarray(34), 0, ...pseudo)), 0xffff);
});

test('a large segment arrives as the pieces for which it stands, all of them or none', async () => {
  const { nic, end, adapter } = started();
  const large = segment(20_001).map((byte, i) => (i < 54 ? byte : i & 0xff));
  large.set(MAC);
  large.set([0xff, 0xff, 0xff, 0x00], 38);
  large[47] = 0x99;
  new DataView(large.buffer).setUint16(16, 20_041);
  assert.ok(end.give(large, 0x5, 1000));
  await settle();
  const pieces = nic.frames();
  assert.equal(pieces.length, 21);
  assert.deepEqual(Uint8Array.of(...pieces.flatMap(({ frame: bytes }) => [...bytes.subarray(54)])), large.subarray(54));
  for (const [i, { frame: bytes, verdict }] of pieces.entries()) {
    const view = new DataView(bytes.buffer);
    assert.equal(verdict, 8);
    assert.deepEqual([view.getUint16(16), view.getUint16(18)], [bytes.length - 14, i]);
    assert.equal(view.getUint32(38), (0xffff_ff00 + i * 1000) % 2 ** 32);
    assert.equal(bytes[47], 0x10 | (i === 0 ? 0x80 : 0) | (i === 20 ? 9 : 0));
    const tcpBytes = bytes.length - 34;
    const pseudo = Uint8Array.of(...bytes.subarray(26, 34), 0, 6, tcpBytes >> 8, tcpBytes & 0xff);
    const even = Uint8Array.of(...bytes.subarray(34), ...(tcpBytes % 2 === 0 ? [] : [0]), ...pseudo);
    assert.deepEqual([sum(bytes.subarray(14, 34)), sum(even)], [0xffff, 0xffff]);
  }
  nic.completesTransfers = false;
  const taken = Array.from({ length: 9 }, () => end.give(large, 0x5, 1000)).filter(Boolean).length;
  assert.equal(taken, 7, 'seven times 21 of 151');
  assert.ok(end.give(large, 0x5, 1), 'what can never be taken is lost');
  assert.ok(end.give(frame(MAC, 5000), 0x5, 1000), 'and what is no TCP');
  assert.equal(adapter.statistics.drops.receiveOversized, 2);
});

test('a network that takes nothing is waited for, without loss', () => {
  const { nic, end } = started();
  end.room = 1;
  const double = rndisFrame(frame(PEER, 60, 1));
  const both = new Uint8Array(double.length * 2);
  both.set(double);
  both.set(double, double.length);
  assert.equal(nic.send({ section: both }), -1, 'half of it is gone');
  assert.equal(nic.send({ pages: rndisFrame(frame(PEER, 60, 2), [[6, 0x10]]) }), -1);
  end.room = 2;
  end.writable();
  nic.poll();
  end.room = 100;
  end.writable();
  nic.poll();
  assert.equal(end.frames.length, 3);
  assert.deepEqual(end.frames[1]?.bytes, frame(PEER, 60, 1));
  assert.equal(end.frames[2]?.bytes.length, 64);
  assert.equal(nic.completions.slice(-2).every(({ payload }) => payload[0] === 108 && payload[4] === 1), true);
});

test('what waits for a network is bounded', () => {
  const { nic, end, adapter } = started();
  end.room = 0;
  for (let i = 0; i < MAX_WAITING_SENDS + 11; i++) nic.post({ section: rndisFrame(frame(PEER, 60, i)) });
  assert.equal(adapter.statistics.drops.transmitBusy, 10);
  end.room = 1e6;
  end.writable();
  assert.equal(end.frames.length, MAX_WAITING_SENDS + 1);
});

test('a guest that gives nothing back gets nothing more, and all of it later', async () => {
  const { nic, end, adapter } = started();
  nic.completesTransfers = false;
  let taken = 0;
  for (let i = 0; i < 1000 && end.give(frame(MAC, 60, i)); i++) {
    taken++;
    await settle();
    nic.poll();
  }
  assert.equal(taken, Math.floor(64 * 4096 / 1728) - 4, 'control messages keep some');
  const flushes = end.flushes;
  const transactions = [...new Set(nic.received.map(({ transaction }) => transaction))];
  transactions.forEach((transaction) => nic.completeTransfer(transaction));
  nic.channel.ring();
  assert.ok(end.flushes > flushes, 'the network hears of it');
  nic.completeTransfer(transactions[0] as number);
  nic.completeTransfer(0xffff_fff0);
  nic.completesTransfers = true;
  for (let i = 0; i < taken; i++) assert.ok(end.give(frame(MAC, 60, i)), `frame ${i}`);
  assert.equal(adapter.statistics.receivedFrames, taken * 2);
});

test('a full ring keeps frames and completions until there is room', async () => {
  const { nic, end } = started({ ringPages: 2 });
  const frames = Array.from({ length: BATCH_FRAMES }, (_, i) => frame(MAC, 60, i));
  let given = 0;
  for (let round = 0; round < 40; round++) {
    const isTaken = end.give(frames[given % BATCH_FRAMES] as Uint8Array);
    if (isTaken) given++;
    await settle();
  }
  for (let i = 0; i < 8; i++) {
    const message = new Uint8Array(40);
    message.set(words(107, 0, 0, 8));
    nic.channel.send(message, { flags: 1, transaction: 9000 + i });
  }
  for (let round = 0; round < 100; round++) {
    nic.poll();
    await settle();
    nic.channel.ring();
  }
  assert.equal(nic.frames().length, given);
  assert.equal(nic.completions.filter(({ transaction }) => transaction >= 9000).length, 8);
});

test('the guest hears of the link', () => {
  const { nic, end } = started();
  nic.query(0x0001_0114);
  nic.poll();
  nic.received.length = 0;
  const told = (): number[] => {
    nic.poll();
    return nic.received.splice(0).map(({ bytes }) => new DataView(bytes.buffer).getUint32(8, true));
  };
  end.isConnected = false;
  end.onConnectionChange?.();
  end.onConnectionChange?.();
  assert.deepEqual(told(), [0x4001_000c]);
  nic.send({ section: rndisFrame(frame(PEER)) });
  assert.equal(end.frames.length, 0);
  end.isConnected = true;
  end.onConnectionChange?.();
  assert.deepEqual(told(), [0x4001_000b]);
});

test('an adapter leaves when the guest has given back what it got, its link down meanwhile', async () => {
  const { nic, end, adapter } = started();
  nic.completesTransfers = false;
  end.give(frame(MAC));
  await settle();
  nic.poll();
  let drained = 0;
  adapter.leave(() => drained++);
  nic.poll();
  assert.equal(nic.received.at(-1)?.isControl, true, 'the guest hears that its link is down');
  end.give(frame(MAC));
  await settle();
  assert.equal(adapter.statistics.drops.receiveNotReady, 1);
  nic.send({ section: rndisFrame(frame(PEER)) });
  assert.equal(adapter.statistics.drops.transmitDisconnected, 1);
  for (const transaction of new Set(nic.received.map((each) => each.transaction))) {
    assert.equal(drained, 0);
    nic.completeTransfer(transaction);
  }
  nic.channel.ring();
  assert.equal(drained, 1);
});

test('another address is taken only where that is allowed', () => {
  const wide = (text: string): Uint8Array => Uint8Array.from(text, (_, i) => text.charCodeAt(i)).reduce(
    (bytes, code, i) => (bytes.set([code], i * 2), bytes), new Uint8Array(text.length * 2));
  const parameter = (value: string): Uint8Array => Uint8Array.of(
    ...words(20, 28, 2, 48, value.length * 2), ...wide('NetworkAddress'), ...wide(value));
  assert.equal(started().nic.set(CONFIG_PARAMETER, parameter('020000000007')), NOT_SUPPORTED);
  const { nic, adapter } = started({ allowsAddressChange: true });
  assert.equal(nic.set(CONFIG_PARAMETER, parameter('010000000007')), 0xc001_0015, 'a group has no NIC');
  assert.equal(nic.set(CONFIG_PARAMETER, parameter('02000000000g')), 0xc001_0015);
  assert.equal(nic.set(CONFIG_PARAMETER, parameter('020000000007').subarray(0, 50)), 0xc001_0014);
  assert.equal(nic.set(CONFIG_PARAMETER, parameter('020000000007')), 0);
  assert.deepEqual([...adapter.macAddress], [2, 0, 0, 0, 0, 7]);
});

test('a send that lies is refused and harms nobody', () => {
  const { nic, end, adapter } = started();
  const good = rndisFrame(frame(PEER));
  const changed = (at: number, value: number, message = good): Uint8Array => {
    const copy = message.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  assert.equal(nic.send({ section: good, sectionIndex: SEND_SECTIONS }), 5, 'a section that is not there');
  assert.equal(nic.send({ section: good, sectionBytes: 6145 }), 5, 'more than a section');
  assert.equal(nic.send({ section: changed(4, 0) }), 5, 'a message without length');
  assert.equal(nic.send({ section: changed(4, good.length + 8) }), 5, 'a message that is longer than the send');
  assert.equal(nic.send({ section: changed(0, 9) }), 5, 'no frame');
  assert.equal(nic.send({ section: good.subarray(0, 4) }), 5);
  for (const bad of [
    changed(8, 0xffff_fff0), changed(8, 0), changed(12, 0xffff_ffff), changed(12, 13), changed(12, 61 + 8),
  ]) nic.send({ section: bad });
  const informed = rndisFrame(frame(PEER), [[0, 4]]);
  const lies = [[28, 0], [28, 0xffff_ffff], [32, 0xffff_ffff], [44, 0], [44, 17], [52, 13], [52, 0]] as const;
  for (const [at, value] of lies) {
    nic.send({ section: changed(at, value, informed) });
  }
  assert.equal(nic.send({ section: rndisFrame(frame(PEER), [[2, 0x4000_0000 | 1000]]) }), 1, 'no TCP');
  assert.equal(end.frames.length, 0);
  assert.ok(adapter.statistics.drops.transmitMalformed >= 18);
  assert.equal(nic.send({ section: good }), 1);
  assert.equal(end.frames.length, 1);
});

test('nothing is sent or received before the driver is ready, and nothing after it halts', async () => {
  const { nic, end, adapter } = plugged();
  nic.nvsp([1, 0x6_0001, 0x6_0001]);
  assert.ok(end.give(frame(MAC)));
  nic.giveReceiveBuffer();
  nic.giveSendBuffer();
  nic.send({ section: rndisFrame(frame(PEER)) });
  nic.control(words(2, 24, 1, 1, 0, 0x4000));
  assert.equal(nic.set(0x0001_010e, words(0xd)), 0);
  assert.equal(nic.send({ isControl: true, pages: words(3, 12, 9) }), 1, 'a halt is completed');
  nic.send({ section: rndisFrame(frame(PEER)) });
  assert.ok(end.give(frame(MAC)));
  nic.nvsp([103, 0xcafe], false);
  nic.nvsp([106, 0], false);
  await settle();
  assert.equal(nic.frames().length, 0);
  assert.deepEqual([adapter.statistics.drops.transmitNotReady, adapter.statistics.drops.receiveNotReady], [2, 2]);
});

test('a driver that is reloaded begins anew', () => {
  const { nic, adapter } = started();
  nic.guest.bus.disconnect();
  assert.equal(adapter.nvspVersion, 0);
  const again = new GuestNic(nic.guest, adapter);
  again.start({ version: 0x5_0000 });
  assert.equal(adapter.nvspVersion, 0x5_0000);
});

test('a saved adapter goes on, with what was under way', async () => {
  const { nic, end, adapter } = started();
  nic.completesTransfers = false;
  end.give(frame(MAC, 60, 1));
  await settle();
  nic.poll();
  end.room = 0;
  nic.post({ section: rndisFrame(frame(PEER, 60, 2)) });
  nic.post({ pages: rndisFrame(frame(PEER, 60, 3)) });
  const state = structuredClone(adapter.saveState());
  const bus = structuredClone(nic.guest.bus.saveState());

  const laterEnd = new NetworkEnd();
  const later = adapterOf(nic.guest, laterEnd);
  later.restoreState(state);
  const port = new LoopbackPort();
  const laterBus = new VmBus({ memory: nic.guest.memory, port });
  laterBus.offer(later);
  laterEnd.room = 0;
  laterBus.restoreState(bus);
  assert.deepEqual(later.saveState(), state);
  laterEnd.room = 100;
  laterEnd.writable();
  assert.deepEqual(laterEnd.frames.map(({ bytes }) => bytes), [frame(PEER, 60, 2), frame(PEER, 60, 3)]);
  assert.ok(laterEnd.give(frame(MAC, 60, 4)));
  await settle();
  nic.received.length = 0;
  assert.deepEqual(nic.frames().map((each) => each.frame), [frame(MAC, 60, 4)]);
  assert.throws(() => later.restoreState({ ...state, version: 9 }), /network service has version 9/);
});

test('a link that is gone for a moment is not missed, and one that stays away is', () => {
  const timers = new ManualTimers();
  const guest = new GuestDriver();
  const end = new NetworkEnd();
  const adapter = new NetworkAdapter({
    instanceId: INSTANCE, macAddress: MAC, ram: guest.memory, endpoint: end, timers, linkPatienceMs: 1000,
  });
  const nic = new GuestNic(guest, adapter);
  nic.start();
  const turnTo = (isConnected: boolean): void => {
    end.isConnected = isConnected;
    end.onConnectionChange?.();
    nic.poll();
  };
  nic.received.length = 0;
  turnTo(false);
  timers.advance(900);
  turnTo(true);
  timers.advance(5000);
  assert.equal(nic.received.length, 0);
  turnTo(false);
  timers.advance(1000);
  nic.poll();
  assert.equal(nic.received.length, 1, 'it is gone');
  turnTo(true);
  assert.equal(nic.received.length, 2, 'it is back');
  turnTo(false);
  turnTo(true);
  assert.equal(nic.received.length, 2, 'and gone for a moment once more');
});

test('an adapter that leaves waits until its guest has been quiet for a while', () => {
  const timers = new ManualTimers();
  const guest = new GuestDriver();
  const end = new NetworkEnd();
  const adapter = new NetworkAdapter({
    instanceId: INSTANCE, macAddress: MAC, ram: guest.memory, endpoint: end, timers, quietMs: 100,
  });
  const nic = new GuestNic(guest, adapter);
  nic.start();
  let isReady = false;
  adapter.leave(() => { isReady = true; });
  timers.advance(1000);
  assert.equal(isReady, false, 'the guest has not read that its link is down');
  nic.poll();
  nic.channel.ring();
  timers.advance(90);
  nic.send({ section: rndisFrame(frame(PEER)) });
  nic.channel.ring();
  timers.advance(90);
  assert.equal(isReady, false, 'it still sends');
  timers.advance(10);
  assert.equal(isReady, true);
});
