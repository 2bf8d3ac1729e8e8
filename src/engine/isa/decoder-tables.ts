/**
 * Instruction rows → the decoder's tables, as 16-bit words in one array:
 *
 *   0 … 8·256 - 1   root of each opcode of the maps (one byte, 0F, 0F 38, 0F 3A; four more on, the same with VEX)
 *   selectors       kind, then one node for each choice
 *   LEAVES (bytes)  leaves of 16 bytes: op register form u16, op memory form u16, target kind u8, operand kind u8,
 *                   immediate kind u8, third operand's kind u8, handler u16, bytes u16, flags u16,
 *                   shape and shift as in core/layout.ts's WIDE u16
 *
 * A node is 0 (undefined), an index of a selector's first word, or 0x8000 | leaf number.
 */

import {
  SHAPE_COMMON, SHAPE_GENERAL, SHAPE_LANES, SHAPE_NARROW, SHAPE_SOURCE_FIRST, SHAPE_TERNARY, SHAPE_WHOLE, SHAPE_WIDEN,
  WIDE_SHAPE, WIDE_SHIFT,
} from '../core/layout.ts';
import type { Instruction, Shape } from './instruction.ts';

export const SELECT = { PREFIX: 1, MODE: 2, W: 3, REG: 4, RM: 5, MOD: 6, SMALL: 7, L: 8 } as const;
const CHOICES: Record<number, number> = { 1: 4, 2: 2, 3: 2, 4: 8, 5: 8, 6: 2, 7: 2, 8: 2 };
/** What the number of a map gains when VEX says it. */
export const VEX_MAPS = 4;

export const FLAG =
  { SIZED: 1, DEFAULT64: 2, LOCK: 4, ENDS: 8, ALIGNED: 16, MODRM: 32, NEAR: 64, X87: 128, WRITES: 256,
    SAME: 512, SCALAR: 1024 } as const;

/** Instructions whose first operand is only read. */
const READ_ONLY: ReadonlySet<string> = new Set([
  'CMP', 'TEST', 'BT', 'NOP', 'PREFETCH', 'PREFETCHW', 'UD0', 'UD1', 'PUSH', 'JMP', 'CALL', 'JMP FAR', 'CALL FAR',
    'MUL', 'IMUL',
  'DIV', 'IDIV', 'LTR', 'LLDT', 'VERR', 'VERW', 'LMSW', 'LGDT', 'LIDT', 'INVLPG', 'CLFLUSH', 'XRSTOR', 'FXRSTOR',
    'ARPL',
]);

const KIND_NAMES =
  ['NONE', 'E', 'EB', 'G', 'GB', 'M', 'Z', 'ZB', 'ACCUMULATOR', 'CL', 'ONE', 'SEGMENT', 'CONTROL', 'R', 'V', 'W', 'U',
  'P', 'Q', 'N', 'OFFSET', 'MEMORY_FIRST', 'B', 'H'] as const;
type Kind = (typeof KIND_NAMES)[number];
export const KIND: Readonly<Record<Kind,
  number>> = Object.fromEntries(KIND_NAMES.map((name, n) => [name, n])) as Record<Kind, number>;

export const IMMEDIATE =
  { NONE: 0, BYTE: 1, BYTE_UNSIGNED: 2, WORD: 3, Z: 4, FULL: 5, ENTER: 6, FAR: 7, RELATIVE: 8,
    RELATIVE_BYTE: 9 } as const;

const SHAPES: Readonly<Record<Shape, number>> = {
  lanes: SHAPE_LANES, common: SHAPE_COMMON, widen: SHAPE_WIDEN, narrow: SHAPE_NARROW, whole: SHAPE_WHOLE,
  general: SHAPE_GENERAL, ternary: SHAPE_TERNARY, sourceFirst: SHAPE_SOURCE_FIRST,
};

/** Room for the selectors, in bytes; the leaves follow. */
export const LEAVES = 0x8000;

/** What the interpreter runs for a row: operation numbers of its forms, and the handler's number. */
export interface Operations {
  readonly register: number;
  readonly memory: number;
  /** The operand size is added to the operation. */
  readonly sized: boolean;
  /** 0xffff: none. */
  readonly handler: number;
}

type Selector = 'PREFIX' | 'MODE' | 'W' | 'REG' | 'RM' | 'MOD' | 'SMALL' | 'L';
type Tree = { kind: Selector; choices: (Tree | undefined)[] } | { row: Instruction };

interface Encoding {
  map: number;
  opcodes: number[];
  /** Choices that the row holds for, per selector; a missing one holds for all. */
  fixed: Partial<Record<Selector, number>>;
  modrm: boolean;
}

const PREFIXES: Record<string, number> = { NP: 0, '66': 1, F3: 2, F2: 3 };

