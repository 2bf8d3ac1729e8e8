/** A guest is put away at random moments of a boot and of its work, and goes on in a process of its own each time. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Host } from 'partout';
import { seededNumbers } from '../../src/chipset/testing/seeded-numbers.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { Traveller, travelWhileBooting } from '../traveller.ts';
import { DISK_BYTES, WORK_FILES, workWhileTravelling } from '../travelling-work.ts';

const PATIENCE_MS = 30 * 60_000;
const COMPLAINTS = /WARNING:|unchecked MSR|rcu: INFO|Oops|Call Trace|I\/O error|BUG:/;
const ROUNDS = 12;

const [runs = 4, times = 5, seed = 1] = process.argv.slice(2).map(Number);
const next = seededNumbers(seed);
const { kernel, initrd: plain, commandLine } = guestImage('tiny');
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
const initrd = join(folder, 'initrd');
const disk = join(folder, 'disk');
extendInitramfs(plain, WORK_FILES, initrd);
await using host = await Host.open();
let journeys = 0;
for (let run = 0; run < runs; run++) {
  writeFileSync(disk, Buffer.alloc(DISK_BYTES));
  await using traveller = await Traveller.start(host, {
    name: 'traveller', kernel, initrd, commandLine, memory: '256M', processors: 2, disks: [disk],
  }, folder);
  await travelWhileBooting(traveller, times, next, PATIENCE_MS);
  await traveller.expect(/\/ # /, PATIENCE_MS);
  await workWhileTravelling(traveller, { times, rounds: ROUNDS, next });
  const seconds = Number(await traveller.run('date +%s', PATIENCE_MS));
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 10, `the guest's clock says ${seconds}`);
  assert.doesNotMatch(await traveller.run('dmesg', PATIENCE_MS), COMPLAINTS);
  traveller.type('poweroff -f\n');
  assert.deepEqual(await traveller.vm.ended, { kind: 'off' });
  journeys += traveller.journeys;
}
rmSync(folder, { recursive: true });
assert.equal(journeys, 2 * runs * times);
process.stdout.write(`figure: ${runs * times} moments of a boot and ${runs * times} of its work, seed ${seed}\n`);
