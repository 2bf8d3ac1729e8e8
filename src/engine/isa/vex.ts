/**
 * AVX and AVX2 [SDM vol. 2, 2.3]: what SSE has, with a VEX prefix, three operands and no alignment, made from its rows;
 * and what it has not, whose handlers are in core/vector/avx.ts and masked.ts.
 */

import { CRYPTOGRAPHY } from './cryptography.ts';
import { type Instruction, instructions, type Row } from './instruction.ts';
import { VECTOR_FLOAT } from './vector-float.ts';
import { VECTOR_INTEGER } from './vector-integer.ts';

type Rest = Partial<Instruction>;

/** Their destination is only written, so there is no third operand. */
const UNARY = new RegExp('^(MOV([AU]P[SD]|DQ[AU]|NT.*|S[HL]DUP|DDUP|MSKP[SD]|[DQ])|SQRTP[SD]|R(CP|SQRT)PS|ROUNDP[SD]|'
  + 'CVT(T?PS2DQ|DQ2P[SD]|PS2PD|PD2PS|T?PD2DQ|T?S[SD]2SI)|PABS[BWD]|PMOV.*|PSHUF(D|HW|LW)|PHMINPOSUW|PTEST|U?COMIS[SD]|'
  + 'LDDQU|PCMP[EI]STR[IM]|AESIMC|AESKEYGENASSIST|P?EXTR.*|EXTRACTPS|LDMXCSR|STMXCSR|MASKMOVDQU)$');
/** Of 128 bits only. */
const SHORT = new RegExp('^(MOV([HL]P[SD]|HLPS|LHPS|[DQ])|P(INSR|EXTR)[BWDQ]|(EXTRACT|INSERT)PS|DPPD|PHMINPOSUW|'
  + 'PCMP[EI]STR[IM]|AES.*|PCLMULQDQ|LDMXCSR|STMXCSR)$');
const SCALAR = /^(MOVS[SD]|(ADD|SUB|MUL|DIV|SQRT|MIN|MAX|CMP|RCP|RSQRT|ROUND)S[SD]|CVTS.*|CVTTS.*|U?COMIS[SD])$/;
/** Shifts by a count in a register. */
const SHIFT = /^PS(LL|RL|RA)[WDQ]$/;
/** Instead of these there are others. */
const OTHERWISE = /^(MOVDDUP|P?MOVMSK.*|PTEST|P?BLENDV.*|CVTPI2P[SD])$/;
const ALIGNED = /^MOV(A|DQA|NT)/;
const LANE_SHIFTS: Readonly<Record<string, number>> = { BLENDPS: 4, BLENDPD: 2, SHUFPD: 2, MPSADBW: 3 };
const OTHER_HANDLERS: Readonly<Record<string, string>> = {
  cmpps: 'vcmpps', cmppd: 'vcmppd', cmpss: 'vcmpss', cmpsd: 'vcmpsd',
  pcmpestrm: 'vpcmpestrm', pcmpestrm64: 'vpcmpestrm64', pcmpistrm: 'vpcmpistrm',
};

function shapeOf({ name, operands }: Instruction): Rest {
  if (operands === 'U,Ib') return { shape: 'sourceFirst' };
  if (SHIFT.test(name)) return { shape: 'common', sameBytes: true };
  if (/^(PMOV[SZ]X|CVTPS2PD|CVTDQ2PD)/.test(name)) return { shape: 'widen' };
  if (/^CVTT?PD2(DQ|PS)$/.test(name)) return { shape: 'narrow' };
  if (/^(U?COMIS[SD]|PCMP[EI]STR[IM]|LDMXCSR)$/.test(name)) return { shape: 'general' };
  return {};
}

/** Where the second source goes in. */
function operandsOf({ name, operands, opcode }: Instruction): string {
  const [first, ...rest] = operands.split(',') as [string, ...string[]];
  if (first === 'U' && rest[0] === 'Ib') return ['H', 'U', ...rest].join(',');
  const inMemory = opcode.endsWith(' m');
  const stores = first === 'W' && inMemory;
  const loads = name === 'MOVSS' || name === 'MOVSD' ? inMemory : UNARY.test(name);
  return stores || loads || /^[EM]/.test(first) ? operands : [first, 'H', ...rest].join(',');
}

