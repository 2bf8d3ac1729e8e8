/** How instructions move registers that hold addresses, by what they commonly do to one. */

import { RAX, RDX, RSP, ZERO } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';

/** Bytes of what is pushed and popped. */
export const SLOT = 8;
const PUSHES = new Set(['PUSH', 'PUSHI', 'CALL', 'CALLE']);
const POPS = new Set(['POP', 'RET', 'RETI']);

export function isPush({ operation }: Decoded): boolean {
  return operation !== undefined && PUSHES.has(operation.family);
}

export function isPop({ operation }: Decoded): boolean {
  return operation !== undefined && POPS.has(operation.family);
}

/** By how many bytes an instruction moves a register; NaN: that holds something else behind it. */
export function movementOf(record: Decoded, register: number): number {
  const { operation } = record;
  if (operation === undefined) {
    const isKept = !record.isStep && register !== RAX && register !== RDX && record.target !== register;
    return isKept ? 0 : NaN;
  }
  if (register === RSP && isPush(record)) return -SLOT;
  const { family, form, semantic, size } = operation;
  const writesTarget = operation.usesTarget && family !== 'PUSH'
    && semantic?.form !== 'compare' && semantic?.form !== 'none';
  if (!writesTarget || record.target !== register) {
    if (!operation.implied.includes(register)) return 0;
    return register === RSP && isPop(record) ? SLOT : NaN;
  }
  if (size !== 64) return NaN;
  if (form === 'ri' && family === 'ADD') return record.immediateLow;
  if (form === 'ri' && family === 'SUB') return -record.immediateLow;
  return family === 'LEA' && record.base === register && record.index === ZERO ? record.displacement : NaN;
}
