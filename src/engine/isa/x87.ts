/**
 * The x87 (SDM volume 2; opcode map D8 … DF in volume 2, A.5.2), handlers in core/float. The operand of a register form
 * is ST(i) = ModRM.rm, which the handler gets as immediate. Of memory forms `M` is stored to and `,M` (no destination)
 * loaded from. Instructions that don't wait for a pending exception have names that begin with FN; FNOP waits, so its
 * name is written with a blank. The aliases that the map leaves empty do what processors since the 80387 do.
 */

import { type Instruction, instructions, type Row } from './instruction.ts';

const native = { oracle: 'native' };
const approximate = { oracle: 'approximate' };
const word = { bytes: 2, ...native };
const single = { bytes: 4, ...native };
const double = { bytes: 8, ...native };
const extended = { bytes: 10, ...native };

/** Name and handler of the operations that D8, DA, DC, DE share, by their reg field; FCOM and FCOMP are elsewhere. */
const OPERATIONS: readonly (readonly [reg: number, name: string])[] = [
  [0, 'ADD'], [1, 'MUL'], [4, 'SUB'], [5, 'SUBR'], [6, 'DIV'], [7, 'DIVR'],
];

/** DC and DE name the reversed forms the other way round: their destination is the second operand. */
const SWAPPED: Readonly<Record<string, string>> = { SUB: 'SUBR', SUBR: 'SUB', DIV: 'DIVR', DIVR: 'DIV' };

const ARITHMETIC: Row[] = OPERATIONS.flatMap(([reg, name]): Row[] => {
  const op = `f${name.toLowerCase()}`;
  const swapped = SWAPPED[name] ?? name;
  return [
    [`D8 /${reg} m`, `F${name}`, ',M', `${op}Single`, single],
    [`D8 /${reg} r`, `F${name}`, '', `${op}Top`, native],
    [`DA /${reg} m`, `FI${name}`, ',M', `${op}Long`, single],
    [`DC /${reg} m`, `F${name}`, ',M', `${op}Double`, double],
    [`DC /${reg} r`, `F${swapped}`, '', `${op}Register`, native],
    [`DE /${reg} m`, `FI${name}`, ',M', `${op}Word`, word],
    [`DE /${reg} r`, `F${swapped}P`, '', `${op}Pop`, native],
  ];
});

const COMPARISONS: Row[] = [
  ['D8 /2 m', 'FCOM', ',M', 'fcomSingle', single],
  ['D8 /3 m', 'FCOMP', ',M', 'fcompSingle', single],
  ['DC /2 m', 'FCOM', ',M', 'fcomDouble', double],
  ['DC /3 m', 'FCOMP', ',M', 'fcompDouble', double],
  ['DA /2 m', 'FICOM', ',M', 'ficomLong', single],
  ['DA /3 m', 'FICOMP', ',M', 'ficompLong', single],
  ['DE /2 m', 'FICOM', ',M', 'ficomWord', word],
  ['DE /3 m', 'FICOMP', ',M', 'ficompWord', word],
  ['D8 /2 r', 'FCOM', '', 'fcom', native],
  ['D8 /3 r', 'FCOMP', '', 'fcomp', native],
  ['DC /2 r', 'FCOM', '', 'fcom', native],
  ['DC /3 r', 'FCOMP', '', 'fcomp', native],
  ['DE /2 r', 'FCOMP', '', 'fcomp', native],
  ['DE /3 r rm=1', 'FCOMPP', '', 'fcompp', native],
  ['DD /4 r', 'FUCOM', '', 'fucom', native],
  ['DD /5 r', 'FUCOMP', '', 'fucomp', native],
  ['DA /5 r rm=1', 'FUCOMPP', '', 'fucompp', native],
  ['DB /5 r', 'FUCOMI', '', 'fucomi', native],
  ['DB /6 r', 'FCOMI', '', 'fcomi', native],
  ['DF /5 r', 'FUCOMIP', '', 'fucomip', native],
  ['DF /6 r', 'FCOMIP', '', 'fcomip', native],
  ['D9 /4 r rm=4', 'FTST', '', 'ftst', native],
  ['D9 /4 r rm=5', 'FXAM', '', 'fxam', native],
  ['DA /0 r', 'FCMOVB', '', 'fcmovb', native],
  ['DA /1 r', 'FCMOVE', '', 'fcmove', native],
  ['DA /2 r', 'FCMOVBE', '', 'fcmovbe', native],
  ['DA /3 r', 'FCMOVU', '', 'fcmovu', native],
  ['DB /0 r', 'FCMOVNB', '', 'fcmovnb', native],
  ['DB /1 r', 'FCMOVNE', '', 'fcmovne', native],
  ['DB /2 r', 'FCMOVNBE', '', 'fcmovnbe', native],
  ['DB /3 r', 'FCMOVNU', '', 'fcmovnu', native],
];

