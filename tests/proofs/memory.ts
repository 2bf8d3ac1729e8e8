/** Memory beyond the guest's own: resident memory of all our processes less the guest's RAM in use. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Guest, guestImage } from '../guest.ts';
import { residentBytes } from './host-process.ts';

const BOOT_MS = 5 * 60_000;
const COMMAND_MS = 60_000;
const SETTLE_MS = 5000;
const MEMORY_MIB = 512;
const MIB = 2 ** 20;
/** The promise: 150 MB and a fiftieth of the guest's memory. */
const MAXIMUM_BYTES = 150e6 + MEMORY_MIB * MIB / 50;

const image = guestImage('tiny');
await using guest = new Guest({ ...image, append: image.commandLine, words: ['--memory', `${MEMORY_MIB}M`] });
await guest.prompt(BOOT_MS);
await sleep(SETTLE_MS);
const { output } = await guest.run('cat /proc/meminfo', COMMAND_MS);
const freeKib = Number(/^MemFree:\s+(\d+) kB$/m.exec(output)?.[1]);
const beyond = residentBytes(guest.process.pid ?? 0) - (MEMORY_MIB * MIB - freeKib * 1024);
process.stdout.write(`figure: ${(beyond / 1e6).toFixed(0)} MB beyond the guest's, ${
  (MAXIMUM_BYTES / 1e6).toFixed(0)} MB allowed for a guest of ${MEMORY_MIB} MiB\n`);
process.exitCode = beyond < MAXIMUM_BYTES ? 0 : 1;
