/** The litmus programs and their neighbours, in as many rounds as asked for: `litmus.js ROUNDS`. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SUITES = ['litmus', 'locked', 'code'];

const rounds = process.argv[2] ?? '';
const files = SUITES.map((name) => fileURLToPath(new URL(`../litmus/${name}.test.js`, import.meta.url)));
const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', ...files], {
  encoding: 'utf8', env: { ...process.env, PARTOUT_LITMUS_ROUNDS: rounds }, stdio: ['ignore', 'pipe', 'inherit'],
  maxBuffer: 64 << 20,
});
const failed = stdout.split('\n').filter((line) => /^\s*not ok/.test(line));
for (const line of failed) process.stdout.write(`${line}\n`);
const passed = /^# pass (\d+)$/m.exec(stdout)?.[1] ?? '0';
// Without a barrier the programs must now and then do what x86 allows, or the rounds never met and show nothing.
const allowed = Number(/allowed reordering: (\d+)/.exec(stdout)?.[1] ?? 0);
process.stdout.write(
  `figure: ${passed} programs, ${rounds} rounds of each litmus program, ${failed.length} failed; ` +
  `the reordering that x86 allows was seen ${allowed} times\n`,
);
process.exitCode = status === 0 && failed.length === 0 && allowed > 0 ? 0 : 1;
