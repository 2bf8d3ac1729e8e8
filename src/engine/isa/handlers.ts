/**
 * The second level of dispatch: handler functions of the core by number. Vector, x87 and state instructions share the
 * convention (d, s, i), system instructions take their record. The functions are found by name in the core's sources.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Instruction } from './instruction.ts';

/** The row's handler takes (d, s, i). */
export function usesVectorHandler(row: Instruction): boolean {
  return ['sse', 'avx', 'mmx', 'x87', 'state'].includes(row.class) || row.op.startsWith('crc32_');
}

/**
 * The body of the case that runs a row's handler: state checks, the call, MMX state. Rows with the same body share a
 * case.
 * An operation `a|b` names two handlers, for 16-bit and for larger operand sizes.
 */
export function vectorCase(row: Instruction): string {
  return `${checksOf(row).join(' ')} ${callOf(row)}`;
}

function touchesMmx(row: Instruction): boolean {
  return row.class === 'mmx' || /(^|,)[PQN]/.test(row.operands);
}

/** What the handler's call is preceded by: it raises #UD, #NM or #MF, and enters the MMX state. */
function checksOf(row: Instruction): string[] {
  const checks: string[] = [];
  // AVX has checks of its own before, and shares the case.
  if (row.class === 'sse' || row.class === 'avx' || (row.class === 'mmx' && /(^|,)[VUW]/.test(row.operands)))
    checks.push('if (blocked & 4) checkSse();');
  if (touchesMmx(row)) checks.push('enterMmx();');
  if (row.class === 'x87') checks.push('if (blocked & 1) checkX87();');
  if (row.class === 'x87' && !row.name.startsWith('FN')) checks.push('checkPending();');
  return checks;
}

/** The same checks without entering the MMX state, by the body of the case. */
export function checksByCase(rows: readonly Instruction[]): Map<string, string> {
  return new Map(rows.filter(usesVectorHandler).map((row) =>
    [vectorCase(row), checksOf(row).join(' ').replace('enterMmx', 'checkMmx')]));
}

function callOf(row: Instruction): string {
  const [narrow, wide] = row.op.split('|') as [string, string | undefined];
  const call = wide === undefined
    ? `${narrow}(d, s, i);`
    : `if ((load<u8>(u, FORM) & 3) == 1) ${narrow}(d, s, i); else ${wide}(d, s, i);`;
  const finish = touchesMmx(row) && /^[PQN]/.test(row.operands) ? ' leaveMmx(d);' : '';
  return `${call}${finish}`;
}

/** Cases of the vector dispatch, by number. */
export function vectorHandlers(rows: readonly Instruction[]): string[] {
  return [...new Set(rows.filter(usesVectorHandler).map(vectorCase))];
}

export function systemHandlers(rows: readonly Instruction[]): string[] {
  return [...new Set(rows.filter((row) => row.class === 'system' && !usesVectorHandler(row)).map((row) => row.op))];
}

function exportsOf(core: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && entry.name !== 'generated') walk(join(folder, entry.name));
      else if (entry.isFile() && entry.name.endsWith('.ts')) {
        const path = join(folder, entry.name);
        for (const match of readFileSync(path, 'utf8').matchAll(/^export function (\w+)/gm)) {
          const name = match[1] as string;
          // Of two functions of one name neither can be a handler.
          found.set(name, found.has(name) ? '' : relative(core, path).replace(/\.ts$/, ''));
        }
      }
    }
  };
  walk(core);
  return found;
}

/** One import for each file that the handlers come from. */
function importsOf(names: ReadonlySet<string>, where: ReadonlyMap<string, string>): string[] {
  const byFile = new Map<string, string[]>();
  for (const name of names) {
    const file = where.get(name) as string;
    byFile.set(file, [...(byFile.get(file) ?? []), name]);
  }
  return [...byFile].map(([file, list]) => `import { ${list.join(', ')} } from "../${file}";`);
}

/** The source text of generated/handlers.ts. */
export function handlersText(core: string, vectors: readonly string[], systems: readonly string[],
  checks: ReadonlyMap<string, string>): string {
  const where = exportsOf(core);
  const names = new Set<string>();
  const use = (name: string): string => {
    if (!where.get(name)) throw new Error(`core: not exactly one exported function is called ${name}`);
    names.add(name);
    return name;
  };
  const vectorCases = vectors.map((body, n) => {
    for (const match of body.matchAll(/(\w+)\(d, s, i\)/g)) use(match[1] as string);
    return `    case ${n}: { ${body} break; }`;
  });
  const systemCases = systems.map((op, n) => `    case ${n}: { ${use(op)}(u); break; }`);
  const casesByCheck = new Map<string, string[]>();
  for (const [n, body] of vectors.entries()) {
    const check = checks.get(body) ?? '';
    casesByCheck.set(check, [...(casesByCheck.get(check) ?? []), `    case ${n}:`]);
  }
  const checkCases = [...casesByCheck].map(([check, labels]) => `${labels.join('\n')}\n      { ${check} break; }`);
  const imports = importsOf(names, where);
  return `
import { FORM, FPU_BLOCKED, HANDLER } from "../layout";
import { cpu, GP, raise, raiseError, UD } from "../cpu";
import { checkMmx, checkPending, checkSse, checkX87, enterMmx, leaveMmx } from "../fpu-state";
import { locked } from "./locked";
${imports.join('\n')}

/** 16-byte operands of most SSE instructions must be aligned. */
export function checkAligned(address: u64): void {
  if ((address & 15) != 0) raiseError(GP, 0);
}

export function system(u: usize): void {
  switch (<u32>load<u16>(u, HANDLER)) {
${systemCases.join('\n')}
    case ${systems.length}: { locked(u); break; }
    default: { raise(UD); }
  }
}

/** What \`vector\` would raise before it does anything; the operand in memory is not touched until then. */
export function vectorChecks(u: usize): void {
  const blocked = load<u32>(cpu + FPU_BLOCKED);
  switch (<u32>load<u16>(u, HANDLER)) {
${checkCases.join('\n')}
    default: { raise(UD); }
  }
}

/** With the immediate \`i\`. */
export function vector(u: usize, d: usize, s: usize, i: i32): void {
  const blocked = load<u32>(cpu + FPU_BLOCKED);
  switch (<u32>load<u16>(u, HANDLER)) {
${vectorCases.join('\n')}
    default: { raise(UD); }
  }
}
`;
}
