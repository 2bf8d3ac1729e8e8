/** A program in one file does what it does in many; what cannot be put into one is refused. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { wholeProgram } from './whole-program.ts';

type Modules = Readonly<Record<string, string>>;

/** What the compiler would declare of it. */
function typesOf(text: string): string {
  return [...text.matchAll(/^export (?:async )?(?:function|class|const) (\w+)/gm)]
    .filter(([, name]) => name !== 'text').map(([, name]) => `export declare const ${name}: unknown;\n`).join('');
}

function whole(modules: Modules, output = 'out/program.js') {
  const read = (path: string): string => {
    const text = modules[path];
    if (text === undefined) throw new Error(`there is no ${path}`);
    return text;
  };
  const readMap = (path: string): string =>
    JSON.stringify({ version: 3, sources: [path.replace(/.*\/(.*)\.js/, '../../in/$1.ts')], mappings: 'AAAA' });
  return wholeProgram('in/main.js', output, { read, readTypes: (path) => typesOf(read(path)), readMap });
}

/** What the program leaves in `globalThis.said`. */
async function saidBy(modules: Modules): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'partout-whole-'));
  try {
    mkdirSync(join(folder, 'out'));
    const file = join(folder, 'out/program.mjs');
    writeFileSync(file, whole(modules).text);
    await import(pathToFileURL(file).href);
    const { said } = globalThis as { said?: unknown };
    return typeof said === 'string' ? said.replaceAll(pathToFileURL(folder).href, 'here:') : said;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const SAY = 'globalThis.said = ';

test('names are imported plainly, by another name, as a whole, and handed on', async () => {
  assert.deepEqual(await saidBy({
    'in/main.js': "import {\n  one, two as zwei,\n} from './deep/numbers.js';\nimport { basename } from 'node:path';\n"
      + `import path from 'node:path';\nimport * as all from './deep/numbers.js';\nimport { drei } from './again.js';\n`
      + `${SAY}[one, zwei(), basename('/a/b'), path.sep, Object.keys(all), new drei().value];\n`,
    'in/again.js': "export { Three as drei } from './deep/numbers.js';\nexport {};\n",
    'in/deep/numbers.js': 'export const one = 1;\nexport function two() { return 2; }\n'
      + 'export class Three { value = 3; }\n',
  }), [1, 2, 'b', '/', ['one', 'two', 'Three'], 3]);
});

test('a module is evaluated once, and one that is imported dynamically when it is asked for', async () => {
  const note = (name: string): string => `(globalThis.order ??= []).push('${name}');\n`;
  assert.deepEqual(await saidBy({
    'in/main.js': `import './a.js';\n${note('main')}await import('./late.js');\n`
      + `const { b } = await import('./late.js');\n${SAY}[...globalThis.order, b];\n`,
    'in/a.js': `import './b.js';\n${note('a')}`,
    'in/b.js': note('b'),
    'in/late.js': `import './a.js';\n${note('late')}export const b = 5;\n`,
  }), ['b', 'a', 'main', 'late', 5]);
});

test('a module finds the files beside it where it was', async () => {
  assert.equal(await saidBy({
    'in/main.js': "import { where } from './deep/er.js';\nglobalThis.said = where;\n",
    'in/deep/er.js': "export const where = new URL('../data.bin', import.meta.url).href;\n",
  }), 'here:/in/data.bin');
});

test('what stands in a template is text', async () => {
  assert.equal(await saidBy({
    'in/main.js': "import { made } from './made.js';\nglobalThis.said = made;\n",
    'in/made.js': 'export const made = `\nexport const text = 1;\n`;\n',
  }), '\nexport const text = 1;\n');
});

test('lines are told to belong to the modules that they come from', () => {
  const { text, map } = whole({ 'in/main.js': "import './a.js';\nmain();\n", 'in/a.js': 'first();\nsecond();\n' });
  const { sections } = JSON.parse(map) as
    { sections: { offset: { line: number }; map: { sources: string[] } }[] };
  const lines = text.split('\n');
  const found = sections.map(({ offset, map: { sources } }) => [lines[offset.line + 1], sources[0]]);
  assert.deepEqual(found, [['second();', '../../in/a.ts'], ['main();', '../../in/main.ts']]);
});

for (const [what, modules, reason] of [
  ['modules that import each other', { 'in/main.js': "import './a.js';\n", 'in/a.js': "import './main.js';\n" },
    /import each other: in\/main.js → in\/a.js → in\/main.js/],
  ['a default export', { 'in/main.js': "import './a.js';\n", 'in/a.js': 'export default 1;\n' }, /export default 1/],
  ['an export that may change', { 'in/main.js': "import './a.js';\n", 'in/a.js': 'export let a = 1;\n' }, /export let/],
  ['a name that is not exported', { 'in/main.js': "import { a } from './a.js';\n", 'in/a.js': 'const a = 1;\n' },
    /in\/main.js misses a of in\/a.js/],
] as const) {
  test(`${what}: refused`, () => {
    assert.throws(() => whole(modules), reason);
  });
}
