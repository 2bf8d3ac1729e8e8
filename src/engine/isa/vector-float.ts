/**
 * SSE to SSE4.1 instructions on floating-point data (SDM volume 2): one row a form, handlers in core/float. Memory
 * operands of packed forms are aligned except those of MOVUPS and MOVUPD.
 */

import { type Instruction, instructions, type Row } from './instruction.ts';

const sse3 = { feature: 'SSE3', oracle: 'native' };
const sse41 = { feature: 'SSE4_1', oracle: 'native' };
const packed = { bytes: 16, aligned: true, oracle: 'native' };
const packed3 = { ...packed, ...sse3 };
const packed41 = { ...packed, ...sse41 };
const unaligned = { bytes: 16, oracle: 'native' };
const single = { bytes: 4, oracle: 'native' };
const double = { bytes: 8, oracle: 'native' };

const MOVES: Row[] = [
  ['NP 0F 10 /r', 'MOVUPS', 'V,W', 'movps', unaligned],
  ['66 0F 10 /r', 'MOVUPD', 'V,W', 'movps', unaligned],
  ['F3 0F 10 /r m', 'MOVSS', 'V,W', 'movssLoad', single],
  ['F3 0F 10 /r r', 'MOVSS', 'V,U', 'movss', single],
  ['F2 0F 10 /r m', 'MOVSD', 'V,W', 'movsdLoad', double],
  ['F2 0F 10 /r r', 'MOVSD', 'V,U', 'movlps', double],
  ['NP 0F 11 /r', 'MOVUPS', 'W,V', 'movps', unaligned],
  ['66 0F 11 /r', 'MOVUPD', 'W,V', 'movps', unaligned],
  ['F3 0F 11 /r', 'MOVSS', 'W,V', 'movss', single],
  ['F2 0F 11 /r', 'MOVSD', 'W,V', 'movlps', double],
  ['NP 0F 12 /r m', 'MOVLPS', 'V,W', 'movlps', double],
  ['NP 0F 12 /r r', 'MOVHLPS', 'V,U', 'movhlps', double],
  ['66 0F 12 /r m', 'MOVLPD', 'V,W', 'movlps', double],
  ['F3 0F 12 /r', 'MOVSLDUP', 'V,W', 'movsldup', packed3],
  ['F2 0F 12 /r', 'MOVDDUP', 'V,W', 'movddup', { ...double, ...sse3 }],
  ['NP 0F 13 /r m', 'MOVLPS', 'W,V', 'movlps', double],
  ['66 0F 13 /r m', 'MOVLPD', 'W,V', 'movlps', double],
  ['NP 0F 14 /r', 'UNPCKLPS', 'V,W', 'unpcklps', packed],
  ['66 0F 14 /r', 'UNPCKLPD', 'V,W', 'unpcklpd', packed],
  ['NP 0F 15 /r', 'UNPCKHPS', 'V,W', 'unpckhps', packed],
  ['66 0F 15 /r', 'UNPCKHPD', 'V,W', 'unpckhpd', packed],
  ['NP 0F 16 /r m', 'MOVHPS', 'V,W', 'movhps', double],
  ['NP 0F 16 /r r', 'MOVLHPS', 'V,U', 'movhps', double],
  ['66 0F 16 /r m', 'MOVHPD', 'V,W', 'movhps', double],
  ['F3 0F 16 /r', 'MOVSHDUP', 'V,W', 'movshdup', packed3],
  ['NP 0F 17 /r m', 'MOVHPS', 'W,V', 'movhlps', double],
  ['66 0F 17 /r m', 'MOVHPD', 'W,V', 'movhlps', double],
  ['NP 0F 28 /r', 'MOVAPS', 'V,W', 'movps', packed],
  ['66 0F 28 /r', 'MOVAPD', 'V,W', 'movps', packed],
  ['NP 0F 29 /r', 'MOVAPS', 'W,V', 'movps', packed],
  ['66 0F 29 /r', 'MOVAPD', 'W,V', 'movps', packed],
  ['NP 0F 2B /r m', 'MOVNTPS', 'W,V', 'movps', packed],
  ['66 0F 2B /r m', 'MOVNTPD', 'W,V', 'movps', packed],
  ['NP 0F 50 /r r', 'MOVMSKPS', 'Gd,U', 'movmskps', packed],
  ['66 0F 50 /r r', 'MOVMSKPD', 'Gd,U', 'movmskpd', packed],
  ['NP 0F C6 /r', 'SHUFPS', 'V,W,Ib', 'shufps', packed],
  ['66 0F C6 /r', 'SHUFPD', 'V,W,Ib', 'shufpd', packed],
  ['66 0F 3A 0C /r', 'BLENDPS', 'V,W,Ib', 'blendps', packed41],
  ['66 0F 3A 0D /r', 'BLENDPD', 'V,W,Ib', 'blendpd', packed41],
  ['66 0F 38 14 /r', 'BLENDVPS', 'V,W', 'blendvps', packed41],
  ['66 0F 38 15 /r', 'BLENDVPD', 'V,W', 'blendvpd', packed41],
  ['66 0F 3A 17 /r', 'EXTRACTPS', 'Ed,V,Ib', 'extractps', { bytes: 4, ...sse41 }],
  ['66 0F 3A 21 /r m', 'INSERTPS', 'V,W,Ib', 'insertpsLoad', { bytes: 4, ...sse41 }],
  ['66 0F 3A 21 /r r', 'INSERTPS', 'V,U,Ib', 'insertps', { bytes: 4, ...sse41 }],
  ['NP 0F AE /2 m', 'LDMXCSR', ',M', 'ldmxcsr', single],
  ['NP 0F AE /3 m', 'STMXCSR', 'M', 'stmxcsr', single],
];

