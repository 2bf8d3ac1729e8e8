/** Compiled files without a source are removed, everything else stays; a cached step runs when it has to. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runCachedStep } from './cached-step.ts';
import { removeStaleFiles } from './stale-files.ts';
import { testFiles } from './test-files.ts';

function inFolder(files: Readonly<Record<string, string>>, check: (root: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'partout-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    check(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('a compiled file goes with its source', () => {
  const compiled = ['.js', '.js.map', '.d.ts'];
  const files = Object.fromEntries([
    ...compiled.map((ending) => [`dist/src/kit/kept${ending}`, '']),
    ...compiled.map((ending) => [`dist/src/kit/gone.test${ending}`, '']),
    ['src/kit/kept.ts', ''], ['dist/src/engine/core.wasm', ''], ['dist/src/kit/tsconfig.tsbuildinfo', ''],
  ]);
  inFolder(files, (root) => {
    assert.deepEqual(removeStaleFiles(root), [
      'dist/src/kit/gone.test.d.ts', 'dist/src/kit/gone.test.js', 'dist/src/kit/gone.test.js.map',
    ]);
    for (const path of Object.keys(files)) assert.equal(existsSync(join(root, path)), !path.includes('gone'), path);
    assert.deepEqual(removeStaleFiles(root), []);
  });
});

test('only tests that have a source run', () => {
  const files = { 'src/kit/a.test.ts': '', 'dist/src/kit/b.test.js': '', 'tests/c.test.ts': '', 'src/kit/a.ts': '' };
  inFolder(files, (root) => {
    assert.deepEqual(testFiles(root, []), ['dist/src/kit/a.test.js', 'dist/tests/c.test.js']);
    assert.deepEqual(testFiles(root, ['tests/']), ['dist/tests/c.test.js']);
  });
});

test('a cached step runs again for a changed input, key or a missing output, and after a failure', () => {
  inFolder({ 'in.txt': 'one' }, (root) => {
    let runs = 0;
    const step = { inputs: ['in.txt'], key: '1', outputs: ['out.txt'], stamp: 'stamp', run: () => {
      runs++;
      writeFileSync(join(root, 'out.txt'), '');
    } };
    const ran = (changed: Partial<typeof step> = {}): boolean => runCachedStep(root, { ...step, ...changed });
    assert.equal(ran(), true);
    assert.equal(ran(), false);
    writeFileSync(join(root, 'in.txt'), 'two');
    assert.equal(ran(), true);
    assert.equal(ran({ key: '2' }), true);
    rmSync(join(root, 'out.txt'));
    assert.equal(ran({ key: '2' }), true);
    assert.throws(() => ran({ key: '3', run: () => { throw new Error('failed'); } }), /failed/);
    assert.equal(ran({ key: '2' }), true);
    assert.equal(runs, 5);
  });
});
