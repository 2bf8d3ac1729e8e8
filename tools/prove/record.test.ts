/** The page of proofs is its own store: what is written is read back. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../repository.ts';
import type { Proof, ProofLine } from './line.ts';
import { LINES } from './lines.ts';
import { pageOf, proofsOf } from './record.ts';

const line = (name: string): ProofLine => ({
  name, what: `it holds | ${name}`, folders: ['src'], command: ['dist/x.js', '25'], deadlineMinutes: 1,
});
const proof = (name: string, holds: boolean, figure: string): Proof => ({
  name, holds, figure, commit: '0123456789', date: '2026-01-31',
});

test('proofs are read back as they were written; a line that was not tried has none', () => {
  const proofs = [proof('a', true, '25 of 25'), proof('c', false, '3 of 25')];
  assert.deepEqual(proofsOf(pageOf([line('a'), line('b'), line('c')], proofs)), proofs);
});

test('a figure cannot break the table', () => {
  const page = pageOf([line('a')], [proof('a', true, 'one | two\nthree')]);
  assert.equal(proofsOf(page)[0]?.figure, 'one / two three');
});

test('a proof of a line that is no more is dropped', () => {
  assert.deepEqual(proofsOf(pageOf([line('a')], [proof('gone', true, '1')])), []);
});

for (const { name, command, folders } of LINES) {
  test(`the line ${name} has a program, and rests on things that exist`, () => {
    for (const path of [command[0]?.replace(/^dist\/(.*)\.js$/, '$1.ts') ?? '', ...folders]) {
      assert.ok(existsSync(join(ROOT, path)), path);
    }
  });
}