function withVex(row: Instruction): Instruction[] {
  const { name, opcode, op, bytes, operands } = row;
  if (OTHERWISE.test(name) || /[PQN]/.test(operands) || row.feature === 'SHA') return [];
  // MOVSS and MOVSD to memory and between registers are one form of SSE's, here two.
  const forms = /^MOVS[SD]$/.test(name) && operands === 'W,V' ? [[`${opcode} m`, operands], [`${opcode} r`, 'U,V']]
    : [[opcode, operands]];
  const isInteger = VECTOR_INTEGER.includes(row);
  return forms.map(([form, of]): Instruction => ({
    ...shapeOf(row), class: 'avx', name: `V${name}`, op: OTHER_HANDLERS[op] ?? op,
    opcode: `VEX ${form}${SHORT.test(name) ? ' L0' : ''}`,
    operands: operandsOf({ ...row, opcode: form as string, operands: of as string }),
    feature: isInteger && !SHORT.test(name) ? 'AVX2' : 'AVX',
    ...(bytes === undefined ? {} : { bytes }), ...(ALIGNED.test(name) ? { aligned: true } : {}),
    ...(SCALAR.test(name) ? { scalar: true } : {}),
    ...(LANE_SHIFTS[name] === undefined ? {} : { laneShift: LANE_SHIFTS[name] }),
    ...(row.oracle === undefined ? {} : { oracle: row.oracle }),
    ...(row.undefinedFlags === undefined ? {} : { undefinedFlags: row.undefinedFlags }),
  }));
}

const avx = { feature: 'AVX', oracle: 'native' };
const avx2 = { feature: 'AVX2', oracle: 'native' };
const whole = { ...avx, bytes: 16 };
const whole2 = { ...avx2, bytes: 16 };
/** A source of one size for both lengths, which the handler makes all of the destination of. */
const spread = (bytes: number, feature = 'AVX2'): Rest =>
  ({ bytes, feature, oracle: 'native', sameBytes: true, shape: 'whole' });

const BROADCASTS: readonly Row[] = [
  ['VEX 66 0F 38 18 /r W0', 'VBROADCASTSS', 'V,W', 'vbroadcast32', spread(4)],
  ['VEX 66 0F 38 19 /r W0 L1', 'VBROADCASTSD', 'V,W', 'vbroadcast64', spread(8)],
  ['VEX 66 0F 38 1A /r m W0 L1', 'VBROADCASTF128', 'V,W', 'vbroadcast128', spread(16, 'AVX')],
  ['VEX 66 0F 38 5A /r m W0 L1', 'VBROADCASTI128', 'V,W', 'vbroadcast128', spread(16)],
  ['VEX 66 0F 38 78 /r W0', 'VPBROADCASTB', 'V,W', 'vbroadcast8', spread(1)],
  ['VEX 66 0F 38 79 /r W0', 'VPBROADCASTW', 'V,W', 'vbroadcast16', spread(2)],
  ['VEX 66 0F 38 58 /r W0', 'VPBROADCASTD', 'V,W', 'vbroadcast32', spread(4)],
  ['VEX 66 0F 38 59 /r W0', 'VPBROADCASTQ', 'V,W', 'vbroadcast64', spread(8)],
];

const ACROSS: readonly Row[] = [
  ['VEX 66 0F 3A 18 /r W0 L1', 'VINSERTF128', 'V,H,W,Ib', 'vinsert128', spread(16, 'AVX')],
  ['VEX 66 0F 3A 38 /r W0 L1', 'VINSERTI128', 'V,H,W,Ib', 'vinsert128', spread(16)],
  ['VEX 66 0F 3A 19 /r W0 L1', 'VEXTRACTF128', 'W,V,Ib', 'vextract128', spread(16, 'AVX')],
  ['VEX 66 0F 3A 39 /r W0 L1', 'VEXTRACTI128', 'W,V,Ib', 'vextract128', spread(16)],
  ['VEX 66 0F 3A 06 /r W0 L1', 'VPERM2F128', 'V,H,W,Ib', 'vperm2x128', { ...whole, shape: 'whole' }],
  ['VEX 66 0F 3A 46 /r W0 L1', 'VPERM2I128', 'V,H,W,Ib', 'vperm2x128', { ...whole2, shape: 'whole' }],
  ['VEX 66 0F 38 36 /r W0 L1', 'VPERMD', 'V,H,W', 'vpermd', { ...whole2, shape: 'whole' }],
  ['VEX 66 0F 38 16 /r W0 L1', 'VPERMPS', 'V,H,W', 'vpermd', { ...whole2, shape: 'whole' }],
  ['VEX 66 0F 3A 00 /r W1 L1', 'VPERMQ', 'V,W,Ib', 'vpermq', { ...whole2, shape: 'whole' }],
  ['VEX 66 0F 3A 01 /r W1 L1', 'VPERMPD', 'V,W,Ib', 'vpermq', { ...whole2, shape: 'whole' }],
];

