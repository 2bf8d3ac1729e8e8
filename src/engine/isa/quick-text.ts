/**
 * Writes the interpreter's loop: the operations that nearly all code consists of, each without a call, so that the loop
 * lives in registers. What one of them can't do by itself (a page that the TLB does not know, a jump that is not known,
 * a region) it leaves, with nothing changed yet, to the interpreter of any instruction (interpreter-text.ts).
 */

import {
  BRANCH_FAR_DELTA, CONDITIONS, isDirectBranch, type MemoryAccess, operandsText, type OperationNumbers,
} from './interpreter-text.ts';
import { conditionText, readRegister, writeRegister } from './text-emitter.ts';
import { SEMANTICS, type Semantic, type Size } from './semantics.ts';
import { OP_NEXT } from '../core/layout.ts';

/** Family and form → sizes. Together they are 98 of 100 instructions of a boot, and of a compiler's. */
const QUICK: Readonly<Record<string, readonly Size[]>> = {
  'MOV.rr': [32, 64], 'MOV.mr': [8, 16, 32, 64], 'MOV.rm': [8, 32, 64], 'MOV.ri': [32, 64], 'MOV.mi': [8, 32, 64],
  'MOVZX8.rr': [32], 'MOVZX8.rm': [32], 'MOVZX16.rr': [32], 'MOVZX16.rm': [32], 'MOVSX8.rm': [32],
  'MOVSX32.rr': [64], 'MOVSX32.rm': [64], 'LEA.rm': [32, 64], 'CBW.r': [64],
  'ADD.rr': [32, 64], 'ADD.rm': [32, 64], 'ADD.mr': [32, 64], 'ADD.ri': [32, 64], 'ADD.mi': [32, 64],
  'SUB.rr': [32, 64], 'SUB.rm': [32, 64], 'SUB.ri': [32, 64], 'SUB.mi': [32, 64],
  'CMP.rr': [8, 32, 64], 'CMP.rm': [8, 32, 64], 'CMP.mr': [8, 32, 64], 'CMP.ri': [8, 16, 32, 64],
  'CMP.mi': [8, 16, 32, 64], 'TEST.rr': [8, 16, 32, 64], 'TEST.ri': [8, 32], 'TEST.mi': [8, 32],
  'AND.rr': [32, 64], 'AND.rm': [32, 64], 'AND.ri': [16, 32, 64], 'OR.rr': [8, 32, 64], 'OR.rm': [32, 64],
  'OR.ri': [32, 64], 'XOR.rr': [32, 64], 'XOR.rm': [64], 'XOR.ri': [32], 'INC.r': [32, 64], 'INC.m': [32],
  'DEC.r': [32, 64], 'DEC.m': [32], 'NOT.r': [64], 'NEG.r': [32, 64], 'BT.rr': [64], 'BSWAP.r': [64],
  'SHL.ri': [32, 64], 'SHR.ri': [8, 32, 64], 'SAR.ri': [32, 64], 'ROL.ri': [32], 'SHL.rr': [32, 64],
  'SHR.rr': [32, 64], 'SETZ.r': [8], 'SETNZ.r': [8], 'SETBE.r': [8], 'CMOVZ.rr': [32, 64], 'CMOVNZ.rr': [32, 64],
  'NOP.n': [8], 'NOPE.m': [16, 32, 64], 'NOPE.r': [32, 64], 'PUSH.r': [64], 'POP.r': [64], 'PUSHI.i': [64],
  'RET.n': [64], 'CALLE.r': [64], 'CALLE.m': [64], 'JMPE.r': [64], 'JMPE.m': [64],
};

const ON = 'u += RECORD_SIZE; continue;';
/** The loop's tail does the jump to `target`; `pointer` is RSP behind it, and `slot` takes the return address. */
const JUMP = 'pointer = load<u64>(c + RSP); break;';

/** Lines that give `host`, the host address of `size` bits at `address`, or leave the case. */
function reach(address: string, tag: 'READ' | 'WRITE', size: Size, host = 'host'): string[] {
  const last = size === 8 ? address : `(${address} + ${size / 8 - 1})`;
  return [
    `const entry = entryOf(${address}, c);`,
    `if (load<u64>(entry, TAG_${tag}) != (${last} & ~0xfff)) break;`,
    `${host === 'host' ? 'const host: usize' : host} = <usize>(<u32>${address} + load<u32>(entry, ADDEND));`,
  ];
}

