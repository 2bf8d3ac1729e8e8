import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HvMsr } from '../protocols/tlfs/msrs.ts';
import { MessageHeader, TimerMessagePayload } from '../protocols/tlfs/synic.ts';
import { NEVER_NS, VpRegisters } from './partition-layout.ts';
import { makeFixture, type Fixture } from './testing/fixture.ts';
import { InterruptRouter } from './interrupt-router.ts';
import { SyntheticInterruptController } from './synic.ts';
import { SyntheticTimers } from './synthetic-timers.ts';

const CONFIG = HvMsr.HV_X64_MSR_STIMER0_CONFIG;
const COUNT = CONFIG + 1;
/** What Linux writes: enable, auto-enable, vector 0xED, direct mode. */
const DIRECT = 0x1ed9n;
const SIMP_PAGE = 0x4000;
const SLOT = SIMP_PAGE + 2 * 256;

/** Timers over a fixture's buffers, served by hand. */
function makeTimers(fixture: Fixture): SyntheticTimers {
  const { control, memory, time } = fixture;
  const router = new InterruptRouter({ control });
  const synic = new SyntheticInterruptController({ control, index: 0, memory, router });
  return new SyntheticTimers({ control, index: 0, time, router, synic });
}

function enableApic(fixture: Fixture): void {
  fixture.processor.apic.mmioWrite(0xfee0_00f0, 4, Int32Array.of(0x1ff, 0));
}

/** SINT2 on vector 0xF3, messages in SIMP_PAGE. */
function enableSynic(fixture: Fixture): void {
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_SIMP, BigInt(SIMP_PAGE) | 1n);
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_SINT0 + 2, 0xf3n);
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_SCONTROL, 1n);
}

function take(fixture: Fixture): number {
  const vector = fixture.processor.apic.deliverable();
  if (vector >= 0) {
    fixture.processor.apic.acknowledge(vector);
    fixture.processor.apic.endOfInterrupt();
  }
  return vector;
}

test('a direct one-shot timer raises its vector once and disables itself', () => {
  const fixture = makeFixture();
  const timers = makeTimers(fixture);
  enableApic(fixture);
  const { engine, clock, time } = fixture;
  engine.writeMsr(CONFIG, DIRECT);
  assert.equal(engine.readMsr(CONFIG), DIRECT, 'enabled without a count it is idle');
  assert.equal(timers.deadlineNs, NEVER_NS);
  engine.writeMsr(COUNT, 50n);
  assert.equal(timers.deadlineNs, 5000);
  clock.advance(4999);
  timers.expire(time.nowNs());
  assert.equal(take(fixture), -1);
  clock.advance(1);
  timers.expire(time.nowNs());
  assert.equal(take(fixture), 0xed);
  assert.equal(engine.readMsr(CONFIG), DIRECT & ~1n);
  timers.expire(time.nowNs());
  assert.equal(take(fixture), -1);
  engine.writeMsr(COUNT, 70n);
  assert.equal(engine.readMsr(CONFIG), DIRECT, 'auto-enable');
  assert.equal(timers.deadlineNs, 7000);
});

test('a count in the past expires at once, and asks for an interrupt window', () => {
  const fixture = makeFixture();
  enableApic(fixture);
  fixture.clock.advance(1_000_000);
  fixture.engine.writeMsr(CONFIG, DIRECT);
  fixture.engine.writeMsr(COUNT, 1n);
  assert.equal(fixture.engine.windowRequested, true);
  assert.equal(take(fixture), 0xed);
});

test('count 0 and a cleared configuration stop a timer', () => {
  const fixture = makeFixture();
  const timers = makeTimers(fixture);
  const { engine } = fixture;
  engine.writeMsr(CONFIG, DIRECT);
  engine.writeMsr(COUNT, 50n);
  engine.writeMsr(COUNT, 0n);
  assert.equal(timers.deadlineNs, NEVER_NS);
  assert.equal(engine.readMsr(CONFIG), DIRECT & ~1n);
  engine.writeMsr(COUNT, 50n);
  engine.writeMsr(CONFIG, 0n);
  assert.equal(timers.deadlineNs, NEVER_NS);
});

test('a count that no clock reaches is kept and never due', () => {
  const fixture = makeFixture();
  const timers = makeTimers(fixture);
  fixture.engine.writeMsr(CONFIG, DIRECT);
  fixture.engine.writeMsr(COUNT, 0xffff_ffff_ffff_ffffn);
  assert.equal(fixture.engine.readMsr(COUNT), 0xffff_ffff_ffff_ffffn);
  assert.equal(timers.deadlineNs, NEVER_NS);
});

test('a periodic timer keeps its beat however late it is served', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 50_000 }), { maxLength: 30 }), (steps) => {
    const fixture = makeFixture();
    const timers = makeTimers(fixture);
    enableApic(fixture);
    fixture.engine.writeMsr(CONFIG, DIRECT | 2n);
    fixture.engine.writeMsr(COUNT, 100n);
    let beats = 0;
    for (const step of steps) {
      fixture.clock.advance(step);
      const now = fixture.time.nowNs();
      timers.expire(now);
      const due = Math.floor(now / 10_000);
      assert.equal(take(fixture), due > beats ? 0xed : -1);
      beats = due;
      assert.equal(timers.deadlineNs, (beats + 1) * 10_000);
    }
  }), { numRuns: 50 });
});

