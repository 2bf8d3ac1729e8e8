/** The native runner and the generator alone: no engine takes part. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compare } from './compare.ts';
import { generate } from './generate.ts';
import { NativeRunner } from './native-runner.ts';
import { allForms, formsNamed, notNative } from './oracles.ts';
import {
  CODE, FLAGS, RECORD_SIZE, RIP, SampleRecord, SIGNAL, USER_CODE_32, USER_CODE_64, USER_DATA,
} from './record.ts';

const NATIVE = fileURLToPath(new URL('../../../tests/oracle/native/', import.meta.url));
const unavailable = NativeRunner.unavailable();
const skip = unavailable ?? false;
const BREAKPOINT_SHARE = 0.3;

/** A plain record: `code` at the start of the code pages, all registers zero. */
function recordOf(code: readonly number[], mode: 32 | 64 = 64): SampleRecord {
  const record = new SampleRecord();
  record.bytes.fill(0xcc, 0xb0, 0xc0).set(code, 0xb0);
  record.view.setUint32(RIP, CODE, true);
  record.view.setUint32(FLAGS, 0x202, true);
  record.setSelector('cs', mode === 64 ? USER_CODE_64 : USER_CODE_32);
  record.setSelector('ss', USER_DATA);
  return record;
}

test('the committed runner is what its source assembles to', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oracle-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { error, status } = spawnSync('nasm', ['-f', 'bin', '-o', join(folder, 'runner'), join(NATIVE, 'runner.asm')]);
  if (error !== undefined) return t.skip('nasm is not installed');
  assert.equal(status, 0);
  const committed = readFileSync(join(NATIVE, 'runner'));
  assert.deepEqual(readFileSync(join(folder, 'runner')), committed);
  assert.ok(committed.length < 8192);
});

test('an instruction changes the state as the manual says', { skip }, () => {
  const record = recordOf([0x48, 0x01, 0xc3]);
  record.setGpr(0, 0x7fff_ffff_ffff_ffffn);
  record.setGpr(3, 1n);
  const after = new SampleRecord(new NativeRunner().run(record.bytes));
  assert.equal(after.gpr(3), 1n << 63n);
  assert.equal(after.flags & 0x8d5, 0x894);
  assert.equal(after.vector, 3);
  assert.equal(after.rip, BigInt(CODE + 4));
});

test('a 32-bit instruction runs in a 32-bit code segment', { skip }, () => {
  const record = recordOf([0x37], 32);
  record.setGpr(0, 0x0fn);
  assert.equal(new SampleRecord(new NativeRunner().run(record.bytes)).gpr(0), 0x105n);
});

test('an instruction that never ends is reported, and the next record runs', { skip }, () => {
  const records = Buffer.concat([recordOf([0xeb, 0xfe]).bytes, recordOf([0x0f, 0x0b]).bytes]);
  const after = new NativeRunner().run(records);
  assert.equal(new SampleRecord(after.subarray(0, RECORD_SIZE)).view.getUint32(SIGNAL, true), 26);
  assert.equal(new SampleRecord(after.subarray(RECORD_SIZE)).vector, 6);
});

test('samples depend on the seed, the form and the number alone', () => {
  const [form] = formsNamed(allForms(), '01 /r');
  assert.ok(form !== undefined);
  const bytes = (seed: number, number: number): string =>
    Buffer.from(generate(form, seed, number).bytes).toString('hex');
  assert.equal(bytes(1, 5), bytes(1, 5));
  assert.notEqual(bytes(1, 5), bytes(1, 6));
  assert.notEqual(bytes(1, 5), bytes(2, 5));
});

test('every form runs twice with the same outcome, none hangs, and most reach the breakpoint', { skip }, (t) => {
  const samples = 20;
  const native = new NativeRunner();
  const forms = allForms().filter((form) => notNative(form) === undefined);
  const records = new Uint8Array(forms.length * samples * RECORD_SIZE);
  const at = (n: number): Uint8Array => records.subarray(n * RECORD_SIZE, (n + 1) * RECORD_SIZE);
  forms.forEach((form, n) => {
    for (let k = 0; k < samples; k++) generate(form, 7, k, at(n * samples + k));
  });
  const first = native.run(records);
  assert.equal(Buffer.compare(first, native.run(records)), 0);
  let breakpoints = 0;
  for (let n = 0; n < forms.length * samples; n++) {
    const after = new SampleRecord(first.subarray(n * RECORD_SIZE, (n + 1) * RECORD_SIZE));
    assert.notEqual(after.view.getUint32(SIGNAL, true), 26, forms[Math.floor(n / samples)]?.key);
    if (after.vector === 3) breakpoints++;
  }
  t.diagnostic(`${forms.length} forms, ${breakpoints} of ${forms.length * samples} samples reach the breakpoint`);
  assert.ok(breakpoints > forms.length * samples * BREAKPOINT_SHARE);
});

test('a wrong outcome is found, an undefined flag is not', { skip }, () => {
  const [form] = formsNamed(allForms(), '21 /r');
  assert.ok(form !== undefined);
  const before = recordOf([0x21, 0xc3]);
  const expected = new SampleRecord(new NativeRunner().run(before.bytes));
  const changed = (change: (record: SampleRecord) => void): string[] => {
    const record = new SampleRecord(expected.bytes.slice());
    change(record);
    return compare(form, before, expected, record).map(({ what }) => what);
  };
  assert.deepEqual(changed(() => undefined), []);
  assert.deepEqual(changed((record) => record.setGpr(9, 1n)), ['r9']);
  assert.deepEqual(changed((record) => record.view.setUint32(FLAGS, record.flags ^ 0x10, true)), []);
  assert.deepEqual(changed((record) => record.view.setUint32(FLAGS, record.flags ^ 0x40, true)), ['rflags']);
  assert.deepEqual(changed((record) => { record.bytes[0x118] = 1; }), ['mxcsr']);
  assert.deepEqual(changed((record) => { record.bytes[0x500] = 0x5a; }), ['memory 20000f00']);
});
