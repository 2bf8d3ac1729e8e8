/** Zeros: finding them fast, and writing them without making them again each time. */

import type { BlockFile } from './block-file.ts';

export const ZERO_CHUNK_BYTES = 0x10_0000;
/** Never written to. */
const ZEROS = Buffer.alloc(ZERO_CHUNK_BYTES);

export function isZero(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
  for (let done = 0; done < lengthBytes; done += ZERO_CHUNK_BYTES) {
    const length = Math.min(ZERO_CHUNK_BYTES, lengthBytes - done);
    if (ZEROS.compare(bytes, offset + done, offset + done + length, 0, length) !== 0) return false;
  }
  return true;
}

export function writeZeros(file: BlockFile, position: number, lengthBytes: number): void {
  for (let done = 0; done < lengthBytes; done += ZERO_CHUNK_BYTES) {
    file.writeSync(ZEROS, 0, Math.min(ZERO_CHUNK_BYTES, lengthBytes - done), position + done);
  }
}

/**
 * Makes a range of a file zero, and writes only where it is not: a hole, which reads as zeros, stays one. Nothing in
 * Node makes a new hole.
 */
export function clearRange(file: BlockFile, position: number, lengthBytes: number, scratch: Uint8Array): void {
  for (let done = 0; done < lengthBytes; done += scratch.length) {
    const length = Math.min(scratch.length, lengthBytes - done);
    file.readSync(scratch, 0, length, position + done);
    if (!isZero(scratch, 0, length)) writeZeros(file, position + done, length);
  }
}
