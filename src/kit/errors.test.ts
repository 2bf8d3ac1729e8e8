/** Operating errors carry the exit status of their kind, and system errors become sentences. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { OperatingError, systemError } from './errors.ts';

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('a missing file becomes a sentence that names what was tried', () => {
  const error = systemError('read the kernel /nowhere/x', thrownBy(() => readFileSync('/nowhere/x')));
  assert.ok(error instanceof OperatingError);
  assert.equal(error.message, 'cannot read the kernel /nowhere/x: there is no such file or folder');
  assert.equal(error.code, 'not-found');
  assert.equal(error.exitStatus, 2);
});

test('a system error that nobody thought of still says its code, as a failure of the host', () => {
  const error = systemError('open it', Object.assign(new Error('loop'), { code: 'ELOOP' }));
  assert.ok(error instanceof OperatingError);
  assert.equal(error.message, 'cannot open it: the system says ELOOP');
  assert.equal(error.exitStatus, 1);
});

test('what is not a system error stays what it is', () => {
  const mistake = new TypeError('x is not a function');
  assert.equal(systemError('open it', mistake), mistake);
});
