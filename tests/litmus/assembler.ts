/** Machine code by hand: the few 64-bit instructions that the programs here are made of, and labels for short jumps. */

/** Registers by number. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSI = 6;
export const RDI = 7;

/** Code, or a label: a name that jumps of one byte refer to. */
export type Piece = readonly number[] | { readonly label: string } | { readonly opcode: number; readonly to: string };

const word = (value: number): number[] =>
  [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];

export const label = (name: string): Piece => ({ label: name });
/** A conditional jump (0x74 JE, 0x75 JNE, 0x72 JB …), or 0xeb JMP. */
export const jump = (opcode: number, to: string): Piece => ({ opcode, to });

/** ModRM and displacement of [RSI + displacement]. */
const atRsi = (register: number, displacement: number): number[] => [0x86 | (register << 3), ...word(displacement)];

export const moveImmediate = (register: number, value: number): number[] => [0xb8 | register, ...word(value)];
export const clear = (register: number): number[] => [0x31, 0xc0 | (register << 3) | register];
/** 32-bit loads and stores at RSI + displacement. */
export const load = (register: number, displacement: number): number[] => [0x8b, ...atRsi(register, displacement)];
export const store = (displacement: number, register: number): number[] => [0x89, ...atRsi(register, displacement)];
export const storeImmediate = (displacement: number, value: number): number[] =>
  [0xc7, ...atRsi(0, displacement), ...word(value)];
export const exchange = (displacement: number, register: number): number[] => [0x87, ...atRsi(register, displacement)];
/** Any instruction with one memory operand [RSI + displacement]; `field` is ModRM's register field. */
export const onMemory = (
  opcode: readonly number[], field: number, displacement: number, tail: readonly number[] = [],
): number[] =>
  [...opcode, ...atRsi(field, displacement), ...tail];
/** A 32-bit load, compare or store at a fixed address. */
export const loadFixed = (register: number, address: number): number[] =>
  [0x8b, 0x04 | (register << 3), 0x25, ...word(address)];
export const storeFixed = (address: number, register: number): number[] =>
  [0x89, 0x04 | (register << 3), 0x25, ...word(address)];
export const lockIncrementFixed = (address: number): number[] => [0xf0, 0xff, 0x04, 0x25, ...word(address)];
export const compare = (left: number, right: number): number[] => [0x39, 0xc0 | (right << 3) | left];
export const addImmediate = (register: number, value: number): number[] =>
  [0x48, 0x81, 0xc0 | register, ...word(value)];
export const decrement = (register: number): number[] => [0xff, 0xc8 | register];
export const MFENCE = [0x0f, 0xae, 0xf0];
export const PAUSE = [0xf3, 0x90];
export const HLT = [0xf4];
export const CPUID = [0x0f, 0xa2];
export const RET = [0xc3];
/** CALL RDI. */
export const CALL_RDI = [0xff, 0xd7];

/** Puts pieces together. */
export function assemble(...pieces: readonly Piece[]): number[] {
  const labels = new Map<string, number>();
  let at = 0;
  for (const piece of pieces) {
    if ('label' in piece) labels.set(piece.label, at);
    else at += 'to' in piece ? 2 : piece.length;
  }
  const bytes: number[] = [];
  for (const piece of pieces) {
    if ('label' in piece) continue;
    if (!('to' in piece)) {
      bytes.push(...piece);
      continue;
    }
    const target = labels.get(piece.to);
    if (target === undefined) throw new Error(`no label is called ${piece.to}`);
    const distance = target - (bytes.length + 2);
    if (distance < -128 || distance > 127) throw new Error(`${piece.to} is too far for a short jump`);
    bytes.push(piece.opcode, distance & 0xff);
  }
  return bytes;
}
