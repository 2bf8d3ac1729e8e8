/** The floating-point vector rows: that they exclude each other, and that alignment and sizes follow the manual. */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Instruction } from './instruction.ts';
import { VECTOR_FLOAT } from './vector-float.ts';

/** Every combination of prefix, opcode, operand form, REX.W and reg field that a row claims. */
function encodings({ opcode }: Instruction): string[] {
  const tokens = opcode.split(' ');
  const bytes = tokens.filter((token) => token === 'NP' || /^[0-9A-F]{2}$/.test(token)).join(' ');
  const choose = (options: readonly string[]): readonly string[] => {
    const chosen = options.filter((option) => tokens.includes(option));
    return chosen.length > 0 ? chosen : options;
  };
  const fields = choose([0, 1, 2, 3, 4, 5, 6, 7].map((field) => `/${field}`));
  return choose(['m', 'r']).flatMap((form) =>
    choose(['W0', 'W1']).flatMap((width) => fields.map((field) => `${bytes} ${form} ${width} ${field}`)));
}

test('no two rows claim the same encoding', () => {
  const claimed = new Map<string, string>();
  for (const row of VECTOR_FLOAT) {
    for (const encoding of encodings(row)) {
      assert.equal(claimed.get(encoding), undefined, `${row.name} and ${claimed.get(encoding)} are both ${encoding}`);
      claimed.set(encoding, row.name);
    }
  }
});

test('memory of 16 bytes must be aligned, but for MOVUPS and MOVUPD', () => {
  for (const { name, bytes, aligned } of VECTOR_FLOAT) {
    assert.equal(aligned === true, bytes === 16 && !name.startsWith('MOVUP'), name);
  }
});

test('scalar forms move as many bytes as their element has', () => {
  for (const { name, operands, bytes } of VECTOR_FLOAT) {
    if (/^(ADD|SUB|MUL|DIV|MIN|MAX|SQRT|CMP|U?COMI|ROUND)SS$/.test(name)) assert.equal(bytes, 4, name);
    if (/^(ADD|SUB|MUL|DIV|MIN|MAX|SQRT|CMP|U?COMI|ROUND)SD$/.test(name)) assert.equal(bytes, 8, name);
    if (operands.includes('Eq')) assert.equal(bytes, 8, name);
    if (operands.includes('Ed')) assert.equal(bytes, 4, name);
  }
});
