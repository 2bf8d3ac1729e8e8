import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../hypervisor/testing/manual-clock.ts';
import { RecordedLine } from '../testing/interrupts.ts';
import { IntervalTimer } from './device.ts';

const MS_NS = 1e6;
const CONTROL = 0x43;

class Fixture {
  readonly clock = new ManualClock(0);
  readonly line = new RecordedLine();
  readonly pit = new IntervalTimer({
    shared: new SharedArrayBuffer(IntervalTimer.sharedBytes), byteOffset: 0, clock: this.clock, setLine: this.line.set,
  });

  constructor() {
    this.pit.reset();
  }

  load(channel: number, control: number, count: number): void {
    this.pit.portWrite(CONTROL, 1, (channel << 6) | control);
    this.pit.portWrite(0x40 + channel, 1, count & 0xff);
    this.pit.portWrite(0x40 + channel, 1, count >> 8);
  }

  count(channel: number): number {
    this.pit.portWrite(CONTROL, 1, channel << 6);
    return this.pit.portRead(0x40 + channel, 1) | (this.pit.portRead(0x40 + channel, 1) << 8);
  }
}

test('a rate generator counts down and starts over, at 1193182 Hz', () => {
  const fixture = new Fixture();
  fixture.load(0, 0x34, 1000);
  assert.equal(fixture.count(0), 1000);
  fixture.clock.advance(0.5 * MS_NS);
  assert.equal(fixture.count(0), 1000 - 596);
  fixture.clock.advance(0.5 * MS_NS);
  assert.equal(fixture.count(0), 1000 - 193, 'one period and 193 ticks later');
});

test('a latched count stays until both of its bytes are read', () => {
  const fixture = new Fixture();
  fixture.load(0, 0x34, 0x1234);
  fixture.pit.portWrite(CONTROL, 1, 0x00);
  fixture.clock.advance(MS_NS);
  assert.equal(fixture.pit.portRead(0x40, 1), 0x34);
  assert.equal(fixture.pit.portRead(0x40, 1), 0x12);
  assert.equal(fixture.count(0), 0x1234 - 1193);
});

test('channel 2 runs while its gate is open, and port 0x61 shows its output', () => {
  const fixture = new Fixture();
  const { systemControl } = fixture.pit;
  fixture.load(2, 0x30, 1193);
  fixture.clock.advance(5 * MS_NS);
  assert.equal(systemControl.portRead(0x61, 1) & 0x21, 0, 'the gate is closed');
  systemControl.portWrite(0x61, 1, 0x01);
  fixture.clock.advance(0.9 * MS_NS);
  assert.equal(systemControl.portRead(0x61, 1) & 0x21, 0x01);
  fixture.clock.advance(0.2 * MS_NS);
  assert.equal(systemControl.portRead(0x61, 1) & 0x21, 0x21);
});

test('channel 0 interrupts at its rate, once for what was missed', () => {
  const fixture = new Fixture();
  assert.equal(fixture.pit.tick(), -1);
  fixture.load(0, 0x34, 11_932);
  assert.equal(fixture.pit.tick(), 11);
  assert.equal(fixture.line.rises, 0);
  fixture.clock.advance(10.1 * MS_NS);
  assert.equal(fixture.pit.tick(), 10);
  assert.equal(fixture.line.rises, 1);
  fixture.pit.tick();
  assert.equal(fixture.line.rises, 1);
  fixture.clock.advance(50 * MS_NS);
  fixture.pit.tick();
  assert.equal(fixture.line.rises, 2);
});

test('a terminal count interrupts once', () => {
  const fixture = new Fixture();
  fixture.load(0, 0x30, 1193);
  fixture.clock.advance(2 * MS_NS);
  assert.equal(fixture.pit.tick(), -1);
  fixture.clock.advance(200 * MS_NS);
  fixture.pit.tick();
  assert.equal(fixture.line.rises, 1);
});

test('the read-back command latches status, then count', () => {
  const fixture = new Fixture();
  fixture.load(0, 0x36, 1000);
  fixture.pit.portWrite(CONTROL, 1, 0xc2);
  assert.equal(fixture.pit.portRead(0x40, 1), 0xb6, 'output high, both bytes, mode 3');
  assert.equal(fixture.pit.portRead(0x40, 1) | (fixture.pit.portRead(0x40, 1) << 8), 1000);
});

test('saved state goes on in another timer', () => {
  const fixture = new Fixture();
  fixture.load(0, 0x34, 60_000);
  fixture.clock.advance(10 * MS_NS);
  const state = structuredClone(fixture.pit.saveState());
  const restored = new Fixture();
  restored.clock.advance(77 * MS_NS);
  restored.pit.restoreState(state);
  assert.deepEqual(restored.pit.saveState(), state);
  assert.equal(restored.count(0), fixture.count(0));
});
