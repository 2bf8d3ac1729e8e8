/**
 * Whatever a guest writes to registers, pages and hypercalls of the microkernel, nothing throws, no vector below 16 is
 * delivered, and reference time does not run backwards.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { makeFixture } from '../src/hypervisor/testing/fixture.ts';
import { setTracing } from '../src/hypervisor/trace-ring.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

const TIME_REF_COUNT = 0x4000_0020;
const APIC_PAGE = 0xfee0_0000;

const msr = fc.oneof(
  fc.integer({ min: 0x4000_0000, max: 0x4000_0120 }), fc.integer({ min: 0x800, max: 0x83f }),
  fc.constantFrom(0x10, 0x1b, 0x277, 0x2ff, 0x1a0, 0xc001_0015), fc.nat({ max: 0xffff_ffff }));
/** Values that mean something: enable bits, vectors, page numbers, and noise. */
const value = fc.oneof(
  fc.bigInt({ min: 0n, max: 0xffffn }), fc.nat({ max: 0x1ff }).map((page) => (BigInt(page) << 12n) | 1n),
  fc.constantFrom(0xfee0_0c00n, 0xfee0_0800n, 0xfee0_0000n, 0x1ed9n, 0x2_0009n, 0xffff_ffff_ffff_ffffn),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
const action = fc.record({
  kind: fc.constantFrom('write', 'write', 'read', 'store', 'load', 'call', 'time', 'take', 'cpuid', 'in', 'out',
    'priority', 'counter', 'program'),
  msr, value, offset: fc.oneof(fc.nat({ max: 0x3f }).map((register) => register * 16), fc.nat({ max: 0xfff })),
  size: fc.constantFrom(1, 2, 4, 4, 4, 8),
});
/** What a driver does before anything else; the rest is to meet interrupt controllers and timers that are on. */
const X2APIC = 0xfee0_0c00;
const PROGRAM: readonly (readonly [msr: number, low: number])[] = [
  [0x1b, X2APIC], [0x80f, 0x1ff], [0x832, 0x2_0040], [0x83e, 0xb], [0x838, 1000], [0x4000_0000, 0x8100],
  [0x4000_0001, 0x3001], [0x4000_0082, 0x4001], [0x4000_0083, 0x5001], [0x4000_0080, 1], [0x4000_0092, 0x50],
  [0x4000_00b1, 1000], [0x4000_00b0, 0x2_0003], [0x4000_0021, 0x6001],
];

function tryGuest(
  actions: readonly { kind: string; msr: number; value: bigint; offset: number; size: number }[], traced: boolean,
  tally: Tally,
): void {
  const { engine, processor, clock, control } = makeFixture({ processorCount: 3, index: 1, traceEntries: 64 });
  setTracing(control, traced);
  let time = 0n;
  for (const step of actions) {
    tally.input(step.kind === 'program' || step.kind === 'take' || step.kind === 'time');
    if (step.kind === 'program') {
      for (const [register, low] of PROGRAM) {
        engine.data[0] = low;
        engine.data[1] = 0;
        engine.intercepts.writeMsr(register);
      }
    }
    engine.data[0] = Number(BigInt.asIntN(32, step.value));
    engine.data[1] = Number(BigInt.asIntN(32, step.value >> 32n));
    if (step.kind === 'write') engine.intercepts.writeMsr(step.msr);
    else if (step.kind === 'read') engine.intercepts.readMsr(step.msr);
    else if (step.kind === 'store') engine.intercepts.mmioWrite(APIC_PAGE + step.offset, step.size);
    else if (step.kind === 'load') engine.intercepts.mmioRead(APIC_PAGE + step.offset, step.size);
    else if (step.kind === 'cpuid') engine.intercepts.cpuid(step.msr, step.offset);
    else if (step.kind === 'in') engine.intercepts.portRead(step.offset, step.size & 7);
    else if (step.kind === 'out') engine.intercepts.portWrite(step.offset, step.size & 7, Number(step.value & 0xffn));
    else if (step.kind === 'priority') {
      engine.intercepts.writeCr8(Number(step.value & 15n));
      assert.equal(engine.intercepts.readCr8(), Number(step.value & 15n));
    } else if (step.kind === 'counter') engine.intercepts.timeStampCounter();
    else if (step.kind === 'time') clock.advance(Number(step.value & 0xff_ffffn));
    else if (step.kind === 'call') {
      engine.state.gpr[1] = step.value;
      engine.intercepts.hypercall();
    }
    processor.apic.expireTimer(processor.apic.timer.deadlineNs);
    const vector = processor.apic.deliverable();
    assert.ok(vector === -1 || vector >= 16, `vector ${vector}`);
    if (vector >= 0 && step.kind === 'take') processor.apic.acknowledge(vector);
    const now = engine.readMsr(TIME_REF_COUNT) as bigint;
    assert.ok(now >= time, 'reference time ran backwards');
    time = now;
  }
}

export default {
  name: 'processor-intercepts',
  covers: [
    'src/hypervisor/guest-intercepts', 'src/hypervisor/hyperv-msrs',
    'src/hypervisor/local-apic', 'src/hypervisor/partition-msrs',
    'src/hypervisor/synthetic-timers', 'src/hypervisor/architectural-msrs', 'src/hypervisor/mtrrs',
    'src/hypervisor/msrs', 'src/hypervisor/apic-timer',
  ],
  run(seed, iterations, tally) {
    const guests = fc.property(fc.array(action, { maxLength: 60 }), fc.boolean(),
      (actions, traced) => tryGuest(actions, traced, tally));
    fc.assert(guests, { seed, numRuns: iterations });
  },
} satisfies FuzzTarget;
