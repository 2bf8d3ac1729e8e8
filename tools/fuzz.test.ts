/** The fuzz runner: finds the seed of what breaks, and sees when nothing comes back. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runTarget } from './fuzz-run.ts';
import { targetsOf } from './fuzz-target.ts';
import { ROOT } from './repository.ts';

const folder = mkdtempSync(join(tmpdir(), 'partout-fuzz-'));
after(() => rmSync(folder, { recursive: true }));

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

for (const [what, run, ends] of [
  ['that throws', "throw new Error('no such input')", /no such input/],
  ['that waits for ever', 'await new Promise(() => {})', /it waits for what never comes/],
  ['that withstands', '', undefined],
] as const) {
  test(`a target ${what}`, async () => {
    const module = join(folder, `${run.length}.mjs`);
    writeFileSync(module, `export const target = { name: 'dull', async run() { ${run} } };\n`);
    const target = { name: 'dull', module: pathToFileURL(module).href };
    const result = await runTarget({ ...target, seed: 5, processorSeconds: 0.3 });
    if (ends === undefined) {
      assert.equal(result.failure, undefined);
      assert.ok(result.iterations >= 200 && result.seed === 5 + result.iterations / 200, `${result.iterations}`);
    } else {
      assert.match(result.failure ?? '', ends);
      assert.equal(result.seed, 5);
    }
  });
}
