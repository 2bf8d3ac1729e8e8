/** What starts while a user waits is of few files, and its stacks name our sources. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './repository.ts';

const FOLDER = join(ROOT, 'dist/whole');

/** Files that Node reads before the program begins. */
function readAtStart(name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = readFileSync(join(FOLDER, name), 'utf8');
  for (const [, other = ''] of text.matchAll(/^(?:import|\} from).*?"\.\/([^"]+)";$/gm)) readAtStart(other, seen);
  return seen;
}

function sourcesOf(name: string): string[] {
  const { sources } = JSON.parse(readFileSync(join(FOLDER, `${name}.map`), 'utf8')) as { sources: string[] };
  return sources;
}

test('every source that a map names exists', () => {
  const programs = readdirSync(FOLDER).filter((name) => name.endsWith('.js'));
  const sources = programs.flatMap(sourcesOf);
  assert.ok(sources.includes('../../src/engine/wasm-engine.ts'), 'the maps lead back to what was compiled');
  assert.deepEqual(sources.filter((source) => !existsSync(join(FOLDER, source))), []);
});

test('the command begins without the machine, which it imports when a guest is to boot', () => {
  const [source, files] = ['../../src/machine/machine.ts', [...readAtStart('main.js')]];
  assert.ok(files.length > 1);
  assert.ok(!files.flatMap(sourcesOf).includes(source));
  assert.ok(readdirSync(FOLDER).some((name) => name.endsWith('.js') && sourcesOf(name).includes(source)));
});

test('a thread of a processor is one file', () => {
  assert.equal(readAtStart('processor-worker.js').size, 1);
});
