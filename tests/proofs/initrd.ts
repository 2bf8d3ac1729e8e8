/**
 * Debian's own initrd, made by its initramfs-tools in a guest of ours, with the distribution's kernel and the system on
 * a disk: it boots to systemd's login, nothing has failed, the file system is clean afterwards: `initrd.js SUITE`.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createChild } from '../../src/storage/create-disk.ts';
import { Guest, guestImage } from '../guest.ts';
import { judgeDisk } from '../installed-disk.ts';

const BOOT_MS = 30 * 60_000;
const COMMAND_MS = 10 * 60_000;

const [suite = ''] = process.argv.slice(2);
const { kernel, initrd, commandLine: append, disk } = guestImage('debian', suite);
assert.ok(disk !== undefined);
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const child = join(folder, 'child.vhdx');
  createChild(child, disk);
  const start = performance.now();
  let seconds: number;
  {
    await using guest = new Guest({ kernel, initrd, append, words: ['--memory', '1G', '--disk', child] });
    await guest.expect(/Begin: Running \/scripts\/init-bottom/, BOOT_MS);
    await guest.expect(/login: /, BOOT_MS);
    seconds = (performance.now() - start) / 1000;
    guest.type('root\n');
    await guest.prompt(COMMAND_MS);
    await guest.run('dmesg -n 1', COMMAND_MS);
    const look = 'systemctl is-system-running --wait; systemctl --failed --no-legend';
    const { output } = await guest.run(look, COMMAND_MS);
    assert.equal(output.trim(), 'running');
    guest.type('poweroff\n');
    assert.equal(await guest.exited, 0, guest.errors);
  }
  const judged = await judgeDisk(child, folder);
  process.stdout.write(`figure: login after ${seconds.toFixed(0)} s, nothing failed, ${judged}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
