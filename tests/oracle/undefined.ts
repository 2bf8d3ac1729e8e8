/**
 * What the manuals leave undefined, or processors do differently, beyond a row's `undefinedFlags`: depending on counts
 * and operands. A comparison ignores what `undefinedIn` says of a sample, and nothing else.
 */

import type { Form } from './form.ts';
import { BYTES, GPR, type SampleRecord } from './record.ts';

const RCX = 1;
const RSI = 6;
const RDI = 7;
const CF = 0x1;
const AF = 0x10;
const OF = 0x800;
const SZP = 0xc4;
const ALL = 0x8d5;

/** What not to compare. */
export interface Undefined {
  readonly flags: number;
  /** General registers whose value is undefined. */
  readonly registers: readonly number[];
  /** General registers of which only the lower 32 bits are compared. */
  readonly lowHalves: readonly number[];
  /** Bits of the x87 status word. */
  readonly status: number;
  /** The segment bases (after a null selector is loaded, makers differ). */
  readonly segmentBases: boolean;
  /** Bytes of the memory operand that are not compared: from, to. */
  readonly memory: readonly (readonly [number, number])[];
  /** Enters the MMX state; the host may have done so when the operand in memory faults. */
  readonly mmx: boolean;
  /** Whether and where bytes that are not selected fault is the processor's choice. */
  readonly maskedStore: boolean;
  /** Bytes from this distance to the stack pointer up to that one that are not compared. */
  readonly stack: readonly [number, number] | undefined;
  /** Whether misaligned parts of the stack raise #AC is the processor's choice. */
  readonly looseAlignment: boolean;
  /** Nothing of a sample that faults on the host is compared but the fault: what happened before it is not promised. */
  readonly partial: boolean;
  /**
   * A fault may be reported anywhere in the operand, as microcode looks at its parts in an order of its own; and a
   * misaligned one as #AC or #GP.
   */
  readonly faultAnywhere: boolean;
  /** Difference allowed between floating-point results, relative to the result: see tolerance.ts. */
  readonly tolerance: number;
}

/**
 * Bytes of images that say which x87 instruction was last, which processors keep at different times; the mask of MXCSR;
 * and which components XSAVE found in use.
 */
function imageMemory(form: Form, before: SampleRecord): Undefined['memory'] {
  switch (form.row.name) {
    case 'FXSAVE': return [[6, 24], [28, 32]];
    case 'XSAVE': return [[6, 24], [28, 32], [512, 513]];
    case 'FNSTENV': case 'FNSAVE': return prefixesOf(before).operandPrefix ? [[6, 14]] : [[12, 28]];
    default: return [];
  }
}

const SHIFTS: Readonly<Record<string, true>> = { SHL: true, SHR: true, SAR: true, SHLD: true, SHRD: true };
const ROTATES: Readonly<Record<string, true>> = { ROL: true, ROR: true, RCL: true, RCR: true };
/** Instructions that store in several steps, of which a fault may leave the first ones in memory. */
const MULTIPLE_STORES = /^(FX|X)SAVE$|^F(NSAVE|NSTENV|STP|BSTP)$|^ENTER$|^PUSHA$|^CALL FAR$/;
const IMAGES = /^VP?MASKMOV(P[SD]|[DQ])$|^(FX|X)(SAVE|RSTOR)$|^F(NSAVE|RSTOR|NSTENV|LDENV)$/;
/** Of decimal adjustments [SDM vol. 2]. */
const UNDEFINED_FLAGS: Readonly<Record<string, number>> = {
  AAA: OF | SZP, AAS: OF | SZP, DAA: OF, DAS: OF, AAM: OF | AF | CF, AAD: OF | AF | CF,
};
const X87_ESTIMATES = /^(FSIN|FCOS|FSINCOS|FPTAN|FPATAN|F2XM1|FYL2X|FYL2XP1)$/;
/** x87 instructions that define C0, C2 and C3; the others leave them undefined [SDM vol. 1, 8.1.3]. */
const X87_CONDITIONS = /^(FU?COM|FICOM|FTST|FXAM|FPREM|FLDENV|FRSTOR|FN?INIT|FN?CLEX|FNOP|FNST|FST)/;

