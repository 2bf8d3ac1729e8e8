/** Every instruction form that the engine knows. */

import { BIT_MANIPULATION } from './bit-manipulation.ts';
import { CRYPTOGRAPHY } from './cryptography.ts';
import type { Instruction } from './instruction.ts';
import { INTEGER } from './integer.ts';
import { SYSTEM } from './system.ts';
import { VECTOR_FLOAT } from './vector-float.ts';
import { VECTOR_INTEGER } from './vector-integer.ts';
import { VEX } from './vex.ts';
import { X87 } from './x87.ts';

export const INSTRUCTION_ROWS: readonly Instruction[] =
  [...INTEGER, ...SYSTEM, ...X87, ...VECTOR_INTEGER, ...VECTOR_FLOAT, ...CRYPTOGRAPHY,
    ...BIT_MANIPULATION, ...VEX];
