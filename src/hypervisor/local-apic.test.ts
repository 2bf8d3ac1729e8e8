import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeliveryMode } from './device-port.ts';
import { InterruptRouter } from './interrupt-router.ts';
import { LocalApic } from './local-apic.ts';
import { VpActivity, VpRegisters, VpSignal } from './partition-layout.ts';
import { ReferenceTime } from './reference-time.ts';
import { resetControl } from './testing/fixture.ts';
import { ManualClock } from './testing/manual-clock.ts';

const PAGE = 0xfee0_0000;
const TPR = 0x80;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ESR = 0x280;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_ERROR = 0x370;
const ENABLED = 0x1ff;
const X2APIC_BASE = 0xfee0_0c00;

/** `count` processors' local APICs over one control buffer, software-enabled. */
function makeApics(count: number, enable = true) {
  const control = resetControl(count);
  const clock = new ManualClock();
  const time = new ReferenceTime({ control, clock });
  time.freezeAt(0);
  time.thaw();
  const router = new InterruptRouter({ control });
  const broadcasts: number[] = [];
  const io = { endOfInterrupt: (vector: number) => { broadcasts.push(vector); } };
  const apics = Array.from({ length: count }, (_, index) => new LocalApic({ control, index, time, router, io }));
  if (enable) for (const apic of apics) store(apic, SVR, ENABLED);
  return { control, clock, time, router, apics, broadcasts, apic: apics[0] as LocalApic };
}

function store(apic: LocalApic, offset: number, value: number): void {
  apic.mmioWrite(PAGE + offset, 4, Int32Array.of(value, 0));
}

function load(apic: LocalApic, offset: number, size = 4): number {
  const data = new Int32Array(2);
  apic.mmioRead(PAGE + offset, size, data);
  return (data[0] as number) >>> 0;
}

function writeMsr(apic: LocalApic, register: number, low: number, high = 0): boolean {
  return apic.writeMsr(register, Int32Array.of(low, high));
}

function readMsr(apic: LocalApic, register: number): [number, number] | undefined {
  const data = new Int32Array(2);
  return apic.readMsr(register, data) ? [(data[0] as number) >>> 0, (data[1] as number) >>> 0] : undefined;
}

/** Takes every deliverable interrupt of an APIC, ending each at once. */
function drain(apic: LocalApic): number[] {
  const vectors: number[] = [];
  for (let vector = apic.deliverable(); vector >= 0; vector = apic.deliverable()) {
    apic.acknowledge(vector);
    apic.endOfInterrupt();
    vectors.push(vector);
  }
  return vectors;
}

test('after reset the APIC is on, software-disabled and masked', () => {
  const { apic } = makeApics(2, false);
  const data = new Int32Array(2);
  apic.readBase(data);
  assert.deepEqual([(data[0] as number) >>> 0, data[1]], [0xfee0_0900, 0]);
  assert.equal(load(apic, SVR), 0xff);
  assert.equal(load(apic, LVT_TIMER), 0x1_0000);
  assert.equal(load(apic, DFR), 0xffff_ffff);
  assert.equal(load(apic, 0x30), 0x5_0014);
});

test('a software-disabled APIC takes no interrupt and keeps its local vectors masked', () => {
  const { apic, router } = makeApics(1, false);
  router.sendInterrupt(0, false, DeliveryMode.Fixed, 0x40, false);
  store(apic, LVT_TIMER, 0x40);
  assert.equal(load(apic, LVT_TIMER), 0x1_0040);
  store(apic, SVR, ENABLED);
  assert.equal(apic.deliverable(), -1);
  store(apic, LVT_TIMER, 0x40);
  assert.equal(load(apic, LVT_TIMER), 0x40);
  store(apic, SVR, 0xff);
  assert.equal(load(apic, LVT_TIMER), 0x1_0040);
});

test('interrupts are delivered in order of priority, each once', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 16, max: 255 }), { maxLength: 40 }), (vectors) => {
    const { apic, router } = makeApics(1);
    for (const vector of vectors) router.sendInterrupt(0, false, DeliveryMode.Fixed, vector, false);
    assert.deepEqual(drain(apic), [...new Set(vectors)].sort((a, b) => b - a));
  }));
});

