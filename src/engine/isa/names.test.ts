/** Names of instructions by their bytes. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { instructionName } from './names.ts';

const CASES: readonly (readonly [bytes: string, mode64: boolean, name: string])[] = [
  ['01 c0', true, 'ADD'],
  ['48 0f 05', true, 'SYSCALL'],
  ['f3 90', true, 'PAUSE'],
  ['90', true, 'NOP'],
  ['66 0f fc c1', true, 'PADDB'],
  ['40', false, 'INC'],
  ['0f 01 f8', true, 'SWAPGS'],
  ['d9 e0', true, 'FCHS'],
  ['c4 e2 70 f2 c2', true, 'ANDN'],
  ['c4 e2 70 f2 c2', false, 'ANDN'],
  ['c4 02', false, 'LES'],
  ['06', true, '(undefined)'],
];

for (const [bytes, mode64, name] of CASES) {
  test(`${bytes} is ${name} in ${mode64 ? '64' : '32'}-bit code`, () => {
    assert.equal(instructionName(Uint8Array.from(bytes.split(' ').map((byte) => Number.parseInt(byte, 16))), mode64),
      name);
  });
}
