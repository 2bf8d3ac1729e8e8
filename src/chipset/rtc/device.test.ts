import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../kit/clock.ts';
import { RecordedLine } from '../testing/interrupts.ts';
import { RealTimeClock } from './device.ts';

const [SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR] = [0, 2, 4, 6, 7, 8, 9] as const;
const [A, B, C, D] = [10, 11, 12, 13] as const;

/** Only the time of day: nanoseconds since 1970 would not fit a double. */
class WallClock implements Clock {
  #ms: number;

  constructor(utc: string) {
    this.#ms = Date.parse(utc);
  }

  nowNs(): number {
    return 0;
  }

  wallMs(): number {
    return this.#ms;
  }

  advance(seconds: number): void {
    this.#ms += seconds * 1000;
  }
}

class Fixture {
  readonly clock: WallClock;
  readonly line = new RecordedLine();
  readonly rtc: RealTimeClock;

  constructor(utc = '2026-11-23T21:59:58Z') {
    this.clock = new WallClock(utc);
    this.rtc = new RealTimeClock({
      shared: new SharedArrayBuffer(RealTimeClock.sharedBytes), byteOffset: 0, clock: this.clock,
      setLine: this.line.set,
    });
    this.rtc.reset();
  }

  read(register: number): number {
    this.rtc.portWrite(0x70, 1, register);
    return this.rtc.portRead(0x71, 1);
  }

  write(register: number, value: number): void {
    this.rtc.portWrite(0x70, 1, register);
    this.rtc.portWrite(0x71, 1, value);
  }

  time(): number[] {
    return [YEAR, MONTH, DAY, WEEKDAY, HOURS, MINUTES, SECONDS].map((register) => this.read(register));
  }
}

test('the time reads as UTC in BCD, 24 hours', () => {
  const cmos = new Fixture();
  assert.equal(cmos.read(B), 0x02);
  assert.deepEqual(cmos.time(), [0x26, 0x11, 0x23, 2, 0x21, 0x59, 0x58]);
  cmos.clock.advance(2.5);
  assert.deepEqual(cmos.time(), [0x26, 0x11, 0x23, 2, 0x22, 0x00, 0x00]);
});

test('the time reads in binary and in 12 hours when register B says so', () => {
  const cmos = new Fixture();
  cmos.write(B, 0x06);
  assert.deepEqual(cmos.time(), [26, 11, 23, 2, 21, 59, 58]);
  cmos.write(B, 0x00);
  assert.equal(cmos.read(HOURS), 0x89, '9 in the evening');
  assert.equal(new Fixture('2026-01-01T00:00:00Z').read(B), 2);
  const midnight = new Fixture('2026-01-01T00:30:00Z');
  midnight.write(B, 0x04);
  assert.equal(midnight.read(HOURS), 12);
});

test('an update is never in progress, and the battery is good', () => {
  const cmos = new Fixture();
  assert.deepEqual([cmos.read(A), cmos.read(D)], [0x26, 0x80]);
  cmos.write(A, 0xa6);
  assert.equal(cmos.read(A), 0x26);
});

test('the time stands still while SET is on, and goes on from what was set', () => {
  const cmos = new Fixture();
  cmos.write(B, 0x82);
  cmos.clock.advance(5);
  assert.equal(cmos.read(SECONDS), 0x58);
  const values: [number, number][] = [[YEAR, 0x31], [MONTH, 0x02], [DAY, 0x28], [HOURS, 0x23], [MINUTES, 0x59],
    [SECONDS, 0x59]];
  for (const [register, value] of values) cmos.write(register, value);
  cmos.write(B, 0x02);
  assert.deepEqual(cmos.time(), [0x31, 0x02, 0x28, 6, 0x23, 0x59, 0x59]);
  cmos.clock.advance(1);
  assert.deepEqual(cmos.time(), [0x31, 0x03, 0x01, 7, 0x00, 0x00, 0x00]);
});

test('nonsense in the time registers makes some time, not an error', () => {
  const cmos = new Fixture();
  for (let register = 0; register < 128; register++) cmos.write(register, 0xff);
  cmos.write(B, 0x00);
  for (let register = 0; register < 128; register++) assert.ok(cmos.read(register) <= 0xff);
});

test('the update interrupt comes with the next second and ends when register C is read', () => {
  const cmos = new Fixture('2026-11-23T12:00:00.250Z');
  assert.equal(cmos.rtc.tick(), -1, 'nothing is wanted');
  cmos.write(B, 0x12);
  cmos.read(C);
  assert.equal(cmos.rtc.tick(), 750);
  assert.equal(cmos.line.level, false);
  cmos.clock.advance(0.75);
  assert.equal(cmos.rtc.tick(), 1000);
  assert.equal(cmos.line.level, true);
  assert.equal(cmos.read(C) & 0x90, 0x90);
  assert.equal(cmos.line.level, false);
  assert.equal(cmos.read(C) & 0x90, 0);
});

test('the alarm comes at its time, also when nobody looked for a while', () => {
  const cmos = new Fixture('2026-11-23T12:00:00Z');
  const alarm: [number, number][] = [[1, 0x10], [3, 0x02], [5, 0xc0]];
  for (const [register, value] of alarm) cmos.write(register, value);
  cmos.write(B, 0x22);
  cmos.clock.advance(129);
  cmos.rtc.tick();
  assert.equal(cmos.line.level, false);
  cmos.clock.advance(3);
  cmos.rtc.tick();
  assert.equal(cmos.line.level, true);
  assert.equal(cmos.read(C) & 0xa0, 0xa0);
});

test('the periodic interrupt follows the rate in register A', () => {
  const cmos = new Fixture();
  cmos.write(A, 0x2f);
  cmos.write(B, 0x42);
  assert.equal(cmos.rtc.tick(), 500, '2 Hz');
  cmos.clock.advance(0.5);
  cmos.rtc.tick();
  assert.equal(cmos.line.level, true);
  assert.equal(cmos.read(C) & 0xc0, 0xc0);
});

test('CMOS memory keeps what is written', () => {
  const cmos = new Fixture();
  cmos.write(0x7f, 0x5a);
  cmos.write(0x80 | 0x7e, 0x5b);
  assert.deepEqual([cmos.read(0x7f), cmos.read(0x7e)], [0x5a, 0x5b], 'bit 7 of the index is no part of it');
});

test('saved state goes on in another clock', () => {
  const cmos = new Fixture();
  cmos.write(B, 0x12);
  cmos.write(SECONDS, 0x10);
  cmos.write(0x40, 0x99);
  const state = structuredClone(cmos.rtc.saveState());
  const restored = new Fixture();
  restored.rtc.restoreState(state);
  assert.deepEqual(restored.rtc.saveState(), state);
  assert.deepEqual(restored.time(), cmos.time());
  assert.equal(restored.read(SECONDS), 0x10);
  assert.equal(restored.read(0x40), 0x99);
});
