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
import type { FuzzTarget } from '../tools/fuzz-target.ts';

const SERVICES = 4;

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
type Step = typeof message extends fc.Arbitrary<infer T> ? T : never;

function bytesOf({ row, numbers, pages, cut }: Step): Uint8Array {
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

function tryGuest(steps: readonly Step[]): void {
  const guest = new GuestDriver();
  const services = Array.from({ length: SERVICES }, (_, i) => new RecordingService(i));
  for (const service of services) guest.bus.offer(service);
  guest.connect();
  for (const step of steps) {
    const bytes = bytesOf(step);
    assert.equal(typeof describeMessage(bytes), 'string');
    guest.postBytes(bytes.slice());
    if (step.ring) guest.port.ring((step.numbers[0] ?? 0) & 7);
    for (const service of services) service.channel?.send(Uint8Array.of(1, 2, 3));
    guest.messages();
    assert.ok(guest.bus.gpadls.count <= 4096);
  }
  const restored = new VmBus({ memory: guest.memory, port: new LoopbackPort() });
  for (let i = 0; i < SERVICES; i++) restored.offer(new RecordingService(i));
  restored.restoreState(guest.bus.saveState());
  restored.poll();
  guest.bus.disconnect();
  assert.equal(guest.bus.gpadls.count, 0);
  assert.equal(guest.port.openConnections.size, 0);
  assert.ok(services.every(({ channel }) => channel === undefined));
  assert.equal(guest.bus.offers.all().length, SERVICES);
}

export const target: FuzzTarget = {
  name: 'vmbus-messages',
  run(seed, iterations) {
    fc.assert(fc.property(fc.array(message, { maxLength: 40 }), tryGuest), { seed, numRuns: iterations });
  },
};
