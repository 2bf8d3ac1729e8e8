/**
 * What every disk does, whatever its format: cases for a test to go through, with a fixture for each. A fixture's disk
 * has at least 12 MiB, and reads as zeros unless it says otherwise.
 */

import assert from 'node:assert/strict';
import type { Disk, Extent } from './disk.ts';

export interface DiskFixture {
  /** Open for writing, unless the format is only read. */
  readonly disk: Disk;
  /** What the disk reads as at first, zeros when absent. */
  readonly content?: Uint8Array;
  /** Closes the disk and opens it again. */
  reopen(readOnly?: boolean): Disk;
}

export interface DiskCase {
  readonly name: string;
  run(fixture: DiskFixture): void;
}

const MIB = 0x10_0000;

export const READING_CASES: readonly DiskCase[] = [
  {
    name: 'says its size in whole sectors',
    run: ({ disk: { geometry } }) => {
      assert.ok(geometry.sizeBytes >= 12 * MIB);
      assert.equal(geometry.sizeBytes % geometry.logicalSectorBytes, 0);
      assert.ok([512, 4096].includes(geometry.logicalSectorBytes));
      assert.ok([512, 4096].includes(geometry.physicalSectorBytes));
    },
  },
  {
    name: 'reads what it holds, from any sector on, and nothing beside the target range',
    run: ({ disk, content }) => {
      const expected = content ?? new Uint8Array(disk.geometry.sizeBytes);
      const unit = disk.geometry.logicalSectorBytes;
      for (const [position, length] of [[0, unit], [unit, 3 * unit], [3 * MIB - unit, 2 * MIB + 2 * unit]] as const) {
        const target = new Uint8Array(length + 20).fill(0xee);
        disk.readSync(target, 10, length, position);
        assert.deepEqual(target.subarray(0, 10), new Uint8Array(10).fill(0xee));
        assert.ok(Buffer.compare(target.subarray(10, 10 + length),
          expected.subarray(position, position + length)) === 0);
        assert.deepEqual(target.subarray(10 + length), new Uint8Array(10).fill(0xee));
      }
    },
  },
  {
    name: 'reads its last sector, and refuses to read beyond or between sectors',
    run: ({ disk }) => {
      const { sizeBytes, logicalSectorBytes: unit } = disk.geometry;
      const target = new Uint8Array(2 * unit);
      disk.readSync(target, 0, unit, sizeBytes - unit);
      assert.throws(() => disk.readSync(target, 0, 2 * unit, sizeBytes - unit), /impossible/);
      assert.throws(() => disk.readSync(target, 0, unit, 1), /impossible/);
      assert.throws(() => disk.readSync(target, 0, unit, -unit), /impossible/);
    },
  },
  {
    name: 'covers the whole disk with extents, and what is not data reads as zeros where there is no parent',
    run: ({ disk, content }) => {
      const extent: Extent = { state: 'data', lengthBytes: 0 };
      let position = 0;
      while (position < disk.geometry.sizeBytes) {
        disk.extentAt(position, extent);
        assert.ok(extent.lengthBytes > 0 && extent.lengthBytes % disk.geometry.logicalSectorBytes === 0);
        if (extent.state === 'zero' || (extent.state === 'absent' && disk.parent === undefined)) {
          assert.ok(content?.subarray(position, position + extent.lengthBytes).every((byte) => byte === 0) ?? true);
        }
        position += extent.lengthBytes;
      }
      assert.equal(position, disk.geometry.sizeBytes);
    },
  },
];

