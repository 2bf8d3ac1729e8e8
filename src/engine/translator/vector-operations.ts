/**
 * The SSE instructions that regions do themselves, by the names that the rows of ../isa give their handlers: what
 * becomes of the destination and the source, as WebAssembly's vector instructions [Core Specification 2.0, section
 * 5.4.8].
 */

import type { CoreCall } from './core-calls.ts';
import * as op from './opcodes.ts';

/** Lanes of i8x16.shuffle: 0 … 15 of the destination, 16 … 31 of the source. */
export type Lanes = readonly number[];

export type VectorOperation =
  /** d = d · s, or s · d when swapped. */
  | { readonly kind: 'binary'; readonly opcode: number; readonly swapped: boolean }
  /** d = · s. */
  | { readonly kind: 'unary'; readonly opcode: number }
  /** d = d shifted by the immediate, which is at most `most`; beyond that 0, or for a signed one `most`. */
  | { readonly kind: 'shift'; readonly opcode: number; readonly most: number; readonly signed: boolean }
  /** d = lanes of d, s, and of zero where a lane is -1. */
  | { readonly kind: 'shuffle'; lanes(immediate: number): Lanes }
  /** `bytes` at `from` of s go to `to` of d, whose rest stays or becomes 0. */
  | { readonly kind: 'copy'; readonly bytes: 4 | 8; readonly from: 0 | 8; readonly to: 0 | 8; readonly zeroes: boolean }
  /** d = the bytes of d that those of s choose, 0 where their bit 7 is set. */
  | { readonly kind: 'choose' }
  | { readonly kind: 'whole' }
  /** d = the lowest `bytes` of s, in all places. */
  | { readonly kind: 'splat'; readonly bytes: 1 | 2 | 4 | 8; readonly load: number }
  /** All registers' upper halves become 0. */
  | { readonly kind: 'zeroUpper' }
  /** d = what a function of the core makes. */
  | { readonly kind: 'call'; readonly name: CoreCall }
  /** A general register gets the sign bits of s. */
  | { readonly kind: 'mask'; readonly opcode: number }
  /** d = d · s of the lowest elements, which are floats. */
  | { readonly kind: 'scalar'; readonly opcode: number; readonly double: boolean; readonly unary: boolean }
  /** The flags of a comparison of the lowest elements. */
  | { readonly kind: 'order'; readonly double: boolean }
  | { readonly kind: 'fromInteger'; readonly wide: boolean }
  | { readonly kind: 'toInteger'; readonly wide: boolean };

const binary = (opcode: number, swapped = false): VectorOperation => ({ kind: 'binary', opcode, swapped });
const unary = (opcode: number): VectorOperation => ({ kind: 'unary', opcode });
const shift = (opcode: number, most: number, signed = false): VectorOperation =>
  ({ kind: 'shift', opcode, most, signed });
const shuffle = (lanes: (immediate: number) => Lanes): VectorOperation => ({ kind: 'shuffle', lanes });
const copy = (bytes: 4 | 8, from: 0 | 8, to: 0 | 8, zeroes = false): VectorOperation =>
  ({ kind: 'copy', bytes, from, to, zeroes });
const scalar = (opcode: number, double: boolean, isUnary = false): VectorOperation =>
  ({ kind: 'scalar', opcode, double, unary: isUnary });

/** The byte lanes of elements of `size` bytes. */
function elements(size: number, numbers: readonly number[]): Lanes {
  return numbers.flatMap((number) => Array.from({ length: size }, (_, n) => number * size + n));
}

/** Elements of both operands by turns, from the lower or the upper halves. */
function interleaved(size: number, upper: boolean): VectorOperation {
  const count = 16 / size;
  const first = upper ? count / 2 : 0;
  const lanes = elements(size, Array.from({ length: count / 2 }, (_, n) => [first + n, count + first + n]).flat());
  return shuffle(() => lanes);
}

/** Four choices of two bits. */
function choices(immediate: number): [number, number, number, number] {
  return [immediate & 3, (immediate >> 2) & 3, (immediate >> 4) & 3, (immediate >> 6) & 3];
}

function shiftedBytes(distance: number): Lanes {
  return Array.from({ length: 16 }, (_, n) => (n + distance < 0 || n + distance > 15 ? -1 : n + distance));
}

const WORDS_LOW = [8, 9, 10, 11] as const;

