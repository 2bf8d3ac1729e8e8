/**
 * The power goes at the N-th write, flush or change of size, for every N until the whole work gets through: afterwards
 * the image opens, every sector has what was flushed last or something newer, and the disk can be written on.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk } from './disk.ts';
import { CRASH_DISK_BYTES, CRASH_FORMATS, type CrashFormat } from './testing/crash-formats.ts';
import { CrashFile, generator, type Medium, Power, PowerLoss } from './testing/crash-file.ts';
import { DiskModel } from './testing/disk-model.ts';
import { skipWithoutQemu } from './testing/images.ts';
import { judgeWithQemu } from './testing/judge-medium.ts';

const STEPS = 60;
/** Every so many losses, qemu-img looks at what is left: it takes longer than all the rest. */
const CHECK_EVERY = 16;

/** Writes, discards, settles and flushes at random. */
function work(disk: Disk, model: DiskModel, seed: number): void {
  const next = generator(seed);
  const sectors = CRASH_DISK_BYTES / model.sectorBytes;
  const blockSectors = 0x10_0000 / model.sectorBytes;
  for (let step = 0; step < STEPS; step++) {
    const sector = next(sectors - 40);
    const kind = next(20);
    if (kind < 11) model.write(disk, sector, 1 + next(40));
    else if (kind < 13) model.discard(disk, sector, 1 + next(40));
    else if (kind < 15) model.discard(disk, next(sectors / blockSectors) * blockSectors, blockSectors);
    else if (kind < 17) disk.settleSync();
    else model.flush(disk);
  }
}

/** What is left after a loss at operation `count`, or undefined when the work got through. */
function lossAt(format: CrashFormat, count: number, seed: number): { medium: Medium; model: DiskModel } | undefined {
  const model = new DiskModel(CRASH_DISK_BYTES, format.sectorBytes);
  const power = new Power(count);
  const file = new CrashFile(format.make(), power, { sectorBytes: format.sectorBytes });
  try {
    const disk = format.open(file);
    work(disk, model, seed);
    disk.closeSync();
    assert.equal(model.problem(format.open(new CrashFile(file.survivors(() => 0), undefined, { readOnly: true }))),
      undefined);
    return undefined;
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error;
    return { medium: file.survivors(generator(seed * 7919 + count)), model };
  }
}

function examine(format: CrashFormat, medium: Medium, model: DiskModel, where: string): void {
  const reader = format.open(new CrashFile(medium, undefined, { readOnly: true }));
  assert.equal(model.problemAfterLoss(reader), undefined, `${where}, opened for reading`);
  const file = new CrashFile(medium);
  const disk = format.open(file);
  assert.equal(model.problemAfterLoss(disk), undefined, `${where}, opened for writing`);
  const later = new Uint8Array(CRASH_DISK_BYTES).fill(0x5a);
  disk.writeSync(later, 0, later.length, 0);
  disk.closeSync();
  const again = format.open(new CrashFile(file.survivors(() => 0), undefined, { readOnly: true }));
  const got = new Uint8Array(CRASH_DISK_BYTES);
  again.readSync(got, 0, got.length, 0);
  assert.ok(Buffer.compare(got, later) === 0, `${where}, written on`);
}

for (const format of CRASH_FORMATS) {
  for (const seed of format.name.startsWith('VHDX d') ? [1, 2] : [3]) {
    test(`${format.name} loses nothing that was flushed, whenever the power goes (seed ${seed})`, async () => {
      let count = 0;
      for (; ; count++) {
        const loss = lossAt(format, count, seed);
        if (loss === undefined) break;
        const where = `seed ${seed}, operation ${count}`;
        examine(format, loss.medium, loss.model, where);
        if (skipWithoutQemu === false && count % CHECK_EVERY === 0) await judgeWithQemu(format, loss.medium, where);
      }
      assert.ok(count >= STEPS / 2, 'the work has as many operations as that');
    });
  }
}

for (const format of CRASH_FORMATS.filter(({ name }) => name.startsWith('VHDX'))) {
  test(`${format.name} loses nothing when the power goes again while its log is replayed`, () => {
    let losses = 0;
    for (let count = 4; ; count += 5) {
      const loss = lossAt(format, count, 4);
      if (loss === undefined) break;
      for (let operation = 0; ; operation++) {
        const file = new CrashFile(loss.medium, new Power(operation), { sectorBytes: format.sectorBytes });
        let isThrough = true;
        try {
          format.open(file);
        } catch (error) {
          if (!(error instanceof PowerLoss)) throw error;
          isThrough = false;
          losses++;
        }
        const left = file.survivors(generator(count * 31 + operation));
        const reader = format.open(new CrashFile(left, undefined, { readOnly: true }));
        assert.equal(loss.model.problemAfterLoss(reader), undefined, `operation ${count}, then ${operation}`);
        if (isThrough) break;
      }
    }
    assert.ok(losses >= 10, `${losses} losses while a log was replayed`);
  });
}
