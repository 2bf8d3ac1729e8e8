import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PacketType } from '../protocols/vmbus/ring-layout.ts';
import { BATCH_PACKETS, SendResult } from './channel.ts';
import type { GuestChannel } from './testing/guest-channel.ts';
import { GuestDriver } from './testing/guest-driver.ts';
import { RecordingService, TEST_CLASS } from './testing/recording-service.ts';

interface Bench {
  readonly guest: GuestDriver;
  readonly service: RecordingService;
  readonly channel: GuestChannel;
  readonly relid: number;
}

function openChannel(pages = 4): Bench {
  const guest = new GuestDriver();
  const service = new RecordingService();
  guest.bus.offer(service);
  const relid = guest.connect().get(TEST_CLASS) as number;
  const channel = guest.open(relid, pages) as GuestChannel;
  return { guest, service, channel, relid };
}

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

test('packets of any size arrive whole and in order, around the end of the ring', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 20, maxLength: 60 }), (sizes) => {
    const { service, channel } = openChannel(2);
    const sent = sizes.map((size, i) => Uint8Array.from({ length: size }, (_, k) => (k * 7 + i) & 0xff));
    for (const payload of sent) assert.ok(channel.send(payload));
    assert.equal(service.received.length, sent.length);
    service.received.forEach((payload, i) => {
      const expected = sent[i] as Uint8Array;
      assert.deepEqual(payload.subarray(0, expected.length), expected);
      assert.ok(payload.length - expected.length < 8);
    });
  }), { numRuns: 20 });
});

test('packets to the guest of any size arrive whole and in order', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 20, maxLength: 60 }), (sizes) => {
    const { service, channel } = openChannel(2);
    sizes.forEach((size, i) => {
      const payload = Uint8Array.from({ length: size }, (_, k) => (k * 5 + i) & 0xff);
      assert.equal(service.channel?.send(payload.subarray(0, 3), payload.subarray(3), i), SendResult.Sent);
      const packet = channel.receive();
      assert.equal(packet?.transaction, i);
      assert.deepEqual(packet.payload.subarray(0, size), payload);
    });
  }), { numRuns: 20 });
});

test('the guest is signalled when its ring was empty and unmasked, and only then', () => {
  const { guest, service, channel, relid } = openChannel();
  const send = (): void => { service.channel?.send(filled(8, 1)); };
  send();
  assert.deepEqual(guest.port.signals, [`0:${relid}`]);
  send();
  assert.equal(guest.port.signals.length, 1, 'not again while it has something to read');
  channel.receiveAll();
  channel.down.setControl(8, 1);
  send();
  assert.equal(guest.port.signals.length, 1, 'not while it polls');
  channel.receiveAll();
  channel.down.setControl(8, 0);
  send();
  assert.equal(guest.port.signals.length, 2);
});

test('the guest need not ring while we read, and rings again afterwards', () => {
  const { guest, service, channel } = openChannel();
  const masks: number[] = [];
  service.onSignalled = () => {
    while (service.channel?.receive() === true) {
      masks.push(channel.up.control(8));
      // A packet that comes in the middle does not ring and is read all the same.
      if (masks.length === 1) channel.send(filled(8, 2));
    }
  };
  channel.send(filled(8, 1));
  assert.deepEqual(masks, [1, 1]);
  assert.equal(channel.up.control(8), 0);
  channel.send(filled(8, 3));
  assert.equal(masks.length, 3);
  assert.equal(guest.port.turnsWanted, 0);
});

test('a packet that comes between the last look and the unmasking is read', () => {
  const { guest, service, channel } = openChannel();
  let late = true;
  const original = Atomics.store;
  // The moment at which the mask is cleared is the moment at which the guest still believed it to be set.
  Atomics.store = ((words: Int32Array, at: number, value: number) => {
    if (late && value === 0 && words[at] === 1) {
      late = false;
      channel.up.setControl(8, 1);
      channel.send(filled(8, 9));
    }
    return original(words, at, value);
  }) as typeof Atomics.store;
  try {
    channel.send(filled(8, 1));
  } finally {
    Atomics.store = original;
  }
  assert.equal(late, false);
  assert.equal(service.received.length, 2);
  assert.equal(guest.port.turnsWanted, 0);
});

test('a guest that never stops sending gets a bounded turn', () => {
  const { guest, service, channel } = openChannel();
  let count = 0;
  service.onSignalled = () => {
    while (service.channel?.receive() === true) {
      count++;
      channel.send(filled(8, 1));
    }
  };
  channel.send(filled(8, 1));
  assert.equal(count, BATCH_PACKETS);
  assert.equal(guest.port.turnsWanted, 1);
  guest.bus.poll();
  assert.equal(count, BATCH_PACKETS * 2);
});