const SHUFFLES: Readonly<Record<string, VectorOperation>> = {
  pshufd: shuffle((i) => elements(4, choices(i).map((n) => 4 + n))),
  pshuflw: shuffle((i) => elements(2, [...choices(i).map((n) => 8 + n), 12, 13, 14, 15])),
  pshufhw: shuffle((i) => elements(2, [...WORDS_LOW, ...choices(i).map((n) => 12 + n)])),
  shufps: shuffle((i) => elements(4, choices(i).map((n, at) => (at < 2 ? n : 4 + n)))),
  shufpd: shuffle((i) => elements(8, [i & 1, 2 + ((i >> 1) & 1)])),
  palignr: shuffle((i) => Array.from({ length: 16 }, (_, n) => {
    const at = n + (i & 0xff);
    return at < 16 ? 16 + at : at < 32 ? at - 16 : -1;
  })),
  pslldq: shuffle((i) => shiftedBytes(-Math.min(i & 0xff, 16))),
  psrldq: shuffle((i) => shiftedBytes(Math.min(i & 0xff, 16))),
  pshufb: { kind: 'choose' },
  movddup: shuffle(() => elements(8, [2, 2])),
  movsldup: shuffle(() => elements(4, [4, 4, 6, 6])),
  movshdup: shuffle(() => elements(4, [5, 5, 7, 7])),
  unpcklps: interleaved(4, false), unpckhps: interleaved(4, true),
  unpcklpd: copy(8, 0, 8), unpckhpd: interleaved(8, true),
  punpcklbw: interleaved(1, false), punpckhbw: interleaved(1, true),
  punpcklwd: interleaved(2, false), punpckhwd: interleaved(2, true),
  punpckldq: interleaved(4, false), punpckhdq: interleaved(4, true),
  punpcklqdq: copy(8, 0, 8), punpckhqdq: interleaved(8, true),
};

const MOVES: Readonly<Record<string, VectorOperation>> = {
  movps: { kind: 'whole' }, move128: { kind: 'whole' },
  movssLoad: copy(4, 0, 0, true), move32Zero128: copy(4, 0, 0, true), move32Zero64: copy(4, 0, 0, true),
  movsdLoad: copy(8, 0, 0, true), move64Zero128: copy(8, 0, 0, true),
  movss: copy(4, 0, 0), move32: copy(4, 0, 0), movlps: copy(8, 0, 0), move64: copy(8, 0, 0),
  movhps: copy(8, 0, 8), movhlps: copy(8, 8, 0),
  pmovmskb: { kind: 'mask', opcode: op.I8X16_BITMASK },
  movmskps: { kind: 'mask', opcode: op.I32X4_BITMASK }, movmskpd: { kind: 'mask', opcode: op.I64X2_BITMASK },
};

const LOGIC: Readonly<Record<string, VectorOperation>> = {
  pand: binary(op.V128_AND), andps: binary(op.V128_AND), por: binary(op.V128_OR), orps: binary(op.V128_OR),
  pxor: binary(op.V128_XOR), xorps: binary(op.V128_XOR),
  pandn: binary(op.V128_ANDNOT, true), andnps: binary(op.V128_ANDNOT, true),
  pcmpeqb: binary(op.I8X16_EQ), pcmpeqw: binary(op.I16X8_EQ), pcmpeqd: binary(op.I32X4_EQ),
  pcmpeqq: binary(op.I64X2_EQ),
  pcmpgtb: binary(op.I8X16_GT_S), pcmpgtw: binary(op.I16X8_GT_S), pcmpgtd: binary(op.I32X4_GT_S),
  pcmpgtq: binary(op.I64X2_GT_S),
};

