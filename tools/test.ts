/**
 * `npm test [-- WORD…]`: node's own test runner over the compiled test files, or over those whose path contains a word.
 * Node 20 takes no pattern on its command line, hence the list. Each file runs in a process of its own, two at a time,
 * and fails when it is not done by the deadline.
 */

import { spawnSync } from 'node:child_process';
import { ROOT } from './repository.ts';
import { testFiles } from './test-files.ts';

const DEADLINE_MS = 10 * 60_000;
const AT_A_TIME = 2;

const files = testFiles(ROOT, process.argv.slice(2));
if (files.length === 0) {
  process.stderr.write(`test: no test file's path contains ${process.argv.slice(2).join(' or ')}\n`);
  process.exit(2);
}
// TAP where nobody watches: its last lines are the totals, also when something failed.
const reporter = process.stdout.isTTY ? 'spec' : 'tap';
const { status } = spawnSync(process.execPath, [
  '--enable-source-maps', '--test', `--test-reporter=${reporter}`, `--test-timeout=${DEADLINE_MS}`,
  `--test-concurrency=${AT_A_TIME}`, ...files,
], { cwd: ROOT, stdio: 'inherit' });
process.exit(status ?? 1);
