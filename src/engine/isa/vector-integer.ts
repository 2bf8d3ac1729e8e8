/**
 * The integer instructions of MMX, SSE, SSE2, SSE3, SSSE3, SSE4.1 and SSE4.2 [SDM vol. 2, opcode maps in appendix A].
 * Handlers: core/vector. They read and write exactly `bytes` of a memory operand.
 */

import { instructions, type Instruction, type Row } from './instruction.ts';

type Extensions = readonly [mmx: string, sse: string];

const MMX_SSE2: Extensions = ['MMX', 'SSE2'];
const SSE_SSE2: Extensions = ['SSE', 'SSE2'];
const SSE2_SSE2: Extensions = ['SSE2', 'SSE2'];
const SSSE3_SSSE3: Extensions = ['SSSE3', 'SSSE3'];

/** Same operation on MMX and XMM registers: without prefix and with 66. The opcode follows 0F. */
const BOTH: readonly (readonly [opcode: string, names: string, extensions: Extensions])[] = [
  ['60', 'PUNPCKLBW', MMX_SSE2], ['61', 'PUNPCKLWD', MMX_SSE2], ['62', 'PUNPCKLDQ', MMX_SSE2],
  ['63', 'PACKSSWB', MMX_SSE2], ['64', 'PCMPGTB', MMX_SSE2], ['65', 'PCMPGTW', MMX_SSE2], ['66', 'PCMPGTD', MMX_SSE2],
  ['67', 'PACKUSWB', MMX_SSE2], ['68', 'PUNPCKHBW', MMX_SSE2], ['69', 'PUNPCKHWD', MMX_SSE2],
  ['6A', 'PUNPCKHDQ', MMX_SSE2], ['6B', 'PACKSSDW', MMX_SSE2],
  ['74', 'PCMPEQB', MMX_SSE2], ['75', 'PCMPEQW', MMX_SSE2], ['76', 'PCMPEQD', MMX_SSE2],
  ['D1', 'PSRLW', MMX_SSE2], ['D2', 'PSRLD', MMX_SSE2], ['D3', 'PSRLQ', MMX_SSE2], ['D4', 'PADDQ', SSE2_SSE2],
  ['D5', 'PMULLW', MMX_SSE2], ['D8', 'PSUBUSB', MMX_SSE2], ['D9', 'PSUBUSW', MMX_SSE2], ['DA', 'PMINUB', SSE_SSE2],
  ['DB', 'PAND', MMX_SSE2], ['DC', 'PADDUSB', MMX_SSE2], ['DD', 'PADDUSW', MMX_SSE2], ['DE', 'PMAXUB', SSE_SSE2],
  ['DF', 'PANDN', MMX_SSE2], ['E0', 'PAVGB', SSE_SSE2], ['E1', 'PSRAW', MMX_SSE2], ['E2', 'PSRAD', MMX_SSE2],
  ['E3', 'PAVGW', SSE_SSE2], ['E4', 'PMULHUW', SSE_SSE2], ['E5', 'PMULHW', MMX_SSE2], ['E8', 'PSUBSB', MMX_SSE2],
  ['E9', 'PSUBSW', MMX_SSE2], ['EA', 'PMINSW', SSE_SSE2], ['EB', 'POR', MMX_SSE2], ['EC', 'PADDSB', MMX_SSE2],
  ['ED', 'PADDSW', MMX_SSE2], ['EE', 'PMAXSW', SSE_SSE2], ['EF', 'PXOR', MMX_SSE2], ['F1', 'PSLLW', MMX_SSE2],
  ['F2', 'PSLLD', MMX_SSE2], ['F3', 'PSLLQ', MMX_SSE2], ['F4', 'PMULUDQ', SSE2_SSE2], ['F5', 'PMADDWD', MMX_SSE2],
  ['F6', 'PSADBW', SSE_SSE2], ['F8', 'PSUBB', MMX_SSE2], ['F9', 'PSUBW', MMX_SSE2], ['FA', 'PSUBD', MMX_SSE2],
  ['FB', 'PSUBQ', SSE2_SSE2], ['FC', 'PADDB', MMX_SSE2], ['FD', 'PADDW', MMX_SSE2], ['FE', 'PADDD', MMX_SSE2],
  ['38 00', 'PSHUFB', SSSE3_SSSE3], ['38 01', 'PHADDW', SSSE3_SSSE3], ['38 02', 'PHADDD', SSSE3_SSSE3],
  ['38 03', 'PHADDSW', SSSE3_SSSE3], ['38 04', 'PMADDUBSW', SSSE3_SSSE3], ['38 05', 'PHSUBW', SSSE3_SSSE3],
  ['38 06', 'PHSUBD', SSSE3_SSSE3], ['38 07', 'PHSUBSW', SSSE3_SSSE3], ['38 08', 'PSIGNB', SSSE3_SSSE3],
  ['38 09', 'PSIGNW', SSSE3_SSSE3], ['38 0A', 'PSIGND', SSSE3_SSSE3], ['38 0B', 'PMULHRSW', SSSE3_SSSE3],
  ['38 1C', 'PABSB', SSSE3_SSSE3], ['38 1D', 'PABSW', SSSE3_SSSE3], ['38 1E', 'PABSD', SSSE3_SSSE3]
];

