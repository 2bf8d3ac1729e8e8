import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../kit/clock.ts';
import { ManualTimers } from '../../kit/timers.ts';
import { GuestUtility, settle, type HostMessage } from '../testing/guest-utility.ts';
import { SAMPLE_INTERVAL_MS, TimeSync } from './device.ts';

class SteppedClock implements Clock {
  nowMs = 1000;
  aheadMs = 1_700_000_000_000;

  nowNs(): number {
    return this.nowMs * 1e6;
  }

  wallMs(): number {
    return this.nowMs + this.aheadMs;
  }
}

function synchronised(version: number): {
  clock: SteppedClock; utility: GuestUtility; next: () => Promise<HostMessage>;
} {
  const clock = new SteppedClock();
  const timers = new ManualTimers();
  const service = new TimeSync({ clock, timers, referenceTime: () => 0x12_3456_789a });
  const utility = new GuestUtility(service);
  assert.deepEqual(utility.negotiate(version), ['4.0', '3.0', '1.0']);
  const next = async (): Promise<HostMessage> => {
    await settle();
    clock.nowMs += SAMPLE_INTERVAL_MS;
    timers.advance(SAMPLE_INTERVAL_MS);
    const message = utility.expect();
    utility.answer(message);
    return message;
  };
  return { clock, utility, next };
}

/** Milliseconds since 1970 of a time in units of 100 ns since 1601. */
function unixMs(body: DataView): number {
  return Number((body.getBigUint64(0, true) - 116_444_736_000_000_000n) / 10_000n);
}

test('the first message sets the clock, the next ones are samples, and a step sets it again', async () => {
  const { clock, utility, next } = synchronised(0);
  const first = utility.expect();
  utility.answer(first);
  assert.equal(first.type, 4);
  assert.equal(first.body.byteLength, 22);
  assert.equal(unixMs(first.body), clock.wallMs());
  assert.equal(first.body.getBigUint64(8, true), 0x12_3456_789an);
  assert.equal(first.body.getUint8(16), 1);
  assert.equal((await next()).body.getUint8(16), 2);
  clock.aheadMs += 400;
  assert.equal((await next()).body.getUint8(16), 2, 'the clock is being slewed');
  clock.aheadMs -= 3_600_000;
  const stepped = await next();
  assert.equal(stepped.body.getUint8(16), 1);
  assert.equal(unixMs(stepped.body), clock.wallMs());
  assert.equal((await next()).body.getUint8(16), 2);
});

test('an older guest gets the older message', () => {
  const { clock, utility } = synchronised(1);
  const { body } = utility.expect();
  assert.equal(body.byteLength, 25);
  assert.equal(unixMs(body), clock.wallMs());
  assert.equal(body.getUint8(24), 1);
});
