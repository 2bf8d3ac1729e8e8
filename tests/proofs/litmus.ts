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
process.stdout.write(`figure: ${passed} programs, ${rounds} rounds of each litmus program, ${failed.length} failed\n`);
process.exitCode = status === 0 && failed.length === 0 ? 0 : 1;
