/**
 * Where the frames of zstd data begin and end (RFC 8878 section 3.1), found without decompressing. The decoder
 * allocates what a frame header asks for, so each frame is looked at first and one that asks for too much is refused.
 */

import { badArchive } from './bad-archive.ts';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** The reference decoder's own default limit. */
const MAX_WINDOW_BYTES = 1 << 27;
const MAX_BLOCK_BYTES = 1 << 17;

/** The frames that hold data, as views. Throws an OperatingError where they are malformed. */
export function* zstdFrames(data: Uint8Array): Generator<Uint8Array> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  let offset = 0;
  while (offset < bytes.length) {
    if (offset + 8 > bytes.length) throw truncated();
    const magic = bytes.readUInt32LE(offset);
    if ((magic & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) {
      offset += 8 + bytes.readUInt32LE(offset + 4);
    } else if (magic === FRAME_MAGIC) {
      const end = frameEnd(bytes, offset);
      yield bytes.subarray(offset, end);
      offset = end;
    } else {
      throw badArchive('the zstd data has no frame where one should begin');
    }
  }
  if (offset > bytes.length) throw truncated();
}

function frameEnd(bytes: Buffer, start: number): number {
  const descriptor = bytes[start + 4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const sizeAt = start + 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  let offset = sizeAt + sizeBytes;
  if (offset + 3 > bytes.length) throw truncated();
  const windowByte = bytes[start + 5]!;
  const base = 2 ** (10 + (windowByte >> 3));
  const windowBytes = isSingleSegment ? readSize(bytes, sizeAt, sizeBytes) : base + (base / 8) * (windowByte & 7);
  if (windowBytes > MAX_WINDOW_BYTES) throw badArchive('the zstd data asks for a window of more than 128 MiB');
  for (let isLast = false; !isLast;) {
    if (offset + 3 > bytes.length) throw truncated();
    const block = bytes.readUIntLE(offset, 3);
    isLast = (block & 1) !== 0;
    const isRunLength = ((block >> 1) & 3) === 1;
    const blockBytes = isRunLength ? 1 : block >> 3;
    if (blockBytes > MAX_BLOCK_BYTES) throw badArchive('the zstd data has a block of more than 128 KiB');
    offset += 3 + blockBytes;
  }
  const end = offset + ((descriptor & 4) === 0 ? 0 : 4);
  if (end > bytes.length) throw truncated();
  return end;
}

function readSize(bytes: Buffer, offset: number, sizeBytes: number): number {
  if (sizeBytes === 8) return Number(bytes.readBigUInt64LE(offset));
  return bytes.readUIntLE(offset, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
}

function truncated(): Error {
  return badArchive('the zstd data ends within a frame');
}
