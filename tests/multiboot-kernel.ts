/**
 * The smallest kernels: a multiboot 1 header that says where everything goes, and machine code that a test brings along
 * [Multiboot Specification 0.6.96, section 3]. They start in 32-bit protected mode without paging.
 */

const MAGIC = 0x1badb002;
/** The header's address fields are valid. */
const ADDRESSES = 1 << 16;
const HEADER_BYTES = 32;
const LOAD_ADDRESS = 0x100000;

/** A kernel file whose code starts right behind the header. */
export function multibootKernel(code: readonly number[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const entry = LOAD_ADDRESS + HEADER_BYTES;
  const end = entry + code.length;
  const checksum = -(MAGIC + ADDRESSES) >>> 0;
  [MAGIC, ADDRESSES, checksum, LOAD_ADDRESS, LOAD_ADDRESS, end, end, entry].forEach((value, index) => {
    header.writeUInt32LE(value, index * 4);
  });
  return Buffer.concat([header, Buffer.from(code)]);
}

/** `cli`, then a jump to itself: nothing but the hypervisor can end it. */
export const TIGHT_LOOP = [0xfa, 0xeb, 0xfe];
/** `sti`, then `hlt` for ever. */
export const IDLE = [0xfb, 0xf4, 0xeb, 0xfd];
/** An interrupt table of no entries and an undefined instruction: a triple fault. */
export const TRIPLE_FAULT = [
  0x68, 0, 0, 0, 0, 0x68, 0, 0, 0, 0, // push 0, twice
  0x0f, 0x01, 0x1c, 0x24, // lidt [esp]
  0x0f, 0x0b, // ud2
];

/** Sends text out of the first serial port, then idles. */
export function says(text: string): number[] {
  const bytes = [...Buffer.from(text)];
  return [0x66, 0xba, 0xf8, 0x03, ...bytes.flatMap((byte) => [0xb0, byte, 0xee]), ...IDLE];
}

/** Writes a byte to the debug-exit port, then idles. */
export function debugExit(byte: number): number[] {
  return [0xb0, byte, 0xe6, 0xf4, ...IDLE];
}