const LOGICAL: readonly (readonly [opcode: string, name: string, op: string])[] = [
  ['54', 'AND', 'andps'],
  ['55', 'ANDN', 'andnps'],
  ['56', 'OR', 'orps'],
  ['57', 'XOR', 'xorps'],
];

const LOGIC: Row[] = LOGICAL.flatMap(([opcode, name, op]): Row[] => [
  [`NP 0F ${opcode} /r`, `${name}PS`, 'V,W', op, packed],
  [`66 0F ${opcode} /r`, `${name}PD`, 'V,W', op, packed],
]);

/** The four forms that an arithmetic opcode has: packed and scalar, single and double. */
function arithmetic(opcode: string, name: string, withImmediate = false): Row[] {
  const operands = withImmediate ? 'V,W,Ib' : 'V,W';
  const op = name.toLowerCase();
  return [
    [`NP 0F ${opcode} /r`, `${name}PS`, operands, `${op}ps`, packed],
    [`66 0F ${opcode} /r`, `${name}PD`, operands, `${op}pd`, packed],
    [`F3 0F ${opcode} /r`, `${name}SS`, operands, `${op}ss`, single],
    [`F2 0F ${opcode} /r`, `${name}SD`, operands, `${op}sd`, double],
  ];
}

const ARITHMETIC: Row[] = [
  ...arithmetic('51', 'SQRT'),
  ...arithmetic('58', 'ADD'),
  ...arithmetic('59', 'MUL'),
  ...arithmetic('5C', 'SUB'),
  ...arithmetic('5D', 'MIN'),
  ...arithmetic('5E', 'DIV'),
  ...arithmetic('5F', 'MAX'),
  ...arithmetic('C2', 'CMP', true),
  ['NP 0F 52 /r', 'RSQRTPS', 'V,W', 'rsqrtps', { ...packed, oracle: 'approximate' }],
  ['F3 0F 52 /r', 'RSQRTSS', 'V,W', 'rsqrtss', { ...single, oracle: 'approximate' }],
  ['NP 0F 53 /r', 'RCPPS', 'V,W', 'rcpps', { ...packed, oracle: 'approximate' }],
  ['F3 0F 53 /r', 'RCPSS', 'V,W', 'rcpss', { ...single, oracle: 'approximate' }],
  ['66 0F 7C /r', 'HADDPD', 'V,W', 'haddpd', packed3],
  ['F2 0F 7C /r', 'HADDPS', 'V,W', 'haddps', packed3],
  ['66 0F 7D /r', 'HSUBPD', 'V,W', 'hsubpd', packed3],
  ['F2 0F 7D /r', 'HSUBPS', 'V,W', 'hsubps', packed3],
  ['66 0F D0 /r', 'ADDSUBPD', 'V,W', 'addsubpd', packed3],
  ['F2 0F D0 /r', 'ADDSUBPS', 'V,W', 'addsubps', packed3],
  ['66 0F 3A 40 /r', 'DPPS', 'V,W,Ib', 'dpps', packed41],
  ['66 0F 3A 41 /r', 'DPPD', 'V,W,Ib', 'dppd', packed41],
  ['66 0F 3A 08 /r', 'ROUNDPS', 'V,W,Ib', 'roundps', packed41],
  ['66 0F 3A 09 /r', 'ROUNDPD', 'V,W,Ib', 'roundpd', packed41],
  ['66 0F 3A 0A /r', 'ROUNDSS', 'V,W,Ib', 'roundss', { bytes: 4, ...sse41 }],
  ['66 0F 3A 0B /r', 'ROUNDSD', 'V,W,Ib', 'roundsd', { bytes: 8, ...sse41 }],
  ['NP 0F 2E /r', 'UCOMISS', 'V,W', 'ucomiss', single],
  ['66 0F 2E /r', 'UCOMISD', 'V,W', 'ucomisd', double],
  ['NP 0F 2F /r', 'COMISS', 'V,W', 'comiss', single],
  ['66 0F 2F /r', 'COMISD', 'V,W', 'comisd', double],
];

