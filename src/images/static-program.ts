/** A static executable for a guest: an ELF header, one segment with everything, the code [System V ABI, gabi 4.1]. */

const BASE = 0x40_0000;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;

/** @param code x86-64 instructions that begin with the first and do not care where they lie. */
export function staticProgram(code: Uint8Array): Uint8Array {
  const start = HEADER_BYTES + SEGMENT_BYTES;
  const file = Buffer.alloc(start + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(62, 18); // x86-64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(BASE + start), 24); // entry
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32); // segments
  file.writeUInt16LE(HEADER_BYTES, 52);
  file.writeUInt16LE(SEGMENT_BYTES, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, HEADER_BYTES); // load
  file.writeUInt32LE(5, HEADER_BYTES + 4); // readable, executable
  file.writeBigUInt64LE(BigInt(BASE), HEADER_BYTES + 16);
  file.writeBigUInt64LE(BigInt(BASE), HEADER_BYTES + 24);
  file.writeBigUInt64LE(BigInt(file.length), HEADER_BYTES + 32);
  file.writeBigUInt64LE(BigInt(file.length), HEADER_BYTES + 40);
  file.writeBigUInt64LE(0x1000n, HEADER_BYTES + 48);
  file.set(code, start);
  return file;
}
