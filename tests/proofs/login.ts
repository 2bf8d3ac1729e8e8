/** A Debian user space, as a large initramfs, boots to a login, takes one, and powers off with status 0. */

import { Guest, guestImage } from '../guest.ts';

const BOOT_MS = 30 * 60_000;
const COMMAND_MS = 5 * 60_000;

const image = guestImage('debian-initramfs');
const start = performance.now();
await using guest = new Guest({ ...image, append: image.commandLine, words: ['--memory', '2G'] });
await guest.expect(/login: /, BOOT_MS);
const seconds = (performance.now() - start) / 1000;
guest.type('root\n');
await guest.prompt(COMMAND_MS);
const { output, status: ran } = await guest.run('cat /etc/debian_version', COMMAND_MS);
guest.type('poweroff -f\n');
const status = await guest.exited;
process.stdout.write(`figure: login after ${seconds.toFixed(0)} s, Debian ${output.trim()}, then status ${status}\n`);
process.exitCode = status === 0 && ran === 0 ? 0 : 1;
