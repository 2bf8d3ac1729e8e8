import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pattern, READING_CASES, WRITING_CASES, type DiskFixture } from './contract.ts';
import { createChild, createDisk, type NewDisk } from './create-disk.ts';
import type { Disk } from './disk.ts';
import type { CacheMode } from './host-file.ts';
import { openDisk } from './open-disk.ts';
import { skipWithoutDirectAccess, skipWithoutQemu } from './testing/images.ts';

const MIB = 0x10_0000;
const SIZE = 20 * MIB + 8192;

type Make = (folder: string) => string;

const empty = (name: string, disk: Omit<NewDisk, 'sizeBytes'>): [string, Make] => [name, (folder) => {
  const path = join(folder, 'image');
  createDisk(path, { sizeBytes: SIZE, ...disk });
  return path;
}];

const child = (name: string, disk: Omit<NewDisk, 'sizeBytes'>, blockBytes?: number): [string, Make] =>
  [name, (folder) => {
  createDisk(join(folder, 'base'), { sizeBytes: SIZE, ...disk });
  createChild(join(folder, 'middle'), join(folder, 'base'), blockBytes);
  createChild(join(folder, 'image'), join(folder, 'middle'), blockBytes);
  return join(folder, 'image');
}];

const FORMATS: readonly [string, Make][] = [
  empty('raw', { format: 'raw' }),
  empty('VHD fixed', { format: 'vhd', isFixed: true }),
  empty('VHD dynamic', { format: 'vhd' }),
  empty('VHD dynamic in small blocks', { format: 'vhd', blockBytes: 0x8_0000 }),
  child('VHD differencing', { format: 'vhd' }),
  empty('VHDX fixed', { format: 'vhdx', isFixed: true, blockBytes: MIB }),
  empty('VHDX dynamic, blocks of 1 MiB', { format: 'vhdx', blockBytes: MIB }),
  empty('VHDX dynamic, blocks of 32 MiB', { format: 'vhdx' }),
  empty('VHDX dynamic, blocks of 256 MiB', { format: 'vhdx', blockBytes: 256 * MIB }),
  empty('VHDX dynamic, sectors of 4096', { format: 'vhdx', blockBytes: 2 * MIB, logicalSectorBytes: 4096 }),
  child('VHDX differencing, blocks of 1 MiB', { format: 'vhdx', blockBytes: MIB }, MIB),
  child('VHDX differencing, blocks of 16 MiB', { format: 'vhdx', isFixed: true }, 16 * MIB),
  child('VHDX differencing, sectors of 4096', { format: 'vhdx', logicalSectorBytes: 4096 }),
];

/** Some formats once more past the page cache: one whose pieces lie anywhere, and one with parents. */
const UNCACHED = ['raw', 'VHD dynamic', 'VHDX differencing, blocks of 1 MiB'];

function withFixture(
  make: Make, run: (fixture: DiskFixture) => void, content?: Uint8Array, cache?: CacheMode,
): void {
  const folder = mkdtempSync(join(tmpdir(), 'partout-'));
  let disk: Disk | undefined;
  try {
    const path = make(folder);
    disk = openDisk(path, { readOnly: content !== undefined, cache });
    const reopen = (readOnly = false): Disk => {
      disk?.closeSync();
      disk = undefined;
      return disk = openDisk(path, { readOnly, cache });
    };
    run({ disk, reopen, ...(content === undefined ? {} : { content }) });
    assert.ok(statSync(path).size < 600 * MIB, 'the file is small');
  } finally {
    disk?.closeSync();
    rmSync(folder, { recursive: true });
  }
}

for (const [format, make] of FORMATS) {
  for (const { name, run } of [...READING_CASES, ...WRITING_CASES]) {
    test(`${format} ${name}`, () => withFixture(make, run));
    if (!UNCACHED.includes(format)) continue;
    test(`${format}, uncached, ${name}`, { skip: skipWithoutDirectAccess },
      () => withFixture(make, run, undefined, 'none'));
  }
}

for (const options of ['cluster_size=65536', 'cluster_size=512', 'compat=0.10', 'cluster_size=2M']) {
  for (const flags of [[], ['-c']]) {
    const content = new Uint8Array(SIZE);
    content.set(pattern(3 * MIB, 1), 2 * MIB);
    content.set(pattern(8192, 2), SIZE - 8192);
    const make: Make = (folder) => {
      writeFileSync(join(folder, 'raw'), content);
      spawnSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', '-o', options, ...flags,
        join(folder, 'raw'), join(folder, 'image')]);
      return join(folder, 'image');
    };
    for (const { name, run } of READING_CASES) {
      test(`QCOW2 with ${options} ${flags.join('')} ${name}`, { skip: skipWithoutQemu },
      () => withFixture(make, run, content));
    }
  }
}
