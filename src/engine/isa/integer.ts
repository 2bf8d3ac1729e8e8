/** Integer instructions whose semantics are written once, in semantics.ts, for the interpreter and the translator. */

import { type Instruction, instructions, type Row } from './instruction.ts';

const AF = 0x10;
const CF = 0x01;
const OF = 0x800;
const SZAP = 0xd4;

const ARITHMETIC = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'] as const;
const LOGIC = new Set(['OR', 'AND', 'XOR']);
const SHIFTS = ['ROL', 'ROR', 'RCL', 'RCR', 'SHL', 'SHR', 'SHL', 'SAR'] as const;
export const CONDITIONS =
  ['O', 'NO', 'B', 'NB', 'Z', 'NZ', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'] as const;

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(2, '0');

/** The eight classic operations: six encodings each, and the immediate group 80…83. */
function arithmetic(): Row[] {
  return ARITHMETIC.flatMap((name, n): Row[] => {
    const rest = { lock: name !== 'CMP', undefinedFlags: LOGIC.has(name) ? AF : 0, oracle: 'native' };
    const at = n * 8;
    return [
      [`${hex(at)} /r`, name, 'Eb,Gb', name, rest],
      [`${hex(at + 1)} /r`, name, 'Ev,Gv', name, rest],
      [`${hex(at + 2)} /r`, name, 'Gb,Eb', name, { ...rest, lock: false }],
      [`${hex(at + 3)} /r`, name, 'Gv,Ev', name, { ...rest, lock: false }],
      [hex(at + 4), name, 'Ab,Ib', name, { ...rest, lock: false }],
      [hex(at + 5), name, 'Av,Iz', name, { ...rest, lock: false }],
      [`80 /${n}`, name, 'Eb,Ib', name, rest],
      [`82 /${n} i64`, name, 'Eb,Ib', name, { ...rest, oracle: 'none' }],
      [`81 /${n}`, name, 'Ev,Iz', name, rest],
      [`83 /${n}`, name, 'Ev,Ib', name, rest],
    ];
  });
}

/**
 * Shifts and rotates by an immediate, by one and by CL. Beyond a count of one OF is undefined (the oracle masks it).
 */
function shifts(): Row[] {
  return SHIFTS.flatMap((name, n): Row[] => {
    const rest = { undefinedFlags: name.startsWith('S') ? AF | OF : OF, oracle: 'native' };
    return [
      [`C0 /${n}`, name, 'Eb,Ib', name, rest],
      [`C1 /${n}`, name, 'Ev,Ib', name, rest],
      [`D0 /${n}`, name, 'Eb,1', name, rest],
      [`D1 /${n}`, name, 'Ev,1', name, rest],
      [`D2 /${n}`, name, 'Eb,C', name, rest],
      [`D3 /${n}`, name, 'Ev,C', name, rest],
    ];
  });
}

function conditional(): Row[] {
  return CONDITIONS.flatMap((condition, n): Row[] => [
    [`${hex(0x70 + n)}`, `J${condition}`, 'Jb', `J${condition}`, { oracle: 'native' }],
    [`0F ${hex(0x80 + n)}`, `J${condition}`, 'Jz', `J${condition}`, { oracle: 'native' }],
    [`0F ${hex(0x90 + n)} /r`, `SET${condition}`, 'Eb', `SET${condition}`, { oracle: 'native' }],
    [`0F ${hex(0x40 + n)} /r`, `CMOV${condition}`, 'Gv,Ev', `CMOV${condition}`, { oracle: 'native' }],
  ]);
}

const native = { oracle: 'native' };
const stack = { oracle: 'native', default64: true };
const branch = { oracle: 'native', default64: true, ends: true };

const ROWS: Row[] = [
  ...arithmetic(),
  ...shifts(),
  ...conditional(),

  ['84 /r', 'TEST', 'Eb,Gb', 'TEST', { ...native, undefinedFlags: AF }],
  ['85 /r', 'TEST', 'Ev,Gv', 'TEST', { ...native, undefinedFlags: AF }],
  ['A8', 'TEST', 'Ab,Ib', 'TEST', { ...native, undefinedFlags: AF }],
  ['A9', 'TEST', 'Av,Iz', 'TEST', { ...native, undefinedFlags: AF }],
  ['F6 /0', 'TEST', 'Eb,Ib', 'TEST', { ...native, undefinedFlags: AF }],
  ['F6 /1', 'TEST', 'Eb,Ib', 'TEST', { ...native, undefinedFlags: AF }],
  ['F7 /0', 'TEST', 'Ev,Iz', 'TEST', { ...native, undefinedFlags: AF }],
  ['F7 /1', 'TEST', 'Ev,Iz', 'TEST', { ...native, undefinedFlags: AF }],

  ['88 /r', 'MOV', 'Eb,Gb', 'MOV', native],
  ['89 /r', 'MOV', 'Ev,Gv', 'MOV', native],
  ['8A /r', 'MOV', 'Gb,Eb', 'MOV', native],
  ['8B /r', 'MOV', 'Gv,Ev', 'MOV', native],
  ['B0 +r', 'MOV', 'Zb,Ib', 'MOV', native],
  ['B8 +r', 'MOV', 'Zv,Iv', 'MOV', native],
  ['C6 /0', 'MOV', 'Eb,Ib', 'MOV', native],
  ['C7 /0', 'MOV', 'Ev,Iz', 'MOV', native],
  ['A0', 'MOV', 'Ab,Ob', 'MOV', native],
  ['A1', 'MOV', 'Av,Ov', 'MOV', native],
  ['A2', 'MOV', 'Ob,Ab', 'MOV', native],
  ['A3', 'MOV', 'Ov,Av', 'MOV', native],

  ['0F B6 /r', 'MOVZX', 'Gv,Eb', 'MOVZX8', native],
  ['0F B7 /r', 'MOVZX', 'Gv,Ew', 'MOVZX16', native],
  ['0F BE /r', 'MOVSX', 'Gv,Eb', 'MOVSX8', native],
  ['0F BF /r', 'MOVSX', 'Gv,Ew', 'MOVSX16', native],
  ['63 /r o64', 'MOVSXD', 'Gv,Ed', 'MOVSX32', native],
  ['8D /r m', 'LEA', 'Gv,M', 'LEA', native],

  ['FE /0', 'INC', 'Eb', 'INC', { ...native, lock: true }],
  ['FF /0', 'INC', 'Ev', 'INC', { ...native, lock: true }],
  ['FE /1', 'DEC', 'Eb', 'DEC', { ...native, lock: true }],
  ['FF /1', 'DEC', 'Ev', 'DEC', { ...native, lock: true }],
  ['40 +r i64', 'INC', 'Zv', 'INC', { oracle: 'none' }],
  ['48 +r i64', 'DEC', 'Zv', 'DEC', { oracle: 'none' }],
  ['F6 /2', 'NOT', 'Eb', 'NOT', { ...native, lock: true }],
  ['F7 /2', 'NOT', 'Ev', 'NOT', { ...native, lock: true }],
  ['F6 /3', 'NEG', 'Eb', 'NEG', { ...native, lock: true }],
  ['F7 /3', 'NEG', 'Ev', 'NEG', { ...native, lock: true }],

  ['0F AF /r', 'IMUL', 'Gv,Ev', 'IMUL', { ...native, undefinedFlags: SZAP }],
  ['69 /r', 'IMUL', 'Gv,Ev,Iz', 'IMUL3', { ...native, undefinedFlags: SZAP }],
  ['6B /r', 'IMUL', 'Gv,Ev,Ib', 'IMUL3', { ...native, undefinedFlags: SZAP }],

  ['0F C8 +r', 'BSWAP', 'Zv', 'BSWAP', native],
  ['98', 'CBW', 'Av', 'CBW', native],
  ['99', 'CWD', 'Av', 'CWD', native],
  ['90', 'NOP', '', 'NOP', native],
  ['90 +r', 'XCHG', 'Zv,Av', 'XCHG', native],
  ['86 /r', 'XCHG', 'Eb,Gb', 'XCHG', { ...native, lock: true }],
  ['87 /r', 'XCHG', 'Ev,Gv', 'XCHG', { ...native, lock: true }],
  ['0F 1F /r', 'NOP', 'Ev', 'NOPE', native],
  ['0F 18 /r', 'PREFETCH', 'Ev', 'NOPE', native],
  ['0F 19 /r', 'NOP', 'Ev', 'NOPE', native],
  ['0F 1A /r', 'NOP', 'Ev', 'NOPE', native],
  ['0F 1B /r', 'NOP', 'Ev', 'NOPE', native],
  ['0F 1C /r', 'NOP', 'Ev', 'NOPE', native],
  ['0F 1D /r', 'NOP', 'Ev', 'NOPE', native],
  ['0F 1E /r', 'NOP', 'Ev', 'NOPE', native],
  ['0F 0D /r', 'PREFETCHW', 'Ev', 'NOPE', native],
  ['0F A3 /r r', 'BT', 'Ev,Gv', 'BT', { ...native, undefinedFlags: SZAP & ~0x40 | OF }],
  ['0F BA /4', 'BT', 'Ev,Ib', 'BT', { ...native, undefinedFlags: SZAP & ~0x40 | OF }],
  ['0F AB /r r', 'BTS', 'Ev,Gv', 'BTS', { ...native, undefinedFlags: SZAP & ~0x40 | OF }],
  ['0F B3 /r r', 'BTR', 'Ev,Gv', 'BTR', { ...native, undefinedFlags: SZAP & ~0x40 | OF }],
  ['0F BB /r r', 'BTC', 'Ev,Gv', 'BTC', { ...native, undefinedFlags: SZAP & ~0x40 | OF }],
  ['0F BA /5', 'BTS', 'Ev,Ib', 'BTS', { ...native, undefinedFlags: SZAP & ~0x40 | OF, lock: true }],
  ['0F BA /6', 'BTR', 'Ev,Ib', 'BTR', { ...native, undefinedFlags: SZAP & ~0x40 | OF, lock: true }],
  ['0F BA /7', 'BTC', 'Ev,Ib', 'BTC', { ...native, undefinedFlags: SZAP & ~0x40 | OF, lock: true }],
  ['0F BC /r', 'BSF', 'Gv,Ev', 'BSF', { ...native, undefinedFlags: SZAP & ~0x40 | CF | OF }],
  ['0F BD /r', 'BSR', 'Gv,Ev', 'BSR', { ...native, undefinedFlags: SZAP & ~0x40 | CF | OF }],
  ['F8', 'CLC', '', 'CLC', native],
  ['F9', 'STC', '', 'STC', native],
  ['F5', 'CMC', '', 'CMC', native],

  ['50 +r', 'PUSH', 'Zv', 'PUSH', stack],
  ['58 +r', 'POP', 'Zv', 'POP', stack],
  ['68', 'PUSH', 'Iz', 'PUSHI', stack],
  ['6A', 'PUSH', 'Ib', 'PUSHI', stack],
  ['FF /6', 'PUSH', 'Ev', 'PUSH', stack],

  ['EB', 'JMP', 'Jb', 'JMP', branch],
  ['E9', 'JMP', 'Jz', 'JMP', branch],
  ['E8', 'CALL', 'Jz', 'CALL', branch],
  ['C3', 'RET', 'v', 'RET', branch],
  ['C2', 'RET', 'v,Iw', 'RETI', branch],
  ['FF /2', 'CALL', 'Ev', 'CALLE', branch],
  ['FF /4', 'JMP', 'Ev', 'JMPE', branch],
];

export const INTEGER: readonly Instruction[] = instructions('integer', ROWS);
