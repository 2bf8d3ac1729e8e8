/** A guest that reboots in place again and again: `reboots.js COUNT`. */

import { Guest, guestImage } from '../guest.ts';

const BOOT_MS = 5 * 60_000;

const count = Number(process.argv[2] ?? 20);
const image = guestImage('tiny');
await using guest = new Guest({ ...image, append: image.commandLine });
await guest.prompt(BOOT_MS);
let done = 0;
for (; done < count; done++) {
  guest.type('reboot -f\n');
  await guest.expect(/Linux version/, BOOT_MS);
  await guest.prompt(BOOT_MS);
  process.stdout.write(`${done + 1}: up again\n`);
}
guest.type('poweroff -f\n');
const status = await guest.exited;
process.stdout.write(`figure: ${done} of ${count} reboots in place, then status ${status}\n`);
process.exitCode = status === 0 ? 0 : 1;
