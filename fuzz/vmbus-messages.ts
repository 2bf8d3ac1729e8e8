/**
 * Whatever a guest posts as channel messages, in whatever order: nothing throws, nothing grows beyond its limits, page
 * lists and channels are gone once the guest starts over, and a saved state restores.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CHANNEL_MESSAGES, channelMessage, type MessageRow } from '../src/protocols/vmbus/message-table.ts';
import { describeMessage } from '../src/protocols/vmbus/describe.ts';
import { VmbusVersion } from '../src/protocols/vmbus/versions.ts';
import { VmBus } from '../src/vmbus/bus.ts';
import { GuestDriver } from '../src/vmbus/testing/guest-driver.ts';
import { LoopbackPort } from '../src/vmbus/testing/loopback.ts';
import { RecordingService } from '../src/vmbus/testing/recording-service.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

const SERVICES = 4;
const MOST_SERVICES = 12;
/** What the driver calls its first page list. */
const FIRST_GPADL = 0xe1e10;

/** Numbers that mean something to some field, and noise. */
const number = fc.oneof(
  fc.nat({ max: 6 }), fc.constantFrom(1, 4096, 8192, 16_384, 0xffff_ffff, ...Object.values(VmbusVersion)),
  fc.nat({ max: 0xffff_ffff }));
const message = fc.record({
  row: fc.constantFrom<MessageRow>(...Object.values(CHANNEL_MESSAGES)),
  numbers: fc.array(number, { minLength: 8, maxLength: 8 }),
  pages: fc.array(fc.oneof(fc.nat({ max: 2047 }), fc.nat({ max: 0xffff_ffff })), { maxLength: 30 }),
  cut: fc.option(fc.nat({ max: 240 }), { freq: 8 }),
  ring: fc.boolean(),
});
type Message = typeof message extends fc.Arbitrary<infer T> ? T : never;

/** What a good guest or the host's own services do meanwhile. */
const move = fc.record({
  kind: fc.constantFrom('open', 'gpadl', 'long-gpadl', 'close', 'rescind', 'offer', 'sub-channel', 'modify', 'teardown',
    'release', 'unload', 'connect'),
  relid: fc.nat({ max: 6 }),
  version: fc.constantFrom(...Object.values(VmbusVersion)),
});
type Move = typeof move extends fc.Arbitrary<infer T> ? T : never;
const step = fc.oneof(
  message.map((value) => ({ message: value, move: undefined })),
  move.map((value) => ({ message: undefined, move: value })));
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function bytesOf({ row, numbers, pages, cut }: Message): Uint8Array {
  const head = channelMessage(row, {});
  const view = new DataView(head.buffer);
  for (let at = 8, i = 0; at + 4 <= Math.min(head.length, 40); at += 4, i++) view.setUint32(at, numbers[i] ?? 0, true);
  const bytes = new Uint8Array(Math.min(240, head.length + pages.length * 8));
  bytes.set(head);
  const tail = new DataView(bytes.buffer);
  for (let i = 0; head.length + i * 8 + 8 <= bytes.length; i++) {
    tail.setUint32(head.length + i * 8, pages[i] ?? 0, true);
  }
  return cut === null ? bytes : bytes.subarray(0, cut);
}

function make(guest: GuestDriver, { kind, relid, version }: Move, services: RecordingService[]): void {
  const gpadl = FIRST_GPADL + relid;
  switch (kind) {
    case 'open': guest.open(relid, 2, relid & 1); return;
    case 'gpadl': guest.makeGpadl(relid, 3); return;
    case 'long-gpadl': guest.makeGpadl(relid, 60); return;
    case 'close': guest.post(CHANNEL_MESSAGES.CloseChannel, { relid }); return;
    case 'teardown': guest.post(CHANNEL_MESSAGES.GpadlTeardown, { relid, gpadl }); return;
    case 'release': guest.post(CHANNEL_MESSAGES.RelidReleased, { relid }); return;
    case 'modify': guest.post(CHANNEL_MESSAGES.ModifyChannel, { relid, targetVp: relid & 3 }); return;
    case 'unload': guest.post(CHANNEL_MESSAGES.Unload, {}); return;
    case 'connect': guest.connect(version); return;
    case 'rescind': {
      const offer = guest.bus.offers.all()[relid];
      if (offer !== undefined) guest.bus.rescind(offer);
      return;
    }
    case 'offer': case 'sub-channel': {
      if (services.length >= MOST_SERVICES) return;
      const service = new RecordingService(kind === 'offer' ? services.length : relid % SERVICES);
      services.push(service);
      guest.bus.offer(service, kind === 'offer' ? 0 : services.length);
      return;
    }
    default: kind satisfies never;
  }
}

function tryGuest(steps: readonly Step[], tally: Tally): void {
  const guest = new GuestDriver();
  const services = Array.from({ length: SERVICES }, (_, i) => new RecordingService(i));
  for (const service of services) guest.bus.offer(service);
  guest.connect();
  for (const { message: posted, move: made } of steps) {
    tally.input(made !== undefined);
    if (made !== undefined) make(guest, made, services);
    else {
      const bytes = bytesOf(posted);
      assert.equal(typeof describeMessage(bytes), 'string');
      guest.postBytes(bytes.slice());
      if (posted.ring) guest.port.ring((posted.numbers[0] ?? 0) & 7);
    }
    for (const service of services) service.channel?.send(Uint8Array.of(1, 2, 3));
    guest.messages();
    assert.ok(guest.bus.gpadls.count <= 4096);
  }
  const restored = new VmBus({ memory: guest.memory, port: new LoopbackPort() });
  for (const { service, subChannelIndex } of guest.bus.offers.all()) {
    restored.offer(new RecordingService(Number(service.description.instanceId.slice(-12))), subChannelIndex);
  }
  restored.restoreState(guest.bus.saveState());
  restored.poll();
  guest.bus.disconnect();
  assert.equal(guest.bus.gpadls.count, 0);
  assert.equal(guest.port.openConnections.size, 0);
  assert.ok(services.every(({ channel }) => channel === undefined));
  assert.ok(guest.bus.offers.all().every(({ isWanted }) => isWanted));
}

export const target: FuzzTarget = {
  name: 'vmbus-messages',
  covers: [
    'src/vmbus/bus', 'src/vmbus/channel-set', 'src/vmbus/gpadl-table', 'src/vmbus/offer',
    'src/protocols/vmbus/describe',
  ],
  run(seed, iterations, tally) {
    const guests = fc.property(fc.array(step, { maxLength: 40 }), (steps) => tryGuest(steps, tally));
    fc.assert(guests, { seed, numRuns: iterations });
  },
};