test('an interrupt is delivered only above the class of the task and of what is in service', () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 255 }), fc.integer({ min: 16, max: 255 }), fc.integer({ min: 16, max: 255 }),
    (task, first, second) => {
      const { apic, router } = makeApics(1);
      router.sendInterrupt(0, false, DeliveryMode.Fixed, first, false);
      apic.acknowledge(apic.deliverable());
      store(apic, TPR, task);
      router.sendInterrupt(0, false, DeliveryMode.Fixed, second, false);
      const higher = second >> 4 > first >> 4 && second >> 4 > task >> 4;
      assert.equal(apic.deliverable(), higher ? second : -1);
      const priority = first >> 4 > task >> 4 ? first & 0xf0 : task;
      assert.equal(load(apic, 0xa0), priority);
      store(apic, EOI, 0);
      assert.equal(apic.deliverable(), second >> 4 > task >> 4 ? second : -1);
    }));
});

test('IRR, ISR and TMR read back what happened to a vector', () => {
  const { apic, router } = makeApics(1);
  router.sendInterrupt(0, false, DeliveryMode.Fixed, 0x47, true);
  assert.deepEqual([load(apic, 0x220), load(apic, 0x120), load(apic, 0x1a0)], [0x80, 0, 0x80]);
  apic.acknowledge(0x47);
  assert.deepEqual([load(apic, 0x220), load(apic, 0x120)], [0, 0x80]);
});

test('only a level-triggered interrupt broadcasts its end', () => {
  const { apic, router, broadcasts } = makeApics(1);
  router.sendInterrupt(0, false, DeliveryMode.Fixed, 0x50, true);
  router.sendInterrupt(0, false, DeliveryMode.Fixed, 0x60, false);
  assert.deepEqual(drain(apic), [0x60, 0x50]);
  assert.deepEqual(broadcasts, [0x50]);
  router.sendInterrupt(0, false, DeliveryMode.Fixed, 0x50, false);
  drain(apic);
  assert.deepEqual(broadcasts, [0x50]);
  store(apic, EOI, 0); // nothing in service
  assert.deepEqual(broadcasts, [0x50]);
});

test('xAPIC logical destinations: flat and cluster', () => {
  const { apics, router } = makeApics(4);
  const reached = (destination: number) => {
    router.sendInterrupt(destination, true, DeliveryMode.Fixed, 0x40, false);
    return apics.flatMap((apic, index) => (drain(apic).length > 0 ? [index] : []));
  };
  apics.forEach((apic, index) => store(apic, LDR, 1 << (24 + index)));
  assert.deepEqual(reached(0b0101), [0, 2]);
  assert.deepEqual(reached(0xff), [0, 1, 2, 3]);
  apics.forEach((apic, index) => {
    store(apic, DFR, 0x0fff_ffff);
    store(apic, LDR, (((index >> 1) << 4) | (1 << (index & 1))) << 24);
  });
  assert.deepEqual(reached(0x13), [2, 3]);
  assert.deepEqual(reached(0x02), [1]);
  assert.deepEqual(reached(0xff), [0, 1, 2, 3]);
});

test('x2APIC destinations: ids, clusters, broadcast', () => {
  const { apics, router } = makeApics(18);
  for (const apic of apics) assert.equal(apic.writeBase(X2APIC_BASE, 0), true);
  const reached = (destination: number, logical: boolean) => {
    router.sendInterrupt(destination, logical, DeliveryMode.Fixed, 0x40, false);
    return apics.flatMap((apic, index) => (drain(apic).length > 0 ? [index] : []));
  };
  assert.deepEqual(reached(17, false), [17]);
  assert.deepEqual(reached(0x0001_0003, true), [16, 17]);
  assert.deepEqual(reached(0x8001, true), [0, 15]);
  assert.equal(reached(0xffff_ffff, true).length, 18);
  assert.equal(reached(0xffff_ffff, false).length, 18);
  assert.deepEqual(readMsr(apics[17] as LocalApic, 0x0d), [0x0001_0002, 0]);
  assert.deepEqual(readMsr(apics[17] as LocalApic, 0x02), [17, 0]);
});

