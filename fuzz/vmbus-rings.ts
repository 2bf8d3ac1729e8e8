/**
 * Whatever a guest writes into its rings: nothing throws, a turn is bounded, a packet that is taken lies within the
 * ring and the limit of its service, and a ring that is broken costs the channel and nothing else.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BATCH_PACKETS } from '../src/vmbus/channel.ts';
import { GuestDriver } from '../src/vmbus/testing/guest-driver.ts';
import { RecordingService, TEST_CLASS } from '../src/vmbus/testing/recording-service.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

/** Kinds of action that no good guest takes. */
const WRONG: readonly string[] = ['up', 'down', 'control', 'bytes'];

const index = fc.oneof(
  fc.nat({ max: 0x3000 / 8 }).map((each) => each * 8), fc.nat({ max: 0x4000 }), fc.nat({ max: 0xffff_ffff }));
const wrong = fc.record({
  kind: fc.constantFrom('up', 'down', 'control', 'bytes'),
  offset: fc.constantFrom(0, 4, 8, 12, 64),
  index,
  bytes: fc.uint8Array({ maxLength: 64 }),
});
/** What a guest and a service do that mean well; long packets make rings wrap and fill. */
const right = fc.record({
  kind: fc.constantFrom('packet', 'packet', 'send', 'send', 'read', 'mask', 'wait', 'ask', 'turn'),
  offset: fc.constantFrom(0, 1), // the packet asks for a completion
  index: fc.nat({ max: 3000 }),
  bytes: fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 2500 }).map((length) => new Uint8Array(length))),
});
const action = fc.oneof({ weight: 1, arbitrary: wrong }, { weight: 12, arbitrary: right });
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function tryGuest(actions: readonly Action[], tally: Tally): void {
  const guest = new GuestDriver();
  const service = new RecordingService();
  guest.bus.offer(service);
  const channel = guest.open(guest.connect().get(TEST_CLASS) as number, 3) ?? assert.fail('not opened');
  let packets = 0;
  service.onSignalled = () => {
    for (let count = 0; service.channel?.receive() === true; count++) {
      packets++;
      assert.ok(count < BATCH_PACKETS, 'a turn without end');
      assert.ok(service.channel.payload.length <= service.maxPacketBytes);
      if ((packets & 3) === 0) service.channel.complete(packets, 0, service.channel.payload.slice(0, 16));
    }
  };
  for (const { kind, offset, index: value, bytes } of actions) {
    tally.input(!WRONG.includes(kind));
    if (kind === 'up') channel.up.setControl(offset, value);
    else if (kind === 'down') channel.down.setControl(offset, value);
    else if (kind === 'bytes') bytes.forEach((byte, i) => channel.up.setByte((value % channel.up.size) + i, byte));
    else if (kind === 'packet' && channel.up.control(0) < channel.up.size) {
      channel.send(bytes, { flags: offset, transaction: value });
    } else if (kind === 'send') service.channel?.send(bytes, bytes);
    else if (kind === 'read') channel.down.setControl(4, channel.down.control(0));
    else if (kind === 'mask') channel.down.setControl(8, offset);
    else if (kind === 'wait') channel.up.setControl(12, value);
    else if (kind === 'ask') assert.equal(service.channel?.pagesOf(value), undefined);
    else if (kind === 'turn') service.channel?.wantTurn();
    channel.ring();
  }
  assert.ok(service.log.length <= 2, service.log.join(' '));
}

export const target: FuzzTarget = {
  name: 'vmbus-rings',
  covers: ['src/vmbus/ring', 'src/vmbus/channel.', 'src/vmbus/guest-pages'],
  run(seed, iterations, tally) {
    const guests = fc.property(fc.array(action, { maxLength: 60 }), (actions) => tryGuest(actions, tally));
    fc.assert(guests, { seed, numRuns: iterations });
  },
};