/** Parses the notation of `Instruction.opcode`. */
export function parseEncoding(row: Instruction): Encoding {
  const tokens = row.opcode.split(' ');
  const fixed: Partial<Record<Selector, number>> = {};
  let at = tokens[0] === 'VEX' ? 1 : 0;
  const maps = at * VEX_MAPS;
  // A leading 66, F3 or F2 is a prefix only when more opcode follows.
  const first = tokens[at] as string;
  if (first in PREFIXES && tokens.length > at + 1 && /^[0-9A-F]{2}$/.test(tokens[at + 1] as string)) {
    fixed.PREFIX = PREFIXES[first] as number;
    at++;
    if (first === '66' && tokens[at] === 'F2') {
      fixed.PREFIX = PREFIXES['F2'] as number;
      fixed.SMALL = 1;
      at++;
    }
  }
  let map = 0;
  if (tokens[at] === '0F') {
    map = 1;
    at++;
    if (tokens.length > at + 1 && /^[0-9A-F]{2}$/.test(tokens[at + 1] as string)
      && (tokens[at] === '38' || tokens[at] === '3A')) {
      map = tokens[at] === '38' ? 2 : 3;
      at++;
    }
  }
  const opcode = Number.parseInt(tokens[at++] as string, 16);
  let opcodes = [opcode];
  let modrm = false;
  for (const token of tokens.slice(at)) {
    if (token === '+r') opcodes = Array.from({ length: 8 }, (_, n) => opcode + n);
    else if (token === '/r') modrm = true;
    else if (/^\/[0-7]$/.test(token)) {
      fixed.REG = Number(token[1]);
      modrm = true;
    } else if (token === 'm' || token === 'r') fixed.MOD = token === 'r' ? 1 : 0;
    else if (token.startsWith('rm=')) fixed.RM = Number(token.slice(3));
    else if (token === 'W0' || token === 'W1') fixed.W = Number(token[1]);
    else if (token === 'L0' || token === 'L1') fixed.L = Number(token[1]);
    else if (token === 'i64') fixed.MODE = 0;
    else if (token === 'o64') fixed.MODE = 1;
    else if (/^C0\+i$/.test(token)) modrm = true;
    else throw new Error(`instruction ${row.name}: "${token}" in "${row.opcode}" is no token of the notation`);
  }
  if (fixed.MOD !== undefined || fixed.RM !== undefined) modrm = true;
  return { map: map + maps, opcodes, fixed, modrm };
}

/** The order in which the decoder asks. */
const ORDER: readonly Selector[] = ['MODE', 'PREFIX', 'MOD', 'REG', 'RM', 'W', 'SMALL', 'L'];

/** The more a row fixes, the earlier it is taken. */
function specificity(fixed: Encoding['fixed']): number {
  return Object.keys(fixed).length + (fixed.PREFIX === undefined ? 0 : 0.5);
}

function build(rows: { row: Instruction; fixed: Encoding['fixed'] }[], depth: number): Tree | undefined {
  if (rows.length === 0) return undefined;
  const selector = ORDER[depth];
  if (selector === undefined) return { row: (rows[0] as { row: Instruction }).row };
  if (rows.every(({ fixed }) => fixed[selector] === undefined)) return build(rows, depth + 1);
  const count = CHOICES[SELECT[selector]] as number;
  const choices = Array.from({ length: count }, (_, choice) => {
    const exact = rows.filter(({ fixed }) => fixed[selector] === choice);
    const open = rows.filter(({ fixed }) => fixed[selector] === undefined);
    // A row with this very choice wins over one that holds for all, as far as it reaches.
    return build([...exact, ...open], depth + 1);
  });
  return { kind: selector, choices };
}

const OPERAND = /^(Ap|CR|DR|[A-Z1])([bwdqvzy])?$/;

function kindOf(operand: string | undefined): number {
  if (operand === undefined) return KIND.NONE;
  const match = OPERAND.exec(operand);
  if (!match) return KIND.NONE;
  const [, letter, size] = match;
  switch (letter) {
    case 'E': return size === 'b' ? KIND.EB : KIND.E;
    case 'G': return size === 'b' ? KIND.GB : KIND.G;
    case 'Z': return size === 'b' ? KIND.ZB : KIND.Z;
    case 'M': return KIND.M;
    case 'A': return KIND.ACCUMULATOR;
    case 'C': return KIND.CL;
    case '1': return KIND.ONE;
    case 'O': return KIND.OFFSET;
    case 'S': return KIND.SEGMENT;
    case 'CR': case 'DR': return KIND.CONTROL;
    case 'R': return KIND.R;
    case 'V': return KIND.V;
    case 'W': return KIND.W;
    case 'U': return KIND.U;
    case 'P': return KIND.P;
    case 'Q': return KIND.Q;
    case 'N': return KIND.N;
    case 'B': return KIND.B;
    case 'H': return KIND.H;
    default: return KIND.NONE;
  }
}

