/**
 * Boots the tiny image again and again, until user space has looked around and powers off:
 * `boots.js SUITE bzimage|pvh COUNT PROCESSORS`. Each time VMBus must have come up at version 5.3, every integration
 * service must have its driver, every processor must be there, and the kernel must not have complained.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extractVmlinux } from '../../src/chipset/loaders/vmlinux.ts';
import { ClassId } from '../../src/protocols/vmbus/class-ids.ts';
import { Guest, guestImage } from '../guest.ts';
import { complaintsOf } from './kernel-log.ts';

const BOOT_MS = 5 * 60_000;
const MARK = 'user space is here';
/**
 * What user space does: says which driver has which device, and what the kernel has logged. The kernel's own lines
 * stay off the console meanwhile: one in the middle of an answer makes it unreadable.
 */
const LOOK_AROUND =
  'dmesg -n 1; for d in /sys/bus/vmbus/devices/*; do echo device $(cat $d/class_id) $(readlink $d/driver); done; ' +
  `echo processors $(nproc); dmesg -r; echo ${MARK}`;
const SERVICES = [
  ClassId.Heartbeat, ClassId.Kvp, ClassId.Shutdown, ClassId.TimeSync, ClassId.Vss, ClassId.FileCopy,
];
/** From 6.10 on files are copied by a program, through a driver for such programs. */
const DRIVER = /\/(hv_utils|uio_hv_generic)$/;

const [suite = '', form = '', count = '', processors = '1'] = process.argv.slice(2);
const image = guestImage('tiny', suite);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const kernel = form === 'pvh' ? unpacked(image.kernel) : image.kernel;

/** The ELF file inside a bzImage, as a file. */
function unpacked(bzImage: string): string {
  const result = extractVmlinux(readFileSync(bzImage));
  if (result.kind !== 'extracted') throw new Error(`no ELF kernel in ${bzImage}: ${JSON.stringify(result)}`);
  const path = join(folder, 'vmlinux');
  writeFileSync(path, result.elf);
  return path;
}

/** Seconds, or what went wrong. */
async function bootOnce(): Promise<number | string> {
  const start = performance.now();
  await using guest = new Guest({
    kernel, initrd: image.initrd, append: `${image.commandLine} partout.run=${LOOK_AROUND}`,
    words: ['--timeout', String(BOOT_MS / 1000), '--cpus', processors],
  });
  const status = await guest.exited;
  if (status !== 0) return `status ${status}: ${guest.errors}\n${guest.console.slice(-2000)}`;
  if (!guest.console.includes(`${MARK}\r\n`)) return `no user space:\n${guest.console.slice(-2000)}`;
  const wrong = wrongIn(guest.console.replaceAll('\r', ''));
  return wrong.length > 0 ? wrong.join('\n') : (performance.now() - start) / 1000;
}

/** What is not as it should be, by what the console shows. */
function wrongIn(text: string): string[] {
  const wrong = complaintsOf(text);
  if (!text.includes('Vmbus version:5.3')) wrong.push('VMBus is not at version 5.3');
  if (!text.includes(`\nprocessors ${processors}\n`)) wrong.push(`not all of ${processors} processors are there`);
  for (const id of SERVICES) {
    const [, driver = ''] = new RegExp(`^device \\{${id}\\} ?(.*)$`, 'm').exec(text) ?? [];
    if (!DRIVER.test(driver)) wrong.push(`service ${id} has no driver of its own: ${driver}`);
  }
  return wrong;
}

const seconds: number[] = [];
try {
  for (let at = 1; at <= Number(count); at++) {
    const result = await bootOnce();
    process.stdout.write(`${at}: ${typeof result === 'number' ? `${result.toFixed(1)} s` : result}\n`);
    if (typeof result === 'number') seconds.push(result);
  }
} finally {
  rmSync(folder, { recursive: true });
}
const median = seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)] ?? NaN;
process.stdout.write(`figure: ${seconds.length} of ${count} boots, median ${median.toFixed(1)} s\n`);
process.exit(seconds.length === Number(count) ? 0 : 1);
