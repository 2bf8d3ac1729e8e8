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

/**
 * Answers each byte that comes in on the first serial port with the next letter of the alphabet, which it keeps in
 * memory, and the digit after its last, which it keeps in a register.
 */
export function counts(): number[] {
  const loop = [
    0x66, 0xba, 0xfd, 0x03, // mov dx, 0x3fd
    0xec, 0xa8, 0x01, 0x74, 0xfb, // wait: in al, dx; test al, 1; jz wait
    0x66, 0xba, 0xf8, 0x03, 0xec, // mov dx, 0x3f8; in al, dx
    0xa0, 0x00, 0x00, 0x15, 0x00, 0xee, // mov al, [0x150000]; out dx, al
    0xfe, 0x05, 0x00, 0x00, 0x15, 0x00, // inc byte [0x150000]
    0x88, 0xd8, 0xee, 0xfe, 0xc3, // mov al, bl; out dx, al; inc bl
  ];
  const start = [
    0xc6, 0x05, 0x00, 0x00, 0x15, 0x00, 0x41, // mov byte [0x150000], 'A'
    0xb3, 0x30, // mov bl, '0'
    0x66, 0xba, 0xf8, 0x03, 0xb0, 0x3e, 0xee, // mov dx, 0x3f8; mov al, '>'; out dx, al
  ];
  return [...start, ...loop, 0xeb, 256 - loop.length - 2];
}
