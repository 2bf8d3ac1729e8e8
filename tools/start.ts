/**
 * `npm start`: from a fresh clone to a shell. The build has run by now; this makes the tiny image if it is not there
 * and boots it with the terminal's console.
 */

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './repository.ts';

const PARTOUT = join(ROOT, 'bin/partout');
/** Ctrl-] leaves: the wish of whoever sits there, and no failure of ours. */
const LEFT = 130;

/** Asks partout for an image; the status says whether there is one. */
function imageBy(verb: 'show' | 'build', errors: 'ignore' | 'inherit'): { status: number | null; stdout: string } {
  return spawnSync(PARTOUT, ['image', verb, 'tiny', '--json'], { stdio: ['ignore', 'pipe', errors], encoding: 'utf8' });
}

// One that is there is good enough, and needs no network.
let answer = imageBy('show', 'ignore');
if (answer.status !== 0) answer = imageBy('build', 'inherit');
if (answer.status !== 0) process.exit(answer.status ?? 1);
const image = JSON.parse(answer.stdout) as { kernel: string; initrd: string; commandLine: string };

process.stderr.write(
  "partout: starting Debian's kernel; a shell follows. Ctrl-] leaves at any time, poweroff ends the guest.\n",
);
const guest = spawn(PARTOUT, [
  'boot', '--kernel', image.kernel, '--initrd', image.initrd, '--append', image.commandLine, ...process.argv.slice(2),
], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => guest.kill(signal));
guest.on('exit', (status) => process.exit(status === LEFT ? 0 : status ?? 1));