const IN_LANES: readonly Row[] = [
  ['VEX F2 0F 12 /r L0', 'VMOVDDUP', 'V,W', 'movddup', { ...avx, bytes: 8 }],
  ['VEX F2 0F 12 /r L1', 'VMOVDDUP', 'V,W', 'movddup', whole],
  ['VEX 66 0F 38 0C /r W0', 'VPERMILPS', 'V,H,W', 'vpermilps', whole],
  ['VEX 66 0F 38 0D /r W0', 'VPERMILPD', 'V,H,W', 'vpermilpd', whole],
  ['VEX 66 0F 3A 04 /r W0', 'VPERMILPS', 'V,W,Ib', 'vpermilpsImmediate', whole],
  ['VEX 66 0F 3A 05 /r W0', 'VPERMILPD', 'V,W,Ib', 'vpermilpdImmediate', { ...whole, laneShift: 2 }],
  ['VEX 66 0F 3A 02 /r W0', 'VPBLENDD', 'V,H,W,Ib', 'blendps', { ...whole2, laneShift: 4 }],
  ['VEX 66 0F 3A 4A /r W0', 'VBLENDVPS', 'V,H,W,Ib', 'vblendvps', whole],
  ['VEX 66 0F 3A 4B /r W0', 'VBLENDVPD', 'V,H,W,Ib', 'vblendvpd', whole],
  ['VEX 66 0F 3A 4C /r W0', 'VPBLENDVB', 'V,H,W,Ib', 'vpblendvb', whole2],
  ['VEX 66 0F 38 45 /r W0', 'VPSRLVD', 'V,H,W', 'vpsrlvd', whole2],
  ['VEX 66 0F 38 45 /r W1', 'VPSRLVQ', 'V,H,W', 'vpsrlvq', whole2],
  ['VEX 66 0F 38 46 /r W0', 'VPSRAVD', 'V,H,W', 'vpsravd', whole2],
  ['VEX 66 0F 38 47 /r W0', 'VPSLLVD', 'V,H,W', 'vpsllvd', whole2],
  ['VEX 66 0F 38 47 /r W1', 'VPSLLVQ', 'V,H,W', 'vpsllvq', whole2],
  ['VEX 66 0F 38 13 /r W0', 'VCVTPH2PS', 'V,W', 'vcvtph2ps', { bytes: 8, feature: 'F16C', oracle: 'native',
    shape: 'widen' }],
  ['VEX 66 0F 3A 1D /r W0', 'VCVTPS2PH', 'W,V,Ib', 'vcvtps2ph', { bytes: 8, feature: 'F16C', oracle: 'native',
    shape: 'narrow' }],
];

const TO_GENERAL: readonly Row[] = [
  ['VEX NP 0F 50 /r r L0', 'VMOVMSKPS', 'Gd,U', 'movmskps', avx],
  ['VEX NP 0F 50 /r r L1', 'VMOVMSKPS', 'Gd,U', 'vmovmskps', avx],
  ['VEX 66 0F 50 /r r L0', 'VMOVMSKPD', 'Gd,U', 'movmskpd', avx],
  ['VEX 66 0F 50 /r r L1', 'VMOVMSKPD', 'Gd,U', 'vmovmskpd', avx],
  ['VEX 66 0F D7 /r r L0', 'VPMOVMSKB', 'Gd,U', 'pmovmskb', avx],
  ['VEX 66 0F D7 /r r L1', 'VPMOVMSKB', 'Gd,U', 'vpmovmskb', avx2],
  ['VEX 66 0F 38 17 /r', 'VPTEST', 'V,W', 'vptest', { ...whole, shape: 'general' }],
  ['VEX 66 0F 38 0E /r W0', 'VTESTPS', 'V,W', 'vtestps', { ...whole, shape: 'general' }],
  ['VEX 66 0F 38 0F /r W0', 'VTESTPD', 'V,W', 'vtestpd', { ...whole, shape: 'general' }],
];

