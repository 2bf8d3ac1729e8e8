/**
 * Which operation number stands for which integer instruction: the interpreter's switch is generated from it, the
 * decoder's tables hold it, and the translator reads it back from decoded records.
 */

import type { Instruction } from './instruction.ts';
import { formsOf, OperationNumbers } from './interpreter-text.ts';
import { INSTRUCTION_ROWS } from './rows.ts';

export interface IntegerOperations {
  readonly numbers: OperationNumbers;
  /** Operations of a row without and with a memory operand; '' when there is none. */
  readonly keys: ReadonlyMap<Instruction, { register: string; memory: string; sized: boolean }>;
  /** Operations that may be locked. */
  readonly lockable: ReadonlySet<string>;
  /** The first unconditional branch. */
  readonly unconditional: number;
}

export function integerOperations(): IntegerOperations {
  const numbers = new OperationNumbers();
  const keys = new Map<Instruction, { register: string; memory: string; sized: boolean }>();
  const lockable = new Set<string>();
  for (const row of INSTRUCTION_ROWS) {
    if (row.class !== 'integer') continue;
    const { register, memory, sizes, sized } = formsOf(row);
    if (row.lock === true) lockable.add(`${row.op}.${memory}`);
    keys.set(row, {
      register: register === '' ? '' : numbers.request(row.op, register, sizes),
      memory: memory === '' ? '' : numbers.request(row.op, memory, sizes),
      sized,
    });
  }
  return { numbers, keys, lockable, unconditional: numbers.freeze() };
}