const OPERAND_ADDRESS = [
  'if (load<u8>(u, ADDRESS) != PLAIN) break;',
  'const address = plainOffset(u, c) + load<u64>(c + load<u16>(u, SEGMENT_BASE));',
];

const INLINE: MemoryAccess = {
  address: (size, writes) => [...OPERAND_ADDRESS, ...reach('address', writes ? 'WRITE' : 'READ', size)],
  read: (size) => `<u64>load<u${size}>(host)`,
  readForWrite: (size) => `<u64>load<u${size}>(host)`,
  write: (size, value) => `store<u${size}>(host, <u${size}>${value});`,
};

/** `to`, which an indirect branch names. */
function indirect(form: string): string[] {
  if (form === 'r') return [`const to: u64 = ${readRegister('TARGET', 64)};`];
  return [...OPERAND_ADDRESS, ...reach('address', 'READ', 64), 'const to = load<u64>(host);'];
}

/** A call also wants a place for its return address. Where it leads is only said when it has one. */
function call(go: string): string[] {
  return ['{', 'const top = load<u64>(c + RSP) - 8;', ...reach('top', 'WRITE', 64, 'slot'), 'pointer = top;', '}', go,
    'break;'];
}

function stackText(family: string, form: string, size: Size): string[] | undefined {
  const value = form === 'i' ? 'load<u64>(u, IMMEDIATE)' : readRegister('TARGET', 64);
  switch (family) {
    case 'NOP': case 'NOPE': return [ON];
    case 'LEA':
      return ['if (load<u8>(u, ADDRESS) != PLAIN) break;', writeRegister('TARGET', size, 'plainOffset(u, c)'), ON];
    case 'CBW': return ['store<i64>(c, <i64>load<i32>(c));', ON];
    case 'PUSH': case 'PUSHI':
      return ['const top = load<u64>(c + RSP) - 8;', ...reach('top', 'WRITE', 64), `store<u64>(host, ${value});`,
        'store<u64>(c + RSP, top);', ON];
    case 'POP':
      return ['const top = load<u64>(c + RSP);', ...reach('top', 'READ', 64), 'const value = load<u64>(host);',
        'store<u64>(c + RSP, top + 8);', writeRegister('TARGET', 64, 'value'), ON];
    case 'RET':
      return ['const top = load<u64>(c + RSP);', ...reach('top', 'READ', 64), 'target = load<u64>(host);',
        'pointer = top + 8; break;'];
    case 'JMPE': return [...indirect(form), 'target = to;', JUMP];
    case 'CALLE': return [...indirect(form), ...call('target = to;')];
    default: return undefined;
  }
}

/** Direct branches in 64-bit mode: linked, or leaving the page. */
function directText(family: string, far: boolean): string[] {
  const go = far ? 'target = load<u64>(c + CODE_BASE) + load<i64>(u, IMMEDIATE);' : 'next = load<u32>(u, LINK);';
  if (family === 'CALL') return call(go);
  const jump = [go, far ? JUMP : 'break;'];
  if (family === 'JMP') return jump;
  return [`if (${conditionText(CONDITIONS.indexOf(family.slice(1)))} == 0) { ${ON} }`, ...jump];
}

/** The body of an operation's case; undefined when the loop leaves it to the interpreter of any instruction. */
function quickText(family: string, form: string, size: Size): string[] | undefined {
  if (QUICK[`${family}.${form}`]?.includes(size) !== true) return undefined;
  const text = stackText(family, form, size);
  return text ?? [...operandsText(SEMANTICS[family] as Semantic, form, size, INLINE), ON];
}

