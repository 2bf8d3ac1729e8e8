/**
 * Whatever a guest passes to a hypercall: control word, fast input in registers, input and output in pages that it
 * writes. Nothing throws, the status is one of the specification's, and a call never does more than it was asked.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Connections } from '../src/hypervisor/connections.ts';
import { makeFixture, MEMORY_SIZE } from '../src/hypervisor/testing/fixture.ts';
import type { HypercallDefinition } from '../src/hypervisor/hypercalls.ts';
import { HvCall, HvStatus } from '../src/protocols/tlfs/hypercalls.ts';
import type { FuzzTarget, Tally } from '../tools/fuzz-target.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const R8 = 8;
const STATUSES: readonly number[] = Object.values(HvStatus);
const MOST_REPETITIONS = 0xfff;

/** A call with a list and a variable header, and one with output: of the microkernel's own none has both. */
const LISTED: HypercallDefinition = {
  code: 0x7f01, inputBytes: 8, outputBytes: 0, repBytes: 8, variableHeader: true,
  run(frame) {
    for (let n = frame.repStart; n < frame.repCount; n++) {
      frame.input.getUint32(8 + frame.variableHeaderWords * 8 + n * 8, true);
      frame.repsDone++;
    }
    return HvStatus.Success;
  },
};
const ANSWERED: HypercallDefinition = {
  code: 0x7f02, inputBytes: 8, outputBytes: 16, repBytes: 0, variableHeader: false,
  run(frame) {
    frame.output.setUint32(0, frame.input.getUint32(0, true), true);
    return frame.input.getUint32(4, true) === 0 ? HvStatus.Success : HvStatus.InvalidParameter;
  },
};

const address = fc.oneof(
  fc.nat({ max: MEMORY_SIZE / 8 - 1 }).map((word) => BigInt(word * 8)),
  fc.constantFrom(0xff8n, 0xff0n, 0x1000n, 0x1f00n, 1n, BigInt(MEMORY_SIZE - 8), 0xffff_ffff_ffff_fff8n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
const call = fc.record({
  code: fc.oneof(fc.constantFrom(...Object.values(HvCall), LISTED.code, ANSWERED.code), fc.nat({ max: 0xffff })),
  fast: fc.boolean(),
  header: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat({ max: 0x3ff }) }),
  repetitions: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 4, arbitrary: fc.nat({ max: 600 }) },
    { weight: 1, arbitrary: fc.nat({ max: MOST_REPETITIONS }) }),
  start: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat({ max: 20 }) }),
  reserved: fc.oneof({ weight: 12, arbitrary: fc.constant(0n) },
    { weight: 1, arbitrary: fc.constantFrom(1n << 27n, 1n << 31n, 1n << 44n, 1n << 60n) }),
  first: address, second: address,
  input: fc.record({
    connection: fc.oneof(fc.constantFrom(1, 7, 2049, 0), fc.nat({ max: 0xffff_ffff })),
    second: fc.oneof(fc.constantFrom(0, 1, 5, 2047, 2048), fc.nat({ max: 0xffff_ffff })),
    type: fc.oneof(fc.constantFrom(1, 0, 0x8000_0000), fc.nat({ max: 0xffff_ffff })),
    size: fc.oneof(fc.constantFrom(0, 8, 240, 241), fc.nat({ max: 0xffff_ffff })),
  }),
});
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

function isValid({ code, header, repetitions, start, reserved }: Call): boolean {
  return code === LISTED.code ? start < repetitions && reserved === 0n
    : (header | repetitions | start) === 0 && reserved === 0n;
}

function tryGuest(calls: readonly Call[], tally: Tally): void {
  const { control, engine, memory } = makeFixture({ processorCount: 2, hypercalls: [LISTED, ANSWERED] });
  const connections = new Connections(control);
  connections.openEvents(7, 3);
  for (const each of calls) {
    tally.input(isValid(each));
    const { code, fast, header, repetitions, start, reserved, first, second, input } = each;
    const at = Number(first & 0xfffffn);
    const words = Uint32Array.of(input.connection, input.second, input.type, input.size);
    memory.write(Math.min(at, MEMORY_SIZE - 16), new Uint8Array(words.buffer));
    const low = BigInt(code) | (fast ? 1n << 16n : 0n) | (BigInt(header) << 17n);
    engine.state.gpr[RCX] = low | (BigInt(repetitions) << 32n) | (BigInt(start) << 48n) | reserved;
    engine.state.gpr[RDX] = fast ? BigInt(input.connection) | (BigInt(input.second) << 32n) : first;
    engine.state.gpr[R8] = second;
    engine.intercepts.hypercall();
    const result = engine.state.gpr[RAX] ?? 0n;
    assert.ok(STATUSES.includes(Number(result & 0xffffn)), `status ${result}`);
    assert.ok(Number((result >> 32n) & 0xfffn) <= Math.max(repetitions, start));
  }
}

export const target: FuzzTarget = {
  name: 'hypercalls',
  covers: [
    'src/hypervisor/hypercalls', 'src/hypervisor/messaging-hypercalls', 'src/hypervisor/processor-hypercalls',
    'src/hypervisor/connections',
  ],
  run(seed, iterations, tally) {
    const guests = fc.property(fc.array(call, { maxLength: 40 }), (calls) => tryGuest(calls, tally));
    fc.assert(guests, { seed, numRuns: iterations });
  },
};
