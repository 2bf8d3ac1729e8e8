/**
 * Whatever a guest writes into its rings: nothing throws, a turn is bounded, a packet that is taken lies within the
 * ring and the limit of its service, and a ring that is broken costs the channel and nothing else.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BATCH_PACKETS } from '../src/vmbus/channel.ts';
import { GuestDriver } from '../src/vmbus/testing/guest-driver.ts';
import { RecordingService, TEST_CLASS } from '../src/vmbus/testing/recording-service.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';

const index = fc.oneof(
  fc.nat({ max: 0x3000 / 8 }).map((each) => each * 8), fc.nat({ max: 0x4000 }), fc.nat({ max: 0xffff_ffff }));
const action = fc.record({
  kind: fc.constantFrom('up', 'down', 'control', 'bytes', 'packet', 'send', 'read'),
  offset: fc.constantFrom(0, 4, 8, 12, 64),
  index,
  bytes: fc.uint8Array({ maxLength: 64 }),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function tryGuest(actions: readonly Action[]): void {
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
    if (kind === 'up') channel.up.setControl(offset, value);
    else if (kind === 'down') channel.down.setControl(offset, value);
    else if (kind === 'bytes') bytes.forEach((byte, i) => channel.up.setByte((value % channel.up.size) + i, byte));
    else if (kind === 'packet' && channel.up.control(0) < channel.up.size) channel.send(bytes);
    else if (kind === 'send') service.channel?.send(bytes, bytes);
    else if (kind === 'read') channel.down.setControl(4, channel.down.control(0));
    channel.ring();
  }
  assert.ok(service.log.length <= 2, service.log.join(' '));
}

export const target: FuzzTarget = {
  name: 'vmbus-rings',
  run(seed, iterations) {
    fc.assert(fc.property(fc.array(action, { maxLength: 60 }), tryGuest), { seed, numRuns: iterations });
  },
};
