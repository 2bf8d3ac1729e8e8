/**
 * Build step: instruction rows → src/engine/core/generated (the interpreter's dispatch, constants of the decoder) and
 * dist/src/engine/decoder-tables-….bin, one for each level of processors. Files are only written when they change, so
 * that the core is compiled only then.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  buildDecoderTables, FLAG, IMMEDIATE, KIND, LEAVES, type Operations, SELECT, VEX_MAPS,
} from './decoder-tables.ts';
import type { Instruction } from './instruction.ts';
import {
  BRANCH_FAR_DELTA, branchText, caseText, followLink, isDirectBranch, lockedText, type OperationNumbers,
} from './interpreter-text.ts';
import { LEVELS, levelOf } from './levels.ts';
import { loopText } from './quick-text.ts';
import { integerOperations } from './operations.ts';
import { INSTRUCTION_ROWS } from './rows.ts';
import { OP_ENTER, OP_SYSTEM, OP_SYSTEM_END, OP_VECTOR, OP_VECTOR_LOAD, OP_VECTOR_STORE, OP_WIDE, OP_WIDE_LOAD,
  OP_WIDE_STORE } from '../core/layout.ts';
import {
  checksByCase, handlersText, systemHandlers, usesVectorHandler, vectorCase, vectorHandlers,
} from './handlers.ts';

const GENERATED_NOTE = '// Generated from the instruction rows in src/engine/isa by generate.ts.\n';

function constantsText(unconditional: number, exchange: number, locked: number): string {
  const lines = [GENERATED_NOTE];
  const put = (prefix: string, values: Readonly<Record<string, number>>): void => {
    for (const [name, value] of Object.entries(values)) lines.push(`export const ${prefix}_${name}: u32 = ${value};`);
  };
  put('FLAG', FLAG);
  put('KIND', KIND);
  put('IMMEDIATE', IMMEDIATE);
  put('SELECT', SELECT);
  lines.push(`export const LEAVES: u32 = ${LEAVES};`, `export const VEX_MAPS: u32 = ${VEX_MAPS};`,
    `export const OP_BRANCH_FAR_DELTA: u32 = ${BRANCH_FAR_DELTA};`);
  lines.push(
    '/** The system handler of locked operations. */', `export const SYSTEM_LOCKED: u32 = ${locked};`,
    '/** Exchanging a register with memory is always locked. */',
    '// @ts-ignore: decorator', '@inline',
    `export function isExchange(op: u32): bool { return op >= ${exchange} && op < ${exchange + 4}; }`,
    '// @ts-ignore: decorator', '@inline',
    `export function isUnconditional(op: u32): bool { return op >= ${unconditional}; }`);
  return lines.join('\n') + '\n';
}

function interpreterText(numbers: OperationNumbers): string {
  const cases: string[] = [];
  const add = (labels: number[], comment: string, body: readonly string[]): void => {
    cases.push(...labels.map((label) => `      case ${label}:`), `      { // ${comment}`,
      ...body.map((line) => `        ${line}`), '      }');
  };
  for (const { family, form, size, number } of numbers.all()) {
    if (family === 'XCHG' && form === 'mr') continue; // always locked
    if (isDirectBranch(family)) {
      if (size !== 16) add([number], `${family} ${size}, linked`, branchText(family, size, false));
      add([number + BRANCH_FAR_DELTA], `${family} ${size}`, branchText(family, size, true));
    } else add([number], `${family} ${form} ${size}`, caseText(family, form, size));
  }
  return GENERATED_NOTE + INTERPRETER_HEAD + cases.join('\n') + INTERPRETER_TAIL;
}

/** The cases of `keys`; the numbers between them go to the default, so that the switch stays a table. */
function lockedCasesText(numbers: OperationNumbers, keys: ReadonlySet<string>): string {
  const operations = [...numbers.all()].filter(({ family, form }) => keys.has(`${family}.${form}`))
    .sort((a, b) => a.number - b.number);
  const cases: string[] = [];
  const others: number[] = [];
  let next = operations[0]?.number ?? 0;
  for (const { family, form, size, number } of operations) {
    while (next < number) others.push(next++);
    next = number + 1;
    const lines = lockedText(family, form, size).map((line) => `      ${line}`);
    cases.push([`    case ${number}: { // ${family} ${form} ${size}`, ...lines, '    }'].join('\n'));
  }
  return `${GENERATED_NOTE}
import { BYTES, FLAGS_AUX, FLAGS_RESULT, IMMEDIATE, OPERAND } from "../layout";
import { cpu, raise, UD } from "../cpu";
import { carry, overflow } from "../flags";
import { ea } from "../address";
import { lockedRead, lockedWrite } from "../memory";

/** A read-modify-write of memory that nobody may come between; BYTES is the operation's number. */
export function locked(u: usize): void {
  const c = cpu;
  switch (<u32>load<u16>(u, BYTES)) {
${cases.join('\n')}
${others.map((number) => `    case ${number}:`).join('\n')}
    default: { raise(UD); }
  }
}
`;
}

