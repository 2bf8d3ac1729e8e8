/** The integer operations of the interpreter, each with all that the translator asks about it again and again. */

import { RAX, RDX, RSP } from '../core/layout.ts';
import { CONDITIONS } from '../isa/integer.ts';
import { BRANCH_FAR_DELTA, isDirectBranch } from '../isa/interpreter-text.ts';
import { integerOperations } from '../isa/operations.ts';
import { SEMANTICS, type Semantic, type Size } from '../isa/semantics.ts';

/**
 * How an instruction ends a block of a region. jump: an unconditional branch · branch: a conditional one · call: as
 * jump, behind pushing the return address · indirect: to a computed address · string: into the next instruction, or it
 * has not done all of its elements · leave: the region does not do it
 */
export type Ending = 'jump' | 'branch' | 'call' | 'indirect' | 'string' | 'leave';

export interface Operation {
  /** The semantic, or what the interpreter calls it: `ADD`, `JZ`, `PUSH` … */
  readonly family: string;
  /** Where the operands are: `rr`, `rm`, `mi` … */
  readonly form: string;
  readonly size: Size;
  /** A direct branch whose target lies in another page. */
  readonly far: boolean;
  /** Undefined: it has none. */
  readonly semantic: Semantic | undefined;
  /** Undefined: it goes on to the next instruction. */
  readonly end: Ending | undefined;
  /** Of a conditional branch: its condition code. */
  readonly condition: number;
  /** It computes an address, and accesses what lies there. */
  readonly isAddress: boolean;
  readonly inMemory: boolean;
  /** Registers that it names: that written, that read, that of VEX.vvvv; and those that it uses without naming. */
  readonly usesTarget: boolean;
  readonly usesOperand: boolean;
  readonly usesThird: boolean;
  readonly implied: readonly number[];
  /** It sets all arithmetic flags; a shift does unless it shifts by 0. */
  readonly setsFlags: 'always' | 'shifted' | 'never';
  /** The flags before it may be looked at, by itself or where it leaves the region. */
  readonly looksAtFlags: boolean;
}

/** Families that are no semantics and go on to the next instruction. */
const PLAIN = new Set(['NOP', 'NOPE', 'LEA', 'XCHG', 'CBW', 'CWD', 'PUSH', 'PUSHI', 'POP']);
const INDIRECT = new Set(['JMPE', 'CALLE', 'RET', 'RETI']);
const OF_STACK = new Set(['PUSH', 'PUSHI', 'POP', 'CALL', 'CALLE', 'RET', 'RETI']);
const SET_ALL = new Set(['ADD', 'SUB', 'CMP', 'AND', 'OR', 'XOR', 'TEST', 'NEG', 'IMUL', 'IMUL3',
  'BSF', 'BSR', 'LZCNT', 'TZCNT', 'BLSR', 'BLSMSK', 'BLSI', 'ANDN', 'BZHI', 'BEXTR']);
const SHIFTS = new Set(['SHL', 'SHR', 'SAR']);
const KEEP = new Set(['MOV', 'MOVZX8', 'MOVZX16', 'MOVSX8', 'MOVSX16', 'MOVSX32', 'NOT', 'BSWAP', 'LEA', 'NOP', 'NOPE',
  'XCHG', 'CBW', 'CWD', 'JMP', 'ROL', 'ROR', 'BT', 'BTS', 'BTR', 'BTC', 'CLC', 'STC',
  'SHLX', 'SHRX', 'SARX', 'RORX', 'MOVBE']);

function endOf(family: string, form: string, size: Size): Ending | undefined {
  if (INDIRECT.has(family)) return size === 64 ? 'indirect' : 'leave';
  if (form === 'j') {
    if (size !== 64) return 'leave';
    return family === 'JMP' ? 'jump' : family === 'CALL' ? 'call' : 'branch';
  }
  const isWritten = PLAIN.has(family) || SEMANTICS[family] !== undefined;
  // Those that are rare enough: two-byte stack slots, locked exchanges, what makes undefined bytes.
  const isRare = size === 16 && (family === 'BSWAP' || OF_STACK.has(family)) || family === 'XCHG' && form === 'mr';
  return isWritten && !isRare ? undefined : 'leave';
}

function looksAtFlags(family: string, form: string): boolean {
  if (form.includes('m') && family !== 'LEA' && family !== 'NOPE') return true;
  const leaves = SET_ALL.has(family) || SHIFTS.has(family) ? SEMANTICS[family] === undefined : true;
  return leaves && !KEEP.has(family);
}

function impliedBy(family: string): number[] {
  if (OF_STACK.has(family)) return [RSP];
  return family === 'CBW' ? [RAX] : family === 'CWD' ? [RAX, RDX] : [];
}

function operationOf(family: string, form: string, size: Size, far: boolean): Operation {
  return {
    family, form, size, far, semantic: PLAIN.has(family) ? undefined : SEMANTICS[family],
    end: endOf(family, form, size), condition: (CONDITIONS as readonly string[]).indexOf(family.slice(1)),
    isAddress: family === 'LEA', inMemory: form.includes('m'), usesTarget: form.startsWith('r'),
    usesOperand: /^(rr|mr|rri|rrr)$/.test(form), usesThird: /^rr[rm]$/.test(form), implied: impliedBy(family),
    setsFlags: SET_ALL.has(family) ? 'always' : SHIFTS.has(family) && form === 'ri' ? 'shifted' : 'never',
    looksAtFlags: looksAtFlags(family, form),
  };
}

/** Operations by the numbers in records. */
export function operationTable(): readonly (Operation | undefined)[] {
  const table: (Operation | undefined)[] = [];
  for (const { family, form, size, number } of integerOperations().numbers.all()) {
    if (!isDirectBranch(family)) table[number] = operationOf(family, form, size, false);
    else {
      if (size !== 16) table[number] = operationOf(family, form, size, false);
      table[number + BRANCH_FAR_DELTA] = operationOf(family, form, size, true);
    }
  }
  // Without holes: what the records' numbers mean is looked up for each of them.
  return Array.from(table, (operation) => operation);
}
