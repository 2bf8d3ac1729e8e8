/**
 * A guest that is up for an hour: `uptime.js MINUTES`. Its clock is compared with the host's every minute; at the end
 * its kernel log must hold no complaint.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Guest, guestImage } from '../guest.ts';

const BOOT_MS = 5 * 60_000;
const COMMAND_MS = 60_000;
const MAXIMUM_DRIFT_MS = 50;
/** Readings taken at a time, until one took no longer than SHARP_MS: on a busy host an answer may come late. */
const READINGS = 50;
const SHARP_MS = 25;
const COMPLAINTS = /WARN|unchecked MSR|lockup|watchdog: BUG|rcu: INFO|Oops|Call Trace|clocksource: .*unstable/i;

/** How far the guest's clock is ahead of the host's, in milliseconds. */
async function clockOffsetMs(guest: Guest): Promise<number> {
  let best = { uncertainty: Infinity, offset: NaN };
  for (let reading = 0; reading < READINGS && best.uncertainty > SHARP_MS; reading++) {
    const before = Date.now();
    guest.type('echo "time:"$EPOCHREALTIME:\n');
    const [, seconds] = await guest.expect(/time:(\d+\.\d+):/, COMMAND_MS);
    const after = Date.now();
    await guest.prompt(COMMAND_MS);
    const uncertainty = after - before;
    // The shell reads its clock just before it answers.
    if (uncertainty < best.uncertainty) best = { uncertainty, offset: Number(seconds) * 1000 - after };
  }
  return best.offset;
}

const minutes = Number(process.argv[2] ?? 60);
const image = guestImage('tiny');
await using guest = new Guest({ ...image, append: image.commandLine });
await guest.prompt(BOOT_MS);
const first = await clockOffsetMs(guest);
let worst = 0;
for (let minute = 1; minute <= minutes; minute++) {
  await sleep(60_000);
  const drift = Math.abs(await clockOffsetMs(guest) - first);
  worst = Math.max(worst, drift);
  if (minute % 5 === 0) process.stdout.write(`${minute} min: drift ${drift.toFixed(1)} ms\n`);
}
const { output: log } = await guest.run('dmesg', COMMAND_MS);
const complaints = log.split('\n').filter((line) => COMPLAINTS.test(line));
for (const line of complaints) process.stdout.write(`${line}\n`);
process.stdout.write(
  `figure: ${minutes} min up, at first ${first.toFixed(0)} ms from the host's clock, ` +
  `drift at most ${worst.toFixed(1)} ms, ${complaints.length} complaints\n`,
);
process.exitCode = worst <= MAXIMUM_DRIFT_MS && complaints.length === 0 ? 0 : 1;
