/** The name of an instruction by its bytes, from the rows: for traces and people, not for execution. */

import { parseEncoding, VEX_MAPS } from './decoder-tables.ts';
import type { Instruction } from './instruction.ts';
import { INSTRUCTION_ROWS } from './rows.ts';

interface Candidate {
  readonly row: Instruction;
  readonly fixed: ReturnType<typeof parseEncoding>['fixed'];
}

let byOpcode: Map<number, Candidate[]> | undefined;

function candidates(map: number, opcode: number): readonly Candidate[] {
  if (byOpcode === undefined) {
    byOpcode = new Map();
    for (const row of INSTRUCTION_ROWS) {
      const encoding = parseEncoding(row);
      for (const value of encoding.opcodes) {
        const key = encoding.map * 256 + value;
        byOpcode.set(key, [...byOpcode.get(key) ?? [], { row, fixed: encoding.fixed }]);
      }
    }
  }
  return byOpcode.get(map * 256 + opcode) ?? [];
}

const LEGACY_PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** The mnemonic, or "(undefined)". */
export function instructionName(bytes: Uint8Array, mode64: boolean): string {
  let at = 0;
  let rex = 0;
  let prefix = 0;
  const byte = (): number => bytes[at++] ?? 0;
  const isPrefix = (value: number): boolean => LEGACY_PREFIXES.has(value) || (mode64 && (value & 0xf0) === 0x40);
  let opcode = byte();
  while (isPrefix(opcode)) {
    if ((opcode & 0xf0) === 0x40) rex = opcode;
    else if (opcode === 0xf2) prefix = 3;
    else if (opcode === 0xf3) prefix = 2;
    else if (opcode === 0x66 && prefix === 0) prefix = 1;
    if (at >= bytes.length) return '(undefined)';
    opcode = byte();
  }
  let map = 0;
  const short = opcode === 0xc5;
  if ((short || opcode === 0xc4) && (mode64 || (bytes[at] ?? 0) >= 0xc0)) {
    const first = byte();
    const last = short ? first : byte();
    map = VEX_MAPS + (short ? 1 : first & 31);
    prefix = last & 3;
    rex = short ? 0 : (last >> 4) & 8;
    opcode = byte();
  } else if (opcode === 0x0f) {
    opcode = byte();
    map = opcode === 0x38 ? 2 : opcode === 0x3a ? 3 : 1;
    if (map > 1) opcode = byte();
  }
  const modrm = bytes[at] ?? 0;
  const seen: Readonly<Record<string, number>> = {
    PREFIX: prefix, MODE: mode64 ? 1 : 0, W: (rex >> 3) & 1, REG: (modrm >> 3) & 7, RM: modrm & 7, MOD: modrm >= 0xc0
      ? 1 : 0,
  };
  const fitting = candidates(map, opcode)
    .filter(({ fixed }) =>
      Object.entries(fixed).every(([key, value]) => seen[key] === undefined || seen[key] === value))
    .sort((a, b) => Object.keys(b.fixed).length - Object.keys(a.fixed).length);
  return fitting[0]?.row.name ?? '(undefined)';
}