const MOVES: Row[] = [
  ['D9 /0 m', 'FLD', ',M', 'fldSingle', single],
  ['DD /0 m', 'FLD', ',M', 'fldDouble', double],
  ['DB /5 m', 'FLD', ',M', 'fldExtended', extended],
  ['D9 /0 r', 'FLD', '', 'fld', native],
  ['D9 /2 m', 'FST', 'M', 'fstSingle', single],
  ['D9 /3 m', 'FSTP', 'M', 'fstpSingle', single],
  ['DD /2 m', 'FST', 'M', 'fstDouble', double],
  ['DD /3 m', 'FSTP', 'M', 'fstpDouble', double],
  ['DB /7 m', 'FSTP', 'M', 'fstpExtended', extended],
  ['DD /2 r', 'FST', '', 'fst', native],
  ['DD /3 r', 'FSTP', '', 'fstp', native],
  ['D9 /3 r', 'FSTPNCE', '', 'fstpnce', native],
  ['DF /2 r', 'FSTP', '', 'fstp', native],
  ['DF /3 r', 'FSTP', '', 'fstp', native],
  ['DF /0 m', 'FILD', ',M', 'fildWord', word],
  ['DB /0 m', 'FILD', ',M', 'fildLong', single],
  ['DF /5 m', 'FILD', ',M', 'fildQuad', double],
  ['DF /2 m', 'FIST', 'M', 'fistWord', word],
  ['DB /2 m', 'FIST', 'M', 'fistLong', single],
  ['DF /3 m', 'FISTP', 'M', 'fistpWord', word],
  ['DB /3 m', 'FISTP', 'M', 'fistpLong', single],
  ['DF /7 m', 'FISTP', 'M', 'fistpQuad', double],
  ['DF /1 m', 'FISTTP', 'M', 'fisttpWord', { ...word, feature: 'SSE3' }],
  ['DB /1 m', 'FISTTP', 'M', 'fisttpLong', { ...single, feature: 'SSE3' }],
  ['DD /1 m', 'FISTTP', 'M', 'fisttpQuad', { ...double, feature: 'SSE3' }],
  ['DF /4 m', 'FBLD', ',M', 'fbld', extended],
  ['DF /6 m', 'FBSTP', 'M', 'fbstp', extended],
  ['D9 /1 r', 'FXCH', '', 'fxch', native],
  ['DD /1 r', 'FXCH', '', 'fxch', native],
  ['DF /1 r', 'FXCH', '', 'fxch', native],
  ['D9 /4 r rm=0', 'FCHS', '', 'fchs', native],
  ['D9 /4 r rm=1', 'FABS', '', 'fabs', native],
  ['D9 /5 r rm=0', 'FLD1', '', 'fld1', native],
  ['D9 /5 r rm=1', 'FLDL2T', '', 'fldl2t', native],
  ['D9 /5 r rm=2', 'FLDL2E', '', 'fldl2e', native],
  ['D9 /5 r rm=3', 'FLDPI', '', 'fldpi', native],
  ['D9 /5 r rm=4', 'FLDLG2', '', 'fldlg2', native],
  ['D9 /5 r rm=5', 'FLDLN2', '', 'fldln2', native],
  ['D9 /5 r rm=6', 'FLDZ', '', 'fldz', native],
  ['D9 /6 r rm=6', 'FDECSTP', '', 'fdecstp', native],
  ['D9 /6 r rm=7', 'FINCSTP', '', 'fincstp', native],
  ['DD /0 r', 'FFREE', '', 'ffree', native],
  ['DF /0 r', 'FFREEP', '', 'ffreep', native],
];

const FUNCTIONS: Row[] = [
  ['D9 /6 r rm=0', 'F2XM1', '', 'f2xm1', approximate],
  ['D9 /6 r rm=1', 'FYL2X', '', 'fyl2x', approximate],
  ['D9 /6 r rm=2', 'FPTAN', '', 'fptan', approximate],
  ['D9 /6 r rm=3', 'FPATAN', '', 'fpatan', approximate],
  ['D9 /6 r rm=4', 'FXTRACT', '', 'fxtract', native],
  ['D9 /6 r rm=5', 'FPREM1', '', 'fprem1', native],
  ['D9 /7 r rm=0', 'FPREM', '', 'fprem', native],
  ['D9 /7 r rm=1', 'FYL2XP1', '', 'fyl2xp1', approximate],
  ['D9 /7 r rm=2', 'FSQRT', '', 'fsqrt', native],
  ['D9 /7 r rm=3', 'FSINCOS', '', 'fsincos', approximate],
  ['D9 /7 r rm=4', 'FRNDINT', '', 'frndint', native],
  ['D9 /7 r rm=5', 'FSCALE', '', 'fscale', native],
  ['D9 /7 r rm=6', 'FSIN', '', 'fsin', approximate],
  ['D9 /7 r rm=7', 'FCOS', '', 'fcos', approximate],
];

/** Two handlers where the operand size decides the layout; `bytes` is the 32-bit form's. */
const CONTROL: Row[] = [
  ['D9 /4 m', 'FLDENV', ',M', 'fldenv_16|fldenv_32', { bytes: 28, ...native }],
  ['D9 /5 m', 'FLDCW', ',M', 'fldcw', word],
  ['D9 /6 m', 'FNSTENV', 'M', 'fnstenv_16|fnstenv_32', { bytes: 28, ...native }],
  ['D9 /7 m', 'FNSTCW', 'M', 'fnstcw', word],
  ['DD /4 m', 'FRSTOR', ',M', 'frstor_16|frstor_32', { bytes: 108, ...native }],
  ['DD /6 m', 'FNSAVE', 'M', 'fnsave_16|fnsave_32', { bytes: 108, ...native }],
  ['DD /7 m', 'FNSTSW', 'M', 'fnstsw', word],
  ['DF /4 r rm=0', 'FNSTSW', 'Aw', 'fnstsw', native],
  ['DB /4 r rm=2', 'FNCLEX', '', 'fnclex', native],
  ['DB /4 r rm=3', 'FNINIT', '', 'fninit', native],
  ['DB /4 r rm=0', 'FNENI', '', 'fnop', native],
  ['DB /4 r rm=1', 'FNDISI', '', 'fnop', native],
  ['DB /4 r rm=4', 'FNSETPM', '', 'fnop', native],
  ['D9 /2 r rm=0', 'F NOP', '', 'fnop', native],
];

export const X87: readonly Instruction[] = instructions('x87', [
  ...ARITHMETIC,
  ...COMPARISONS,
  ...MOVES,
  ...FUNCTIONS,
  ...CONTROL,
]);