function immediateOf(row: Instruction): number {
  const operands = row.operands.split(',');
  if (operands.includes('Ap')) return IMMEDIATE.FAR;
  if (operands.includes('Jb')) return IMMEDIATE.RELATIVE_BYTE;
  if (operands.includes('Jz')) return IMMEDIATE.RELATIVE;
  if (operands.includes('Iw') && operands.includes('Ib')) return IMMEDIATE.ENTER;
  if (operands.includes('Iw')) return IMMEDIATE.WORD;
  if (operands.includes('Iz')) return IMMEDIATE.Z;
  if (operands.includes('Iv')) return IMMEDIATE.FULL;
  if (operands.includes('Ib')) return row.class === 'integer' ? IMMEDIATE.BYTE : IMMEDIATE.BYTE_UNSIGNED;
  return IMMEDIATE.NONE;
}

const BRANCHES = /^(JMP|CALL|RET|RETI|CALLE|JMPE|J[A-Z]{1,2})$/;

function flagsOf(row: Instruction, encoding: Encoding, operations: Operations): number {
  let flags = 0;
  if (operations.sized) flags |= FLAG.SIZED;
  if (row.default64) flags |= FLAG.DEFAULT64;
  if (row.lock) flags |= FLAG.LOCK;
  if (row.ends) flags |= FLAG.ENDS;
  if (row.aligned) flags |= FLAG.ALIGNED;
  if (encoding.modrm) flags |= FLAG.MODRM;
  if (row.class === 'integer' && BRANCHES.test(row.op)) flags |= FLAG.NEAR;
  if (row.class === 'x87') flags |= FLAG.X87;
  if (row.sameBytes) flags |= FLAG.SAME;
  if (row.scalar) flags |= FLAG.SCALAR;
  if (/^[EMWQO]/.test(row.operands) && !READ_ONLY.has(row.name)) flags |= FLAG.WRITES;
  return flags;
}

/** Builds the tables; `operationsOf` says what runs for a row. */
export function buildDecoderTables(
  rows: readonly Instruction[], operationsOf: (row: Instruction, modrm: boolean) => Operations,
): Uint8Array {
  const byOpcode = new Map<number, { row: Instruction; fixed: Encoding['fixed'] }[]>();
  for (const row of rows) {
    const encoding = parseEncoding(row);
    for (const opcode of encoding.opcodes) {
      const key = encoding.map * 256 + opcode;
      const list = byOpcode.get(key) ?? [];
      // An opcode named alone wins over one of a +r range.
      const entry = { row, fixed: encoding.fixed };
      if (encoding.opcodes.length > 1) list.push(entry);
      else list.unshift(entry);
      byOpcode.set(key, list);
    }
  }
  const words = new Uint16Array(LEAVES / 2);
  let next = 2 * VEX_MAPS * 256;
  const leaves: Instruction[] = [];
  const leafOf = new Map<Instruction, number>();
  const emit = (tree: Tree | undefined): number => {
    if (tree === undefined) return 0;
    if ('row' in tree) {
      let leaf = leafOf.get(tree.row);
      if (leaf === undefined) {
        leaf = leaves.push(tree.row) - 1;
        leafOf.set(tree.row, leaf);
      }
      return 0x8000 | leaf;
    }
    const at = next;
    next += 1 + tree.choices.length;
    if (next > words.length) throw new Error(`decoder tables: the selectors need more than ${LEAVES} bytes`);
    words[at] = SELECT[tree.kind];
    tree.choices.forEach((choice, n) => {
      words[at + 1 + n] = emit(choice);
    });
    return at;
  };
  for (const [key, list] of byOpcode) {
    const sorted = [...list].sort((a, b) => specificity(b.fixed) - specificity(a.fixed));
    words[key] = emit(build(sorted, 0));
  }
  const table = new Uint8Array(LEAVES + leaves.length * 16);
  table.set(new Uint8Array(words.buffer));
  leaves.forEach((row, n) => encodeLeaf(new DataView(table.buffer), LEAVES + n * 16, row, operationsOf));
  return table;
}

function encodeLeaf(
  view: DataView, at: number, row: Instruction, operationsOf: (row: Instruction, modrm: boolean) => Operations,
): void {
  const encoding = parseEncoding(row);
  const operations = operationsOf(row, encoding.modrm);
  const operands = row.operands.split(',').filter((operand) => operand !== '' && !/^[IJ]/.test(operand));
  view.setUint16(at, operations.register, true);
  view.setUint16(at + 2, operations.memory, true);
  const rest = operands.slice(1);
  view.setUint8(at + 4, kindOf(operands[0]));
  view.setUint8(at + 5, kindOf(rest.find((operand) => !/^[BH]/.test(operand))));
  view.setUint8(at + 7, kindOf(rest.find((operand) => /^[BH]/.test(operand))));
  view.setUint8(at + 6, immediateOf(row));
  view.setUint16(at + 8, operations.handler, true);
  view.setUint16(at + 10, row.bytes ?? 0, true);
  view.setUint16(at + 12, flagsOf(row, encoding, operations), true);
  const shape = SHAPES[row.shape ?? 'lanes'];
  view.setUint16(at + 14, shape << WIDE_SHAPE | (row.laneShift ?? 0) << WIDE_SHIFT, true);
}
