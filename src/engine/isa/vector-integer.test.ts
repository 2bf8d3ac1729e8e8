/** The integer vector rows: that they exclude each other, and that memory sizes agree with operands. */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Instruction } from './instruction.ts';
import { VECTOR_INTEGER } from './vector-integer.ts';

const PREFIXES = ['NP', '66', 'F2', 'F3'];
const SIZES: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, q: 8 };

/** Every combination of prefix, opcode, operand form, REX.W and reg field that a row claims. */
function encodings({ opcode }: Instruction): string[] {
  const tokens = opcode.split(' ');
  const prefixes = tokens.filter((token, index) => PREFIXES.includes(token) && index < tokens.indexOf('0F'));
  const bytes = tokens.slice(tokens.indexOf('0F')).filter((token) => /^[0-9A-F]{2}$/.test(token));
  const choose = (options: readonly string[]): readonly string[] => {
    const chosen = options.filter((option) => tokens.includes(option));
    return chosen.length > 0 ? chosen : options;
  };
  const digits = choose([0, 1, 2, 3, 4, 5, 6, 7].map((digit) => `/${digit}`));
  return choose(['m', 'r']).flatMap((form) => choose(['W0', 'W1']).flatMap((width) =>
    digits.map((digit) => [...prefixes, ...bytes, form, width, digit].join(' '))));
}

test('no two rows claim the same encoding', () => {
  const claimed = new Map<string, Instruction>();
  for (const row of VECTOR_INTEGER) {
    for (const encoding of encodings(row)) {
      const other = claimed.get(encoding);
      assert.equal(other, undefined, `${row.name} and ${other?.name} both are ${encoding}`);
      claimed.set(encoding, row);
    }
  }
});

test('a row has a memory size when, and only when, an operand can be memory', () => {
  for (const row of VECTOR_INTEGER) {
    const memory = !row.opcode.split(' ').includes('r') && /[EMWQ]/.test(row.operands);
    assert.equal(row.bytes !== undefined, memory, `${row.opcode} ${row.name}`);
  }
});

test('the memory size agrees with the sized operand', () => {
  for (const row of VECTOR_INTEGER.filter(({ bytes }) => bytes !== undefined)) {
    const size = /[EM]([bwdq])/.exec(row.operands)?.[1];
    if (size !== undefined) assert.equal(row.bytes, SIZES[size], `${row.opcode} ${row.name}`);
  }
});

test('only whole XMM operands must be aligned', () => {
  for (const row of VECTOR_INTEGER.filter(({ aligned }) => aligned)) {
    assert.equal(row.bytes, 16, row.name);
    assert.match(row.operands, /W/, row.name);
  }
});

test('every row names the feature that announces it', () => {
  const features = new Set(['MMX', 'SSE', 'SSE2', 'SSE3', 'SSSE3', 'SSE4.1', 'SSE4.2']);
  for (const row of VECTOR_INTEGER) assert.ok(row.feature !== undefined && features.has(row.feature), row.name);
});