/** Over the record. */
const SYSTEM: readonly Row[] = [
  ['VEX NP 0F 77 L0', 'VZEROUPPER', '', 'vzeroupper', avx],
  ['VEX NP 0F 77 L1', 'VZEROALL', '', 'vzeroall', avx],
  ['VEX 66 0F F7 /r r L0', 'VMASKMOVDQU', 'V,U', 'maskmovdqu', avx],
  ['VEX 66 0F 38 2C /r m W0', 'VMASKMOVPS', 'V,H,M', 'vmaskload32', whole],
  ['VEX 66 0F 38 2D /r m W0', 'VMASKMOVPD', 'V,H,M', 'vmaskload64', whole],
  ['VEX 66 0F 38 2E /r m W0', 'VMASKMOVPS', 'M,H,V', 'vmaskstore32', whole],
  ['VEX 66 0F 38 2F /r m W0', 'VMASKMOVPD', 'M,H,V', 'vmaskstore64', whole],
  ['VEX 66 0F 38 8C /r m W0', 'VPMASKMOVD', 'V,H,M', 'vmaskload32', whole2],
  ['VEX 66 0F 38 8C /r m W1', 'VPMASKMOVQ', 'V,H,M', 'vmaskload64', whole2],
  ['VEX 66 0F 38 8E /r m W0', 'VPMASKMOVD', 'M,H,V', 'vmaskstore32', whole2],
  ['VEX 66 0F 38 8E /r m W1', 'VPMASKMOVQ', 'M,H,V', 'vmaskstore64', whole2],
  ['VEX 66 0F 38 90 /r m W0', 'VPGATHERDD', 'V,M,H', 'vgatherdd', { ...avx2, bytes: 4 }],
  ['VEX 66 0F 38 90 /r m W1', 'VPGATHERDQ', 'V,M,H', 'vgatherdq', { ...avx2, bytes: 8 }],
  ['VEX 66 0F 38 91 /r m W0', 'VPGATHERQD', 'V,M,H', 'vgatherqd', { ...avx2, bytes: 4 }],
  ['VEX 66 0F 38 91 /r m W1', 'VPGATHERQQ', 'V,M,H', 'vgatherqq', { ...avx2, bytes: 8 }],
  ['VEX 66 0F 38 92 /r m W0', 'VGATHERDPS', 'V,M,H', 'vgatherdd', { ...avx2, bytes: 4 }],
  ['VEX 66 0F 38 92 /r m W1', 'VGATHERDPD', 'V,M,H', 'vgatherdq', { ...avx2, bytes: 8 }],
  ['VEX 66 0F 38 93 /r m W0', 'VGATHERQPS', 'V,M,H', 'vgatherqd', { ...avx2, bytes: 4 }],
  ['VEX 66 0F 38 93 /r m W1', 'VGATHERQPD', 'V,M,H', 'vgatherqq', { ...avx2, bytes: 8 }],
];

/** By the low half of the opcode: the name and whether it is of one element. */
const FUSED: readonly (readonly [digit: string, name: string, isScalar: boolean])[] = [
  ['6', 'FMADDSUB', false], ['7', 'FMSUBADD', false], ['8', 'FMADD', false], ['9', 'FMADD', true],
  ['A', 'FMSUB', false], ['B', 'FMSUB', true], ['C', 'FNMADD', false], ['D', 'FNMADD', true], ['E', 'FNMSUB', false],
  ['F', 'FNMSUB', true],
];

function fused(): Row[] {
  return FUSED.flatMap(([digit, name, isScalar]) =>
    [['9', '132'], ['A', '213'], ['B', '231']].flatMap(([map, order]) =>
      [['W0', 'S'], ['W1', 'D']].map(([width, type]): Row => {
        const suffixed = `${name}${order}${isScalar ? 'S' : 'P'}${type}`;
        const bytes = !isScalar ? 16 : type === 'S' ? 4 : 8;
        return [`VEX 66 0F 38 ${map}${digit} /r ${width}`, `V${suffixed}`, 'V,H,W', `v${suffixed.toLowerCase()}`,
          { bytes, feature: 'FMA', oracle: 'native', shape: 'ternary', ...(isScalar ? { scalar: true } : {}) }];
      })));
}

export const VEX: readonly Instruction[] = [
  ...[...VECTOR_INTEGER, ...VECTOR_FLOAT, ...CRYPTOGRAPHY].filter((row) => row.class === 'sse').flatMap(withVex),
  ...instructions('avx', [...BROADCASTS, ...ACROSS, ...IN_LANES, ...TO_GENERAL, ...fused()]),
  ...instructions('system', SYSTEM),
];
