/**
 * `npm run build`: everything that runs comes out of this, in dist/.
 *
 *     stale compiled files removed → tsc -b → engine core generated → asc → whole programs → node_modules/.bin/partout
 *
 * The engine core is AssemblyScript: src/engine/core/generated/ is written by the compiled instruction tables, then
 * asc (by far the slowest step) makes dist/src/engine/core.wasm when any of its inputs changed. What starts as a
 * process or a thread while a user waits is also bundled, in dist/whole/ (whole-programs.ts).
 */

import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { runCachedStep } from './cached-step.ts';
import { ROOT, filesUnder } from './repository.ts';
import { removeStaleFiles } from './stale-files.ts';
import { buildWholePrograms } from './whole-programs.ts';

const CORE_SOURCE = 'src/engine/core/index.ts';
const CORE_CONFIGURATION = 'src/engine/core/asconfig.json';
const CORE_OUTPUT = 'dist/src/engine/core.wasm';
const GENERATOR = 'dist/src/engine/isa/generate.js';
const ASC = 'node_modules/assemblyscript/bin/asc.js';

/** Runs a Node program of the repository, its output going to ours. Ends the build with its status when it fails. */
function run(script: string, ...parameters: string[]): void {
  const { status } = spawnSync(process.execPath, [script, ...parameters], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`build: ${script} failed\n`);
    process.exit(status ?? 1);
  }
}

function buildEngineCore(): void {
  run(GENERATOR);
  const assemblyScript = readFileSync(join(ROOT, 'node_modules/assemblyscript/package.json'), 'utf8');
  const ran = runCachedStep(ROOT, {
    inputs: filesUnder(ROOT, 'src/engine/core').filter((file) => /\.(ts|json)$/.test(file)),
    key: (JSON.parse(assemblyScript) as { version: string }).version,
    outputs: [CORE_OUTPUT],
    stamp: `${CORE_OUTPUT}.inputs`,
    run: () => run(ASC, CORE_SOURCE, '--config', CORE_CONFIGURATION, '--outFile', CORE_OUTPUT),
  });
  if (ran) process.stderr.write(`build: ${CORE_OUTPUT} made anew\n`);
}

/** What lets `npx partout` find the command of this package itself: npm links only those of dependencies. */
function linkCommand(): void {
  const link = join(ROOT, 'node_modules/.bin/partout');
  mkdirSync(join(ROOT, 'node_modules/.bin'), { recursive: true });
  if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) rmSync(link);
  symlinkSync('../../bin/partout', link);
}

for (const file of removeStaleFiles(ROOT)) process.stderr.write(`build: removed ${file}, its source is gone\n`);
run('node_modules/typescript/bin/tsc', '-b');
if (existsSync(join(ROOT, CORE_SOURCE))) buildEngineCore();
await buildWholePrograms(ROOT);
linkCommand();