export function undefinedIn(form: Form, before: SampleRecord): Undefined {
  const { row } = form;
  let flags = row.undefinedFlags ?? UNDEFINED_FLAGS[row.name] ?? 0;
  let registers: number[] = [];
  if (SHIFTS[row.name] || ROTATES[row.name]) flags = shiftFlags(form, before);
  if (row.name === 'SHLD' || row.name === 'SHRD') {
    const { size, count, rm } = shiftOf(form, before);
    if (count > size) {
      flags |= ALL;
      registers = rm === undefined ? [] : [rm];
    }
  }
  const x87 = row.class === 'x87' && !X87_CONDITIONS.test(row.name);
  return {
    flags, registers, lowHalves: repeatsWithShortAddresses(row.name, before) ? [RCX, RSI, RDI] : [],
    status: x87 ? 0x4500 : 0,
    segmentBases: /^(POP|L)(\s?[FG]S)$/.test(row.name) || form.operands[0]?.letter === 'S',
    memory: /^SH[LR]D$/.test(row.name) && (flags & ALL) === ALL ? [[0, 2]] : imageMemory(form, before),
    partial: MULTIPLE_STORES.test(row.name), mmx: row.class === 'mmx' || /[PQN]/.test(row.operands),
    looseAlignment: row.name.endsWith('FAR') || row.name === 'VCVTPS2PH',
    maskedStore: /^V?MASKMOV(Q|DQU)$/.test(row.name),
    stack: undefinedStack(form, before), faultAnywhere: IMAGES.test(row.name),
    tolerance: X87_ESTIMATES.test(row.name) ? 2 ** -60 : /^V?R(CP|SQRT)(PS|SS)$/.test(row.name) ? 1.5 * 2 ** -11 : 0,
  };
}

/**
 * PUSH of a segment register may write two of its four bytes only; and CALL to an address that is not canonical may
 * push before it faults.
 */
function undefinedStack({ row }: Form, before: SampleRecord): Undefined['stack'] {
  const wide = before.selector('cs') === 0x33;
  if (/^PUSH [A-Z]S$/.test(row.name) && !wide && !prefixesOf(before).operandPrefix) return [-2, 0];
  return row.name === 'CALL' && wide ? [-8, 0] : undefined;
}

/** When a repetition with 32-bit addresses clears the upper halves of the registers is the processor's choice. */
function repeatsWithShortAddresses(name: string, before: SampleRecord): boolean {
  const prefixes = before.bytes.subarray(BYTES, BYTES + prefixesOf(before).length);
  const repeats = prefixes.includes(0xf2) || prefixes.includes(0xf3);
  return /^(MOVS|STOS|LODS|CMPS|SCAS)$/.test(name) && repeats && prefixes.includes(0x67);
}

interface Shift {
  readonly size: number;
  readonly count: number;
  readonly rm: number | undefined;
}

/** Operand size in bits, masked count and register operand of a shift or rotate, from its bytes. */
function shiftOf(form: Form, before: SampleRecord): Shift {
  const bytes = before.bytes.subarray(BYTES, BYTES + 16);
  const { operandPrefix, length } = prefixesOf(before);
  let at = length;
  const is64 = before.selector('cs') === 0x33;
  const rex = is64 && ((bytes[at] ?? 0) & 0xf0) === 0x40 ? bytes[at++] as number : 0;
  const modrm = bytes[at + form.opcode.length] ?? 0;
  const wide = (rex & 8) !== 0;
  const size = form.operands[0]?.size === 'b' ? 8 : wide ? 64 : operandPrefix ? 16 : 32;
  const last = form.operands[form.operands.length - 1];
  const immediate = (): number => bytes[immediateAt(form, bytes, at, is64, bytes.subarray(0, at).includes(0x67))] ?? 0;
  const raw = last?.letter === '1' ? 1 : last?.letter === 'I' ? immediate() : before.bytes[GPR + 8] ?? 0;
  return { size, count: raw & (wide ? 63 : 31), rm: modrm >= 0xc0 ? (modrm & 7) | (rex & 1) << 3 : undefined };
}

const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

function prefixesOf({ bytes }: SampleRecord): { readonly operandPrefix: boolean; readonly length: number } {
  let length = 0;
  while (PREFIXES.includes(bytes[BYTES + length] ?? 0)) length++;
  return { operandPrefix: bytes.subarray(BYTES, BYTES + length).includes(0x66), length };
}

/** Where the immediate follows ModRM, SIB and displacement. */
function immediateAt(form: Form, bytes: Uint8Array, prefixes: number, is64: boolean, addressPrefix: boolean): number {
  let at = prefixes + form.opcode.length;
  const modrm = bytes[at++] ?? 0;
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (mod === 3) return at;
  if (!is64 && addressPrefix) return at + (mod === 1 ? 1 : mod === 2 || rm === 6 ? 2 : 0);
  let base = rm;
  if (rm === 4) base = (bytes[at++] ?? 0) & 7;
  return at + (mod === 1 ? 1 : mod === 2 || (mod === 0 && base === 5) ? 4 : 0);
}

/** Flags that a shift or rotate by this count leaves undefined [SDM vol. 2, SAL, RCL, SHLD]. */
function shiftFlags(form: Form, before: SampleRecord): number {
  const { name } = form.row;
  const { size, count } = shiftOf(form, before);
  const rotate = ROTATES[name] === true;
  if (count === 0) return 0;
  let flags = rotate ? 0 : AF;
  if (count !== 1) flags |= OF;
  if (!rotate && count >= size && name !== 'SAR') flags |= CF;
  return flags;
}

