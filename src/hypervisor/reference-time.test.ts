import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReferenceTscPage } from '../protocols/tlfs/reference-tsc.ts';
import { GuestMemory } from './guest-memory.ts';
import { ReferenceTime, writeReferenceTscPage } from './reference-time.ts';
import { resetControl } from './testing/fixture.ts';
import { ManualClock } from './testing/manual-clock.ts';

function memoryOfOnePage(): GuestMemory {
  return new GuestMemory(new SharedArrayBuffer(4096), [{ gpa: 0x5000, sizeBytes: 4096, offset: 0 }]);
}

test('a guest that uses the TSC page reads exactly what TIME_REF_COUNT says', () => {
  const memory = memoryOfOnePage();
  assert.equal(writeReferenceTscPage(memory, 0x5000, 7), true);
  const page = ReferenceTscPage.decode(memory.view, 0);
  assert.equal(page.tscSequence, 7);
  const scale = (BigInt(page.tscScaleHigh) << 32n) | BigInt(page.tscScaleLow);
  fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (tsc) => {
    assert.equal(Number((BigInt(tsc) * scale) >> 64n), Math.floor(tsc / 100));
    const multiple = tsc - (tsc % 100);
    assert.equal(Number((BigInt(multiple) * scale) >> 64n), multiple / 100);
  }));
});

test('a TSC page outside RAM is not written', () => {
  assert.equal(writeReferenceTscPage(memoryOfOnePage(), 0x6000, 1), false);
});

test('virtual time stands still while frozen and goes on from there', () => {
  const clock = new ManualClock();
  const time = new ReferenceTime({ control: resetControl(), clock });
  time.freezeAt(0);
  time.thaw();
  clock.advance(1234);
  assert.equal(time.nowNs(), 1234);
  assert.equal(time.now100ns(), 12);
  time.freeze();
  clock.advance(1_000_000);
  assert.equal(time.nowNs(), 1234);
  time.thaw();
  assert.equal(time.nowNs(), 1234);
  clock.advance(6);
  assert.equal(time.nowNs(), 1240);
});

test('virtual time never runs backwards on a thread whose clock lags the owner\'s', () => {
  const control = resetControl();
  const lagging = new ManualClock();
  const own = new ReferenceTime({ control, clock: lagging });
  own.freezeAt(0);
  own.thaw();
  lagging.advance(500);
  assert.equal(own.nowNs(), 500);
  lagging.advance(-200);
  assert.equal(own.nowNs(), 500);
  lagging.advance(201);
  assert.equal(own.nowNs(), 501);
});

test('a restored time is where the guest goes on', () => {
  const control = resetControl();
  const time = new ReferenceTime({ control, clock: new ManualClock() });
  time.freezeAt(5_000_000_000_000);
  time.thaw();
  assert.equal(time.nowNs(), 5_000_000_000_000);
});
