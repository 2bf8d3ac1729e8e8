import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../kit/timers.ts';
import { GuestUtility, settle } from '../testing/guest-utility.ts';
import { Heartbeat, HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS, type HeartbeatHealth } from './device.ts';

interface Bench {
  readonly timers: ManualTimers;
  readonly heartbeat: Heartbeat;
  readonly utility: GuestUtility;
  readonly changes: HeartbeatHealth[];
}

function beating(): Bench {
  const timers = new ManualTimers();
  const changes: HeartbeatHealth[] = [];
  const heartbeat = new Heartbeat({ timers, onChange: (health) => changes.push(health) });
  const utility = new GuestUtility(heartbeat);
  assert.deepEqual(utility.negotiate(), ['3.0', '1.0']);
  return { timers, heartbeat, utility, changes };
}

async function beat({ utility }: Bench, add = 1): Promise<number> {
  const message = utility.expect();
  const sequence = Number(message.body.getBigUint64(0, true));
  assert.equal(message.type, 1);
  assert.equal(message.body.byteLength, 40);
  utility.answer(message, 0, (body) => body.setBigUint64(0, BigInt(sequence + add), true));
  await settle();
  return sequence;
}

test('a guest that counts on is well', async () => {
  const bench = beating();
  assert.equal(bench.heartbeat.health, 'no-contact');
  assert.equal(await beat(bench), 1);
  assert.equal(bench.heartbeat.health, 'ok');
  assert.equal(bench.utility.take(), undefined);
  bench.timers.advance(HEARTBEAT_INTERVAL_MS);
  assert.equal(await beat(bench), 2);
  assert.equal(bench.heartbeat.answered, 2);
  assert.deepEqual(bench.changes, ['ok']);
});

test('the loss of a guest that hangs is noticed, and its return', async () => {
  const bench = beating();
  await beat(bench);
  bench.timers.advance(HEARTBEAT_INTERVAL_MS);
  assert.ok(bench.utility.take());
  bench.timers.advance(HEARTBEAT_TIMEOUT_MS);
  await settle();
  assert.equal(bench.heartbeat.health, 'lost');
  bench.timers.advance(HEARTBEAT_INTERVAL_MS);
  await beat(bench);
  assert.deepEqual(bench.changes, ['ok', 'lost', 'ok']);
});

test('an answer that does not count on is no sign of life', async () => {
  const bench = beating();
  await beat(bench, 0);
  assert.equal(bench.heartbeat.health, 'lost');
});

test('a guest that is gone has no heartbeat, and no timer is left', async () => {
  const bench = beating();
  await beat(bench);
  bench.utility.guest.bus.disconnect();
  await settle();
  assert.equal(bench.heartbeat.health, 'no-contact');
  assert.equal(bench.timers.count, 0);
});

test('the count survives a save', async () => {
  const bench = beating();
  await beat(bench);
  const later = new Heartbeat({ timers: bench.timers });
  later.restoreState(bench.heartbeat.saveState());
  assert.deepEqual(later.saveState(), bench.heartbeat.saveState());
  assert.throws(() => later.restoreState({ ...later.saveState(), version: 2 }), /heartbeat service has version 2/);
});
