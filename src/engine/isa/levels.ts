/**
 * The level of processors that an instruction came with, by the feature that announces it [x86-64 psABI, 3.1.1]; those
 * that no level asks for belong to the lowest one that shows them in CPUID.
 */

import type { Instruction } from './instruction.ts';

export const LEVELS = ['v1', 'v2', 'v3'] as const;
type Level = (typeof LEVELS)[number];

const FEATURES: Readonly<Record<Exclude<Level, 'v1'>, ReadonlySet<string>>> = {
  v2: new Set(['CX16', 'POPCNT', 'SSE3', 'SSSE3', 'SSE4.1', 'SSE4_1', 'SSE4.2', 'AES', 'PCLMULQDQ', 'SHA']),
  v3: new Set(['AVX', 'AVX2', 'BMI1', 'BMI2', 'F16C', 'FMA', 'LZCNT', 'MOVBE']),
};

export function levelOf({ feature = '' }: Instruction): Level {
  return FEATURES.v3.has(feature) ? 'v3' : FEATURES.v2.has(feature) ? 'v2' : 'v1';
}
