import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApicTimer, dividerOf } from './apic-timer.ts';
import { NEVER_NS, VpRegisters } from './partition-layout.ts';
import { ReferenceTime } from './reference-time.ts';
import { resetControl } from './testing/fixture.ts';
import { ManualClock } from './testing/manual-clock.ts';

const PERIODIC = 1 << 17;

function makeTimer(mode = 0) {
  const control = resetControl();
  const clock = new ManualClock();
  const time = new ReferenceTime({ control, clock });
  time.freezeAt(0);
  time.thaw();
  control.words[control.vpRegistersWord(0) + (VpRegisters.localVectors.offset >> 2)] = mode;
  return { timer: new ApicTimer({ control, index: 0, time }), clock, time };
}

test('the divider is what the manual says', () => {
  assert.deepEqual([0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1001, 0b1010, 0b1011].map(dividerOf),
    [2, 4, 8, 16, 32, 64, 128, 1]);
});

test('a one-shot count ends once, when its ticks of 5 ns by the divider are over', () => {
  const { timer, clock, time } = makeTimer();
  timer.setDivide(0b0011);
  timer.start(1000);
  clock.advance(79_999);
  assert.equal(timer.expire(time.nowNs()), false);
  assert.equal(timer.currentCount(), 1);
  clock.advance(1);
  assert.equal(timer.expire(time.nowNs()), true);
  assert.equal(timer.deadlineNs, NEVER_NS);
  assert.equal(timer.currentCount(), 0);
  assert.equal(timer.expire(time.nowNs() + 1e9), false);
});

test('a periodic count keeps its beat however late it is served', () => {
  const period = 2000 * 5 * 2;
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 30 }), (steps) => {
    const { timer, clock, time } = makeTimer(PERIODIC);
    timer.start(2000);
    let beats = 0;
    for (const step of steps) {
      clock.advance(step);
      const now = time.nowNs();
      const due = Math.floor(now / period);
      assert.equal(timer.expire(now), due > beats);
      beats = due;
      assert.equal(timer.deadlineNs, (beats + 1) * period);
    }
  }));
});

test('a count of 0 stops the timer', () => {
  const { timer } = makeTimer();
  timer.start(5);
  timer.start(0);
  assert.equal(timer.deadlineNs, NEVER_NS);
  assert.equal(timer.currentCount(), 0);
});

test('a new divider changes the pace of what is left', () => {
  const { timer, clock } = makeTimer();
  timer.setDivide(0b1011);
  timer.start(1000);
  clock.advance(2500);
  assert.equal(timer.currentCount(), 500);
  timer.setDivide(0b0001);
  assert.equal(timer.currentCount(), 500);
  assert.equal(timer.deadlineNs, 2500 + 500 * 5 * 4);
});

test('the greatest count is unsigned', () => {
  const { timer } = makeTimer();
  timer.setDivide(0b1011);
  timer.start(-1);
  assert.equal(timer.initialCount, 0xffff_ffff);
  assert.equal(timer.deadlineNs, 0xffff_ffff * 5);
});
