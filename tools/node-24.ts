/**
 * `npm run test:24`: runs a program of the repository under Node 24, which the package registry offers as the package
 * `node`. It is installed into .cache/ and not among the dependencies, where npm scripts would pick it up.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT } from './repository.ts';

const PACKAGE = 'node@24.21.0';
const FOLDER = join(ROOT, '.cache', PACKAGE);
const BIN = join(FOLDER, 'node_modules/node/bin');

function finish(status: number | null): void {
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(join(BIN, 'node'))) {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, 'package.json'), '{ "private": true }\n');
  finish(spawnSync('npm', ['install', '--no-save', PACKAGE], { cwd: FOLDER, stdio: 'inherit' }).status);
}
// First on the path, so that bin/partout runs under it as well.
const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}` };
finish(spawnSync(join(BIN, 'node'), process.argv.slice(2), { cwd: ROOT, stdio: 'inherit', env }).status);