/** XMM registers only, aligned 16-byte memory operand, prefix 66. The opcode follows 0F. */
const XMM_ONLY: readonly (readonly [opcode: string, name: string, feature: string])[] = [
  ['6C', 'PUNPCKLQDQ', 'SSE2'], ['6D', 'PUNPCKHQDQ', 'SSE2'],
  ['38 10', 'PBLENDVB', 'SSE4.1'], ['38 17', 'PTEST', 'SSE4.1'],
  ['38 28', 'PMULDQ', 'SSE4.1'], ['38 29', 'PCMPEQQ', 'SSE4.1'], ['38 2B', 'PACKUSDW', 'SSE4.1'],
  ['38 37', 'PCMPGTQ', 'SSE4.2'], ['38 38', 'PMINSB', 'SSE4.1'], ['38 39', 'PMINSD', 'SSE4.1'],
  ['38 3A', 'PMINUW', 'SSE4.1'], ['38 3B', 'PMINUD', 'SSE4.1'], ['38 3C', 'PMAXSB', 'SSE4.1'],
  ['38 3D', 'PMAXSD', 'SSE4.1'], ['38 3E', 'PMAXUW', 'SSE4.1'], ['38 3F', 'PMAXUD', 'SSE4.1'],
  ['38 40', 'PMULLD', 'SSE4.1'], ['38 41', 'PHMINPOSUW', 'SSE4.1']
];

/** Shifts by an immediate: groups 12, 13 and 14. The opcode follows 0F. */
const IMMEDIATE_SHIFTS: readonly (readonly [opcode: string, name: string])[] = [
  ['71 /2', 'PSRLW'], ['71 /4', 'PSRAW'], ['71 /6', 'PSLLW'], ['72 /2', 'PSRLD'], ['72 /4', 'PSRAD'],
  ['72 /6', 'PSLLD'], ['73 /2', 'PSRLQ'], ['73 /6', 'PSLLQ']
];

/** Widening moves: the memory operand is as large as the elements that are read. */
const WIDENING: readonly (readonly [opcode: string, suffix: string, bytes: number])[] = [
  ['0', 'BW', 8], ['1', 'BD', 4], ['2', 'BQ', 2], ['3', 'WD', 8], ['4', 'WQ', 4], ['5', 'DQ', 8]
];

const WHOLE = { bytes: 16, aligned: true, oracle: 'native' } as const;

