import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HvMsr } from '../protocols/tlfs/msrs.ts';
import { ReferenceTscPage } from '../protocols/tlfs/reference-tsc.ts';
import { PartitionEventKind, PartitionEvents } from './partition-events.ts';
import { makeFixture, MEMORY_SIZE } from './testing/fixture.ts';

const OS_ID = 0x8100_0601_00c0_0000n;

test('the registers of one processor have their reset values', () => {
  const { engine } = makeFixture({ processorCount: 2, index: 1 });
  const expected: [number, bigint][] = [
    [HvMsr.HV_X64_MSR_GUEST_OS_ID, 0n], [HvMsr.HV_X64_MSR_HYPERCALL, 0n], [HvMsr.HV_X64_MSR_VP_INDEX, 1n],
    [HvMsr.HV_X64_MSR_VP_RUNTIME, 0n], [HvMsr.HV_X64_MSR_TIME_REF_COUNT, 0n], [HvMsr.HV_X64_MSR_REFERENCE_TSC, 0n],
    [HvMsr.HV_X64_MSR_TSC_FREQUENCY, 1_000_000_000n], [HvMsr.HV_X64_MSR_APIC_FREQUENCY, 200_000_000n],
    [HvMsr.HV_X64_MSR_VP_ASSIST_PAGE, 0n], [HvMsr.HV_X64_MSR_SCONTROL, 1n], [HvMsr.HV_X64_MSR_SVERSION, 1n],
    [HvMsr.HV_X64_MSR_SIEFP, 0n], [HvMsr.HV_X64_MSR_SIMP, 0n], [HvMsr.HV_X64_MSR_SINT0, 0x1_0000n],
    [HvMsr.HV_X64_MSR_SINT15, 0x1_0000n], [HvMsr.HV_X64_MSR_STIMER0_CONFIG, 0n], [HvMsr.HV_X64_MSR_STIMER3_COUNT, 0n],
    [HvMsr.HV_X64_MSR_CRASH_P0, 0n], [HvMsr.HV_X64_MSR_CRASH_CTL, 0xc000_0000_0000_0000n],
    [0x1b, 0xfee0_0800n], [0xfe, 0x508n], [0x2ff, 0xc06n], [0x277, 0x0007_0406_0007_0406n], [0x179, 0n],
    [0x250, 0x0606_0606_0606_0606n], [0x258, 0x0606_0606_0606_0606n], [0x259, 0n], [0x26f, 0x0606_0606_0606_0606n],
    [0x200, 0n], [0x20f, 0n], [0xc001_0015, 0x100_0000n], [0xc001_0010, 0n], [0xc001_001f, 0n], [0x8b, 0n],
  ];
  for (const [index, value] of expected) assert.equal(engine.readMsr(index), value, index.toString(16));
});

test('registers that do not exist fault', () => {
  const { engine } = makeFixture();
  for (const index of [0x0, 0x48, 0x6e0, 0x17b, 0x802, 0x4000_0004, 0x4000_0024, 0x4000_00a0, 0x4000_0118, 0x4000_0119,
    0x4000_1080, 0x4fff_ffff, 0xc000_0080, 0xc001_0000, 0xc001_1020, 0xffff_ffff]) {
    assert.equal(engine.readMsr(index), undefined, `read ${index.toString(16)}`);
    assert.equal(engine.writeMsr(index, 0n), false, `write ${index.toString(16)}`);
  }
  for (const index of [HvMsr.HV_X64_MSR_VP_INDEX, HvMsr.HV_X64_MSR_TIME_REF_COUNT, HvMsr.HV_X64_MSR_TSC_FREQUENCY,
    HvMsr.HV_X64_MSR_APIC_FREQUENCY, HvMsr.HV_X64_MSR_SVERSION, 0xfe, 0x179]) {
    assert.equal(engine.writeMsr(index, 0n), false, `write ${index.toString(16)}`);
  }
});

