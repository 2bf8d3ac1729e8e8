/** CRC-32C, Castagnoli's polynomial, eight bytes a step ("slicing by 8") [RFC 3720, appendix B.4; MS-VHDX 2.2.2]. */

const POLYNOMIAL = 0x82f6_3b78;

const TABLES = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ POLYNOMIAL;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] as number;
    tables[at] = (tables[before & 0xff] as number) ^ (before >>> 8);
  }
  return tables;
}

/** @param crc the result for what came before, to go on from. */
export function crc32c(bytes: Uint8Array, offset = 0, length = bytes.length - offset, crc = 0): number {
  const tables = TABLES;
  let state = ~crc;
  let at = offset;
  const end = offset + length;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (; at + 8 <= end; at += 8) {
    const low = state ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    state = (tables[1792 + (low & 0xff)] as number) ^ (tables[1536 + ((low >>> 8) & 0xff)] as number)
      ^ (tables[1280 + ((low >>> 16) & 0xff)] as number) ^ (tables[1024 + (low >>> 24)] as number)
      ^ (tables[768 + (high & 0xff)] as number) ^ (tables[512 + ((high >>> 8) & 0xff)] as number)
      ^ (tables[256 + ((high >>> 16) & 0xff)] as number) ^ (tables[high >>> 24] as number);
  }
  for (; at < end; at++) state = (tables[(state ^ (bytes[at] as number)) & 0xff] as number) ^ (state >>> 8);
  return ~state >>> 0;
}

/** The checksum of a structure that holds it, computed as if that field were zero. */
export function crc32cWithout(bytes: Uint8Array, fieldOffset: number): number {
  const before = crc32c(bytes, 0, fieldOffset);
  return crc32c(bytes, fieldOffset + 4, bytes.length - fieldOffset - 4, crc32c(FOUR_ZEROS, 0, 4, before));
}

const FOUR_ZEROS = new Uint8Array(4);
