import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestDriver } from '../../vmbus/testing/guest-driver.ts';
import { LoopbackPort } from '../../vmbus/testing/loopback.ts';
import { VmBus } from '../../vmbus/bus.ts';
import { CHANNEL_MESSAGES } from '../../protocols/vmbus/message-table.ts';
import { GuestNic, rndisFrame, words } from '../testing/guest-nic.ts';
import { NetworkEnd } from '../testing/network-end.ts';
import { settle } from '../testing/guest-utility.ts';
import { NetworkAdapter } from './device.ts';
import { ReceiveScaling } from './receive-scaling.ts';

const MAC = Uint8Array.of(0x00, 0x15, 0x5d, 1, 2, 3);
const SCALE_CAPABILITIES = 0x0001_0203;
const SCALE_PARAMETERS = 0x0001_0204;
const OFFLOAD_CAPABILITIES = 0xfc01_020d;
const OFFLOAD_PARAMETERS = 0xfc01_020c;
const TAKES_COALESCED = 0x80;
/** The key of Microsoft's verification suite. */
const KEY = Uint8Array.from(Buffer.from(
  '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa', 'hex'));
const TCP_AND_IP = 0x1701;
const IP_ALONE = 0x501;

/** Parameters as a driver writes them: table and key behind the 40 bytes. */
function parameters(
  table: readonly number[], { flags = 0, hash = TCP_AND_IP, key = KEY }: { flags?: number; hash?: number;
    key?: Uint8Array } = {},
): Uint8Array {
  const bytes = new Uint8Array(40 + table.length * 4 + key.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x89, 2, 40]);
  view.setUint16(4, flags, true);
  view.setUint32(8, hash, true);
  view.setUint16(12, table.length * 4, true);
  view.setUint32(16, 40, true);
  view.setUint16(20, key.length, true);
  view.setUint32(24, 40 + table.length * 4, true);
  bytes.set(words(...table), 40);
  bytes.set(key, 40 + table.length * 4);
  return bytes;
}

/** A segment of TCP or a datagram of UDP; addresses and ports as they lie in the frame. */
function frame(addresses: readonly number[], ports: readonly [number, number], payload = 20, isTcp = true): Uint8Array {
  const isIpv6 = addresses.length === 32;
  const [ip, header] = [14, isIpv6 ? 40 : 20];
  const bytes = new Uint8Array(ip + header + 20 + payload);
  const view = new DataView(bytes.buffer);
  bytes.set(MAC);
  view.setUint16(12, isIpv6 ? 0x86dd : 0x0800);
  bytes[ip] = isIpv6 ? 0x60 : 0x45;
  view.setUint16(ip + (isIpv6 ? 4 : 2), (isIpv6 ? 0 : header) + 20 + payload);
  bytes[ip + (isIpv6 ? 6 : 9)] = isTcp ? 6 : 17;
  bytes.set(addresses, ip + (isIpv6 ? 8 : 12));
  view.setUint16(ip + header, ports[0]);
  view.setUint16(ip + header + 2, ports[1]);
  bytes[ip + header + 12] = 0x50;
  for (let i = 0; i < payload; i++) bytes[ip + header + 20 + i] = i % 251;
  return bytes;
}

const PAIR = [66, 9, 149, 187, 161, 142, 100, 80];
const OTHER_PAIR = [199, 92, 111, 2, 65, 69, 140, 83];
const SIX = [
  0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7,
  0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 1,
];

