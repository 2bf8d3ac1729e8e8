/**
 * Guests that attack, one seed after the other, for as long as it takes: `hostile.js MINUTES`. The host process neither
 * throws, hangs nor grows past its bound, and another machine, in a process of its own, gets at least half of its fair
 * share of the processors.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Guest } from '../guest.ts';
import { attack } from '../hostile/attack.ts';
import { TICKING } from '../hostile/ticking.ts';
import { multibootKernel } from '../multiboot-kernel.ts';

const EACH_MS = 5000;
const ALONE_MS = 10_000;
/** Of the host process, with a guest of 64 MiB and two processors: what bench and proof of memory allow, twice. */
const BOUND_BYTES = 600 * 2 ** 20;
/** Busy threads while a guest attacks: its two processors, and the other machine's one. */
const BUSY = 3;

const minutes = Number(process.argv[2] ?? 60);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const kernel = join(folder, 'ticking');
writeFileSync(kernel, multibootKernel(TICKING));

const other = new Guest({ kernel, append: '', words: ['--memory', '16M', '--nic', 'none'] });
const failures: string[] = [];
let [passes, reboots, guests, most, slowest, crashes] = [0, 0, 0, 0, 1, 0];
process.on('unhandledRejection', (error) => { failures.push(`nobody waited for: ${String(error)}`); });
try {
  await other.expect(/\+/, 60_000);
  const before = other.console.length;
  await setTimeout(ALONE_MS);
  const alone = (other.console.length - before) / ALONE_MS;
  const fair = Math.min(1, availableParallelism() / BUSY);
  const end = performance.now() + minutes * 60_000;
  for (let seed = 1; performance.now() < end && failures.length === 0; seed++) {
    const [started, ticks] = [performance.now(), other.console.length];
    const report = await attack({ seeds: [seed], millisecondsEach: EACH_MS })
      .catch((error: unknown) => { failures.push((error as Error).message); });
    if (report === undefined) break;
    const share = (other.console.length - ticks) / (performance.now() - started) / alone / fair;
    [passes, reboots, guests] = [passes + report.passes, reboots + report.reboots, guests + 1];
    crashes += report.ends['crash'] ?? 0;
    most = Math.max(most, ...report.residentBytes);
    slowest = Math.min(slowest, share);
    process.stdout.write(`seed ${seed}: ${JSON.stringify(report)}, the other has ${share.toFixed(2)} of its share\n`);
    if (most > BOUND_BYTES) failures.push(`the host grew to ${most} bytes with seed ${seed}`);
    if (share < 0.5) failures.push(`the other machine had ${share.toFixed(2)} of its fair share with seed ${seed}`);
  }
} finally {
  await other[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
for (const failure of failures) process.stdout.write(`${failure}\n`);
process.stdout.write(`figure: ${guests} hostile guests in ${minutes} minutes, ${passes} passes, ${reboots} resets, ` +
  `${crashes} crashes; at most ${(most / 2 ** 20).toFixed(0)} MiB; another machine had at least ` +
  `${slowest.toFixed(2)} of its fair share\n`);
process.exit(failures.length === 0 ? 0 : 1);
