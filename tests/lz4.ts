/**
 * The legacy LZ4 frame, in which Debian's kernels are packed: a magic number, then chunks, each with its packed size in
 * front [LZ4 frame format, "Legacy frame"; LZ4 block format].
 */

export const LZ4_LEGACY_MAGIC = 0x184c2102;
/** What each chunk but the last unpacks to. */
const CHUNK_BYTES = 8 * 2 ** 20;
/** A length of this many goes on in the following bytes. */
const LENGTH_GOES_ON = 15;
const MINIMUM_MATCH = 4;

/** Unpacks a whole frame. */
export function unpackLz4Legacy(frame: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 4; at + 4 <= frame.length;) {
    const size = frame.readUInt32LE(at);
    chunks.push(unpackBlock(frame.subarray(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return Buffer.concat(chunks);
}

/** A block is a row of sequences: literal bytes, then a copy of what came `offset` bytes earlier. */
function unpackBlock(block: Buffer): Buffer {
  const output = Buffer.alloc(CHUNK_BYTES);
  let from = 0;
  let to = 0;
  const length = (start: number): number => {
    let total = start;
    if (start !== LENGTH_GOES_ON) return total;
    for (;;) {
      const more = block[from++] ?? 0;
      total += more;
      if (more !== 255) return total;
    }
  };
  while (from < block.length) {
    const token = block[from++] ?? 0;
    const literals = length(token >>> 4);
    block.copy(output, to, from, from + literals);
    from += literals;
    to += literals;
    if (from >= block.length) break; // the last sequence has literals alone
    const offset = block.readUInt16LE(from);
    from += 2;
    const end = to + length(token & 15) + MINIMUM_MATCH;
    // Byte by byte, as the copy may overlap what it makes.
    for (; to < end; to++) output[to] = output[to - offset] ?? 0;
  }
  return output.subarray(0, to);
}