test('hashes are those of the verification suite', () => {
  const scaling = new ReceiveScaling(128);
  const identity = Array.from({ length: 128 }, (_, i) => i);
  const cases = [
    [PAIR, [2794, 1766], 0x323e_8fc2, 0x51cc_c178], [OTHER_PAIR, [14_230, 4739], 0xd718_262a, 0xc626_b0ea],
    [SIX, [2794, 1766], 0x2cc1_8cd5, 0x4020_7d3d],
  ] as const;
  for (const [addresses, ports, ipAlone, withPorts] of cases) {
    for (const [hash, isTcp, expected] of [
      [TCP_AND_IP, true, withPorts], [TCP_AND_IP, false, ipAlone], [IP_ALONE, true, ipAlone],
    ] as const) {
      assert.equal(scaling.set(viewOf(parameters(identity, { hash }))), 0);
      const bytes = frame(addresses, ports, 20, isTcp);
      assert.equal(scaling.queueOf(bytes, 0, bytes.length), expected & 127);
    }
  }
  const bytes = frame(PAIR, [1, 2]);
  bytes[20] = 0x20;
  assert.equal(scaling.queueOf(bytes, 0, bytes.length), 0, 'a fragment is not hashed');
});

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test('parameters that make no sense change nothing', () => {
  const scaling = new ReceiveScaling(2);
  assert.equal(scaling.set(viewOf(parameters([1, 1]))), 0);
  const bytes = frame(PAIR, [2794, 1766]);
  const bad = [
    parameters([0, 0, 0]), parameters([]), parameters([0, 2]), parameters(Array.from({ length: 256 }, () => 0)),
    parameters([0, 0], { key: KEY.subarray(0, 39) }), parameters([0, 0]).subarray(0, 60),
  ];
  for (const each of bad) assert.equal(scaling.set(viewOf(each)), 0xc001_0015);
  assert.equal(scaling.set(viewOf(parameters([0]).subarray(0, 39))), 0xc001_0014);
  assert.equal(scaling.queueOf(bytes, 0, bytes.length), 1);
  const nothing = parameters([], { flags: 0x2 | 0x4 | 0x8, key: new Uint8Array(0) });
  assert.equal(scaling.set(viewOf(nothing)), 0, 'all is kept');
  assert.equal(scaling.queueOf(bytes, 0, bytes.length), 1);
  assert.equal(scaling.set(viewOf(parameters([], { flags: 0x10 }))), 0);
  assert.equal(scaling.queueOf(bytes, 0, bytes.length), 0, 'it is off');
});

interface Bench {
  readonly guest: GuestDriver;
  readonly end: NetworkEnd;
  readonly adapter: NetworkAdapter;
  readonly nic: GuestNic;
}

function adapterOn(bus: VmBus, guest: GuestDriver, endpoint: NetworkEnd, queueCount: number): NetworkAdapter {
  const adapter: NetworkAdapter = new NetworkAdapter({
    instanceId: '00000000-0000-0000-0000-000000000001', macAddress: MAC, ram: guest.memory, endpoint, queueCount,
    offerSubChannel: (index) => bus.offer(adapter.subChannel(index), index),
  });
  return adapter;
}

function started(queueCount = 2, options: Parameters<GuestNic['start']>[0] = {}): Bench {
  const guest = new GuestDriver();
  const end = new NetworkEnd();
  const adapter = adapterOn(guest.bus, guest, end, queueCount);
  const nic = new GuestNic(guest, adapter);
  nic.start(options);
  return { guest, end, adapter, nic };
}

