/**
 * Writes the interpreter of any instruction: one AssemblyScript function with a dense switch over the operations that
 * the rows use. (The commonest are done by the loop around it: quick-text.ts.)
 * Operations of a family and form are four consecutive numbers, by operand size (8, 16, 32, 64 bits), or one when all
 * are of 8 bits. Unconditional branches get the highest numbers, so that one compare tells them. (A switch of more than
 * 1,024 cases would become a chain of compares: refused.)
 */

import type { Instruction } from './instruction.ts';
import { conditionText, readRegister, TextEmitter, writeRegister } from './text-emitter.ts';
import { SEMANTICS, type Semantic, type Size } from './semantics.ts';
import { OP_GENERATED } from '../core/layout.ts';

const SIZES: readonly Size[] = [8, 16, 32, 64];
export const CONDITIONS = ['O', 'NO', 'B', 'NB', 'Z', 'NZ', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'];
const UNCONDITIONAL = new Set(['JMP', 'CALL', 'RET', 'RETI', 'CALLE', 'JMPE']);
const DIRECT = new Set(['JMP', 'CALL', ...CONDITIONS.map((name) => `J${name}`)]);

/** Direct branches: the variant that leaves the page follows the one that may be linked. */
export const BRANCH_FAR_DELTA = 4;

export class OperationNumbers {
  readonly #first = new Map<string, number>();
  readonly #used = new Set<string>();
  readonly #low: string[] = [];
  readonly #high: string[] = [];
  #next = OP_GENERATED;

  /** Number of the smallest size of a family's form. Called once for all rows before `freeze`. */
  request(family: string, form: string, sizes: readonly Size[]): string {
    const key = `${family}.${form}`;
    for (const size of sizes) this.#used.add(`${key}.${size}`);
    const keys = UNCONDITIONAL.has(family) ? this.#high : this.#low;
    if (!keys.includes(key)) keys.push(key);
    return key;
  }

  /** First number of the unconditional branches. */
  freeze(): number {
    for (const key of this.#low) this.#number(key);
    const first = this.#next;
    for (const key of this.#high) this.#number(key);
    if (this.#next > 1000) throw new Error(`interpreter: ${this.#next} operations are too many for one br_table`);
    return first;
  }

  #number(key: string): void {
    this.#first.set(key, this.#next);
    const larger = [16, 32, 64].some((size) => this.#used.has(`${key}.${size}`));
    this.#next += DIRECT.has(key.split('.')[0] as string) ? 8 : larger ? 4 : 1;
  }

  numberOf(key: string): number {
    return this.#first.get(key) as number;
  }

  *all(): Iterable<{ family: string; form: string; size: Size; number: number }> {
    for (const [key, first] of this.#first) {
      const [family, form] = key.split('.') as [string, string];
      for (const [n, size] of SIZES.entries()) {
        if (this.#used.has(`${key}.${size}`)) yield { family, form, size, number: first + n };
      }
    }
  }
}

/** Operand forms of an integer row, without and with memory; '' when there is none. And its sizes. */
export function formsOf(
  row: Instruction,
): { register: string; memory: string; sizes: readonly Size[]; sized: boolean } {
  const operands = row.operands === '' ? [] : row.operands.split(',');
  const letters = operands.map((operand) => (operand === 'v' ? 'v' : (operand[0] as string))).join('');
  const forms: Record<string, [string, string]> = {
    EG: ['rr', 'mr'], GE: ['rr', 'rm'], EI: ['ri', 'mi'], AI: ['ri', ''], ZI: ['ri', ''], E1: ['ri', 'mi'],
      EC: ['rr', 'mr'],
    E: ['r', 'm'], Z: ['r', ''], A: ['r', ''], GEI: ['rri', 'rmi'], AO: ['', 'rm'], OA: ['', 'mr'], GM: ['', 'rm'],
      ZA: ['rr', ''],
    BE: ['rr', 'rm'], GBE: ['rrr', 'rrm'], GEB: ['rrr', 'rrm'], MG: ['', 'mr'],
    J: ['j', ''], I: ['i', ''], v: ['n', ''], vI: ['n', ''], '': ['n', ''],
  };
  const form = forms[letters];
  if (!form) throw new Error(`instruction ${row.name}: no forms for operands "${row.operands}"`);
  const first = operands[0] ?? '';
  const sized = /[vzyJI]/.test(first) && !first.endsWith('b') ? true : letters.startsWith('J') || letters === 'I';
  if (first.endsWith('y')) return { register: form[0], memory: form[1], sizes: [32, 64], sized };
  const sizes: readonly Size[] = !sized ? [first.endsWith('d') ? 32 : first.endsWith('w') ? 16 : 8] : [16, 32, 64];
  return { register: form[0], memory: form[1], sizes, sized };
}

/** How a case gets at its operand in memory. */
export interface MemoryAccess {
  /** Lines in front of it, for an operand of that size. */
  readonly address: (size: Size, writes: boolean) => readonly string[];
  readonly read: (size: Size) => string;
  /** Of an operand that is written later: raises what that would. */
  readonly readForWrite: (size: Size) => string;
  readonly write: (size: Size, value: string) => string;
}

const CALLED: MemoryAccess = {
  address: () => ['const address = ea(u);'],
  read: (size) => `read${size}(address)`,
  readForWrite: (size) => `readForWrite${size}(address)`,
  write: (size, value) => `write${size}(address, ${value});`,
};

/** The body of one case. */
export function caseText(family: string, form: string, size: Size): string[] {
  const control = controlText(family, form, size);
  if (control) return control;
  const semantic = SEMANTICS[family] as Semantic | undefined;
  if (!semantic) throw new Error(`interpreter: no semantic is called ${family}`);
  return [...operandsText(semantic, form, size), 'break;'];
}

/** What a semantic does with operands of a form. */
export function operandsText(semantic: Semantic, form: string, size: Size, access = CALLED): string[] {
  // A source is never wider than the destination: MOVSXD to 16 bits reads 16.
  const sourceSize = Math.min(semantic.sourceSize ?? (semantic.form === 'shift' ? 8 : size), size) as Size;
  const destinationInMemory = form.startsWith('m');
  const modifies = ['binary', 'unary', 'shift', 'compare'].includes(semantic.form);
  const writes = semantic.form !== 'compare' && semantic.form !== 'none';
  const head: string[] = [];
  if (destinationInMemory) head.push(...access.address(size, writes));
  else if (form.includes('m')) head.push(...access.address(sourceSize, false));
  let destination = '';
  if (modifies && !(form === 'rri' || form === 'rmi')) {
    if (destinationInMemory) head.push(`const a: u64 = ${writes ? access.readForWrite(size) : access.read(size)};`);
    else head.push(`const a: u64 = ${readRegister('TARGET', size)};`);
    destination = 'a';
  }
  if (semantic.form === 'second') {
    head.push(`const a: u64 = ${readRegister('THIRD', size)};`);
    destination = 'a';
  }
  const source = { rr: 'reg', mr: 'reg', rm: 'mem', ri: 'imm', mi: 'imm', rri: 'reg', rmi: 'mem', rrr: 'reg',
    rrm: 'mem' }[form];
  const inner = new TextEmitter(size, (value) =>
    destinationInMemory ? access.write(size, value) : writeRegister('TARGET', size, value),
      !destinationInMemory);
  if (source === 'reg') head.push(`const b: u64 = ${readRegister('OPERAND', sourceSize)};`);
  else if (source === 'mem') head.push(`const b: u64 = ${access.read(sourceSize)};`);
  else if (source === 'imm') head.push(`const b: u64 = ${inner.unsigned('load<u64>(u, IMMEDIATE)', size)};`);
  if (semantic.form === 'three') {
    head.push(`const i: u64 = ${inner.unsigned('load<u64>(u, IMMEDIATE)', size)};`);
    semantic.emit(inner, size, 'b', 'i');
  } else semantic.emit(inner, size, destination, 'b');
  // Flags must not change when the write faults: readForWrite has already raised what the write would.
  return [...head, ...inner.lines];
}

/**
 * The body of the case that does an operation on memory without anybody coming between: read, computed and exchanged
 * until nothing had changed. Flags are written after that, so that every round reads the same carry.
 */
export function lockedText(family: string, form: string, size: Size): string[] {
  const bytes = size / 8;
  const read = `const a: u64 = lockedRead(address, ${bytes});`;
  const source = form === 'mr' ? readRegister('OPERAND', size) : '<u64><i64>load<i32>(u, IMMEDIATE)';
  if (family === 'XCHG') {
    return ['const address = ea(u);', 'while (true) {', read,
      `if (!lockedWrite(address, ${bytes}, a, ${source})) continue;`, writeRegister('OPERAND', size, 'a'), 'return;',
      '}'];
  }
  const semantic = SEMANTICS[family] as Semantic;
  const flags: string[] = [];
  const write = (value: string): string => `if (!lockedWrite(address, ${bytes}, a, ${value})) continue;`;
  const inner = new TextEmitter(size, write, false, flags);
  const operand = form === 'm' ? [] : [`const b: u64 = ${inner.unsigned(source, size)};`];
  semantic.emit(inner, size, 'a', 'b');
  return ['const address = ea(u);', ...operand, 'while (true) {', read, ...inner.lines, ...flags, 'return;', '}'];
}

/** Leaves the block for the instruction pointer `target`. */
function leave(target: string, size: Size): string[] {
  const ip = size === 64 ? target : `(${target}) & 0x${size === 32 ? 'ffffffff' : 'ffff'}`;
  return [
    `store<u64>(c + RIP, ${ip});`,
    'store<i32>(c + BUDGET, load<i32>(c + BUDGET) - load<u8>(u, COUNT));',
    'return dispatch();',
  ];
}

const nextIp = 'load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET) + load<u8>(u, LENGTH)';
const targetIp = 'load<u64>(c + CODE_BASE) + <i64>load<i32>(u, DISPLACEMENT)';
const farTargetIp = 'load<u64>(c + CODE_BASE) + load<i64>(u, IMMEDIATE)';

/** Goes to the linked record of a branch within the page. */
export function followLink(): string[] {
  return [
    'const budget = load<i32>(c + BUDGET) - load<u8>(u, COUNT);',
    'store<i32>(c + BUDGET, budget);',
    'if (budget <= 0 || load<i32>(c + EXIT_REQUEST) != 0) {',
    `  store<u64>(c + RIP, ${targetIp}); return dispatch(); }`,
    'const next: usize = load<u32>(u, LINK);',
    'return next != 0 ? next : link(u);',
  ];
}

/** Branches, stack and a few others whose work is not arithmetic. */
function controlText(family: string, form: string, size: Size): string[] | undefined {
  const masked = (text: string): string => (size === 64 ? text : `((${text}) & 0x${(2 ** size - 1).toString(16)})`);
  const value = form === 'm' ? `read${size}(ea(u))` : readRegister('TARGET', size);
  const indirect = form === 'm' ? value : readRegister('TARGET', size);
  switch (family) {
    case 'NOP': case 'NOPE': return ['break;'];
    case 'LEA': return [writeRegister('TARGET', size, 'effectiveAddress(u)'), 'break;'];
    case 'XCHG':
      return [`const a: u64 = ${readRegister('TARGET', size)};`, `const b: u64 = ${readRegister('OPERAND', size)};`,
        writeRegister('OPERAND', size, 'a'), writeRegister('TARGET', size, 'b'), 'break;'];
    case 'CBW': {
      const half = (size / 2) as Size;
      const field = size === 16 ? `store<u16>(c, <u16>load<i8>(c));` : size === 32
        ? 'store<u64>(c, <u64><u32><i32>load<i16>(c));' : 'store<i64>(c, <i64>load<i32>(c));';
      return [`// AL, AX or EAX of ${half} bits, extended`, field, 'break;'];
    }
    case 'CWD': {
      const shifted = `load<i${size}>(c) >> ${size - 1}`;
      return [size === 32 ? `store<u64>(c + RDX, <u64><u32>(${shifted}));` : `store<i${size}>(c + RDX, ${shifted});`,
        'break;'];
    }
    case 'PUSH': return [`push${size}(${value});`, 'break;'];
    case 'PUSHI': return [`push${size}(load<u64>(u, IMMEDIATE));`, 'break;'];
    case 'POP': return [`const value: u64 = pop${size}();`, writeRegister('TARGET', size, 'value'), 'break;'];
    case 'JMPE': return [`const target: u64 = ${indirect};`, ...checked(size), ...leave('target', size)];
    case 'CALLE': return [`const target: u64 = ${indirect};`, ...checkedCall(size), `push${size}(${masked(nextIp)});`,
      ...leave('target', size)];
    case 'RET': return [`const target: u64 = peek${size}(0);`, ...checked(size), `drop(${size / 8});`,
      ...leave('target', size)];
    case 'RETI': return [`const target: u64 = peek${size}(0);`, ...checked(size),
      `drop(${size / 8} + load<u16>(u, IMMEDIATE));`,
      ...leave('target', size)];
    default: return undefined;
  }
}

function checked(size: Size): string[] {
  return size === 64 ? ['if (!isCanonical(target)) raiseError(GP, 0);'] : [];
}

/** A call reports its stack's faults before a target that is not canonical. */
function checkedCall(size: Size): string[] {
  return size === 64 ? ['if (!isCanonical(target)) { probePush(8, 8); raiseError(GP, 0); }'] : [];
}

/** Cases of a direct branch: linked (numbers first + 2 and + 3), and leaving the page (first + 4 + size). */
export function branchText(family: string, size: Size, far: boolean): string[] {
  const condition = CONDITIONS.indexOf(family.slice(1));
  const go = far ? leave(farTargetIp, size) : followLink();
  if (family === 'JMP') return go;
  if (family === 'CALL') {
    const mask = size === 64 ? nextIp : `(${nextIp}) & 0x${(2 ** size - 1).toString(16)}`;
    return [`push${size}(${mask});`, ...go];
  }
  return [`if (${conditionText(condition)}) {`, ...go, '}', 'break;'];
}

export function isDirectBranch(family: string): boolean {
  return DIRECT.has(family);
}
