/** A Debian user space under proof, in this process, with packages and a plain shell. */

import type { DiskDescription } from '../../src/machine/description.ts';
import { guestImage } from '../guest.ts';
import { MachineGuest } from '../machine-guest.ts';

const BOOT_MS = 30 * 60_000;
const COMMAND_MS = 5 * 60_000;
const MEMORY_BYTES = 2 ** 31;

/** Boots one and logs in. */
export async function debianGuest(
  packages: readonly string[], disks: readonly DiskDescription[] = [],
): Promise<MachineGuest> {
  const image = guestImage('debian-initramfs', undefined, packages);
  const guest = await MachineGuest.start({ ...image, memoryBytes: MEMORY_BYTES, disks, nics: [{ network: 'nat' }] });
  await guest.expect(/login: /, BOOT_MS);
  guest.type('root\n');
  await guest.expect(/# /, COMMAND_MS);
  // A shell without colours and line editing. Its first prompt is the one in the echo of this line.
  guest.type("exec env PS1='/ # ' sh\n");
  await guest.prompt(COMMAND_MS);
  await guest.prompt(COMMAND_MS);
  await guest.run('dmesg -n 1', COMMAND_MS);
  return guest;
}
