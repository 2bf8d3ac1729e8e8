/** BMI1, BMI2, LZCNT and MOVBE: semantics in bit-semantics.ts, of few in the core's bits.ts [SDM vol. 2]. */

import { type Instruction, instructions, type Row } from './instruction.ts';

const AF = 0x10;
const OF = 0x800;
const PF = 0x4;
const SF = 0x80;

const bmi1 = { feature: 'BMI1', oracle: 'native' };
const bmi2 = { feature: 'BMI2', oracle: 'native' };
const movbe = { feature: 'MOVBE', oracle: 'native' };
const count = { oracle: 'native', undefinedFlags: OF | SF | PF | AF };

const ROWS: readonly Row[] = [
  ['0F 38 F0 /r m', 'MOVBE', 'Gv,Mv', 'MOVBE', movbe],
  ['0F 38 F1 /r m', 'MOVBE', 'Mv,Gv', 'MOVBE', movbe],
  ['F3 0F BC /r', 'TZCNT', 'Gv,Ev', 'TZCNT', { ...count, feature: 'BMI1' }],
  ['F3 0F BD /r', 'LZCNT', 'Gv,Ev', 'LZCNT', { ...count, feature: 'LZCNT' }],
  ['VEX NP 0F 38 F2 /r L0', 'ANDN', 'Gy,By,Ey', 'ANDN', { ...bmi1, undefinedFlags: AF | PF }],
  ['VEX NP 0F 38 F3 /1 L0', 'BLSR', 'By,Ey', 'BLSR', { ...bmi1, undefinedFlags: AF | PF }],
  ['VEX NP 0F 38 F3 /2 L0', 'BLSMSK', 'By,Ey', 'BLSMSK', { ...bmi1, undefinedFlags: AF | PF }],
  ['VEX NP 0F 38 F3 /3 L0', 'BLSI', 'By,Ey', 'BLSI', { ...bmi1, undefinedFlags: AF | PF }],
  ['VEX NP 0F 38 F5 /r L0', 'BZHI', 'Gy,Ey,By', 'BZHI', { ...bmi2, undefinedFlags: AF | PF }],
  ['VEX NP 0F 38 F7 /r L0', 'BEXTR', 'Gy,Ey,By', 'BEXTR', { ...bmi1, undefinedFlags: AF | SF | PF }],
  ['VEX 66 0F 38 F7 /r L0', 'SHLX', 'Gy,Ey,By', 'SHLX', bmi2],
  ['VEX F3 0F 38 F7 /r L0', 'SARX', 'Gy,Ey,By', 'SARX', bmi2],
  ['VEX F2 0F 38 F7 /r L0', 'SHRX', 'Gy,Ey,By', 'SHRX', bmi2],
  ['VEX F2 0F 3A F0 /r L0', 'RORX', 'Gy,Ey,Ib', 'RORX', bmi2],
];

/** Two destinations, or bit by bit. */
const HANDLED: readonly Row[] = [
  ['VEX F2 0F 38 F6 /r L0', 'MULX', 'Gy,By,Ey', 'mulx', bmi2],
  ['VEX F2 0F 38 F5 /r L0', 'PDEP', 'Gy,By,Ey', 'pdep', bmi2],
  ['VEX F3 0F 38 F5 /r L0', 'PEXT', 'Gy,By,Ey', 'pext', bmi2],
];

export const BIT_MANIPULATION: readonly Instruction[] =
  [...instructions('integer', ROWS), ...instructions('system', HANDLED)];
