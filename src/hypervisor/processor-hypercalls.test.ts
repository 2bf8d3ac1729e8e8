import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HvCall, HvStatus } from '../protocols/tlfs/hypercalls.ts';
import { type Fixture, makeFixture } from './testing/fixture.ts';
import { VpRegisters } from './partition-layout.ts';

const INPUT = 0x2000n;
const VECTOR = 0xf3n;
const ALL_64 = (1n << 64n) - 1n;
const SPARSE = 0n;
const ALL = 1n;

/** A fixture whose local APICs all take interrupts. */
function several(processorCount: number): Fixture {
  const fixture = makeFixture({ processorCount });
  for (let i = 0; i < processorCount; i++) {
    VpRegisters.encode(fixture.control.view, fixture.control.vpRegistersOffset(i), { spuriousVector: 0x1ff });
  }
  return fixture;
}

/** Calls with the input words in memory; the status. */
function call(fixture: Fixture, control: number, words: readonly bigint[], header = 0, repeat = 0): number {
  const { gpr } = fixture.engine.state;
  words.forEach((word, n) => fixture.memory.view.setBigUint64(Number(INPUT) + n * 8, word, true));
  gpr[1] = BigInt(control) | (BigInt(header) << 17n) | (BigInt(repeat) << 32n);
  gpr[2] = INPUT;
  assert.equal(fixture.engine.intercepts.hypercall(), true);
  const { low, high } = fixture.engine.readRegister(0);
  if (low === HvStatus.Success) assert.equal(high, repeat);
  return low;
}

/** The processors at which the vector is requested. */
function requested({ control }: Fixture): number[] {
  const word = (VpRegisters.irr.offset >> 2) + (Number(VECTOR) >> 5);
  return Array.from({ length: control.processorCount }, (_, index) => index)
    .filter((index) => ((control.words[control.vpRegistersWord(index) + word] as number) & (1 << 19)) !== 0);
}

test('a cluster IPI reaches the processors of its mask, and passes over those that are not there', () => {
  const fixture = several(34);
  const mask = (1n << 0n) | (1n << 3n) | (1n << 31n) | (1n << 33n) | (1n << 40n);
  assert.equal(call(fixture, HvCall.HvCallSendSyntheticClusterIpi, [VECTOR, mask]), HvStatus.Success);
  assert.deepEqual(requested(fixture), [0, 3, 31, 33]);
});

test('a cluster IPI comes in registers too', () => {
  const fixture = several(2);
  fixture.engine.state.gpr[1] = BigInt(HvCall.HvCallSendSyntheticClusterIpi | 0x1_0000);
  fixture.engine.state.gpr[2] = VECTOR;
  fixture.engine.state.gpr[8] = 2n;
  assert.equal(fixture.engine.intercepts.hypercall(), true);
  assert.equal(fixture.engine.readRegister(0).low, HvStatus.Success);
  assert.deepEqual(requested(fixture), [1]);
});

test('vectors that no interrupt has, and other trust levels, are refused', () => {
  for (const [first, status] of [
    [15n, HvStatus.InvalidParameter], [16n, HvStatus.Success], [0xffn, HvStatus.Success],
    [0x100n, HvStatus.InvalidParameter], [VECTOR | (1n << 32n), HvStatus.InvalidParameter],
  ] as const) {
    assert.equal(call(several(2), HvCall.HvCallSendSyntheticClusterIpi, [first, 1n]), status, String(first));
  }
});

test('the Ex form names processors by banks', () => {
  const code = HvCall.HvCallSendSyntheticClusterIpiEx;
  const cases: readonly (readonly [words: bigint[], header: number, status: number, reached: number[]])[] = [
    [[VECTOR, SPARSE, 1n, 5n], 1, HvStatus.Success, [0, 2]],
    [[VECTOR, SPARSE, 0b101n, 4n, ALL_64], 2, HvStatus.Success, [2]],
    [[VECTOR, SPARSE, 0b10n, ALL_64], 1, HvStatus.Success, []],
    [[VECTOR, SPARSE, 0n], 0, HvStatus.Success, []],
    [[VECTOR, ALL, 0n], 0, HvStatus.Success, [0, 1, 2]],
    [[VECTOR, SPARSE, 0b11n, 5n], 1, HvStatus.InvalidHypercallInput, []],
    [[VECTOR, 2n, 1n, 5n], 1, HvStatus.InvalidParameter, []],
    [[VECTOR, 1n << 32n, 1n, 5n], 1, HvStatus.InvalidParameter, []],
  ];
  for (const [words, header, status, reached] of cases) {
    const fixture = several(3);
    assert.equal(call(fixture, code, words, header), status, words.join());
    assert.deepEqual(requested(fixture), reached, words.join());
  }
});

test('a flush of an address space asks the engine, for the processors that are there', () => {
  const fixture = several(3);
  const code = HvCall.HvCallFlushVirtualAddressSpace;
  assert.equal(call(fixture, code, [0x1000n, 4n, 0b1010n]), HvStatus.Success);
  assert.equal(call(fixture, code, [0n, 3n, 0n]), HvStatus.Success);
  assert.deepEqual(fixture.engine.flushes, [{ low: 0b010, high: 0, pages: [] }, { low: 0b111, high: 0, pages: [] }]);
  assert.equal(call(fixture, code, [0n, 8n, 1n]), HvStatus.InvalidParameter);
  assert.equal(call(fixture, code, [0n, 1n << 32n, 1n]), HvStatus.InvalidParameter);
});

test('a flush of a list hands over its ranges, behind the banks in the Ex form', () => {
  const fixture = several(64);
  const pages = [0x7f00_0000_1003n, 0xffff_8000_0000_0000n];
  const banks = [1n << 63n, 0n];
  assert.equal(call(fixture, HvCall.HvCallFlushVirtualAddressList, [0n, 0n, ALL_64, ...pages], 0, 2), 0);
  assert.equal(
    call(fixture, HvCall.HvCallFlushVirtualAddressListEx, [0n, 0n, SPARSE, 3n, ...banks, ...pages], 2, 2), 0);
  assert.equal(call(fixture, HvCall.HvCallFlushVirtualAddressSpaceEx, [0n, 0n, SPARSE, 1n, 6n], 1), 0);
  assert.deepEqual(fixture.engine.flushes, [
    { low: 0xffff_ffff, high: 0xffff_ffff, pages }, { low: 0, high: 0x8000_0000, pages },
    { low: 6, high: 0, pages: [] },
  ]);
});

test('a long spin wait ends the slice', () => {
  const fixture = several(2);
  fixture.engine.state.gpr[1] = BigInt(HvCall.HvCallNotifyLongSpinWait | 0x1_0000);
  fixture.engine.state.gpr[2] = 4096n;
  assert.equal(fixture.engine.intercepts.hypercall(), true);
  assert.equal(fixture.engine.readRegister(0).low, HvStatus.Success);
  assert.equal(fixture.engine.run(), 1);
});
