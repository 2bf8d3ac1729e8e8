/**
 * Boots the tiny image again and again, until user space runs a command and powers off:
 * `boots.js SUITE bzimage|pvh COUNT`.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extractVmlinux } from '../../src/chipset/loaders/vmlinux.ts';
import { Guest, guestImage } from '../guest.ts';

const BOOT_MS = 5 * 60_000;
const MARK = 'user space is here';

const [suite = '', form = '', count = ''] = process.argv.slice(2);
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
    kernel, initrd: image.initrd, append: `${image.commandLine} partout.run=echo ${MARK}`,
    words: ['--timeout', String(BOOT_MS / 1000)],
  });
  const status = await guest.exited;
  if (status !== 0) return `status ${status}: ${guest.errors}\n${guest.console.slice(-2000)}`;
  if (!guest.console.includes(`${MARK}\r\n`)) return `no user space:\n${guest.console.slice(-2000)}`;
  return (performance.now() - start) / 1000;
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
