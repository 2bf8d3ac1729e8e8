/** That every row is announced by a feature of CPUID at the level that the decoder has it from. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { CPU_FEATURES } from '../../hypervisor/cpuid-features.ts';
import { levelOf } from './levels.ts';
import { INSTRUCTION_ROWS } from './rows.ts';

/** Names that rows give features of the table. */
const OTHER_NAMES: Readonly<Record<string, string>> = { SSE4_1: 'SSE4.1' };

test('instructions come with the level whose CPUID announces them', () => {
  for (const row of INSTRUCTION_ROWS) {
    if (row.feature === undefined) continue;
    const name = OTHER_NAMES[row.feature] ?? row.feature;
    const feature = CPU_FEATURES.find((each) => each.name === name);
    assert.equal(levelOf(row), feature?.level, `${row.name} needs ${name}`);
  }
});
