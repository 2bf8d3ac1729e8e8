/** Tidy finds what it is there to find, and finds nothing in this repository; the linter neither. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { ROOT } from './repository.ts';
import { problemsOf, repositoryProblems } from './tidy.ts';
import { dependencyProblems } from './tidy/dependencies.ts';
import { sourceText } from './tidy/rule.ts';

const GOOD = '/** What this is. [TLFS 2.4] */\n\nexport const x = 1;\n';
const HOSTS = ['packages.example.net'];

function messages(path: string, text: string): string[] {
  return problemsOf([sourceText(path, text)], HOSTS).map(({ line, message }) => `${line}: ${message}`);
}

/** Text put together here, as this file is read by the rules as well. */
const BAD: readonly (readonly [what: string, path: string, text: string, expected: RegExp])[] = [
  ['a long line', 'src/kit/x.ts', `${GOOD}// ${'x'.repeat(120)}\n`, /^4: 123 columns, 120 fit$/],
  ['a long file', 'src/kit/x.ts', GOOD + '\n'.repeat(400), /^1: 403 lines/],
  ['a file without an opening comment', 'src/kit/x.ts', 'export const x = 1;\n', /^1: does not open with a comment/],
  ['a name in camel case', 'src/kit/ringBuffer.ts', GOOD, /^1: file names are kebab-case$/],
  ['something left over', 'src/kit/x.ts', `${GOOD}// ${'TO'}${'DO'} later\n`, /^4: marked as left over/],
  ['a focused test', 'src/kit/x.test.ts', `${GOOD}test.${'only'}('x', () => {});\n`, /^4: runs one test/],
  ['a layout without a source', 'src/protocols/x.ts', '/** What. */\n', /^1: cites no specification/],
  ['a registry host', 'docs/x.md', 'from packages.example.net\n', /^1: names the registry host/],
  ['a path of one machine', 'docs/x.md', `see ${'/wo'}${'rk/main/x'}\n`, /^1: names a path of one machine$/],
  ['a word about its making', 'docs/x.md', `see issue${' '}12\n`, /^1: speaks of how it was made/],
  [
    'an import upwards', 'src/kit/x.ts', `${GOOD}import { y } from '../machine/y.ts';\n`,
    /^4: src\/kit may import wire, not machine$/,
  ],
  [
    'a test that imports upwards', 'src/wire/x.test.ts', `${GOOD}import '../kit/y.ts';\n`,
    /^4: src\/wire may import nothing, not kit$/,
  ],
  [
    'an import that reaches through', 'src/vsp/disk/x.ts', `${GOOD}const y = await import('../../hypervisor/y.ts');\n`,
    /not hypervisor$/,
  ],
  [
    'a re-export upwards', 'src/wire/x.ts', `${GOOD}export {\n  y,\n} from '../kit/y.ts';\n`,
    /^4: src\/wire may import nothing/,
  ],
  [
    'an import out of src', 'src/kit/x.ts', `${GOOD}import { y } from '../../tools/y.ts';\n`,
    /^4: src\/kit reaches outside src/,
  ],
  ['a layer without a row', 'src/news/x.ts', `${GOOD}import { y } from '../kit/y.ts';\n`, /^4: src\/news has no row/],
  [
    'Node in a pure layer', 'src/wire/x.ts', `${GOOD}import { readFileSync } from 'node:fs';\n`,
    /^4: src\/wire runs anywhere/,
  ],
  [
    'a test library in the product', 'src/kit/x.ts', `${GOOD}import fc from 'fast-check';\n`,
    /^4: fast-check is for tests$/,
  ],
];

for (const [what, path, text, expected] of BAD) {
  test(`${what} is found`, () => {
    const found = messages(path, text);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', expected);
  });
}

test('a good file has no problems', () => {
  assert.deepEqual(messages('src/protocols/tlfs/x.ts', `${GOOD}import { struct } from '../../wire/struct.ts';\n`), []);
});

test('a dependency is exact and has a line', () => {
  const manifest = JSON.stringify({ dependencies: { here: '1.2.3', loose: '^1.0.0' } });
  const found = dependencyProblems(manifest, '| `here` | … |\n').map(({ message }) => message);
  assert.deepEqual(found, ['loose is not pinned: ^1.0.0', 'loose has no line']);
});

test('this repository is tidy', () => {
  const found = repositoryProblems(ROOT).map(({ path, line, message }) => `${path}:${line}: ${message}`);
  assert.deepEqual(found, []);
});

test('the linter has nothing to say about this repository', () => {
  const { status, stdout } = spawnSync(process.execPath, ['node_modules/oxlint/bin/oxlint', '--deny-warnings'], {
    cwd: ROOT, encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
});