const INTEGERS: Readonly<Record<string, VectorOperation>> = {
  paddb: binary(op.I8X16_ADD), paddw: binary(op.I16X8_ADD), paddd: binary(op.I32X4_ADD), paddq: binary(op.I64X2_ADD),
  psubb: binary(op.I8X16_SUB), psubw: binary(op.I16X8_SUB), psubd: binary(op.I32X4_SUB), psubq: binary(op.I64X2_SUB),
  paddusb: binary(op.I8X16_ADD_SAT_U), psubusb: binary(op.I8X16_SUB_SAT_U),
  pminub: binary(op.I8X16_MIN_U), pmaxub: binary(op.I8X16_MAX_U), pminsb: binary(op.I8X16_MIN_S),
  pmaxsb: binary(op.I8X16_MAX_S), pminsw: binary(op.I16X8_MIN_S), pmaxsw: binary(op.I16X8_MAX_S),
  pminuw: binary(op.I16X8_MIN_U), pmaxuw: binary(op.I16X8_MAX_U), pminsd: binary(op.I32X4_MIN_S),
  pmaxsd: binary(op.I32X4_MAX_S), pminud: binary(op.I32X4_MIN_U), pmaxud: binary(op.I32X4_MAX_U),
  pmullw: binary(op.I16X8_MUL), pmulld: binary(op.I32X4_MUL), pmaddwd: binary(op.I32X4_DOT),
  packsswb: binary(op.I8X16_NARROW_S), packuswb: binary(op.I8X16_NARROW_U), packssdw: binary(op.I16X8_NARROW_S),
  packusdw: binary(op.I16X8_NARROW_U), pabsb: unary(op.I8X16_ABS), pabsw: unary(op.I16X8_ABS),
  pabsd: unary(op.I32X4_ABS),
  psllwImmediate: shift(op.I16X8_SHL, 15), pslldImmediate: shift(op.I32X4_SHL, 31),
  psllqImmediate: shift(op.I64X2_SHL, 63), psrlwImmediate: shift(op.I16X8_SHR_U, 15),
  psrldImmediate: shift(op.I32X4_SHR_U, 31), psrlqImmediate: shift(op.I64X2_SHR_U, 63),
  psrawImmediate: shift(op.I16X8_SHR_S, 15, true), psradImmediate: shift(op.I32X4_SHR_S, 31, true),
};

const FLOATS: Readonly<Record<string, VectorOperation>> = {
  addsd: scalar(op.F64_ADD, true), subsd: scalar(op.F64_SUB, true), mulsd: scalar(op.F64_MUL, true),
  divsd: scalar(op.F64_DIV, true), sqrtsd: scalar(op.F64_SQRT, true, true),
  addss: scalar(op.F32_ADD, false), subss: scalar(op.F32_SUB, false), mulss: scalar(op.F32_MUL, false),
  divss: scalar(op.F32_DIV, false), sqrtss: scalar(op.F32_SQRT, false, true),
  comisd: { kind: 'order', double: true }, ucomisd: { kind: 'order', double: true },
  comiss: { kind: 'order', double: false }, ucomiss: { kind: 'order', double: false },
  cvtsi2sd: { kind: 'fromInteger', wide: false }, cvtsi2sd64: { kind: 'fromInteger', wide: true },
  cvttsd2si: { kind: 'toInteger', wide: false }, cvttsd2si64: { kind: 'toInteger', wide: true },
};

const splat = (bytes: 1 | 2 | 4 | 8, load: number): VectorOperation => ({ kind: 'splat', bytes, load });

/** AVX's own. */
const WIDE: Readonly<Record<string, VectorOperation>> = {
  vbroadcast8: splat(1, op.V128_LOAD8_SPLAT), vbroadcast16: splat(2, op.V128_LOAD16_SPLAT),
  vbroadcast32: splat(4, op.V128_LOAD32_SPLAT), vbroadcast64: splat(8, op.V128_LOAD64_SPLAT),
  vpmovmskb: { kind: 'mask', opcode: op.I8X16_BITMASK },
  vmovmskps: { kind: 'mask', opcode: op.I32X4_BITMASK }, vmovmskpd: { kind: 'mask', opcode: op.I64X2_BITMASK },
};

export const ZERO_UPPER: VectorOperation = { kind: 'zeroUpper' };

const call = (name: CoreCall): VectorOperation => ({ kind: 'call', name });

const CRYPTOGRAPHY: Readonly<Record<string, VectorOperation>> = {
  aesenc: call('encryptRound'), aesenclast: call('encryptLastRound'), aesdec: call('decryptRound'),
  aesdeclast: call('decryptLastRound'), aesimc: call('mixColumnsInversely'), pclmulqdq: call('carrylessProduct'),
  sha1nexte: call('sha1NextE'), sha1msg1: call('sha1Message1'), sha1msg2: call('sha1Message2'),
  sha1rnds4: call('sha1Rounds'), sha256rnds2: call('sha256Rounds'), sha256msg1: call('sha256Message1'),
  sha256msg2: call('sha256Message2'),
};

export const VECTOR_OPERATIONS: Readonly<Record<string, VectorOperation>> =
  { ...MOVES, ...SHUFFLES, ...LOGIC, ...INTEGERS, ...FLOATS, ...CRYPTOGRAPHY, ...WIDE };