test('whatever a guest writes to whatever register, nothing throws', () => {
  const index = fc.oneof(
    fc.integer({ min: 0x4000_0000, max: 0x4000_0120 }), fc.integer({ min: 0, max: 0x300 }),
    fc.integer({ min: 0x800, max: 0x83f }), fc.integer({ min: 0xc001_0000, max: 0xc001_0060 }));
  const write = fc.tuple(index, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
  fc.assert(fc.property(fc.array(write, { maxLength: 40 }), (writes) => {
    const { engine, clock } = makeFixture();
    for (const [msr, value] of writes) {
      engine.writeMsr(msr, value);
      clock.advance(10_000);
      engine.readMsr(msr);
    }
  }));
});

test('the hypercall page appears once the guest has said who it is', () => {
  const { engine, memory } = makeFixture();
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_HYPERCALL, 0x3001n), true);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_HYPERCALL), 0x3000n);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_GUEST_OS_ID, OS_ID), true);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_HYPERCALL, 0x3001n), true);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_HYPERCALL), 0x3001n);
  const page = memory.read(0x3000, 4096) as Uint8Array;
  assert.deepEqual([...page.subarray(0, 10)], [0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x01, 0xc1, 0xc3, 0xcc, 0xcc]);
  assert.equal(page.subarray(8).every((byte) => byte === 0xcc), true);
  assert.deepEqual(engine.changed, [{ gpa: 0x3000, length: 4096 }]);
  engine.writeMsr(HvMsr.HV_X64_MSR_GUEST_OS_ID, 0n);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_HYPERCALL), 0x3000n, 'gone with the identity');
});

test('a hypercall page outside RAM faults, and so does changing a locked one', () => {
  const { engine } = makeFixture();
  engine.writeMsr(HvMsr.HV_X64_MSR_GUEST_OS_ID, OS_ID);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_HYPERCALL, BigInt(MEMORY_SIZE) | 1n), false);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_HYPERCALL, 0xffff_ffff_ffff_f001n), false);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_HYPERCALL, 0x3003n), true);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_HYPERCALL, 0x4001n), false);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_HYPERCALL), 0x3003n);
});

test('each enabling of the reference TSC page publishes a new sequence', () => {
  const { engine, memory } = makeFixture();
  engine.writeMsr(HvMsr.HV_X64_MSR_REFERENCE_TSC, 0x7001n);
  const first = ReferenceTscPage.tscSequence.get(memory.view, 0x7000);
  engine.writeMsr(HvMsr.HV_X64_MSR_REFERENCE_TSC, 0x7001n);
  assert.ok(first > 0 && ReferenceTscPage.tscSequence.get(memory.view, 0x7000) === first + 1);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_REFERENCE_TSC, BigInt(MEMORY_SIZE) | 1n), true);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_REFERENCE_TSC), BigInt(MEMORY_SIZE) | 1n);
});

test('the counters agree: TSC, TIME_REF_COUNT and RDTSC', () => {
  const { engine, clock } = makeFixture();
  clock.advance(12_345_678_901_234);
  assert.equal(engine.readMsr(0x10), 12_345_678_901_234n);
  assert.equal(engine.intercepts.timeStampCounter(), 12_345_678_901_234);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_TIME_REF_COUNT), 123_456_789_012n);
});

test('writing the TSC moves it, and not the reference time', () => {
  const { engine, clock } = makeFixture();
  clock.advance(5_000);
  engine.writeMsr(0x10, 100n);
  clock.advance(1_000);
  assert.equal(engine.readMsr(0x10), 1_100n);
  assert.equal(engine.intercepts.timeStampCounter(), 1_100);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_TIME_REF_COUNT), 60n);
  engine.writeMsr(0x10, 0xffff_ffff_ffff_ffffn);
  assert.ok(Number.isSafeInteger(engine.intercepts.timeStampCounter()));
});

test('crash registers report a crash with their parameters, and keep what is supported', () => {
  const { engine, control } = makeFixture();
  const values = [0xen, OS_ID, 0xffff_ffff_8100_0000n, 0x3000n, 1024n];
  values.forEach((value, i) => engine.writeMsr(HvMsr.HV_X64_MSR_CRASH_P0 + i, value));
  const events = new PartitionEvents(control);
  engine.writeMsr(HvMsr.HV_X64_MSR_CRASH_CTL, 0n);
  assert.equal(events.take(), undefined);
  engine.writeMsr(HvMsr.HV_X64_MSR_CRASH_CTL, 0xc000_0000_0000_0000n);
  assert.deepEqual(events.take(), {
    kind: PartitionEventKind.Crash, processor: 0, crashParameters: values, crashMessage: true, identified: false,
  });
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_CRASH_P0 + 2), values[2]);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_CRASH_CTL), 0xc000_0000_0000_0000n);
});

