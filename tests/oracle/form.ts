/** The encoding of an instruction row, taken apart. instruction.ts of the engine's isa folder defines the notation. */

import type { Instruction } from '../../src/engine/isa/instruction.ts';

/** What a VEX prefix says for an opcode. */
export interface Vex {
  readonly prefix: number;
  readonly map: number;
  /** Length of vectors, 256 bits or 128; undefined: either. */
  readonly long: 0 | 1 | undefined;
}

export interface Form {
  readonly row: Instruction;
  /** Opcode, name and operands: unique, and what reports show. */
  readonly key: string;
  /** Empty: none of 66, F2, F3 may be there. Undefined: 66 is the operand-size prefix. */
  readonly mandatoryPrefixes: readonly number[] | undefined;
  readonly vex: Vex | undefined;
  /** Map bytes and opcode byte; with VEX the latter alone. */
  readonly opcode: readonly number[];
  readonly registerInOpcode: boolean;
  readonly modrm: boolean;
  /** The reg field when it extends the opcode. */
  readonly extension: number | undefined;
  readonly fixedRm: number | undefined;
  readonly memoryAllowed: boolean;
  readonly registerAllowed: boolean;
  readonly rexW: 0 | 1 | undefined;
  /** SYSRET outside 64-bit mode is a matter of the processor's maker. */
  readonly modes: readonly (32 | 64)[];
  readonly operands: readonly Operand[];
}

export interface Operand {
  readonly letter: string;
  readonly size: string;
}

export function formOf(row: Instruction): Form {
  const tokens = row.opcode.split(' ');
  const hasVex = tokens[0] === 'VEX';
  if (hasVex) tokens.shift();
  const prefixes: string[] = [];
  while (/^(NP|66|F2|F3)$/.test(tokens[0] ?? '') && /^[0-9A-F]{2}$/.test(tokens[1] ?? '')) {
    prefixes.push(tokens.shift() as string);
  }
  const mandatory = prefixes.filter((prefix) => prefix !== 'NP').map((prefix) => parseInt(prefix, 16));
  const opcode: number[] = [];
  while (/^[0-9A-F]{2}$/.test(tokens[0] ?? '')) opcode.push(parseInt(tokens.shift() as string, 16));
  const has = (token: string): boolean => tokens.includes(token);
  const extension = tokens.find((token) => /^\/[0-7]$/.test(token));
  const fixedRm = tokens.find((token) => token.startsWith('rm='));
  const register = has('r') || fixedRm !== undefined;
  const operands = row.operands === '' ? [] : row.operands.split(',').map(operandOf);
  return {
    row,
    key: `${row.name} ${row.operands} [${row.opcode}]`,
    mandatoryPrefixes: hasVex ? [] : prefixes.length === 0 ? undefined : mandatory,
    vex: hasVex ? {
      prefix: [0, 0x66, 0xf3, 0xf2].indexOf(mandatory[0] ?? 0), map: opcode.length < 3 ? 1 : opcode[1] === 0x38 ? 2 : 3,
      long: has('L0') ? 0 : has('L1') ? 1 : undefined,
    } : undefined,
    opcode: hasVex ? opcode.slice(-1) : opcode,
    registerInOpcode: has('+r'),
    modrm: has('/r') || extension !== undefined || fixedRm !== undefined,
    extension: extension === undefined ? undefined : Number(extension.slice(1)),
    fixedRm: fixedRm === undefined ? undefined : Number(fixedRm.slice(3)),
    memoryAllowed: !register && !operands.some(({ letter }) => /[UNR]/.test(letter)),
    registerAllowed: !has('m') && !operands.some(({ letter }) => letter === 'M'),
    rexW: has('W0') ? 0 : has('W1') ? 1 : undefined,
    modes: row.name === 'SYSRET' ? [64] : has('i64') ? [32] : has('o64') || has('W1') ? [64] : [64, 32],
    operands,
  };
}

function operandOf(text: string): Operand {
  if (/^[vb]$/.test(text)) return { letter: '', size: text };
  if (text === 'CR') return { letter: 'K', size: '' };
  return { letter: text[0] ?? '', size: text.slice(1) };
}