const CONVERSIONS: Row[] = [
  ['F3 0F 2A /r W0', 'CVTSI2SS', 'V,Ed', 'cvtsi2ss', single],
  ['F3 0F 2A /r W1', 'CVTSI2SS', 'V,Eq', 'cvtsi2ss64', double],
  ['F2 0F 2A /r W0', 'CVTSI2SD', 'V,Ed', 'cvtsi2sd', single],
  ['F2 0F 2A /r W1', 'CVTSI2SD', 'V,Eq', 'cvtsi2sd64', double],
  ['F3 0F 2C /r W0', 'CVTTSS2SI', 'Gd,W', 'cvttss2si', single],
  ['F3 0F 2C /r W1', 'CVTTSS2SI', 'Gq,W', 'cvttss2si64', single],
  ['F2 0F 2C /r W0', 'CVTTSD2SI', 'Gd,W', 'cvttsd2si', double],
  ['F2 0F 2C /r W1', 'CVTTSD2SI', 'Gq,W', 'cvttsd2si64', double],
  ['F3 0F 2D /r W0', 'CVTSS2SI', 'Gd,W', 'cvtss2si', single],
  ['F3 0F 2D /r W1', 'CVTSS2SI', 'Gq,W', 'cvtss2si64', single],
  ['F2 0F 2D /r W0', 'CVTSD2SI', 'Gd,W', 'cvtsd2si', double],
  ['F2 0F 2D /r W1', 'CVTSD2SI', 'Gq,W', 'cvtsd2si64', double],
  ['NP 0F 5A /r', 'CVTPS2PD', 'V,W', 'cvtps2pd', double],
  ['66 0F 5A /r', 'CVTPD2PS', 'V,W', 'cvtpd2ps', packed],
  ['F3 0F 5A /r', 'CVTSS2SD', 'V,W', 'cvtss2sd', single],
  ['F2 0F 5A /r', 'CVTSD2SS', 'V,W', 'cvtsd2ss', double],
  ['NP 0F 5B /r', 'CVTDQ2PS', 'V,W', 'cvtdq2ps', packed],
  ['66 0F 5B /r', 'CVTPS2DQ', 'V,W', 'cvtps2dq', packed],
  ['F3 0F 5B /r', 'CVTTPS2DQ', 'V,W', 'cvttps2dq', packed],
  ['66 0F E6 /r', 'CVTTPD2DQ', 'V,W', 'cvttpd2dq', packed],
  ['F3 0F E6 /r', 'CVTDQ2PD', 'V,W', 'cvtdq2pd', double],
  ['F2 0F E6 /r', 'CVTPD2DQ', 'V,W', 'cvtpd2dq', packed],
];

/** Conversions with MMX registers, which enter the MMX state; those from memory touch none and are elsewhere. */
const MMX_CONVERSIONS: Row[] = [
  ['NP 0F 2A /r r', 'CVTPI2PS', 'V,N', 'cvtpi2ps', double],
  ['66 0F 2A /r r', 'CVTPI2PD', 'V,N', 'cvtdq2pd', double],
  ['NP 0F 2C /r', 'CVTTPS2PI', 'P,W', 'cvttps2pi', double],
  ['66 0F 2C /r', 'CVTTPD2PI', 'P,W', 'cvttpd2pi', packed],
  ['NP 0F 2D /r', 'CVTPS2PI', 'P,W', 'cvtps2pi', double],
  ['66 0F 2D /r', 'CVTPD2PI', 'P,W', 'cvtpd2pi', packed],
];

export const VECTOR_FLOAT: readonly Instruction[] = [
  ...instructions('sse', [
    ...MOVES,
    ...LOGIC,
    ...ARITHMETIC,
    ...CONVERSIONS,
    ['NP 0F 2A /r m', 'CVTPI2PS', 'V,W', 'cvtpi2ps', double],
    ['66 0F 2A /r m', 'CVTPI2PD', 'V,W', 'cvtdq2pd', double],
  ]),
  ...instructions('mmx', MMX_CONVERSIONS),
];
