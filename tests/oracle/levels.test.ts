/** A processor of a lower level does not know the instructions of a higher one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProcessorLevel } from '../../src/hypervisor/processor-model.ts';
import { createEngine } from './engine-under-test.ts';
import { EngineRunner } from './engine-runner.ts';
import { BYTES, CODE, DATA, RIP, SampleRecord, USER_CODE_64, USER_DATA } from './record.ts';

const [RAX, RCX, RSP] = [0, 1, 4] as const;
const [BREAKPOINT, UNDEFINED] = [3, 6] as const;

function after(bytes: readonly number[], level: ProcessorLevel): SampleRecord {
  const record = new SampleRecord();
  record.view.setUint32(RIP, CODE, true);
  record.setSelector('cs', USER_CODE_64);
  record.setSelector('ss', USER_DATA);
  record.setGpr(RSP, BigInt(DATA + 0x1000));
  record.setGpr(RAX, 77n);
  record.bytes.fill(0xcc, BYTES, BYTES + 16);
  record.bytes.set(bytes, BYTES);
  return new SampleRecord(new EngineRunner(createEngine(false, level)).run(record.bytes));
}

const CASES = [
  { name: 'PSHUFB', bytes: [0x66, 0x0f, 0x38, 0x00, 0xc1], level: 'v2', below: 'v1' },
  { name: 'AESENC', bytes: [0x66, 0x0f, 0x38, 0xdc, 0xc1], level: 'v2', below: 'v1' },
  { name: 'MOVBE', bytes: [0x0f, 0x38, 0xf0, 0x44, 0x24, 0xf8], level: 'v3', below: 'v2' },
  { name: 'VPADDD', bytes: [0xc5, 0xed, 0xfe, 0xc1], level: 'v3', below: 'v2' },
  { name: 'ANDN', bytes: [0xc4, 0xe2, 0x70, 0xf2, 0xc1], level: 'v3', below: 'v2' },
] as const;

for (const { name, bytes, level, below } of CASES) {
  test(`${name} is an instruction from ${level} on`, () => {
    assert.equal(after(bytes, level).vector, BREAKPOINT);
    assert.equal(after(bytes, below).vector, UNDEFINED);
  });
}

test('TZCNT is BSF where it is not known: of 0 it leaves the destination alone', () => {
  const bytes = [0xf3, 0x48, 0x0f, 0xbc, 0xc1]; // TZCNT RAX, RCX
  assert.equal(after(bytes, 'v2').gpr(RAX), 77n);
  assert.equal(after(bytes, 'v3').gpr(RAX), 64n);
  assert.equal(after(bytes, 'v3').gpr(RCX), 0n);
});
