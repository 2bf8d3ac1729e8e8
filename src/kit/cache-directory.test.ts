/** The cache directory follows the environment, and is never one that somebody else could fill. */

import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { cacheDirectory } from './cache-directory.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-cache-'));
after(() => rmSync(folder, { recursive: true }));

const TEMPORARY = join(tmpdir(), `partout-${process.getuid?.() ?? 'user'}`);

test('PARTOUT_CACHE goes before XDG_CACHE_HOME, and that before the home directory', () => {
  const environment = { PARTOUT_CACHE: join(folder, 'p'), XDG_CACHE_HOME: join(folder, 'x'), HOME: folder };
  assert.equal(cacheDirectory(environment), join(folder, 'p'));
  assert.equal(cacheDirectory({ ...environment, PARTOUT_CACHE: '' }), join(folder, 'x/partout'));
  assert.equal(cacheDirectory({ HOME: folder, XDG_CACHE_HOME: 'relative' }), join(folder, '.cache/partout'));
  assert.equal(statSync(join(folder, '.cache/partout')).mode & 0o777, 0o700);
});

test('without a home directory it is among the temporary files', () => {
  assert.equal(cacheDirectory({ HOME: join(folder, 'missing') }), TEMPORARY);
  assert.equal(cacheDirectory({ HOME: '/' }), TEMPORARY);
});

test('a place that cannot be a directory is named', () => {
  writeFileSync(join(folder, 'file'), '');
  const beneathFile = { PARTOUT_CACHE: join(folder, 'file/x') };
  assert.throws(() => cacheDirectory(beneathFile), /^OperatingError: cannot make the cache/);
});

const NOT_ROOT = process.getuid?.() !== 0 && 'only root can see a directory of somebody else as writable';

test("somebody else's directory is refused", { skip: NOT_ROOT }, () => {
  const other = join(folder, 'other');
  mkdirSync(other);
  chownSync(other, 65534, 65534);
  assert.throws(() => cacheDirectory({ PARTOUT_CACHE: other }), /belongs to someone else/);
});
