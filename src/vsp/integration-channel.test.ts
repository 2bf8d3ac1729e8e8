import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../kit/timers.ts';
import { VmBus } from '../vmbus/bus.ts';
import { Shutdown } from './shutdown/device.ts';
import { GuestUtility, settle } from './testing/guest-utility.ts';

test('a guest that knows none of our versions is not spoken to', async () => {
  const service = new Shutdown({ timers: new ManualTimers() });
  const utility = new GuestUtility(service);
  const offer = utility.expect();
  utility.answer(offer, 0, (body) => body.setUint32(0, 0, true));
  assert.equal(service.version, undefined);
  await assert.rejects(service.request({}), /no driver or daemon/);
});

test('a version that was not offered does not count', () => {
  const service = new Shutdown({ timers: new ManualTimers() });
  const utility = new GuestUtility(service);
  utility.answer(utility.expect(), 0, (body) => {
    body.setUint32(0, 0x0001_0001, true);
    body.setUint32(12, 0x0009_0009, true);
  });
  assert.equal(service.version, undefined);
});

test('one message is under way at a time, and an answer to another does not count', async () => {
  const service = new Shutdown({ timers: new ManualTimers() });
  const utility = new GuestUtility(service);
  utility.negotiate();
  const first = service.request({});
  const second = service.request({ restart: true });
  const message = utility.expect();
  assert.equal(utility.take(), undefined);
  utility.answer({ ...message, bytes: message.bytes.map((byte, i) => (i === 24 ? byte + 1 : byte)) });
  await settle();
  assert.equal(utility.take(), undefined);
  utility.answer(message);
  await first;
  utility.answer(utility.expect());
  await second;
});

test('a guest that does not answer in time is given up on, and the next message goes out', async () => {
  const timers = new ManualTimers();
  const service = new Shutdown({ timers });
  const utility = new GuestUtility(service);
  utility.negotiate();
  const first = service.request({});
  const second = service.request({});
  timers.advance(30_000);
  await assert.rejects(first, /did not answer within 30 s/);
  const late = utility.expect();
  const message = utility.expect();
  utility.answer(late);
  await settle();
  utility.answer(message);
  await second;
});

test('closing the channel ends what is under way and what waits', async () => {
  const service = new Shutdown({ timers: new ManualTimers() });
  const utility = new GuestUtility(service);
  utility.negotiate();
  const results = Promise.allSettled([service.request({}), service.request({})]);
  utility.guest.bus.disconnect();
  assert.deepEqual((await results).map(({ status }) => status), ['rejected', 'rejected']);
  assert.equal(service.version, undefined);
});

test('a message too short for its headers costs the guest the channel', () => {
  const service = new Shutdown({ timers: new ManualTimers() });
  const utility = new GuestUtility(service);
  utility.negotiate();
  utility.channel.send(new Uint8Array(24));
  assert.equal(service.version, undefined);
  assert.deepEqual(utility.guest.numbers(), [2]);
});

test('after a restore nothing is negotiated again', async () => {
  const timers = new ManualTimers();
  const utility = new GuestUtility(new Shutdown({ timers }));
  utility.negotiate(1);
  const { memory, port, bus } = utility.guest;
  const service = new Shutdown({ timers });
  const other = new VmBus({ memory, port });
  other.offer(service);
  other.restoreState(bus.saveState());
  assert.deepEqual(service.version, { major: 3, minor: 1 });
  assert.equal(utility.take(), undefined);
  const request = service.request({});
  port.ring(1);
  utility.channel.up.setControl(8, 1);
  utility.answer(utility.expect());
  other.poll();
  await request;
});