test('a timer without direct mode and without a SINT cannot be enabled', () => {
  const fixture = makeFixture();
  fixture.engine.writeMsr(CONFIG, 0x9n);
  assert.equal(fixture.engine.readMsr(CONFIG), 0x8n);
});

test('message mode: the expiry lies in the SINT\'s slot before its vector is raised', () => {
  const fixture = makeFixture();
  const timers = makeTimers(fixture);
  enableApic(fixture);
  enableSynic(fixture);
  fixture.engine.writeMsr(CONFIG, 0x2_0009n);
  fixture.engine.writeMsr(COUNT, 50n);
  fixture.clock.advance(6000);
  timers.expire(fixture.time.nowNs());
  assert.equal(take(fixture), 0xf3);
  const header = MessageHeader.decode(fixture.memory.view, SLOT);
  assert.deepEqual([header.messageType, header.payloadSize, header.messageFlags], [0x8000_0010, 24, 0]);
  const payload = TimerMessagePayload.decode(fixture.memory.view, SLOT + 16);
  assert.deepEqual([payload.timerIndex, payload.expirationTimeLow, payload.deliveryTimeLow], [0, 50, 60]);
});

test('a full slot is marked, and the message follows after EOM', () => {
  const fixture = makeFixture();
  const timers = makeTimers(fixture);
  enableApic(fixture);
  enableSynic(fixture);
  MessageHeader.encode(fixture.memory.view, SLOT, { messageType: 1 });
  fixture.engine.writeMsr(CONFIG, 0x2_0009n);
  fixture.engine.writeMsr(COUNT, 50n);
  fixture.clock.advance(6000);
  timers.expire(fixture.time.nowNs());
  assert.equal(take(fixture), -1);
  assert.equal(MessageHeader.messageFlags.get(fixture.memory.view, SLOT), 1);
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
  assert.equal(take(fixture), -1, 'the slot is still full');
  MessageHeader.encode(fixture.memory.view, SLOT, { messageType: 0 });
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
  assert.equal(take(fixture), 0xf3);
  assert.equal(MessageHeader.messageType.get(fixture.memory.view, SLOT), 0x8000_0010);
  MessageHeader.encode(fixture.memory.view, SLOT, { messageType: 0 });
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
  assert.equal(take(fixture), -1, 'it is delivered once');
});

test('a timer that is set anew forgets the message that waits for its slot', () => {
  const fixture = makeFixture();
  enableApic(fixture);
  enableSynic(fixture);
  MessageHeader.encode(fixture.memory.view, SLOT, { messageType: 1 });
  fixture.clock.advance(6000);
  fixture.engine.writeMsr(CONFIG, 0x2_0009n);
  fixture.engine.writeMsr(COUNT, 50n);
  fixture.engine.writeMsr(COUNT, 0n);
  MessageHeader.encode(fixture.memory.view, SLOT, { messageType: 0 });
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_EOM, 0n);
  assert.equal(take(fixture), -1);
});

test('a message for a masked SINT or a page that is not RAM is dropped', () => {
  for (const spoil of [
    (fixture: Fixture) => fixture.engine.writeMsr(HvMsr.HV_X64_MSR_SINT0 + 2, 0x1_00f3n),
    (fixture: Fixture) => fixture.engine.writeMsr(HvMsr.HV_X64_MSR_SIMP, 0xffff_f000_0001n),
    (fixture: Fixture) => fixture.engine.writeMsr(HvMsr.HV_X64_MSR_SCONTROL, 0n),
  ]) {
    const fixture = makeFixture();
    enableApic(fixture);
    enableSynic(fixture);
    spoil(fixture);
    fixture.clock.advance(6000);
    fixture.engine.writeMsr(CONFIG, 0x2_0009n);
    fixture.engine.writeMsr(COUNT, 50n);
    assert.equal(take(fixture), -1);
    const pending = VpRegisters.stimerMessagePending.get(fixture.control.view, fixture.control.vpRegistersOffset(0));
    assert.equal(pending, 0);
  }
});

test('a SINT with AutoEOI leaves nothing in service', () => {
  const fixture = makeFixture();
  enableApic(fixture);
  enableSynic(fixture);
  fixture.engine.writeMsr(HvMsr.HV_X64_MSR_SINT0 + 2, 0x2_00f3n);
  fixture.clock.advance(6000);
  fixture.engine.writeMsr(CONFIG, 0x2_0009n);
  fixture.engine.writeMsr(COUNT, 50n);
  assert.equal(fixture.processor.apic.deliverable(), 0xf3);
  fixture.processor.apic.acknowledge(0xf3);
  assert.equal(fixture.processor.apic.processorPriority(), 0);
});