/** Forms with MMX operands, and transfers between MMX and the rest: they enter MMX state. */
const MMX_ROWS: readonly Row[] = [
  ...BOTH.map(([opcode, name, [feature]]): Row => {
    const bytes = name.startsWith('PUNPCKL') ? 4 : 8;
    return [`NP 0F ${opcode} /r`, name, 'P,Q', `${name.toLowerCase()}Mmx`, { bytes, feature, oracle: 'native' }];
  }),
  ...IMMEDIATE_SHIFTS.map(([opcode, name]): Row =>
    [`NP 0F ${opcode} r`, name, 'N,Ib', `${name.toLowerCase()}ImmediateMmx`, { feature: 'MMX', oracle: 'native' }]),
  ['NP 0F 6E /r W0', 'MOVD', 'P,Ed', 'move32Zero64', { bytes: 4, feature: 'MMX', oracle: 'native' }],
  ['NP 0F 6E /r W1', 'MOVQ', 'P,Eq', 'move64', { bytes: 8, feature: 'MMX', oracle: 'native' }],
  ['NP 0F 7E /r r W0', 'MOVD', 'Ed,P', 'move32Zero64', { feature: 'MMX', oracle: 'native' }],
  ['NP 0F 7E /r m W0', 'MOVD', 'Md,P', 'move32', { bytes: 4, feature: 'MMX', oracle: 'native' }],
  ['NP 0F 7E /r W1', 'MOVQ', 'Eq,P', 'move64', { bytes: 8, feature: 'MMX', oracle: 'native' }],
  ['NP 0F 6F /r', 'MOVQ', 'P,Q', 'move64', { bytes: 8, feature: 'MMX', oracle: 'native' }],
  ['NP 0F 7F /r', 'MOVQ', 'Q,P', 'move64', { bytes: 8, feature: 'MMX', oracle: 'native' }],
  ['NP 0F E7 /r m', 'MOVNTQ', 'Mq,P', 'move64', { bytes: 8, feature: 'SSE', oracle: 'native' }],
  ['F3 0F D6 /r r', 'MOVQ2DQ', 'V,N', 'move64Zero128', { feature: 'SSE2', oracle: 'native' }],
  ['F2 0F D6 /r r', 'MOVDQ2Q', 'P,U', 'move64', { feature: 'SSE2', oracle: 'native' }],
  ['NP 0F 70 /r', 'PSHUFW', 'P,Q,Ib', 'pshufw', { bytes: 8, feature: 'SSE', oracle: 'native' }],
  ['NP 0F 3A 0F /r', 'PALIGNR', 'P,Q,Ib', 'palignrMmx', { bytes: 8, feature: 'SSSE3', oracle: 'native' }],
  ['NP 0F C4 /r r', 'PINSRW', 'P,Ed,Ib', 'pinsrwMmx', { feature: 'SSE', oracle: 'native' }],
  ['NP 0F C4 /r m', 'PINSRW', 'P,Mw,Ib', 'pinsrwMmx', { bytes: 2, feature: 'SSE', oracle: 'native' }],
  ['NP 0F C5 /r r', 'PEXTRW', 'Gd,N,Ib', 'pextrwMmx', { feature: 'SSE', oracle: 'native' }],
  ['NP 0F D7 /r r', 'PMOVMSKB', 'Gd,N', 'pmovmskbMmx', { feature: 'SSE', oracle: 'native' }],
  ['NP 0F 77', 'EMMS', '', 'emms', { feature: 'MMX', oracle: 'native' }]
];

const MOVES: readonly Row[] = [
  ['66 0F 6E /r W0', 'MOVD', 'V,Ed', 'move32Zero128', { bytes: 4, feature: 'SSE2', oracle: 'native' }],
  ['66 0F 6E /r W1', 'MOVQ', 'V,Eq', 'move64Zero128', { bytes: 8, feature: 'SSE2', oracle: 'native' }],
  ['66 0F 7E /r r W0', 'MOVD', 'Ed,V', 'move32Zero64', { feature: 'SSE2', oracle: 'native' }],
  ['66 0F 7E /r m W0', 'MOVD', 'Md,V', 'move32', { bytes: 4, feature: 'SSE2', oracle: 'native' }],
  ['66 0F 7E /r W1', 'MOVQ', 'Eq,V', 'move64', { bytes: 8, feature: 'SSE2', oracle: 'native' }],
  ['F3 0F 7E /r', 'MOVQ', 'V,W', 'move64Zero128', { bytes: 8, feature: 'SSE2', oracle: 'native' }],
  ['66 0F D6 /r r', 'MOVQ', 'U,V', 'move64Zero128', { feature: 'SSE2', oracle: 'native' }],
  ['66 0F D6 /r m', 'MOVQ', 'Mq,V', 'move64', { bytes: 8, feature: 'SSE2', oracle: 'native' }],
  ['66 0F 6F /r', 'MOVDQA', 'V,W', 'move128', { ...WHOLE, feature: 'SSE2' }],
  ['66 0F 7F /r', 'MOVDQA', 'W,V', 'move128', { ...WHOLE, feature: 'SSE2' }],
  ['F3 0F 6F /r', 'MOVDQU', 'V,W', 'move128', { bytes: 16, feature: 'SSE2', oracle: 'native' }],
  ['F3 0F 7F /r', 'MOVDQU', 'W,V', 'move128', { bytes: 16, feature: 'SSE2', oracle: 'native' }],
  ['66 0F E7 /r m', 'MOVNTDQ', 'W,V', 'move128', { ...WHOLE, feature: 'SSE2' }],
  ['66 0F 38 2A /r m', 'MOVNTDQA', 'V,W', 'move128', { ...WHOLE, feature: 'SSE4.1' }],
  ['F2 0F F0 /r m', 'LDDQU', 'V,W', 'move128', { bytes: 16, feature: 'SSE3', oracle: 'native' }]
];

