/**
 * Functions of the core that do a vector instruction on vectors as such: a region calls them with its locals. Only
 * modules whose regions call one import them, all together.
 */

import type { Signature } from './module-sections.ts';
import { TYPE_I32, TYPE_I64, TYPE_V128 } from './opcodes.ts';

const SIGNATURES = {
  pair: [[TYPE_V128, TYPE_V128], [TYPE_V128]],
  one: [[TYPE_V128], [TYPE_V128]],
  three: [[TYPE_V128, TYPE_V128, TYPE_V128], [TYPE_V128]],
  immediate: [[TYPE_V128, TYPE_V128, TYPE_I32], [TYPE_V128]],
  halves: [[TYPE_I64, TYPE_I64], [TYPE_V128]],
} as const satisfies Readonly<Record<string, Signature>>;

/**
 * What they take: destination and source; the source alone; both and XMM0; both and the immediate; the halves of both
 * that the immediate names.
 */
export type CallOperands = keyof typeof SIGNATURES;

export const CORE_CALLS = {
  encryptRound: 'pair', encryptLastRound: 'pair', decryptRound: 'pair', decryptLastRound: 'pair',
  mixColumnsInversely: 'one', carrylessProduct: 'halves',
  sha1NextE: 'pair', sha1Message1: 'pair', sha1Message2: 'pair', sha1Rounds: 'immediate',
  sha256Rounds: 'three', sha256Message1: 'pair', sha256Message2: 'pair',
} as const satisfies Readonly<Record<string, CallOperands>>;

export type CoreCall = keyof typeof CORE_CALLS;

const NAMES = Object.keys(CORE_CALLS) as CoreCall[];
const OPERANDS = Object.keys(SIGNATURES) as CallOperands[];

/** Their signatures. */
export const CORE_CALL_SIGNATURES: readonly Signature[] = OPERANDS.map((operands) => SIGNATURES[operands]);

/** Their names and types, when their first type has this number. */
export function coreCallImports(firstType: number): (readonly [name: string, type: number])[] {
  return NAMES.map((name) => [name, firstType + OPERANDS.indexOf(CORE_CALLS[name])]);
}

/** The function's number among them. */
export function coreCallNumber(name: CoreCall): number {
  return NAMES.indexOf(name);
}
