/**
 * The power goes in the middle of what changes the structure of an image: growing, cutting, compacting, merging, and a
 * log that goes round. Afterwards the disk opens, is as it was or as it was going to be, and the work can be done
 * again.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '../protocols/vhdx.ts';
import { compact } from './compact.ts';
import { pattern } from './contract.ts';
import type { Disk } from './disk.ts';
import { mergeInto } from './merge.ts';
import {
  CRASH_DISK_BYTES, CRASH_FORMATS, openVhdDisk, openVhdxDisk, type CrashFormat,
} from './testing/crash-formats.ts';
import { CrashFile, generator, type Medium, Power, PowerLoss } from './testing/crash-file.ts';
import { DiskModel } from './testing/disk-model.ts';
import { skipWithoutQemu } from './testing/images.ts';
import { judgeWithQemu } from './testing/judge-medium.ts';
import { VhdDisk } from './vhd/vhd-disk.ts';
import { LocatorKey } from './vhdx/parent-locator.ts';
import { openVhdx } from './vhdx/open-vhdx.ts';
import { VhdxDisk } from './vhdx/vhdx-disk.ts';

const format = (name: string): CrashFormat => CRASH_FORMATS.find((some) => some.name === name) as CrashFormat;
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function contentOf(disk: Disk): Uint8Array {
  const bytes = new Uint8Array(disk.geometry.sizeBytes);
  disk.readSync(bytes, 0, bytes.length, 0);
  return bytes;
}

/** A closed image that something was done to. */
function prepared({ make, open }: CrashFormat, act: (disk: Disk) => void): Medium {
  const file = new CrashFile(make());
  const disk = open(file);
  act(disk);
  disk.closeSync();
  return file.survivors(() => 1);
}

/** Takes the power at each operation in turn; returns how many there were. */
async function atEachLoss(
  some: CrashFormat, medium: Medium, act: (file: CrashFile) => void | Promise<void>,
  examine: (left: Medium, where: string) => void,
): Promise<number> {
  const judge = async (left: Medium, where: string): Promise<void> => {
    examine(left, where);
    if (skipWithoutQemu === false) await judgeWithQemu(some, left, where);
  };
  for (let count = 0; ; count++) {
    const file = new CrashFile(medium, new Power(count));
    try {
      await act(file);
      await judge(file.survivors(() => 0), 'got through');
      return count;
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error;
    }
    for (let seed = 0; seed < 3; seed++) {
      const [left, where] = [file.survivors(generator(count * 3 + seed)), `operation ${count}, seed ${seed}`];
      // QEMU takes longer than all the rest.
      if (seed === count % 3) await judge(left, where);
      else examine(left, where);
    }
  }
}

for (const name of [
  'raw', 'VHD fixed', 'VHD dynamic', 'VHD differencing', 'VHDX fixed', 'VHDX dynamic', 'VHDX differencing',
]) {
  test(`growing a ${name} disk leaves it as it was or larger, with what it held`, async () => {
    const { open, ...rest } = format(name);
    const bytes = pattern(3 * MIB, 1);
    const medium = prepared({ open, ...rest }, (disk) => disk.writeSync(bytes, 0, bytes.length, MIB - 512));
    // A BAT of 1 MiB stands for 128 GiB in such blocks: a VHDX has to move it. 512 entries of a VHD take 512 MiB.
    const size = name === 'VHDX dynamic' ? 200 * 1024 * MIB : name === 'VHD dynamic' ? 600 * MIB : 9 * MIB;
    const operations = await atEachLoss(format(name), medium, (file) => {
      const disk = open(file);
      disk.resizeSync(size);
      disk.closeSync();
    }, (left, where) => {
      const disk = open(new CrashFile(left, undefined, { readOnly: true }));
      assert.ok([CRASH_DISK_BYTES, size].includes(disk.geometry.sizeBytes), `${where}: ${disk.geometry.sizeBytes}`);
      const got = new Uint8Array(3 * MIB);
      disk.readSync(got, 0, got.length, MIB - 512);
      assert.ok(isSame(got, bytes), where);
      const again = open(new CrashFile(left));
      again.resizeSync(size);
      again.writeSync(bytes, 0, 4096, size - 4096);
      again.closeSync();
    });
    assert.ok(operations >= 2);
  });
}

for (const name of ['raw', 'VHD fixed', 'VHD dynamic', 'VHDX fixed', 'VHDX dynamic']) {
  test(`cutting a ${name} disk leaves what is in front of the cut`, async () => {
    const { open, ...rest } = format(name);
    const bytes = pattern(4 * MIB, 1);
    const medium = prepared({ open, ...rest }, (disk) => disk.writeSync(bytes, 0, bytes.length, 0));
    await atEachLoss(format(name), medium, (file) => {
      const disk = open(file);
      disk.resizeSync(MIB + 512);
      disk.closeSync();
    }, (left, where) => {
      const got = contentOf(open(new CrashFile(left, undefined, { readOnly: true })));
      assert.ok([CRASH_DISK_BYTES, MIB + 512].includes(got.length), where);
      assert.ok(isSame(got.subarray(0, MIB + 512), bytes.subarray(0, MIB + 512)), where);
    });
  });
}