test('a lowest-priority interrupt goes to one processor, the least busy', () => {
  const { apics, router } = makeApics(3);
  apics.forEach((apic, index) => store(apic, LDR, 1 << (24 + index)));
  store(apics[0] as LocalApic, TPR, 0x30);
  router.sendInterrupt(2, false, DeliveryMode.Fixed, 0x50, false);
  (apics[2] as LocalApic).acknowledge(0x50);
  router.sendInterrupt(0b111, true, DeliveryMode.LowestPriority, 0x90, false);
  assert.deepEqual(apics.map((apic) => apic.deliverable()), [-1, 0x90, -1]);
});

test('interrupt commands: destination, shorthands, NMI', () => {
  const { apics, control } = makeApics(3);
  const [first, second, third] = apics as [LocalApic, LocalApic, LocalApic];
  store(first, ICR_HIGH, 1 << 24);
  store(first, ICR_LOW, 0x41);
  assert.deepEqual(apics.map(drain), [[], [0x41], []]);
  store(second, ICR_LOW, 0x4_0042); // self
  assert.deepEqual(apics.map(drain), [[], [0x42], []]);
  store(second, ICR_LOW, 0x8_0043); // all
  assert.deepEqual(apics.map(drain), [[0x43], [0x43], [0x43]]);
  store(third, ICR_LOW, 0xc_0044); // all but self
  assert.deepEqual(apics.map(drain), [[0x44], [0x44], []]);
  store(first, ICR_LOW, 0xc_0400); // NMI to all but self
  const signals = [0, 1, 2].map((index) => VpRegisters.signals.get(control.view, control.vpRegistersOffset(index)));
  assert.deepEqual(signals, [0, VpSignal.Nmi, VpSignal.Nmi]);
  assert.equal(load(first, ICR_LOW), 0xc_0400);
});

test('INIT and start-up reach a processor that waits for them, de-asserted INIT does nothing', () => {
  const { apic, control } = makeApics(2);
  const signals = () => VpRegisters.signals.get(control.view, control.vpRegistersOffset(1));
  store(apic, ICR_HIGH, 1 << 24);
  store(apic, ICR_LOW, 0x8500);
  assert.equal(signals(), 0);
  store(apic, ICR_LOW, 0x0609 | 0x4000);
  assert.equal(signals(), VpSignal.Sipi | (0x09 << 8));
  control.words[control.vpRegistersWord(1) + (VpRegisters.signals.offset >> 2)] = 0;
  control.words[control.vpRegistersWord(1) + (VpRegisters.activity.offset >> 2)] = VpActivity.Running;
  store(apic, ICR_LOW, 0x4609);
  assert.equal(signals(), 0, 'a running processor ignores a start-up IPI');
  store(apic, ICR_LOW, 0xc500);
  store(apic, ICR_LOW, 0x4609);
  assert.equal(signals(), VpSignal.Init | VpSignal.Sipi | (0x09 << 8));
});

test('illegal vectors are errors, told by the error vector and ESR', () => {
  const { apic, router } = makeApics(1);
  store(apic, LVT_ERROR, 0xfe);
  store(apic, ICR_LOW, 0x4_0005);
  assert.deepEqual(drain(apic), [0xfe]);
  assert.equal(load(apic, ESR), 0);
  store(apic, ESR, 0);
  assert.equal(load(apic, ESR), 0x20);
  router.sendInterrupt(0, false, DeliveryMode.Fixed, 0x0f, false);
  store(apic, 0x800 - 0x10, 0); // no such register
  store(apic, ESR, 0);
  assert.equal(load(apic, ESR), 0x40 | 0x80);
  store(apic, ESR, 0);
  assert.equal(load(apic, ESR), 0);
});

test('an error vector that is itself illegal does not raise errors for ever', () => {
  const { apic } = makeApics(1);
  store(apic, LVT_ERROR, 0x03);
  store(apic, ICR_LOW, 0x4_0005);
  assert.equal(apic.deliverable(), -1);
});

