/**
 * A deflated stream that is not compressed [RFC 1951, 3.2.4], as zlib writes it at level 0: what the guest needs at
 * once when it is restored costs no inflating then.
 *
 *     block: 1 byte (bit 0: the last one), length, its complement (2 bytes each), so many bytes
 */

const HEAD_BYTES = 5;
const LAST = 1;

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