for (const name of ['VHD dynamic', 'VHDX dynamic', 'VHDX dynamic 4K', 'VHDX differencing']) {
  test(`compacting a ${name} disk changes nothing of what it holds`, async () => {
    const { open, ...rest } = format(name);
    const medium = prepared({ open, ...rest }, (disk) => {
      disk.writeSync(pattern(4 * MIB, 1), 0, 4 * MIB, 0);
      disk.writeSync(new Uint8Array(MIB), 0, MIB, MIB);
      disk.flushSync();
      if (name === 'VHDX differencing') disk.discardSync(0, MIB);
    });
    const expected = contentOf(open(new CrashFile(medium, undefined, { readOnly: true })));
    const sizes: number[] = [];
    await atEachLoss(format(name), medium, async (file) => {
      const disk = open(file) as VhdDisk | VhdxDisk;
      await compact(disk, {});
      disk.closeSync();
      sizes.push(file.sizeBytes);
    }, (left, where) => {
      assert.ok(isSame(contentOf(open(new CrashFile(left, undefined, { readOnly: true }))), expected), where);
      const again = open(new CrashFile(left));
      again.writeSync(pattern(4096, 2), 0, 4096, 0);
      again.closeSync();
    });
    assert.ok((sizes[0] as number) <= medium.sizeBytes - MIB);
  });
}

/** A child that hides all kinds of things, its parent, and what both are together. */
function family(parentFormat: CrashFormat,
  childFormat: CrashFormat): { parent: Medium; child: Medium; expected: Uint8Array } {
  const parent = prepared(parentFormat, (disk) => disk.writeSync(pattern(3 * MIB, 1), 0, 3 * MIB, 0));
  const child = prepared(childFormat, (disk) => {
    disk.writeSync(pattern(2 * MIB, 2), 0, 2 * MIB, MIB + 512);
    disk.writeSync(pattern(512, 3), 0, 512, 1024);
  });
  const expected = new Uint8Array(CRASH_DISK_BYTES);
  expected.set(pattern(3 * MIB, 1), 0);
  expected.set(pattern(2 * MIB, 2), MIB + 512);
  expected.set(pattern(512, 3), 1024);
  return { parent, child, expected };
}

/** The layer alone, as merging opens it. */
function openLayer(name: string, file: CrashFile): VhdDisk | VhdxDisk {
  return name === 'VHDX' ? openVhdxDisk(file) : openVhdDisk(file) as VhdDisk;
}

/** The child over the parent, if they still belong together. */
function together(name: string, childFile: CrashFile, parent: Disk): Disk {
  const child = openLayer(name, childFile);
  if (child instanceof VhdDisk) return new VhdDisk({ file: child.file, footer: child.footer, dynamic: child.dynamic,
    dynamicOffset: child.dynamicOffset, hasEndFooter: true, hasStartFooter: true }, parent);
  const { parentLocator } = child.opened.metadata.values;
  const guid = (parent as VhdxDisk).dataWriteGuid;
  const linkages = [parentLocator?.get(LocatorKey.Linkage), parentLocator?.get(LocatorKey.Linkage2)];
  if (guid === child.dataWriteGuid) return parent;
  const isFirst = linkages[0] === '{00000000-0000-0000-0000-000000000001}' && linkages[1] === undefined;
  assert.ok(isFirst || linkages.includes(`{${guid}}`) || linkages[1] !== undefined, 'the child knows its parent');
  return new VhdxDisk({ opened: openVhdx(childFile), parent });
}

for (const name of ['VHD', 'VHDX']) {
  test(`merging a ${name} disk loses nothing, whenever the power goes, and is begun again`, async () => {
    const { parent, child, expected } = family(format(`${name} dynamic`), format(`${name} differencing`));
    for (let count = 0; ; count++) {
      const power = new Power(count);
      const files = { child: new CrashFile(child, power), parent: new CrashFile(parent, power) };
      const act = async (some: typeof files): Promise<void> => {
        const top = openLayer(name, some.child);
        const below = openLayer(name, some.parent);
        await mergeInto(top, below, {});
        below.closeSync();
        top.closeSync();
      };
      let isThrough = true;
      try {
        await act(files);
      } catch (error) {
        if (!(error instanceof PowerLoss)) throw error;
        isThrough = false;
      }
      const next = generator(count);
      const left = { child: files.child.survivors(next), parent: files.parent.survivors(next) };
      const reader = openLayer(name, new CrashFile(left.parent, undefined, { readOnly: true }));
      const both = together(name, new CrashFile(left.child, undefined, { readOnly: true }), reader);
      assert.ok(isSame(contentOf(both), expected), `operation ${count}`);
      const again = { child: new CrashFile(left.child), parent: new CrashFile(left.parent) };
      await act(again);
      const parentLeft = again.parent.survivors(() => 0);
      const merged = openLayer(name, new CrashFile(parentLeft, undefined, { readOnly: true }));
      assert.ok(isSame(contentOf(merged), expected), `operation ${count}, merged again`);
      if (skipWithoutQemu === false && count % 8 === 0) {
        await judgeWithQemu(format(`${name} dynamic`), parentLeft, `operation ${count}`);
      }
      if (isThrough) break;
    }
  });
}

test('a VHDX loses nothing that was flushed when its log has gone round many times', () => {
  const { make, open, sectorBytes } = format('VHDX dynamic');
  for (let cut = 0; cut < 10; cut++) {
    const power = new Power(Infinity);
    const file = new CrashFile(make(), power);
    const disk = open(file);
    const model = new DiskModel(CRASH_DISK_BYTES, sectorBytes);
    let count = 0;
    // Each turn takes two sectors of the log, which has 256.
    for (; count < 300 + cut; count++) {
      model.discard(disk, 0, MIB / sectorBytes);
      model.write(disk, count % 1000, 3);
      if (count % 7 === 0) disk.settleSync();
      if (count < 298 + cut) model.flush(disk);
    }
    const left = file.survivors(generator(cut));
    assert.equal(model.problemAfterLoss(open(new CrashFile(left, undefined, { readOnly: true }))), undefined,
      `cut ${cut}`);
  }
});