/** Vector instructions: what their handlers share. */
const VECTOR_CASES = `      case 8: { // VECTOR
        vector(u, c + load<u16>(u, TARGET), c + load<u16>(u, OPERAND), load<u8>(u, IMMEDIATE)); break;
      }
      case 9: { // VECTOR_LOAD
        if (load<u32>(c + FPU_BLOCKED) != 0 || (load<u16>(c + FSW) & 0x80) != 0) vectorChecks(u);
        const address = ea(u);
        if ((load<u8>(u, FORM) & FORM_ALIGNED) != 0) checkAligned(address);
        readBytes(address, c + SOURCE, load<u16>(u, BYTES));
        vector(u, c + load<u16>(u, TARGET), c + SOURCE, load<u8>(u, IMMEDIATE)); break;
      }
      case 10: { // VECTOR_STORE
        // A store that faults leaves the x87's control, status, top and tags; one that is withheld does not fault.
        const before = v128.load(c + FCW);
        vector(u, c + DESTINATION, c + load<u16>(u, OPERAND), load<u8>(u, IMMEDIATE));
        if (takeWithheld()) break;
        const after = v128.load(c + FCW);
        v128.store(c + FCW, before);
        const address = ea(u);
        if ((load<u8>(u, FORM) & FORM_ALIGNED) != 0) checkAligned(address);
        const bytes = <u32>load<u16>(u, BYTES);
        probeWrite(address, bytes);
        v128.store(c + FCW, after);
        writeBytes(address, c + DESTINATION, bytes); break;
      }
      case 12: { wide(u); break; }
      case 13: { wideLoad(u); break; }
      case 14: { wideStore(u); break; }
`;

const INTERPRETER_HEAD = `
import {
  ADDRESS, BUDGET, BYTES, CODE_BASE, COUNT, DESTINATION, DISPLACEMENT, ENTER_COUNT, ENTER_REGION,
  EXIT_REQUEST, FCW, FLAGS_AUX, FLAGS_RESULT,
  FORM, FORM_ALIGNED, FPU_BLOCKED, FSW, HANDLER, IMMEDIATE, INSTRUCTION, LENGTH, LINK, OFFSET, OP, OPERAND, RDX,
  RECORD_SIZE, RIP, SOURCE, TARGET, THIRD,
} from "../layout";
import { cpu, GP, raise, raiseError, UD } from "../cpu";
import { carry, overflow, parity, sign, zero } from "../flags";
import { ea, effectiveAddress } from "../address";
import { isCanonical } from "../paging";
import { drop, peek16, peek32, peek64, pop16, pop32, pop64, probePush, push16, push32, push64 } from "../stack";
import {
  probeWrite, read16, read32, read64, read8, readBytes, readForWrite16, readForWrite32, readForWrite64, readForWrite8,
  write16, write32, write64, write8, writeBytes,
} from "../memory";
import { multiplyHighSigned } from "../arithmetic";
import { crossPage, dispatch, link } from "../dispatch";
import { enterBlock } from "../regions";
import { takeWithheld } from "../float/x87-stack";
import { wide, wideLoad, wideStore } from "../vector/wide";
import { checkAligned, system, vector, vectorChecks } from "./handlers";

/** Does the record's instruction, whatever it is. The record to go on at; 0 when something stops the processor. */
export function interpretAny(u: usize): usize {
  const c = cpu;
  store<u32>(c + INSTRUCTION, <u32>u);
  switch (<u32>load<u16>(u, OP)) {
      case 0: { // STOP
        store<u64>(c + RIP, load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET));
        store<i32>(c + BUDGET, load<i32>(c + BUDGET) - load<u8>(u, COUNT));
        return 0;
      }
      case 1: { // NEXT
        if (load<i32>(u, DISPLACEMENT) != 0) {
${followLink().map((line) => `          ${line}`).join('\n')}
        }
        store<u64>(c + RIP, load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET));
        store<i32>(c + BUDGET, load<i32>(c + BUDGET) - load<u8>(u, COUNT));
        return dispatch();
      }
      case 2: { // STALE
        store<u64>(c + RIP, load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET));
        store<i32>(c + BUDGET, load<i32>(c + BUDGET) - load<u8>(u, COUNT));
        return dispatch();
      }
      case 3: { // CROSS
        store<u64>(c + RIP, load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET));
        return crossPage(u);
      }
      case ${OP_ENTER}: {
        const left = load<i32>(u, ENTER_COUNT) - 1;
        if (left > 0 && load<u32>(u, ENTER_REGION) == 0) { store<i32>(u, left, ENTER_COUNT); break; }
        return enterBlock(u);
      }
      case 4: { raise(UD); break; }
      case 5: { raiseError(GP, 0); break; }
      case 6: { system(u); break; }
      case 7: { // SYSTEM_END
        store<u64>(c + RIP, load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET) + load<u8>(u, LENGTH));
        const count = <i32>load<u8>(u, COUNT);
        system(u);
        store<i32>(c + BUDGET, load<i32>(c + BUDGET) - count);
        return dispatch();
      }
${VECTOR_CASES}`;

