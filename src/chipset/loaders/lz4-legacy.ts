/**
 * Decodes LZ4's legacy frame, the form in which the Linux build compresses a kernel [LZ4 frame format description,
 * "Legacy frame"; LZ4 block format description]: a magic number, then blocks of at most 8 MiB, each behind its size.
 */

export const LZ4_LEGACY_MAGIC = 0x184c_2102;
const BLOCK_BYTES_MAX = 8 * 2 ** 20;
const MATCH_BYTES_MIN = 4;

/** The decoded bytes, or undefined when they are damaged or more than `maxBytes`. */
export function decodeLz4Legacy(data: Uint8Array, maxBytes: number): Uint8Array | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 4 || view.getUint32(0, true) !== LZ4_LEGACY_MAGIC) return undefined;
  const scratch = new Uint8Array(Math.min(BLOCK_BYTES_MAX, maxBytes));
  const blocks: Uint8Array[] = [];
  let total = 0;
  let at = 4;
  // The four bytes behind the last block are the unpacked size that the kernel's build adds, and no block.
  while (at + 4 < data.length) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size > data.length - at) return undefined;
    const target = scratch.subarray(0, maxBytes - total);
    const unpacked = decodeBlock(data.subarray(at, at + size), target);
    if (unpacked < 0) return undefined;
    blocks.push(target.slice(0, unpacked));
    total += unpacked;
    at += size;
  }
  return Buffer.concat(blocks, total);
}

/** One block: sequences of literals and a match, the last one of literals alone. Answers the size, -1 when damaged. */
function decodeBlock(source: Uint8Array, target: Uint8Array): number {
  let from = 0;
  let to = 0;
  /** The rest of a length of which 15 is only the beginning. */
  const extend = (length: number): number => {
    let sum = length;
    let byte = 255;
    while (byte === 255 && from < source.length) {
      byte = source[from++] as number;
      sum += byte;
    }
    return sum;
  };
  while (from < source.length) {
    const token = source[from++] as number;
    const literals = token >> 4 === 15 ? extend(15) : token >> 4;
    if (literals > source.length - from || literals > target.length - to) return -1;
    target.set(source.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === source.length) break;
    if (from + 2 > source.length) return -1;
    const distance = (source[from] as number) | ((source[from + 1] as number) << 8);
    from += 2;
    const length = ((token & 15) === 15 ? extend(15) : token & 15) + MATCH_BYTES_MIN;
    if (distance === 0 || distance > to || length > target.length - to) return -1;
    copyMatch(target, to, distance, length);
    to += length;
  }
  return to;
}

/** A match may reach into the bytes that it makes itself. */
function copyMatch(target: Uint8Array, to: number, distance: number, length: number): void {
  if (distance >= length) {
    target.copyWithin(to, to - distance, to - distance + length);
    return;
  }
  for (let index = 0; index < length; index++) target[to + index] = target[to + index - distance] as number;
}
