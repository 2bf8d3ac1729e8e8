/** The x87 rows against the opcode map of the manual and the encodings that processors reject (SDM volume 2, A.5.2). */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Instruction } from './instruction.ts';
import { X87 } from './x87.ts';

/** First and last ModRM byte of what raises #UD; memory forms stand for all with their reg field. */
const UNDEFINED: readonly (readonly [opcode: number, first: number, last: number])[] = [
  [0xd9, 0x08, 0x0f], [0xd9, 0xd1, 0xd7], [0xd9, 0xe2, 0xe3], [0xd9, 0xe6, 0xe7], [0xd9, 0xef, 0xef],
  [0xda, 0xe0, 0xe8], [0xda, 0xea, 0xff],
  [0xdb, 0x20, 0x27], [0xdb, 0x30, 0x37], [0xdb, 0xe5, 0xe7], [0xdb, 0xf8, 0xff],
  [0xdd, 0x28, 0x2f], [0xdd, 0xf0, 0xff],
  [0xde, 0xd8, 0xd8], [0xde, 0xda, 0xdf],
  [0xdf, 0xe1, 0xe7], [0xdf, 0xf8, 0xff],
];

/** The rows that hold for an opcode with this ModRM byte; of memory forms those with mod 0 stand for all. */
function rowsOf(opcode: number, modrm: number): Instruction[] {
  return X87.filter(({ opcode: encoding }) => {
    const tokens = encoding.split(' ');
    const rm = tokens.find((token) => token.startsWith('rm='));
    return Number.parseInt(tokens[0] as string, 16) === opcode
      && tokens[1] === `/${(modrm >> 3) & 7}`
      && tokens[2] === (modrm < 0xc0 ? 'm' : 'r')
      && (rm === undefined || Number(rm.slice(3)) === (modrm & 7));
  });
}

test('every encoding has exactly one row, and those that processors reject have none', () => {
  for (let opcode = 0xd8; opcode <= 0xdf; opcode++) {
    for (let modrm = 0; modrm < 0x100; modrm = modrm === 0x3f ? 0xc0 : modrm + 1) {
      const rejected = UNDEFINED.some(([at, first, last]) => at === opcode && modrm >= first && modrm <= last);
      const names = rowsOf(opcode, modrm).map(({ name }) => name);
      assert.equal(names.length, rejected ? 0 : 1, `${opcode.toString(16)} ${modrm.toString(16)}: ${names.join(', ')}`);
    }
  }
});

test('a row says how many bytes it moves when, and only when, its operand is memory', () => {
  for (const row of X87) assert.equal(row.bytes !== undefined, row.opcode.includes(' m'), `${row.opcode} ${row.name}`);
});

test('only the instructions that do not wait have names that begin with FN', () => {
  const names = new Set(X87.map(({ name }) => name).filter((name) => name.startsWith('FN')));
  const withoutWait = ['FNCLEX', 'FNDISI', 'FNENI', 'FNINIT', 'FNSAVE', 'FNSETPM', 'FNSTCW', 'FNSTENV', 'FNSTSW'];
  assert.deepEqual([...names].sort(), withoutWait);
});