test('IA32_APIC_BASE allows the transitions of the specification and no others', () => {
  const off = 0xfee0_0000;
  const on = 0xfee0_0800;
  const x2 = X2APIC_BASE;
  const invalid = 0xfee0_0400;
  const path = (...bases: number[]) => {
    const { apic } = makeApics(1);
    return bases.map((base) => apic.writeBase(base | 0, 0));
  };
  assert.deepEqual(path(x2, on), [true, false]);
  assert.deepEqual(path(x2, off, x2), [true, true, false]);
  assert.deepEqual(path(off, on, x2), [true, true, true]);
  assert.deepEqual(path(invalid, on | 1, on | 0x200), [false, false, false]);
  const { apic } = makeApics(1);
  assert.equal(apic.writeBase(on | 0, 0x100), false, 'beyond the physical address');
  assert.equal(apic.writeBase(0x8000_0800 | 0, 0), true);
  assert.equal(apic.covers(0xfee0_0000), false);
  assert.equal(apic.covers(0x8000_0fff), true);
  const data = new Int32Array(2);
  apic.readBase(data);
  assert.equal((data[0] as number) >>> 0, 0x8000_0900, 'the BSP bit cannot be cleared');
});

test('a disabled APIC takes nothing, and starts from reset values', () => {
  const { apic, router } = makeApics(1);
  store(apic, TPR, 0x20);
  apic.writeBase(0xfee0_0000 | 0, 0);
  assert.equal(apic.covers(PAGE), false);
  router.sendInterrupt(0, false, DeliveryMode.Fixed, 0x99, false);
  apic.writeBase(0xfee0_0800 | 0, 0);
  assert.deepEqual([load(apic, TPR), load(apic, SVR), load(apic, 0x240)], [0, 0xff, 0]);
});

test('x2APIC registers: what faults and what does not', () => {
  const { apic } = makeApics(1);
  assert.equal(readMsr(apic, 0x02), undefined, 'xAPIC mode has no MSRs');
  assert.equal(writeMsr(apic, 0x0b, 0), false);
  apic.writeBase(X2APIC_BASE | 0, 0);
  assert.equal(apic.covers(PAGE), false);
  for (const register of [0x00, 0x01, 0x09, 0x0b, 0x0c, 0x0e, 0x2f, 0x31, 0x3a, 0x3d, 0x3f]) {
    assert.equal(readMsr(apic, register), undefined, `read 0x${register.toString(16)}`);
  }
  for (const register of [0x02, 0x03, 0x0a, 0x0d, 0x10, 0x20, 0x31, 0x39, 0x3d]) {
    assert.equal(writeMsr(apic, register, 0), false, `write 0x${register.toString(16)}`);
  }
  assert.equal(writeMsr(apic, 0x0b, 1), false);
  assert.equal(writeMsr(apic, 0x28, 1), false);
  assert.equal(writeMsr(apic, 0x08, 0x100), false);
  assert.equal(writeMsr(apic, 0x08, 0, 1), false);
  assert.equal(writeMsr(apic, 0x3f, 0x100), false);
  assert.equal(writeMsr(apic, 0x3f, 0x81), true);
  assert.equal(writeMsr(apic, 0x30, 0x82, 0), true);
  assert.deepEqual(readMsr(apic, 0x30), [0x82, 0]);
  assert.deepEqual(drain(apic), [0x82, 0x81]);
});

test('narrow and wide loads of the register page do not disturb it', () => {
  const { apic } = makeApics(1);
  assert.equal(load(apic, 0x30, 1), 0x14);
  assert.equal(load(apic, 0x32, 2), 0x5);
  assert.equal(load(apic, 0x34), 0);
  apic.mmioWrite(PAGE + TPR, 1, Int32Array.of(0xff, 0));
  apic.mmioWrite(PAGE + TPR + 4, 4, Int32Array.of(0xff, 0));
  assert.equal(load(apic, TPR), 0);
});

test('whatever a guest stores, nothing throws and reserved vectors never arrive', () => {
  const write = fc.tuple(fc.integer({ min: 0, max: 0xfff }), fc.integer(), fc.constantFrom(1, 2, 4, 8));
  fc.assert(fc.property(fc.array(write, { maxLength: 60 }), (writes) => {
    const { apic, clock } = makeApics(2);
    for (const [offset, value, size] of writes) {
      apic.mmioWrite(PAGE + offset, size, Int32Array.of(value, value));
      clock.advance(1000);
      apic.expireTimer(apic.timer.deadlineNs);
      load(apic, offset);
      const vector = apic.deliverable();
      assert.ok(vector === -1 || vector >= 16);
    }
  }));
});
