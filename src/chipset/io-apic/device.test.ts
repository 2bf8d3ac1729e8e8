import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordingSink } from '../testing/interrupts.ts';
import { IoApic } from './device.ts';

const LEVEL = 0x8000;
const MASKED = 0x1_0000;
const LOGICAL = 0x800;
const REMOTE_IRR = 0x4000;

class Fixture {
  readonly sink = new RecordingSink();
  readonly apic = new IoApic({ shared: new SharedArrayBuffer(IoApic.sharedBytes), byteOffset: 0, sink: this.sink });
  readonly #data = new Int32Array(4);

  constructor() {
    this.apic.reset();
  }

  read(register: number): number {
    this.#select(register);
    this.apic.mmioRead(0x10, 4, this.#data);
    return (this.#data[0] as number) >>> 0;
  }

  write(register: number, value: number): void {
    this.#select(register);
    this.#data[0] = value;
    this.apic.mmioWrite(0x10, 4, this.#data);
  }

  program(pin: number, low: number, destination = 0): void {
    this.write(0x11 + 2 * pin, destination << 24);
    this.write(0x10 + 2 * pin, low);
  }

  #select(register: number): void {
    this.#data[0] = register;
    this.apic.mmioWrite(0, 4, this.#data);
  }
}

function prepared(pin: number, low: number, destination = 0): Fixture {
  const fixture = new Fixture();
  fixture.program(pin, low, destination);
  return fixture;
}

test('the registers say version 0x20 and 24 inputs, all masked', () => {
  const fixture = new Fixture();
  assert.equal(fixture.read(1), 0x0017_0020);
  for (let pin = 0; pin < 24; pin++) assert.equal(fixture.read(0x10 + 2 * pin), MASKED);
  fixture.write(0, 0x0f00_0000);
  assert.equal(fixture.read(0), 0x0f00_0000);
  assert.equal(fixture.read(0x40), 0, 'no such register');
});

test('an edge sends one message, with the destination and mode of its entry', () => {
  const { apic, sink } = prepared(4, 0x31 | LOGICAL | 0x100, 0x81);
  apic.setLine(4, true);
  apic.setLine(4, true);
  assert.deepEqual(sink.sent, [[0x81, true, 1, 0x31, false]]);
  apic.setLine(4, false);
  apic.setLine(4, true);
  assert.equal(sink.sent.length, 2);
});

test('an edge while the input is masked is lost', () => {
  const fixture = prepared(4, 0x31 | MASKED);
  fixture.apic.setLine(4, true);
  fixture.program(4, 0x31);
  assert.deepEqual(fixture.sink.takeVectors(), []);
  fixture.apic.setLine(4, false);
  fixture.apic.setLine(4, true);
  assert.deepEqual(fixture.sink.takeVectors(), [0x31]);
});

test('a level sends once, and again at the end of interrupt while it stands', () => {
  const fixture = prepared(9, 0x51 | LEVEL);
  fixture.apic.setLine(9, true);
  fixture.apic.setLine(9, true);
  assert.deepEqual(fixture.sink.sent, [[0, false, 0, 0x51, true]]);
  assert.equal(fixture.read(0x10 + 18), 0x51 | LEVEL | REMOTE_IRR);
  fixture.sink.takeVectors();
  fixture.apic.endOfInterrupt(0x52);
  assert.deepEqual(fixture.sink.takeVectors(), [], 'another vector');
  fixture.apic.endOfInterrupt(0x51);
  assert.deepEqual(fixture.sink.takeVectors(), [0x51]);
  fixture.apic.setLine(9, false);
  fixture.apic.endOfInterrupt(0x51);
  assert.deepEqual(fixture.sink.takeVectors(), []);
  assert.equal(fixture.read(0x10 + 18), 0x51 | LEVEL);
});

test('a level that stands while the input is masked is sent when it is unmasked', () => {
  const fixture = prepared(9, 0x51 | LEVEL | MASKED);
  fixture.apic.setLine(9, true);
  assert.deepEqual(fixture.sink.takeVectors(), []);
  fixture.program(9, 0x51 | LEVEL);
  assert.deepEqual(fixture.sink.takeVectors(), [0x51]);
});

test('masking does not end an interrupt in service; making the input edge-triggered does', () => {
  const fixture = prepared(9, 0x51 | LEVEL);
  fixture.apic.setLine(9, true);
  fixture.program(9, 0x51 | LEVEL | MASKED);
  assert.equal(fixture.read(0x10 + 18), 0x51 | LEVEL | MASKED | REMOTE_IRR);
  fixture.program(9, 0x51 | MASKED);
  fixture.program(9, 0x51 | LEVEL | MASKED);
  assert.equal(fixture.read(0x10 + 18), 0x51 | LEVEL | MASKED);
});

test('the EOI register ends interrupts as the broadcast does', () => {
  const fixture = prepared(9, 0x51 | LEVEL);
  fixture.apic.setLine(9, true);
  fixture.sink.takeVectors();
  fixture.apic.mmioWrite(0x40, 4, Int32Array.of(0x51, 0));
  assert.deepEqual(fixture.sink.takeVectors(), [0x51]);
});

test('read-only bits cannot be written', () => {
  const fixture = prepared(3, 0xffff_ffff);
  assert.equal(fixture.read(0x10 + 6), 0x0001_afff);
});

test('saved state goes on in another IO-APIC', () => {
  const fixture = prepared(9, 0x51 | LEVEL, 3);
  fixture.apic.setLine(9, true);
  const state = structuredClone(fixture.apic.saveState());
  const restored = new Fixture();
  restored.apic.restoreState(state);
  assert.deepEqual(restored.apic.saveState(), state);
  restored.apic.endOfInterrupt(0x51);
  assert.deepEqual(restored.sink.sent, [[3, false, 0, 0x51, true]]);
});
