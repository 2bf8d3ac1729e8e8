/**
 * A guest of two processors is put away at random moments of a boot and of its work, which compiles, sorts, writes and
 * reads its disk and talks through AF_VSOCK, and goes on in a process of its own each time: `save.js RUNS TIMES SEED`,
 * TIMES moments of both kinds in each run. Runs add up: who ends this loses the last one.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Host } from 'partout';
import { seededNumbers } from '../../src/chipset/testing/seeded-numbers.ts';
import { Progress } from '../../tools/prove/progress.ts';
import { guestImage } from '../guest.ts';
import { extendInitramfs } from '../initramfs.ts';
import { Traveller, travelWhileBooting } from '../traveller.ts';
import { COMPILING_FILES, DISK_BYTES, workWhileTravelling } from '../travelling-work.ts';
import { complaintsOf } from './kernel-log.ts';

const PATIENCE_MS = 30 * 60_000;
const ROUNDS = 12;
const CLOCK_SECONDS = 0.5;

/** The guest's clock shows the host's time. Time synchronisation may have to set it after the last journey. */
async function checkClock(traveller: Traveller): Promise<void> {
  for (let tries = 0; ; tries++) {
    const before = Date.now() / 1000;
    const seconds = Number(await traveller.run('date +%s.%N', PATIENCE_MS));
    if (seconds > before - CLOCK_SECONDS && seconds < Date.now() / 1000 + CLOCK_SECONDS) return;
    assert.ok(tries < 10, `the guest's clock says ${seconds}, asked at ${before}`);
    await setTimeout(1000);
  }
}

const [runs = 4, times = 5, seed = 1] = process.argv.slice(2).map(Number);
const progress = new Progress<{ runs: number }>('save');
const { kernel, initrd: plain, commandLine } = guestImage('debian-initramfs');
const folder = mkdtempSync(join(tmpdir(), 'partout-proof-'));
try {
  const [initrd, disk] = [join(folder, 'initrd'), join(folder, 'disk')];
  extendInitramfs(plain, COMPILING_FILES, initrd);
  await using host = await Host.open();
  for (let run = progress.load()?.runs ?? 0; run < runs; run++) {
    const next = seededNumbers(seed + run);
    writeFileSync(disk, Buffer.alloc(DISK_BYTES));
    await using traveller = await Traveller.start(host, {
      name: 'traveller', kernel, initrd, commandLine: `${commandLine} rdinit=/work-init`, memory: '1200M',
      processors: 2, disks: [disk],
    }, folder);
    await travelWhileBooting(traveller, times, next, PATIENCE_MS);
    await traveller.expect(/\/ # /, PATIENCE_MS);
    await workWhileTravelling(traveller, { times, rounds: ROUNDS, next });
    await checkClock(traveller);
    const complaints = complaintsOf(await traveller.run('dmesg -r', PATIENCE_MS));
    assert.deepEqual(complaints, []);
    traveller.type('echo o > /proc/sysrq-trigger\n');
    assert.deepEqual(await traveller.vm.ended, { kind: 'off' });
    assert.equal(traveller.journeys, 2 * times);
    progress.save({ runs: run + 1 });
    process.stdout.write(`run ${run + 1}: ${traveller.journeys} journeys\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.stdout.write(`figure: ${runs * times} moments of a boot and ${runs * times} of its work (compiler, AF_VSOCK, ` +
  `disk; 2 processors), seeds ${seed} to ${seed + runs - 1}\n`);
