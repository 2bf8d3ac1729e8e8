/**
 * `npm run bench [NAME [OPTIONS]]`: runs one file of bench/, or all of them one after the other. Each answers one
 * question, prints what it measured beside its peer, and says in its opening comment how to read it.
 */

import { spawnSync } from 'node:child_process';
import { ROOT, filesUnder } from './repository.ts';

const names = filesUnder(ROOT, 'bench').flatMap((file) => /^bench\/([^/.]+)\.ts$/.exec(file)?.[1] ?? []);
const [chosen, ...options] = process.argv.slice(2);
if (chosen !== undefined && !names.includes(chosen)) {
  process.stderr.write(`bench: there is no ${chosen}: there are ${names.join(', ') || 'none'}\n`);
  process.exit(2);
}
for (const name of chosen === undefined ? names : [chosen]) {
  process.stderr.write(`bench: ${name}\n`);
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', `dist/bench/${name}.js`, ...options], {
    cwd: ROOT, stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = status ?? 1;
}