const ELEMENTS: readonly Row[] = [
  ['66 0F C4 /r r', 'PINSRW', 'V,Ed,Ib', 'pinsrw', { feature: 'SSE2', oracle: 'native' }],
  ['66 0F C4 /r m', 'PINSRW', 'V,Mw,Ib', 'pinsrw', { bytes: 2, feature: 'SSE2', oracle: 'native' }],
  ['66 0F C5 /r r', 'PEXTRW', 'Gd,U,Ib', 'pextrw', { feature: 'SSE2', oracle: 'native' }],
  ['66 0F D7 /r r', 'PMOVMSKB', 'Gd,U', 'pmovmskb', { feature: 'SSE2', oracle: 'native' }],
  ['66 0F 3A 14 /r r', 'PEXTRB', 'Ed,V,Ib', 'pextrb', { feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 14 /r m', 'PEXTRB', 'Mb,V,Ib', 'pextrbMemory', { bytes: 1, feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 15 /r r', 'PEXTRW', 'Ed,V,Ib', 'pextrw', { feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 15 /r m', 'PEXTRW', 'Mw,V,Ib', 'pextrwMemory', { bytes: 2, feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 16 /r r W0', 'PEXTRD', 'Ed,V,Ib', 'pextrd', { feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 16 /r m W0', 'PEXTRD', 'Md,V,Ib', 'pextrdMemory', { bytes: 4, feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 16 /r W1', 'PEXTRQ', 'Eq,V,Ib', 'pextrq', { bytes: 8, feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 20 /r r', 'PINSRB', 'V,Ed,Ib', 'pinsrb', { feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 20 /r m', 'PINSRB', 'V,Mb,Ib', 'pinsrb', { bytes: 1, feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 22 /r W0', 'PINSRD', 'V,Ed,Ib', 'pinsrd', { bytes: 4, feature: 'SSE4.1', oracle: 'native' }],
  ['66 0F 3A 22 /r W1', 'PINSRQ', 'V,Eq,Ib', 'pinsrq', { bytes: 8, feature: 'SSE4.1', oracle: 'native' }]
];

/** The string comparisons' memory operands need no alignment. */
const STRINGS: readonly Row[] = [
  ['66 0F 3A 60 /r W0', 'PCMPESTRM', 'V,W,Ib', 'pcmpestrm', { bytes: 16, feature: 'SSE4.2', oracle: 'native' }],
  ['66 0F 3A 60 /r W1', 'PCMPESTRM', 'V,W,Ib', 'pcmpestrm64', { bytes: 16, feature: 'SSE4.2', oracle: 'native' }],
  ['66 0F 3A 61 /r W0', 'PCMPESTRI', 'V,W,Ib', 'pcmpestri', { bytes: 16, feature: 'SSE4.2', oracle: 'native' }],
  ['66 0F 3A 61 /r W1', 'PCMPESTRI', 'V,W,Ib', 'pcmpestri64', { bytes: 16, feature: 'SSE4.2', oracle: 'native' }],
  ['66 0F 3A 62 /r', 'PCMPISTRM', 'V,W,Ib', 'pcmpistrm', { bytes: 16, feature: 'SSE4.2', oracle: 'native' }],
  ['66 0F 3A 63 /r', 'PCMPISTRI', 'V,W,Ib', 'pcmpistri', { bytes: 16, feature: 'SSE4.2', oracle: 'native' }]
];

const SSE_ROWS: readonly Row[] = [
  ...BOTH.map(([opcode, name, [, feature]]): Row =>
    [`66 0F ${opcode} /r`, name, 'V,W', name.toLowerCase(), { ...WHOLE, feature }]),
  ...XMM_ONLY.map(([opcode, name, feature]): Row =>
    [`66 0F ${opcode} /r`, name, 'V,W', name.toLowerCase(), { ...WHOLE, feature }]),
  ...IMMEDIATE_SHIFTS.map(([opcode, name]): Row =>
    [`66 0F ${opcode} r`, name, 'U,Ib', `${name.toLowerCase()}Immediate`, { feature: 'SSE2', oracle: 'native' }]),
  ['66 0F 73 /3 r', 'PSRLDQ', 'U,Ib', 'psrldq', { feature: 'SSE2', oracle: 'native' }],
  ['66 0F 73 /7 r', 'PSLLDQ', 'U,Ib', 'pslldq', { feature: 'SSE2', oracle: 'native' }],
  ...WIDENING.flatMap(([digit, suffix, bytes]): Row[] => ['S', 'Z'].map((kind) => {
    const name = `PMOV${kind}X${suffix}`;
    const opcode = `66 0F 38 ${kind === 'S' ? 2 : 3}${digit} /r`;
    return [opcode, name, 'V,W', name.toLowerCase(), { bytes, feature: 'SSE4.1', oracle: 'native' }];
  })),
  ['66 0F 70 /r', 'PSHUFD', 'V,W,Ib', 'pshufd', { ...WHOLE, feature: 'SSE2' }],
  ['F3 0F 70 /r', 'PSHUFHW', 'V,W,Ib', 'pshufhw', { ...WHOLE, feature: 'SSE2' }],
  ['F2 0F 70 /r', 'PSHUFLW', 'V,W,Ib', 'pshuflw', { ...WHOLE, feature: 'SSE2' }],
  ['66 0F 3A 0E /r', 'PBLENDW', 'V,W,Ib', 'pblendw', { ...WHOLE, feature: 'SSE4.1' }],
  ['66 0F 3A 0F /r', 'PALIGNR', 'V,W,Ib', 'palignr', { ...WHOLE, feature: 'SSSE3' }],
  ['66 0F 3A 42 /r', 'MPSADBW', 'V,W,Ib', 'mpsadbw', { ...WHOLE, feature: 'SSE4.1' }],
  ...MOVES,
  ...ELEMENTS,
  ...STRINGS
];

/** CRC32 needs no SSE state. */
const SYSTEM_ROWS: readonly Row[] = [
  ['F2 0F 38 F0 /r W0', 'CRC32', 'Gd,Eb', 'crc32_8', { bytes: 1, feature: 'SSE4.2', oracle: 'native' }],
  ['F2 0F 38 F0 /r W1', 'CRC32', 'Gq,Eb', 'crc32_8', { bytes: 1, feature: 'SSE4.2', oracle: 'native' }],
  ['66 F2 0F 38 F1 /r W0', 'CRC32', 'Gd,Ew', 'crc32_16', { bytes: 2, feature: 'SSE4.2', oracle: 'native' }],
  ['F2 0F 38 F1 /r W0', 'CRC32', 'Gd,Ed', 'crc32_32', { bytes: 4, feature: 'SSE4.2', oracle: 'native' }],
  ['F2 0F 38 F1 /r W1', 'CRC32', 'Gq,Eq', 'crc32_64', { bytes: 8, feature: 'SSE4.2', oracle: 'native' }]
];

export const VECTOR_INTEGER: readonly Instruction[] = [
  ...instructions('mmx', MMX_ROWS),
  ...instructions('sse', SSE_ROWS),
  ...instructions('system', SYSTEM_ROWS)
];
