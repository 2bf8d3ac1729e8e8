/**
 * What a guest costs that does nothing: processor time of all our threads over a minute, as a part of one core.
 * `idle.js PROCESSORS`.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Guest, guestImage } from '../guest.ts';
import { processorSeconds } from './host-process.ts';

const BOOT_MS = 5 * 60_000;
const SETTLE_MS = 20_000;
const WINDOW_S = 60;
const MAXIMUM_PERCENT = 2;

const image = guestImage('tiny');
await using guest = new Guest({ ...image, append: image.commandLine, words: ['--cpus', process.argv[2] ?? '1'] });
await guest.prompt(BOOT_MS);
await sleep(SETTLE_MS);
const pid = guest.process.pid ?? 0;
const before = processorSeconds(pid);
await sleep(WINDOW_S * 1000);
const percent = (processorSeconds(pid) - before) / WINDOW_S * 100;
process.stdout.write(`figure: ${percent.toFixed(2)} % of one core over ${WINDOW_S} s\n`);
process.exitCode = percent < MAXIMUM_PERCENT ? 0 : 1;
