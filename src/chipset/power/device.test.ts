import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../hypervisor/testing/manual-clock.ts';
import { RecordedLine } from '../testing/interrupts.ts';
import { PowerManagement } from './device.ts';
import { PowerEventKind, PowerEvents } from './events.ts';

const STATUS = 0x600;
const ENABLE = 0x602;
const CONTROL = 0x604;
const TIMER = 0x608;

class Fixture {
  readonly clock = new ManualClock(0);
  readonly line = new RecordedLine();
  raised = 0;
  readonly events = new PowerEvents({
    shared: new SharedArrayBuffer(PowerEvents.sharedBytes), byteOffset: 0, onRaise: () => { this.raised++; },
  });
  readonly power = new PowerManagement({
    shared: new SharedArrayBuffer(PowerManagement.sharedBytes), byteOffset: 0, clock: this.clock, events: this.events,
    setLine: this.line.set,
  });
}

test('the machine is in ACPI mode from the start, and writing cannot leave it', () => {
  const { power } = new Fixture();
  assert.equal(power.portRead(CONTROL, 2) & 1, 1);
  power.portWrite(CONTROL, 2, 0);
  assert.equal(power.portRead(CONTROL, 2) & 1, 1);
});

test('sleep type 5 with SLP_EN switches off; other types do nothing', () => {
  const { power, events } = new Fixture();
  power.portWrite(CONTROL, 2, (3 << 10) | (1 << 13));
  power.portWrite(CONTROL, 2, 5 << 10);
  assert.equal(events.pending, undefined);
  assert.equal(power.portRead(CONTROL, 2), (5 << 10) | 1);
  power.portWrite(CONTROL, 2, (5 << 10) | (1 << 13));
  assert.deepEqual(events.pending, { kind: PowerEventKind.Off, status: 0 });
  assert.equal(power.portRead(CONTROL, 2), (5 << 10) | 1, 'SLP_EN reads as 0');
});

test('Linux writes the sleep type first and SLP_EN after it, and both by bytes too', () => {
  const { power, events } = new Fixture();
  power.portWrite(CONTROL + 1, 1, 5 << 2);
  power.portWrite(CONTROL + 1, 1, (5 << 2) | (1 << 5));
  assert.equal(events.pending?.kind, PowerEventKind.Off);
});

test('the reset register resets on bit 2, the keyboard controller on 0xFE', () => {
  const first = new Fixture();
  first.power.resetControl.portWrite(0xcf9, 1, 0x02);
  assert.deepEqual([first.power.resetControl.portRead(0xcf9, 1), first.raised], [0x02, 0]);
  first.power.resetControl.portWrite(0xcf9, 1, 0x06);
  assert.equal(first.events.pending?.kind, PowerEventKind.Reset);
  const second = new Fixture();
  second.power.keyboardCommand.portWrite(0x64, 1, 0xd1);
  assert.equal(second.raised, 0);
  second.power.keyboardCommand.portWrite(0x64, 1, 0xfe);
  assert.equal(second.events.pending?.kind, PowerEventKind.Reset);
});

test('the timer counts 3579545 Hz in 32 bits', () => {
  const { power, clock } = new Fixture();
  clock.advance(1e9);
  assert.equal(power.portRead(TIMER, 4), 3_579_545);
  assert.equal(power.portRead(TIMER + 1, 1) & 0xff, (3_579_545 >> 8) & 0xff);
  clock.advance(1200e9);
  assert.equal(power.portRead(TIMER, 4), (3_579_545 * 1201) % 2 ** 32);
});

test('the power button raises the SCI once it is enabled, until its status is cleared', () => {
  const { power, line } = new Fixture();
  power.pressPowerButton();
  assert.equal(line.level, false);
  power.portWrite(ENABLE, 2, 0xffff);
  assert.equal(power.portRead(ENABLE, 2), 0x520, 'only events that exist');
  assert.equal(line.level, true);
  assert.equal(power.portRead(STATUS, 2) & 0xffff, 0x100);
  power.portWrite(STATUS, 2, 0x001);
  assert.equal(line.level, true);
  power.portWrite(STATUS, 2, 0x100);
  assert.equal(line.level, false);
  assert.equal(power.portRead(STATUS, 4), 0x520_0000);
});

test('the first power event stands until it is cleared, and wakes who waits', async () => {
  const fixture = new Fixture();
  const { power, events } = fixture;
  const waiting = events.wait();
  events.raise(PowerEventKind.DebugExit, 33);
  power.resetControl.portWrite(0xcf9, 1, 0x06);
  assert.deepEqual(await waiting, { kind: PowerEventKind.DebugExit, status: 33 });
  assert.equal(fixture.raised, 1, 'the second raised nothing');
  events.clear();
  assert.equal(events.pending, undefined);
  power.resetControl.portWrite(0xcf9, 1, 0x06);
  assert.deepEqual(await events.wait(), { kind: PowerEventKind.Reset, status: 0 });
});

test('saved state goes on in another machine, the timer too', () => {
  const fixture = new Fixture();
  fixture.clock.advance(5e9);
  fixture.power.portWrite(ENABLE, 2, 0x100);
  fixture.power.pressPowerButton();
  fixture.power.portWrite(CONTROL, 2, 5 << 10);
  const state = structuredClone(fixture.power.saveState());
  const restored = new Fixture();
  restored.clock.advance(77e9);
  restored.power.restoreState(state);
  assert.deepEqual(restored.power.saveState(), state);
  restored.clock.advance(1e9);
  assert.equal(restored.power.portRead(TIMER, 4), 6 * 3_579_545);
  restored.power.portWrite(STATUS, 2, 0x100);
  assert.equal(restored.line.level, false);
});
