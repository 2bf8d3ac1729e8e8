/**
 * Whatever a guest writes to registers, pages and hypercalls of the microkernel, nothing throws, no vector below 16 is
 * delivered, and reference time does not run backwards.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { makeFixture } from '../src/hypervisor/testing/fixture.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';

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
  kind: fc.constantFrom('write', 'read', 'store', 'load', 'call', 'time', 'take'),
  msr, value, offset: fc.nat({ max: 0xfff }), size: fc.constantFrom(1, 2, 4, 8),
});

function tryGuest(
  actions: readonly { kind: string; msr: number; value: bigint; offset: number; size: number }[],
): void {
  const { engine, processor, clock } = makeFixture({ processorCount: 3, index: 1 });
  let time = 0n;
  for (const step of actions) {
    engine.data[0] = Number(BigInt.asIntN(32, step.value));
    engine.data[1] = Number(BigInt.asIntN(32, step.value >> 32n));
    if (step.kind === 'write') engine.intercepts.writeMsr(step.msr);
    else if (step.kind === 'read') engine.intercepts.readMsr(step.msr);
    else if (step.kind === 'store') engine.intercepts.mmioWrite(APIC_PAGE + step.offset, step.size);
    else if (step.kind === 'load') engine.intercepts.mmioRead(APIC_PAGE + step.offset, step.size);
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
  run(seed, iterations) {
    fc.assert(fc.property(fc.array(action, { maxLength: 60 }), tryGuest), { seed, numRuns: iterations });
  },
} satisfies FuzzTarget;
