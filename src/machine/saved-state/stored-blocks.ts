/**
 * A deflated stream that is not compressed [RFC 1951, 3.2.4]: what the guest needs at once when it is restored costs no
 * inflating then. Any program that inflates can read it.
 *
 *     block: 1 byte (bit 0: the last one), length, its complement (2 bytes each), so many bytes
 */

const BLOCK_BYTES = 0x8000;
const HEAD_BYTES = 5;
const LAST = 1;

export function toStoredBlocks(bytes: Uint8Array): Buffer {
  const blocks = Math.max(Math.ceil(bytes.length / BLOCK_BYTES), 1);
  const stream = Buffer.allocUnsafe(bytes.length + blocks * HEAD_BYTES);
  for (let block = 0, at = 0; block < blocks; block++) {
    const part = bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    stream[at] = block === blocks - 1 ? LAST : 0;
    stream.writeUInt16LE(part.length, at + 1);
    stream.writeUInt16LE(~part.length & 0xffff, at + 3);
    stream.set(part, at + HEAD_BYTES);
    at += HEAD_BYTES + part.length;
  }
  return stream;
}

/** What is in such a stream; undefined when it is compressed, or none. */
export function fromStoredBlocks(stream: Uint8Array): Uint8Array | undefined {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  const parts: Uint8Array[] = [];
  for (let at = 0, isLast = false; !isLast;) {
    const start = at + HEAD_BYTES;
    if (start > stream.length || view.getUint8(at) > LAST) return undefined;
    isLast = view.getUint8(at) === LAST;
    const length = view.getUint16(at + 1, true);
    at = start + length;
    if ((length ^ view.getUint16(start - 2, true)) !== 0xffff || at > stream.length) return undefined;
    parts.push(stream.subarray(start, at));
    if (isLast && at !== stream.length) return undefined;
  }
  return Buffer.concat(parts);
}