test('a guest gets as many channels as there are, and a table for what it sends', () => {
  const { nic } = started(3);
  const { value } = nic.query(SCALE_CAPABILITIES, new Uint8Array(18));
  assert.deepEqual([...value], [0x88, 2, 18, 0, 1, 3, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 128, 0]);
  assert.equal(nic.askForSubChannels(7), 2);
  nic.openSubChannels();
  nic.poll();
  assert.equal(nic.channels.length, 3);
  const [table] = nic.completions.filter(({ type }) => type === 6);
  const numbers = new Uint32Array(table?.payload.slice().buffer ?? new ArrayBuffer(0));
  assert.deepEqual([...numbers.subarray(0, 3)], [134, 16, 40]);
  assert.deepEqual([...numbers.subarray(10)], [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
  assert.equal(nic.askForSubChannels(1), -1, 'it has them');
});

test('an old driver gets none, and neither does one with a processor', () => {
  assert.equal(started(2, { version: 0x4_0000 }).nic.askForSubChannels(1), -1);
  assert.equal(started(1).nic.askForSubChannels(1), 0);
});

test('frames come on the channel of the table, and sends are completed on theirs', async () => {
  const { nic, end } = started();
  nic.askForSubChannels(1);
  const bytes = frame(PAIR, [2794, 1766]);
  assert.equal(nic.set(SCALE_PARAMETERS, parameters([1, 1])), 0);
  assert.ok(end.give(bytes));
  await settle();
  nic.poll();
  assert.deepEqual(nic.received.splice(0).map(({ queue }) => queue), [0], 'it is not open yet');
  nic.openSubChannels();
  for (const [table, queue] of [[[1, 1], 1], [[0, 0], 0]] as const) {
    assert.equal(nic.set(SCALE_PARAMETERS, parameters(table)), 0);
    assert.ok(end.give(bytes));
    await settle();
    nic.poll();
    const received = nic.received.splice(0);
    assert.deepEqual(received.map((each) => each.queue), [queue]);
  }
  const transaction = nic.post({ queue: 1, section: rndisFrame(bytes) });
  assert.equal(nic.completions.find((each) => each.transaction === transaction)?.queue, 1);
  const control = nic.post({ queue: 1, isControl: true, pages: words(8, 12, 5) });
  assert.equal(nic.completions.find((each) => each.transaction === control)?.queue, 1);
  assert.equal(nic.received.find(({ isControl }) => isControl)?.queue, 0, 'answers come on the first channel');
  end.room = end.frames.length;
  const waits = nic.post({ queue: 1, section: rndisFrame(bytes) });
  end.room = 100;
  end.writable();
  nic.poll();
  assert.equal(nic.completions.find((each) => each.transaction === waits)?.queue, 1);
});

test('a driver that asks again before it has let go of its channels gets them when it has', () => {
  const { nic, guest } = started();
  assert.equal(nic.askForSubChannels(1), 1);
  nic.openSubChannels();
  const old = nic.channels[1]?.relid as number;
  nic.close();
  const again = new GuestNicAgain(guest, nic.relid);
  again.begin();
  assert.deepEqual(again.offered(), [], 'the guest holds the old one');
  guest.post(CHANNEL_MESSAGES.RelidReleased, { relid: old });
  assert.equal(again.offered().length, 1);
});

/** A driver that opens the same channel once more. */
class GuestNicAgain {
  readonly #guest: GuestDriver;
  readonly #relid: number;

  constructor(guest: GuestDriver, relid: number) {
    this.#guest = guest;
    this.#relid = relid;
  }

  begin(): void {
    const channel = this.#guest.open(this.#relid, 8) ?? assert.fail('it cannot be opened');
    for (const message of [words(1, 0x6_0001, 0x6_0001), words(133, 1, 1)]) {
      const payload = new Uint8Array(40);
      payload.set(message);
      channel.send(payload, { flags: 1, transaction: 1 });
    }
    const [, granted] = channel.receiveAll();
    assert.deepEqual([...new Uint32Array(granted?.payload.slice().buffer ?? new ArrayBuffer(0), 0, 3)], [133, 1, 1]);
  }

  offered(): number[] {
    return this.#guest.numbers().filter((number) => number === CHANNEL_MESSAGES.OfferChannel.number);
  }
}

test('a large segment comes in one packet to a guest that coalesces, cut for one that does not', async () => {
  const { nic, end, adapter } = started(1, { capabilities: TAKES_COALESCED });
  const { value } = nic.query(OFFLOAD_CAPABILITIES, Uint8Array.of(0xa7, 3, 156, 0, ...new Uint8Array(152)));
  assert.deepEqual([...value.subarray(144, 146)], [1, 1]);
  const settings = (rsc: number): Uint8Array =>
    Uint8Array.of(0x80, 3, 28, 0, 4, 4, 4, 4, 4, ...new Uint8Array(13), rsc, rsc, 0, 0, 0, 0);
  assert.equal(nic.set(OFFLOAD_PARAMETERS, settings(2)), 0);
  for (const addresses of [PAIR, SIX]) {
    const bytes = frame(addresses, [1, 2], 20_000);
    assert.ok(end.give(bytes, 0x5, 1000));
    await settle();
    nic.poll();
    const parts = nic.received.splice(0);
    assert.equal(new Set(parts.map(({ transaction }) => transaction)).size, 1);
    assert.equal(parts.length, Math.ceil(bytes.length / (1728 - 76)));
    const whole: number[] = [];
    parts.forEach(({ bytes: message }, i) => {
      const head = new DataView(message.buffer);
      const start = 8 + head.getUint32(8, true);
      whole.push(...message.subarray(start, start + head.getUint32(12, true)));
      const info = 44 + (i === 0 ? 16 : 0);
      if (i === 0) assert.deepEqual([head.getUint32(48, true), head.getUint32(56, true)], [0, 8], 'the sum is good');
      assert.deepEqual([head.getUint32(info, true), head.getUint32(info + 4, true)], [16, 0x8000_0001]);
      const flags = 1 | (i === 0 ? 2 : 0) | (i === parts.length - 1 ? 4 : 0);
      assert.deepEqual([message[info + 12], message[info + 13]], [1, flags]);
    });
    const sumAt = addresses.length === 8 ? 50 : 70;
    assert.notDeepEqual(whole.splice(sumAt, 2), [0, 0], 'the checksum is there');
    assert.deepEqual(whole, [...bytes.subarray(0, sumAt), ...bytes.subarray(sumAt + 2)]);
  }
  assert.equal(adapter.statistics.receivedFrames, 2);
  assert.equal(nic.set(OFFLOAD_PARAMETERS, settings(1)), 0);
  assert.ok(end.give(frame(PAIR, [1, 2], 20_000), 0x5, 1000));
  await settle();
  assert.equal(nic.frames().length, 20);
});

test('a driver that says nothing of coalescing is not offered it, and cannot turn it on', async () => {
  const { nic, end } = started(1);
  const { value } = nic.query(OFFLOAD_CAPABILITIES, Uint8Array.of(0xa7, 3, 156, 0, ...new Uint8Array(152)));
  assert.deepEqual([...value.subarray(144, 146)], [0, 0]);
  nic.set(OFFLOAD_PARAMETERS, Uint8Array.of(0x80, 3, 28, 0, ...new Uint8Array(18), 2, 2, 0, 0, 0, 0));
  assert.ok(end.give(frame(PAIR, [1, 2], 5000), 0x5, 1000));
  await settle();
  assert.equal(nic.frames().length, 5);
});

test('a saved adapter goes on with all its channels, and with what was under way on each', async () => {
  const { nic, end, adapter, guest } = started();
  nic.askForSubChannels(1);
  nic.openSubChannels();
  nic.set(SCALE_PARAMETERS, parameters([1, 1]));
  nic.poll();
  end.room = 0;
  const bytes = frame(PAIR, [2794, 1766]);
  const waits = [0, 1].map((queue) => nic.post({ queue, section: rndisFrame(bytes) }));
  const [state, bus] = [structuredClone(adapter.saveState()), structuredClone(guest.bus.saveState())];

  const laterEnd = new NetworkEnd();
  const laterBus = new VmBus({ memory: guest.memory, port: new LoopbackPort() });
  const later = adapterOn(laterBus, guest, laterEnd, 2);
  laterBus.offer(later);
  laterEnd.room = 0;
  later.restoreState(state);
  laterBus.restoreState(bus);
  assert.deepEqual(later.saveState(), state);
  laterEnd.room = 100;
  laterEnd.writable();
  nic.poll();
  assert.deepEqual(
    waits.map((transaction) => nic.completions.find((each) => each.transaction === transaction)?.queue), [0, 1]);
  assert.ok(laterEnd.give(bytes));
  await settle();
  nic.poll();
  assert.deepEqual(nic.received.splice(0).map(({ queue }) => queue), [1]);
});