const INTERPRETER_TAIL = `
      default: { raise(UD); }
  }
  return u + RECORD_SIZE;
}
`;

/** One system or vector instruction for a region. */
const STEP_TEXT = `${GENERATED_NOTE}
import {
  BYTES, CODE_BASE, DESTINATION, FCW, FORM, FORM_ALIGNED, FPU_BLOCKED, FSW, IMMEDIATE, INSTRUCTION, LENGTH, OFFSET, OP,
  OPERAND, OP_STALE, RIP, SOURCE, TARGET,
} from "../layout";
import { cpu } from "../cpu";
import { ea } from "../address";
import { settleFlags } from "../lazy-flags";
import { probeWrite, readBytes, writeBytes } from "../memory";
import { takeWithheld } from "../float/x87-stack";
import { wide, wideLoad, wideStore } from "../vector/wide";
import { checkAligned, system, vector, vectorChecks } from "./handlers";

/** Does the record's instruction. 1: it has changed the code that runs. */
export function step(u: usize): u32 {
  const c = cpu;
  store<u32>(c + INSTRUCTION, <u32>u);
  settleFlags();
  switch (<u32>load<u16>(u, OP)) {
      case 6: { system(u); break; }
      case 7: { // SYSTEM_END: one that may come back to itself
        store<u64>(c + RIP, load<u64>(c + CODE_BASE) + load<u16>(u, OFFSET) + load<u8>(u, LENGTH));
        system(u); break;
      }
${VECTOR_CASES}
  }
  return u32(load<u16>(u, OP) == OP_STALE);
}
`;

function writeWhenChanged(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path) && Buffer.from(content).equals(readFileSync(path))) return;
  writeFileSync(path, content);
}

function generate(root: string): void {
  const { numbers, keys, lockable, unconditional } = integerOperations();
  const vectors = vectorHandlers(INSTRUCTION_ROWS);
  const systems = systemHandlers(INSTRUCTION_ROWS);
  const sixteenIsSecond = (key: string): number => (key === '' ? 0 : numbers.numberOf(key));
  const operationsOf = (row: Instruction): Operations => {
    const key = keys.get(row);
    if (key)
      return { register: sixteenIsSecond(key.register), memory: sixteenIsSecond(key.memory), sized: key.sized,
        handler: 0xffff };
    if (usesVectorHandler(row)) {
      const first = row.operands.split(',')[0] as string;
      const memory = /^[EWQM]/.test(first) ? OP_VECTOR_STORE : OP_VECTOR_LOAD;
      if (row.class === 'avx') {
        return { register: OP_WIDE, memory: memory === OP_VECTOR_STORE ? OP_WIDE_STORE : OP_WIDE_LOAD, sized: false,
          handler: vectors.indexOf(vectorCase(row)) };
      }
      return { register: OP_VECTOR, memory, sized: false, handler: vectors.indexOf(vectorCase(row)) };
    }
    const operation = row.ends ? OP_SYSTEM_END : OP_SYSTEM;
    return { register: operation, memory: operation, sized: false, handler: systems.indexOf(row.op) };
  };
  const core = join(root, 'src/engine/core/generated');
  writeWhenChanged(join(core, 'decoder-constants.ts'),
    constantsText(unconditional, numbers.numberOf('XCHG.mr'), systems.length));
  writeWhenChanged(join(core, 'interpret.ts'), GENERATED_NOTE + loopText(numbers));
  writeWhenChanged(join(core, 'interpret-any.ts'), interpreterText(numbers));
  writeWhenChanged(join(core, 'step.ts'), STEP_TEXT);
  writeWhenChanged(join(core, 'locked.ts'), lockedCasesText(numbers, lockable));
  writeWhenChanged(join(core, 'handlers.ts'), GENERATED_NOTE
    + handlersText(join(root, 'src/engine/core'), vectors, systems, checksByCase(INSTRUCTION_ROWS)));
  for (const level of LEVELS) {
    const rows = INSTRUCTION_ROWS.filter((row) => levelOf(row) <= level);
    writeWhenChanged(join(root, `dist/src/engine/decoder-tables-${level}.bin`),
      buildDecoderTables(rows, operationsOf));
  }
}

generate(join(dirname(fileURLToPath(import.meta.url)), '../../../..'));