test('registers check what is written to them', () => {
  const { engine } = makeFixture();
  const cases: [number, bigint, boolean][] = [
    [HvMsr.HV_X64_MSR_VP_ASSIST_PAGE, 0x3001n, true], [HvMsr.HV_X64_MSR_VP_ASSIST_PAGE, 0x3003n, false],
    [HvMsr.HV_X64_MSR_SINT0, 0xfn, false], [HvMsr.HV_X64_MSR_SINT0, 0x1_000fn, true],
    [HvMsr.HV_X64_MSR_SINT0, 0x10n, true], [HvMsr.HV_X64_MSR_TPR, 0x100n, false],
    [0x277, 0x0000_0000_0000_0002n, false], [0x277, 0x0407_0506_0107_0006n, true], [0x277, 0x08n, false],
    [0x2ff, 0x806n, true], [0x2ff, 0x802n, false], [0x2ff, 0x1000n, false],
    [0x200, 0xff_ffff_f006n, true], [0x200, 0x100_0000_0006n, false], [0x200, 0x102n, false],
    [0x201, 0xff_ffff_f800n, true], [0x201, 0x801n, false], [0x250, 0x0606_0606_0606_0602n, false],
    [0x8b, 0n, true], [0x8b, 1n, false], [0x1d9, 0n, true], [0x1d9, 2n, false],
    [0xc001_001f, 1n << 46n, true], [0xc001_0020, 0x1234n, true],
  ];
  for (const [index, value, allowed] of cases) {
    assert.equal(engine.writeMsr(index, value), allowed, `${index.toString(16)} = ${value.toString(16)}`);
  }
  assert.equal(engine.readMsr(0x277), 0x0407_0506_0107_0006n);
  assert.equal(engine.readMsr(0xc001_001f), 1n << 46n);
});

test('TSC_INVARIANT_CONTROL exists where an invariant TSC is offered', () => {
  const { engine } = makeFixture({ invariantTsc: true });
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_TSC_INVARIANT_CONTROL, 1n), true);
  assert.equal(engine.readMsr(HvMsr.HV_X64_MSR_TSC_INVARIANT_CONTROL), 1n);
  assert.equal(engine.writeMsr(HvMsr.HV_X64_MSR_TSC_INVARIANT_CONTROL, 2n), false);
});

test('the Hyper-V APIC registers reach the local APIC', () => {
  const { engine, processor } = makeFixture();
  processor.apic.mmioWrite(0xfee0_00f0, 4, Int32Array.of(0x1ff, 0));
  engine.writeMsr(HvMsr.HV_X64_MSR_TPR, 0x40n);
  assert.equal(engine.intercepts.readCr8(), 4);
  engine.writeMsr(HvMsr.HV_X64_MSR_ICR, 0x0000_0000_0000_0081n);
  assert.equal(processor.apic.deliverable(), 0x81);
  processor.apic.acknowledge(0x81);
  assert.equal(processor.apic.processorPriority(), 0x80);
  engine.writeMsr(HvMsr.HV_X64_MSR_EOI, 0n);
  assert.equal(processor.apic.processorPriority(), 0x40);
});

test('CPUID has no local APIC while IA32_APIC_BASE has it off', () => {
  const { engine } = makeFixture();
  const seen = (): number => {
    engine.intercepts.cpuid(1, 0);
    return (engine.data[3] as number) & (1 << 9);
  };
  assert.equal(seen(), 1 << 9);
  assert.equal(engine.writeMsr(0x1b, 0xfee0_0000n), true);
  assert.equal(seen(), 0);
  assert.equal(engine.writeMsr(0x1b, 0xfee0_0800n), true);
  assert.equal(seen(), 1 << 9);
});