test('a full ring to the guest asks for room, and the service is told when there is some', () => {
  const { service, channel } = openChannel(2);
  let sent = 0;
  while (service.channel?.send(filled(1000, 1)) === SendResult.Sent) sent++;
  assert.equal(sent, Math.floor(4095 / 1024));
  assert.equal(channel.down.control(12), 1024);
  let told = 0;
  service.onSignalled = () => { told++; };
  channel.receive();
  assert.equal(told, 1);
  assert.equal(service.channel?.send(filled(1000, 1)), SendResult.Sent);
  assert.equal(channel.down.control(12), 0, 'we no longer wait');
});

test('a guest that waits for room is signalled when reading crosses its mark', () => {
  const { guest, service, channel, relid } = openChannel(2);
  service.onSignalled = () => {};
  while (channel.send(filled(1000, 1))) { /* until it is full */ }
  channel.up.setControl(12, 2100);
  guest.port.signals.length = 0;
  service.onSignalled = () => { service.channel?.receive(); };
  channel.ring();
  assert.deepEqual(guest.port.signals, [], 'one packet does not make that much room');
  channel.ring();
  assert.deepEqual(guest.port.signals, [`0:${relid}`]);
});

test('whether the guest has read everything is known, and told', () => {
  const { service, channel } = openChannel();
  service.channel?.send(filled(8, 1));
  service.channel?.send(filled(8, 1));
  assert.equal(service.channel?.isDrained(), false);
  let told = 0;
  service.onSignalled = () => { told++; };
  channel.receive();
  assert.equal(told, 0);
  channel.receive();
  assert.equal(told, 1);
  assert.equal(service.channel?.isDrained(), true);
  service.channel?.send(filled(8, 1));
  assert.equal(service.channel?.isDrained(), false);
  assert.equal(service.channel?.isDrained(32), true);
});

test('completions carry their transaction', () => {
  const { service, channel } = openChannel();
  service.channel?.complete(0x1234_5678, 0, filled(4, 7));
  const packet = channel.receive();
  assert.equal(packet?.type, PacketType.Completion);
  assert.equal(packet.transaction, 0x1234_5678);
});

const LIES: readonly (readonly [what: string, lie: (channel: GuestChannel) => void])[] = [
  ['a write index beyond the ring', (channel) => channel.up.setControl(0, 12_288)],
  ['a write index that is no multiple of 8', (channel) => channel.up.setControl(0, 12)],
  ['a write index of all ones', (channel) => channel.up.setControl(0, 0xffff_ffff)],
  ['less than a descriptor', (channel) => channel.up.setControl(0, 8)],
  ['a packet longer than what was written', (channel) => {
    channel.up.setByte(2, 2);
    channel.up.setByte(4, 8);
    channel.up.setControl(0, 64);
  }],
  ['a packet that begins behind its end', (channel) => {
    channel.up.setByte(2, 6);
    channel.up.setByte(4, 5);
    channel.up.setControl(0, 64);
  }],
  ['a packet that begins in its descriptor', (channel) => {
    channel.up.setByte(2, 1);
    channel.up.setByte(4, 5);
    channel.up.setControl(0, 64);
  }],
  ['a packet longer than the service takes', (channel) => {
    channel.up.setByte(2, 2);
    channel.up.setByte(4, 4104 / 8 & 0xff);
    channel.up.setByte(5, 4104 / 8 >> 8);
    channel.up.setControl(0, 8192);
  }],
];

for (const [what, lie] of LIES) {
  test(`${what} costs the guest its channel`, () => {
    const { guest, service, channel } = openChannel();
    lie(channel);
    channel.ring();
    assert.deepEqual(service.log, ['opened', 'closed']);
    assert.equal(service.received.length, 0);
    assert.deepEqual(guest.numbers(), [2], 'the offer is rescinded');
    assert.equal(guest.port.openConnections.size, 0);
  });
}

test('a read index that makes no sense costs the guest its channel', () => {
  for (const index of [12_288, 4, 0xffff_fff8]) {
    const { service, channel } = openChannel();
    channel.down.setControl(4, index);
    assert.equal(service.channel?.send(filled(8, 1)), SendResult.Closed);
    assert.deepEqual(service.log, ['opened', 'closed']);
  }
});

test('a longest packet is taken, and its bytes do not change while they are looked at', () => {
  const { service, channel } = openChannel();
  const longest = filled(4096 - 16, 5);
  service.onSignalled = () => {
    while (service.channel?.receive() === true) {
      for (let i = 0; i < 4096; i++) channel.up.setByte(i, 0xee);
      service.received.push(service.channel.payload.slice());
    }
  };
  channel.send(longest);
  assert.deepEqual(service.received, [longest]);
});
