/** The numbers by which regions call are those of what their module imports. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { CORE_CALL_SIGNATURES, coreCallImports } from './core-calls.ts';
import { CALL_FIRST_VECTOR, CALL_STEP } from './function-writer.ts';
import { IMPORTED, WITH_CORE_CALLS } from './region-module.ts';

test('functions on vectors follow the others', () => {
  assert.equal(IMPORTED[CALL_STEP]?.[0], 'step');
  assert.equal(CALL_FIRST_VECTOR, IMPORTED.length);
  assert.equal(WITH_CORE_CALLS[CALL_FIRST_VECTOR]?.[0], 'encryptRound');
  const types = new Set(coreCallImports(0).map(([, type]) => type));
  assert.equal(types.size, CORE_CALL_SIGNATURES.length);
});
