import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineStateOf, migrate, NewerState } from './machine-state.ts';
import { BadShape } from './shape.ts';

const STEPS = [
  (value: object) => ({ ...value, version: 2, added: 'in 2' }),
  (value: object) => ({ ...value, version: 3, added: 'changed in 3' }),
];

test('an old value goes through every step to the version of the program', () => {
  assert.deepEqual(migrate({ version: 1, kept: 1 }, 3, STEPS), { version: 3, kept: 1, added: 'changed in 3' });
  assert.deepEqual(migrate({ version: 2, kept: 1 }, 3, STEPS), { version: 3, kept: 1, added: 'changed in 3' });
  assert.deepEqual(migrate({ version: 3, kept: 1 }, 3, STEPS), { version: 3, kept: 1 });
});

test('a newer value is refused', () => {
  assert.throws(() => migrate({ version: 4 }, 3, STEPS), NewerState);
  assert.throws(() => machineStateOf({ version: 1, configuration: { version: 99 } }), /has configuration version 99/);
});

for (const value of [undefined, null, 7, 'text', [], {}, { version: 0 }, { version: 1.5 }, { version: '1' }]) {
  test(`${JSON.stringify(value)} is no state`, () => assert.throws(() => machineStateOf(value), BadShape));
}
