import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pageAlignedBytes } from '../kit/page-aligned.ts';
import { pattern } from './contract.ts';
import { HostFile } from './host-file.ts';
import { skipWithoutDirectAccess } from './testing/images.ts';

const KIB = 1024;
const skip = skipWithoutDirectAccess;

function withFile(content: Uint8Array, run: (file: HostFile, path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'partout-'));
  const path = join(folder, 'file');
  try {
    writeFileSync(path, content);
    const file = new HostFile(path, { readOnly: false, cache: 'none' });
    try {
      run(file, path);
    } finally {
      file.closeSync();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Bytes that this process has had from a medium. */
function bytesFetched(): number {
  return Number(/^read_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);
}

test('whatever the alignment of place, length and memory, the bytes are right', { skip }, () => {
  const model = Uint8Array.from(pattern(64 * KIB, 7));
  withFile(model, (file, path) => {
    const target = pageAlignedBytes(64 * KIB);
    const memories = [target, new Uint8Array(64 * KIB)];
    for (const position of [0, 512, 4096, 5000]) {
      for (const length of [1, 512, 4096, 4096 * 3, 10_000]) {
        for (const [which, memory] of memories.entries()) {
          for (const offset of [0, 8, 512]) {
            const part = pattern(length + 3, position + length + which + offset).subarray(0, length);
            memory.set(part, offset);
            file.writeSync(memory, offset, length, position);
            model.set(part, position);
            memory.fill(0);
            file.readSync(memory, offset, length + 600, position);
            const seen = memory.slice(offset, offset + length + 600);
            assert.deepEqual(seen, model.slice(position, position + length + 600));
          }
        }
      }
    }
    file.flushSync();
    assert.ok(model.every((byte, index) => byte === readFileSync(path)[index]), 'another reader sees the same');
  });
});

test('what is aligned comes from the medium each time', { skip }, () => {
  const length = 256 * KIB;
  withFile(pattern(length, 1), (file) => {
    file.flushSync();
    for (const memory of [pageAlignedBytes(length), new Uint8Array(length)]) {
      const before = bytesFetched();
      for (let times = 0; times < 4; times++) file.readSync(memory, 0, length, 0);
      assert.ok(bytesFetched() - before >= 4 * length, `${bytesFetched() - before} bytes came`);
    }
  });
});

test('a file ends where it ends, in the middle of a sector too', { skip }, () => {
  withFile(pattern(5000, 2), (file, path) => {
    const memory = pageAlignedBytes(16 * KIB).fill(0xee);
    file.readSync(memory, 0, 8192, 0);
    assert.deepEqual(memory.slice(0, 5000), pattern(5000, 2));
    assert.deepEqual(memory.slice(5000, 8192), new Uint8Array(3192));
    assert.equal(memory[8192], 0xee);
    file.readSync(memory, 0, 4096, 1 << 20);
    assert.deepEqual(memory.slice(0, 4096), new Uint8Array(4096));
    file.writeSync(memory, 0, 700, 8192);
    assert.equal(file.sizeBytes, 8892);
    assert.equal(statSync(path).size, 8892);
    file.writeSync(memory, 0, 4096, 12_288);
    assert.equal(statSync(path).size, 16_384);
  });
});

test('a file system without direct access is named', () => {
  assert.throws(() => new HostFile('/proc/self/maps', { readOnly: true, cache: 'none' }),
    /has only cached access: leave cache=none out/);
});