/** The loop's cases; the numbers between them go to the default, so that the switch is a table. */
function casesText(numbers: OperationNumbers): string {
  const bodies = new Map<number, readonly string[]>();
  bodies.set(OP_NEXT, ['// NEXT', 'next = load<u32>(u, LINK); break;']);
  for (const { family, form, size, number } of numbers.all()) {
    if (isDirectBranch(family)) {
      if (size !== 64) continue;
      bodies.set(number, [`// ${family}, linked`, ...directText(family, false)]);
      bodies.set(number + BRANCH_FAR_DELTA, [`// ${family}`, ...directText(family, true)]);
      continue;
    }
    const body = quickText(family, form, size);
    if (body !== undefined) bodies.set(number, [`// ${family} ${form} ${size}`, ...body]);
  }
  const text: string[] = [];
  for (let number = 0; number <= Math.max(...bodies.keys()); number++) {
    const body = bodies.get(number);
    if (body !== undefined) text.push(`      case ${number}: {`, ...body.map((line) => `        ${line}`), '      }');
  }
  const others = [...Array(Math.max(...bodies.keys())).keys()].filter((number) => !bodies.has(number));
  return [...text, ...others.map((number) => `      case ${number}:`), '      default: { break; }'].join('\n');
}

const HEAD = `
import {
  ADDEND, ADDRESS, BUDGET, CODE_BASE, CODE_PHYSICAL, COUNT, ENTER_COUNT, ENTER_REGION, EXIT_REQUEST, FLAGS_AUX,
  FLAGS_RESULT, IMMEDIATE, JUMP_ENTRY_PAGE, JUMP_ENTRY_RECORD, JUMP_ENTRY_TAG, JUMP_TAG, LENGTH, LINK, OFFSET, OP,
  OP_ENTER, OPERAND, RECORD_SIZE, RSP, SEGMENT_BASE, SHADOW, TAG_READ, TAG_WRITE, TARGET, WINDOW,
} from "../layout";
import { PLAIN, plainOffset } from "../address";
import { cpu } from "../cpu";
import { carry, overflow, parity, sign, zero } from "../flags";
import { entryOfJump } from "../jumps";
import { entryOf } from "../tlb";
import { interpretAny } from "./interpret-any";

/** Runs records from \`first\` until something stops the processor; STOP says what. */
export function interpret(first: usize): void {
  const c = cpu;
  let u = first;
  while (true) {
    let next: usize = 0; // the record that a linked branch leads to
    let target: u64 = 0; // or the instruction pointer that another does
    let pointer: u64 = 0; // RSP behind that, and behind a call
    let slot: usize = 0; // where a call puts its return address
    switch (<u32>load<u16>(u, OP)) {
`;

/** What a branch leaves to be done, and what a case has left. */
const TAIL = `    }
    const budget = load<i32>(c + BUDGET) - load<u8>(u, COUNT);
    if ((next | <usize>(target != 0)) != 0 && budget > 0 && load<i32>(c + EXIT_REQUEST) == 0) {
      const behind = load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET) + load<u8>(u, LENGTH);
      if (target != 0) {
        const entry = entryOfJump(target, c);
        const record: usize = load<u32>(entry, JUMP_ENTRY_RECORD);
        if (load<u64>(entry) == target && load<u32>(entry, JUMP_ENTRY_TAG) == load<u32>(c + JUMP_TAG)
          && (load<u32>(c + WINDOW) | load<u32>(c + SHADOW)) == 0 && load<u16>(record, OP) == OP_ENTER) {
          next = record;
          store<u64>(c + CODE_BASE, target & ~0xfff);
          store<u64>(c + CODE_PHYSICAL, <u64>load<u32>(entry, JUMP_ENTRY_PAGE) << 12);
          store<u64>(c + RSP, pointer);
        }
      }
      if (next != 0) {
        store<i32>(c + BUDGET, budget);
        if (slot != 0) {
          store<u64>(slot, behind);
          store<u64>(c + RSP, pointer);
        }
        // The block is counted here, unless more is to be done.
        const left = load<i32>(next, ENTER_COUNT) - 1;
        if (left > 0 && load<u32>(next, ENTER_REGION) == 0 && load<u16>(next, OP) == OP_ENTER) {
          store<i32>(next, left, ENTER_COUNT);
          next += RECORD_SIZE;
        }
        u = next;
        continue;
      }
    }
    u = interpretAny(u);
    if (u == 0) return;
  }
}
`;

/** The generated file, without its note. */
export function loopText(numbers: OperationNumbers): string {
  return `${HEAD}${casesText(numbers)}\n${TAIL}`;
}
