/** Merges of disks in use: their way, and their end by a loss of power at every write and flush. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import { MIB } from '../protocols/vhdx.ts';
import { pattern } from './contract.ts';
import { createChild, createDisk } from './create-disk.ts';
import type { Disk } from './disk.ts';
import { isMerged, mergeDisk, mergeInto, type MergeableDisk } from './merge.ts';
import { mergeOnline, OnlineMerge, openMerging } from './online-merge.ts';
import { openDisk } from './open-disk.ts';
import { CrashFile, generator, type Medium, Power, PowerLoss } from './testing/crash-file.ts';
import {
  CRASH_DISK_BYTES, CRASH_FORMATS, type CrashFormat, openVhdDisk, openVhdxDisk,
} from './testing/crash-formats.ts';
import { DiskModel } from './testing/disk-model.ts';
import { contentOf, withFolder } from './testing/images.ts';

const SIZE = 8 * MIB;
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** A disk in use, with what it has to read as. */
class Used {
  readonly expected: Uint8Array;
  #seed = 10;

  constructor(content: Uint8Array) {
    this.expected = content.slice();
  }

  write(disk: Disk, position: number, lengthBytes: number): void {
    const bytes = pattern(lengthBytes, this.#seed++);
    disk.writeSync(bytes, 0, lengthBytes, position);
    this.expected.set(bytes, position);
  }

  discard(disk: Disk, position: number, lengthBytes: number): void {
    disk.discardSync(position, lengthBytes);
    this.expected.fill(0, position, position + lengthBytes);
  }

  check(disk: Disk, when: string): void {
    const bytes = new Uint8Array(disk.geometry.sizeBytes);
    disk.readSync(bytes, 0, bytes.length, 0);
    assert.ok(isSame(bytes, this.expected), when);
  }
}

for (const format of ['vhd', 'vhdx'] as const) {
  test(`a ${format} chain is merged down while it is written to, and each child goes`, () => withFolder((at) => {
    createDisk(at('base'), { format, sizeBytes: SIZE, ...(format === 'vhdx' ? { blockBytes: MIB } : {}) });
    const used = new Used(new Uint8Array(SIZE));
    const base = openDisk(at('base'), { readOnly: false });
    used.write(base, MIB, 5 * MIB);
    base.closeSync();
    createChild(at('middle'), at('base'));
    createChild(at('top'), at('middle'));
    let disk = openDisk(at('top'), { readOnly: false });
    used.write(disk, 512, 3 * MIB);
    used.discard(disk, 4 * MIB, MIB);
    for (const [name, below] of [['top', 'middle'], ['middle', 'base']] as const) {
      const merge = mergeOnline(disk, undefined);
      assert.throws(() => openDisk(at(below), { readOnly: false }), /being written to by another program/);
      for (let piece = 0; merge.copyPiece(); piece++) {
        // In front of what is copied, across, behind.
        for (const sector of [0, 700, 1024, 1500]) used.write(merge, ((piece * 1000 + sector) % 16_000) * 512, 2048);
        used.discard(merge, (piece * MIB + 8192) % SIZE, 4096);
        used.check(merge, `${name} after ${piece} pieces`);
      }
      used.write(merge, 3 * MIB + 1024, 2048);
      disk = merge.finish();
      assert.equal(disk.name, at(below));
      assert.throws(() => openDisk(at(name), { readOnly: true }), /was merged into .* to the end: use that/);
      used.write(disk, 5 * MIB, 512);
      used.check(disk, `${name} is merged`);
    }
    assert.throws(() => mergeOnline(disk, undefined), /has no parent to merge into/);
    disk.closeSync();
    assert.ok(isSame(contentOf(at('base')), used.expected));
  }));

  test(`a ${format} merge that was stopped is begun again, online or not`, () => withFolder(async (at) => {
    createDisk(at('base'), { format, sizeBytes: SIZE, ...(format === 'vhdx' ? { blockBytes: MIB } : {}) });
    createChild(at('top'), at('base'));
    const used = new Used(new Uint8Array(SIZE));
    for (let pieces = 1; pieces < 4; pieces++) {
      const merge = mergeOnline(openMerging(at('top'), undefined, undefined), undefined);
      used.write(merge, pieces * MIB - 512, MIB);
      for (let piece = 0; piece < pieces; piece++) merge.copyPiece();
      used.write(merge, 0, 4096);
      if (pieces < 3) merge.closeSync();
      else mergeOnline(merge.abandon(), undefined).closeSync();
      assert.ok(isSame(contentOf(at('top')), used.expected), `${pieces} pieces`);
    }
    const last = mergeOnline(openMerging(at('top'), at('base'), undefined), undefined);
    while (last.copyPiece());
    last.finish().closeSync();
    assert.ok(existsSync(at('top')), 'whoever merges removes it');
    const base = openMerging(at('top'), at('base'), undefined);
    assert.equal(base.name, at('base'));
    used.check(base, 'found to be merged');
    base.closeSync();
    assert.ok(!existsSync(at('top')));
    openMerging(at('top'), at('base'), undefined).closeSync();
    await assert.rejects(mergeDisk(at('top')), /no such file/);
  }));
}

test('a parent that cannot be written to ends the merge, not the use of the disk', () => withFolder((at) => {
  createDisk(at('base'), { format: 'vhdx', sizeBytes: SIZE, blockBytes: MIB });
  createChild(at('top'), at('base'));
  const child = openDisk(at('top'), { readOnly: false }) as MergeableDisk;
  const parent = openDisk(at('base'), { readOnly: false });
  const merge = new OnlineMerge(child, parent);
  const used = new Used(new Uint8Array(SIZE));
  used.write(merge, 0, 2 * MIB);
  merge.copyPiece();
  parent.writeSync = (): never => { throw new OperatingError('host', 'no room'); };
  used.write(merge, 0, 4096);
  used.check(merge, 'the parent is full');
  assert.throws(() => merge.copyPiece(), /no room/);
  const disk = merge.abandon();
  used.write(disk, 4096, 4096);
  used.check(disk, 'abandoned');
  disk.closeSync();
  assert.ok(isSame(contentOf(at('top')), used.expected));
}));

const format = (name: string): CrashFormat => CRASH_FORMATS.find((some) => some.name === name) as CrashFormat;

function openLayer(name: string, file: CrashFile): MergeableDisk {
  return name === 'VHDX' ? openVhdxDisk(file) : openVhdDisk(file) as MergeableDisk;
}

/** A child and its parent with something in each, and what the two hold. */
function family(name: string): { child: Medium; parent: Medium; model: DiskModel } {
  const files = {
    child: new CrashFile(format(`${name} differencing`).make()),
    parent: new CrashFile(format(`${name} dynamic`).make()),
  };
  const model = new DiskModel(CRASH_DISK_BYTES, 512);
  const parent = openLayer(name, files.parent);
  model.write(parent, 100, 3000);
  const child = openLayer(name, files.child);
  child.parent = parent;
  model.write(child, 2000, 3000);
  model.discard(child, 2048, 2048);
  model.noteFlush();
  child.closeSync();
  return { child: files.child.survivors(() => 1), parent: files.parent.survivors(() => 1), model };
}

/** The work of a guest and of the merge, piece by piece; says when the child's file would be gone. */
function mergeUnderUse(child: MergeableDisk, parent: MergeableDisk, model: DiskModel, finished: () => void): void {
  const merge = new OnlineMerge(child, parent);
  for (let piece = 0; merge.copyPiece(); piece++) {
    model.write(merge, (piece * 2048 + 10) % 8000, 3);
    model.discard(merge, (piece * 1000) % 8000, 8);
    if (piece % 2 === 0) model.flush(merge);
    else merge.settleSync();
    model.write(merge, 5, 1);
  }
  const disk = merge.finish();
  model.noteFlush();
  finished();
  model.write(disk, 6000, 4);
  model.flush(disk);
  disk.closeSync();
}

for (const name of ['VHD', 'VHDX']) {
  test(`merging a ${name} disk in use loses nothing that was flushed, whenever the power goes`, async () => {
    let isThrough = false;
    for (let count = 0; !isThrough; count++) {
      const { child, parent, model } = family(name);
      const power = new Power(count);
      const files = { child: new CrashFile(child, power), parent: new CrashFile(parent, power) };
      let isGone = false;
      try {
        mergeUnderUse(openLayer(name, files.child), openLayer(name, files.parent), model, () => { isGone = true; });
        isThrough = true;
      } catch (error) {
        if (!(error instanceof PowerLoss)) throw error;
      }
      const next = generator(count);
      const left = { child: files.child.survivors(next), parent: files.parent.survivors(next) };
      const where = `operation ${count}`;
      if (!isGone) {
        const again = { child: new CrashFile(left.child), parent: new CrashFile(left.parent) };
        const [top, below] = [openLayer(name, again.child), openLayer(name, again.parent)];
        if (!isMerged(top, below)) {
          top.parent = below;
          assert.equal(model.problemAfterLoss(top), undefined, where);
        }
        await mergeInto(top, below, {});
        below.closeSync();
        left.parent = again.parent.survivors(() => 0);
      }
      const merged = openLayer(name, new CrashFile(left.parent, undefined, { readOnly: true }));
      assert.equal(model.problemAfterLoss(merged), undefined, `${where}, merged`);
    }
  });
}
