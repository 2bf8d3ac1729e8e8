/** The test suite under Node 24, as a proof. */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const child = spawn(process.execPath, ['dist/tools/node-24.js', 'dist/tools/test.js'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const totals: Record<string, string> = {};
createInterface({ input: child.stdout }).on('line', (line) => {
  if (line.startsWith('not ok')) process.stdout.write(`${line}\n`);
  const [, name, value] = /^# (tests|pass|fail|skipped) (\d+)$/.exec(line) ?? [];
  if (name !== undefined && value !== undefined) totals[name] = value;
});
const status = await new Promise<number | null>((resolve) => { child.on('close', resolve); });
process.stdout.write(`figure: ${totals['pass']} of ${totals['tests']} tests pass, ${totals['skipped']} skipped\n`);
process.exit(status ?? 1);
