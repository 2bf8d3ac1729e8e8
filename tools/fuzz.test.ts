/** The fuzz runner: finds the seed of what breaks, and sees when nothing comes back. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { targetsOf } from './fuzz-target.ts';
import { ROOT } from './repository.ts';

test('a target may be the module, its default export or a named one', () => {
  const target = (name: string): object => ({ name, run: () => {} });
  const module = { ...target('module'), default: target('default'), other: target('other'), limit: 3, none: null };
  assert.deepEqual(targetsOf(module).map(({ name }) => name), ['module', 'default', 'other']);
});

test('a target that does not exist is refused with a list of those that do', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'dist/tools/fuzz.js'), 'nothing', '1'], {
    encoding: 'utf8',
  });
  assert.equal(status, 2);
  assert.match(stderr, /targets: all/);
});