export const WRITING_CASES: readonly DiskCase[] = [
  {
    name: 'reads back what was written, at once and after it is opened again',
    run: ({ disk, reopen }) => {
      const { sizeBytes } = disk.geometry;
      const written = pattern(3 * MIB, 1);
      disk.writeSync(written, 0, written.length, MIB + 4096);
      disk.writeSync(written, 8192, 4096, sizeBytes - 4096);
      check(disk);
      check(reopen());
      function check(now: Disk): void {
        assert.ok(isEqual(read(now, MIB + 4096, written.length), written));
        assert.ok(isEqual(read(now, sizeBytes - 4096, 4096), written.subarray(8192, 12_288)));
        assert.ok(isEqual(read(now, MIB, 4096), new Uint8Array(4096)), 'what was before the range is as it was');
        assert.ok(isEqual(read(now, 4 * MIB + 4096, 4096), new Uint8Array(4096)), 'what is behind is as it was');
      }
    },
  },
  {
    name: 'keeps the newest of writes that overlap',
    run: ({ disk, reopen }) => {
      for (let turn = 0; turn < 8; turn++)
        disk.writeSync(pattern(0x8000, turn), 0, 0x8000, 2 * MIB - 0x8000 + turn * 4096);
      const now = reopen();
      for (let turn = 0; turn < 7; turn++) {
        const got = read(now, 2 * MIB - 0x8000 + turn * 4096, 4096);
        assert.ok(isEqual(got, pattern(0x8000, turn).subarray(0, 4096)), `turn ${turn}`);
      }
    },
  },
  {
    name: 'gives zeros for what was discarded, whole blocks and parts of them, until it is written again',
    run: ({ disk, reopen }) => {
      disk.writeSync(pattern(8 * MIB, 2), 0, 8 * MIB, 0);
      disk.flushSync();
      disk.discardSync(MIB + 8192, 5 * MIB);
      check(disk);
      disk.flushSync();
      disk.writeSync(pattern(4096, 3), 0, 4096, 4 * MIB);
      const now = reopen();
      assert.ok(isEqual(read(now, 4 * MIB, 4096), pattern(4096, 3)));
      now.discardSync(4 * MIB, 4096);
      check(now);
      function check(some: Disk): void {
        assert.ok(isEqual(read(some, MIB + 8192, 5 * MIB), new Uint8Array(5 * MIB)));
        assert.ok(isEqual(read(some, 0, MIB + 8192), pattern(8 * MIB, 2).subarray(0, MIB + 8192)));
        assert.ok(isEqual(read(some, 6 * MIB + 8192, 4096),
          pattern(8 * MIB, 2).subarray(6 * MIB + 8192, 6 * MIB + 12_288)));
      }
    },
  },
  {
    name: 'does not grow without end when the same range is written and discarded again and again',
    run: ({ disk, reopen }) => {
      const bytes = pattern(8 * MIB, 4);
      for (let turn = 0; turn < 5; turn++) {
        disk.writeSync(bytes, 0, bytes.length, 0);
        disk.flushSync();
        disk.discardSync(0, bytes.length);
        disk.flushSync();
      }
      const now = reopen();
      now.writeSync(bytes, 0, bytes.length, 0);
      assert.ok(isEqual(read(now, 0, bytes.length), bytes));
    },
  },
  {
    name: 'flushes and settles as often as it is told, also with nothing to do',
    run: ({ disk, reopen }) => {
      disk.flushSync();
      for (let turn = 0; turn < 5; turn++) {
        disk.writeSync(pattern(4096, turn), 0, 4096, turn * 2 * MIB);
        disk.settleSync();
        disk.settleSync();
        disk.writeSync(pattern(4096, turn + 10), 0, 4096, turn * 2 * MIB + MIB);
        if (turn % 2 === 0) disk.flushSync();
      }
      disk.flushSync();
      const now = reopen(true);
      for (let turn = 0; turn < 5; turn++) {
        assert.ok(isEqual(read(now, turn * 2 * MIB, 4096), pattern(4096, turn)));
        assert.ok(isEqual(read(now, turn * 2 * MIB + MIB, 4096), pattern(4096, turn + 10)));
      }
    },
  },
  {
    name: 'grows with zeros, and keeps what it held',
    run: ({ disk, reopen }) => {
      const old = disk.geometry.sizeBytes;
      disk.writeSync(pattern(MIB, 5), 0, MIB, old - MIB);
      disk.resizeSync(old + 9 * MIB);
      assert.equal(disk.geometry.sizeBytes, old + 9 * MIB);
      disk.writeSync(pattern(MIB, 6), 0, MIB, old + 8 * MIB);
      const now = reopen();
      assert.equal(now.geometry.sizeBytes, old + 9 * MIB);
      assert.ok(isEqual(read(now, old - MIB, MIB), pattern(MIB, 5)));
      assert.ok(isEqual(read(now, old, 8 * MIB), new Uint8Array(8 * MIB)));
      assert.ok(isEqual(read(now, old + 8 * MIB, MIB), pattern(MIB, 6)));
    },
  },
  {
    name: 'becomes smaller, unless it has a parent, and has zeros when it grows again',
    run: ({ disk, reopen }) => {
      const old = disk.geometry.sizeBytes;
      disk.writeSync(pattern(12 * MIB, 7), 0, 12 * MIB, 0);
      if (disk.kind === 'differencing') {
        assert.throws(() => disk.resizeSync(old - MIB), /cannot become smaller/);
        return;
      }
      disk.resizeSync(3 * MIB + 4096);
      const small = reopen();
      assert.equal(small.geometry.sizeBytes, 3 * MIB + 4096);
      small.resizeSync(old);
      const now = reopen();
      assert.ok(isEqual(read(now, 0, 3 * MIB + 4096), pattern(12 * MIB, 7).subarray(0, 3 * MIB + 4096)));
      assert.ok(isEqual(read(now, 3 * MIB + 4096, 8 * MIB), new Uint8Array(8 * MIB)));
    },
  },
  {
    name: 'refuses a size that no disk has in a sentence, and goes on as it was',
    run: ({ disk }) => {
      for (const size of [0, -512, 513, 2 ** 53 - 1]) assert.throws(() => disk.resizeSync(size), /no size of a/);
      disk.writeSync(pattern(4096, 8), 0, 4096, 0);
      assert.ok(isEqual(read(disk, 0, 4096), pattern(4096, 8)));
    },
  },
  {
    name: 'refuses to be written to when it is opened for reading',
    run: ({ reopen }) => {
      const disk = reopen(true);
      assert.equal(disk.isReadOnly, true);
      assert.throws(() => disk.writeSync(new Uint8Array(4096), 0, 4096, 0), /impossible/);
      assert.throws(() => disk.discardSync(0, 4096), /impossible/);
    },
  },
];

export function read(disk: Disk, position: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes).fill(0xcc);
  disk.readSync(bytes, 0, lengthBytes, position);
  return bytes;
}

/** Bytes of which no two sectors are the same. */
export function pattern(lengthBytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(lengthBytes / 4);
  for (let at = 0; at < words.length; at++)
    words[at] = Math.imul(at + 1, 0x9e37_79b1) ^ Math.imul(seed + 1, 0x85eb_ca6b);
  return new Uint8Array(words.buffer);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
