/**
 * Guests that attack, one seed after the other, for as long as it takes: `hostile.js MINUTES`. The host process neither
 * throws, hangs nor grows past its bound, and another machine, in a process of its own, gets at least half of its fair
 * share of the processors (the median of what it has beside each guest).
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Guest } from '../guest.ts';
import { attack, type AttackReport } from '../hostile/attack.ts';
import { TICKING } from '../hostile/ticking.ts';
import { multibootKernel } from '../multiboot-kernel.ts';

const EACH_MS = 5000;
const ALONE_MS = 2500;
/** Of the host process, with a guest of 64 MiB and two processors: what bench and proof of memory allow, twice. */
const BOUND_BYTES = 600 * 2 ** 20;
/** Busy threads while a guest attacks: its two processors, and the other machine's one. */
const BUSY = 3;
const FAIR_ENOUGH = 0.5;

/** How often the other machine ticks in a millisecond while something else happens. */
async function rate(during: () => Promise<unknown>): Promise<number> {
  const [started, ticks] = [performance.now(), other.console.length];
  await during();
  return (other.console.length - ticks) / (performance.now() - started);
}

const minutes = Number(process.argv[2] ?? 60);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const kernel = join(folder, 'ticking');
writeFileSync(kernel, multibootKernel(TICKING));

const other = new Guest({ kernel, append: '', words: ['--memory', '16M', '--nic', 'none'] });
const failures: string[] = [];
const shares: number[] = [];
let [passes, reboots, guests, most, crashes] = [0, 0, 0, 0, 0];
process.on('unhandledRejection', (error) => { failures.push(`nobody waited for: ${String(error)}`); });
try {
  await other.expect(/\+/, 60_000);
  // Alone it has one core; beside an attack, of three busy threads, what is fair on so many cores.
  const fair = Math.min(1, availableParallelism() / BUSY);
  const end = performance.now() + minutes * 60_000;
  for (let seed = 1; performance.now() < end && failures.length === 0; seed++) {
    // Measured anew each time: what else the host does changes.
    const alone = await rate(() => setTimeout(ALONE_MS));
    let report: AttackReport | undefined;
    const beside = await rate(async () => {
      report = await attack({ seeds: [seed], millisecondsEach: EACH_MS })
        .catch((error: unknown) => { failures.push((error as Error).message); return undefined; });
    });
    if (report === undefined) break;
    const share = beside / alone / fair;
    shares.push(share);
    [passes, reboots, guests] = [passes + report.passes, reboots + report.reboots, guests + 1];
    crashes += report.ends['crash'] ?? 0;
    most = Math.max(most, ...report.residentBytes);
    process.stdout.write(`seed ${seed}: ${JSON.stringify(report)}, the other has ${share.toFixed(2)} of its share\n`);
    if (most > BOUND_BYTES) failures.push(`the host grew to ${most} bytes with seed ${seed}`);
  }
} finally {
  await other[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
const share = shares.sort((one, two) => one - two)[Math.floor(shares.length / 2)] ?? 0;
if (share < FAIR_ENOUGH) failures.push(`the other machine had ${share.toFixed(2)} of its fair share`);
for (const failure of failures) process.stdout.write(`${failure}\n`);
process.stdout.write(`figure: ${guests} hostile guests in ${minutes} minutes, ${passes} passes, ${reboots} resets, ` +
  `${crashes} crashes; at most ${(most / 2 ** 20).toFixed(0)} MiB; another machine had ${share.toFixed(2)} of its ` +
  'fair share (median)\n');
process.exit(failures.length === 0 ? 0 : 1);
