import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { bzImageFile, elf64File } from '../testing/kernel-files.ts';
import { decodeLz4Legacy } from './lz4-legacy.ts';
import { extractVmlinux } from './vmlinux.ts';

const KERNEL = elf64File(new Uint8Array(3000).fill(0x90), 0x20_0000);

function unpacked(payload: Uint8Array): ReturnType<typeof extractVmlinux> {
  return extractVmlinux(bzImageFile({}, payload));
}

/** A legacy frame with one block of literals alone. */
function lz4OfLiterals(data: Uint8Array): Uint8Array {
  const lengths = [];
  let rest = data.length - 15;
  for (; rest >= 255; rest -= 255) lengths.push(255);
  const block = [0xf0, ...lengths, rest, ...data];
  const size = Buffer.alloc(4);
  size.writeUInt32LE(block.length);
  const unpackedSize = Buffer.alloc(4);
  unpackedSize.writeUInt32LE(data.length);
  return Uint8Array.from([0x02, 0x21, 0x4c, 0x18, ...size, ...block, ...unpackedSize]);
}

/** A legacy frame around one block. */
function lz4(...block: number[]): Uint8Array {
  return Uint8Array.from([0x02, 0x21, 0x4c, 0x18, block.length, 0, 0, 0, ...block]);
}

test('a kernel in LZ4 comes out as it was', () => {
  assert.deepEqual(unpacked(lz4OfLiterals(KERNEL)), { kind: 'extracted', elf: Buffer.from(KERNEL) });
});

test('a kernel in gzip comes out as it was', () => {
  assert.deepEqual(unpacked(gzipSync(KERNEL)), { kind: 'extracted', elf: Buffer.from(KERNEL) });
});

test('a kernel in zstd comes out as it was', () => {
  // One frame of one raw block: magic, descriptor with a size of 4 bytes, size, block header, content.
  const frame = Buffer.alloc(4 + 1 + 4 + 3);
  frame.writeUInt32LE(0xfd2f_b528, 0);
  frame[4] = 0xa0;
  frame.writeUInt32LE(KERNEL.length, 5);
  frame.writeUIntLE((KERNEL.length << 3) | 1, 9, 3);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(KERNEL.length);
  const result = unpacked(Buffer.concat([frame, KERNEL, size]));
  assert.equal(result.kind, 'extracted');
  if (result.kind === 'extracted') assert.deepEqual(Buffer.from(result.elf), Buffer.from(KERNEL));
});

test('an LZ4 match may overlap itself, and lengths run on', () => {
  // Two literals "ab", then a match of 4 + 15 + 3 bytes at distance 2; two literals end the block.
  const decoded = decodeLz4Legacy(lz4(0x2f, 0x61, 0x62, 2, 0, 3, 0x20, 0x78, 0x79), 1000);
  assert.equal(Buffer.from(decoded ?? []).toString(), `${'ab'.repeat(12)}xy`);
});

test('LZ4 that reaches outside itself or is larger than allowed is damaged', () => {
  assert.equal(decodeLz4Legacy(lz4(0x10, 0x61, 2, 0), 1000), undefined, 'distance before the beginning');
  assert.equal(decodeLz4Legacy(lz4(0x10, 0x61, 0, 0), 1000), undefined, 'distance 0');
  assert.equal(decodeLz4Legacy(lz4(0x50, 0x61), 1000), undefined, 'literals beyond the end');
  assert.equal(decodeLz4Legacy(lz4(0x1f, 0x61, 1, 0, 255, 0), 200), undefined, 'too large');
  assert.equal(decodeLz4Legacy(lz4(0x1f, 0x61, 1, 0, 255, 0, 0x00), 275)?.length, 275);
});

test('a file without an unpackable kernel is refused in a sentence', () => {
  const reasons = [unpacked(new Uint8Array(100)), unpacked(lz4OfLiterals(new Uint8Array(100))),
    unpacked(gzipSync(KERNEL).subarray(0, 50)), extractVmlinux(new Uint8Array(10))];
  assert.deepEqual(reasons.map((reason) => reason.kind), ['refused', 'refused', 'refused', 'refused']);
});
