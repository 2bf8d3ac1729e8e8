/**
 * Compares the state after an instruction on the host with the state after it on the engine. Not compared: what
 * undefined.ts says, the last x87 instruction's opcode and addresses, bytes between the x87 registers, and of RFLAGS
 * the resume flag.
 */

import type { Form } from './form.ts';
import {
  ADDRESS, BYTES, ERROR, FLAGS, FS_BASE, FXSAVE, FXSAVE_SIZE, GS_BASE, OPERAND, RECORD_SIZE, REGISTER_NAMES, RIP,
  type SampleRecord, SELECTORS, UPPER_HALVES, UPPER_HALVES_SIZE, VECTOR, windowOffset, WINDOWS, WINDOW_LIST,
} from './record.ts';
import { closeEnough } from './tolerance.ts';
import { undefinedIn, type Undefined } from './undefined.ts';

const BREAKPOINT = 3;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
const ALIGNMENT_CHECK = 17;
/** Underflow, precision and C1 say how a result was rounded. */
const ESTIMATE_STATUS = 0x230;
const RSP = 4;
const LARGEST_OPERAND = 832n;
const RESUME_FLAG = 0x1_0000;
/** Linux takes the last page below the hole in the address space for its own. */
const KERNEL_ADDRESSES = 0x7fff_ffff_f000n;

/** One thing that differs: its name, before, on the host, on the engine. */
export interface Difference {
  readonly what: string;
  readonly before: string;
  readonly expected: string;
  readonly actual: string;
}

/** The differences between two outcomes of one sample; empty when they agree. */
export function compare(form: Form, before: SampleRecord, expected: SampleRecord, actual: SampleRecord): Difference[] {
  const found: Difference[] = [];
  const ignore = undefinedIn(form, before);
  if (ignore.maskedStore && expected.vector !== BREAKPOINT) return found;
  if (ignore.faultAnywhere && expected.vector === ALIGNMENT_CHECK && actual.vector === GENERAL_PROTECTION) return found;
  if (ignore.looseAlignment && [expected.vector, actual.vector].includes(ALIGNMENT_CHECK)) return found;
  const faulted = expected.vector !== BREAKPOINT;
  const differ = (what: string, at: number, size: 1 | 2 | 4 | 8 | 10, mask = -1n): void => {
    const values = [before, expected, actual].map(({ view }) => read(view, at, size) & BigInt.asUintN(80, mask));
    if (values[1] === values[2]) return;
    found.push(differenceOf(what, values, size));
  };
  differ('vector', VECTOR, 4);
  compareException(ignore, before, expected, actual, differ);
  differ('rip', RIP, 8);
  const wide = expected.selector('cs') === 0x33 && before.selector('cs') === 0x33;
  for (let n = 0; n < (wide ? 16 : 8); n++) {
    const size = wide && !ignore.lowHalves.includes(n) ? 8 : 4;
    if (!ignore.registers.includes(n)) differ(REGISTER_NAMES[n] as string, n * 8, size);
  }
  differ('rflags', FLAGS, 4, BigInt(~(ignore.flags | RESUME_FLAG) >>> 0));
  for (const [name, at] of Object.entries(SELECTORS)) {
    // A null selector's privilege bits are lost on the way through the host's kernel.
    if (!isNull(expected, at) || !isNull(actual, at)) differ(name, at, 2);
  }
  if (!ignore.segmentBases && wide) {
    if (expected.selector('fs') === 0) differ('fs base', FS_BASE, 8);
    if (expected.selector('gs') === 0) differ('gs base', GS_BASE, 8);
  }
  compareFloating(ignore, expected, actual, differ, ignore.mmx && faulted);
  if (!ignore.partial || !faulted) compareMemory(ignore, before, expected, actual, found);
  return found;
}

function isNull({ view }: SampleRecord, at: number): boolean {
  return view.getUint16(at, true) <= 3;
}

/** Before, on the host, on the engine. */
type Three = readonly bigint[];

function differenceOf(what: string, values: Three, size: number): Difference {
  const [before = '', expected = '', actual = ''] = values.map((value) => value.toString(16).padStart(size * 2, '0'));
  return { what, before, expected, actual };
}

function samePart(first: SampleRecord, second: SampleRecord, from: number, to: number): boolean {
  return Buffer.compare(first.bytes.subarray(from, to), second.bytes.subarray(from, to)) === 0;
}

type Differ = (what: string, at: number, size: 1 | 2 | 4 | 8 | 10, mask?: bigint) => void;

function read(view: DataView, at: number, size: 1 | 2 | 4 | 8 | 10): bigint {
  switch (size) {
    case 1: return BigInt(view.getUint8(at));
    case 2: return BigInt(view.getUint16(at, true));
    case 4: return BigInt(view.getUint32(at, true));
    case 8: return view.getBigUint64(at, true);
    default: return view.getBigUint64(at, true) | (BigInt(view.getUint16(at + 8, true)) << 64n);
  }
}

function compareException(ignore: Undefined, before: SampleRecord, expected: SampleRecord, actual: SampleRecord,
  differ: Differ): void {
  if (expected.vector !== PAGE_FAULT) {
    differ('error code', ERROR, 4);
    return;
  }
  const address = expected.view.getBigUint64(ADDRESS, true);
  if (ignore.faultAnywhere) {
    const distance = actual.view.getBigUint64(ADDRESS, true) - before.view.getBigUint64(OPERAND, true);
    if (actual.vector === PAGE_FAULT && distance >= 0n && distance < LARGEST_OPERAND) return;
  }
  // Linux says of every address in its own half that it is mapped.
  differ('error code', ERROR, 4, address < KERNEL_ADDRESSES ? -1n : ~1n);
  differ('fault address', ADDRESS, 8);
}

function compareFloating(ignore: Undefined, expected: SampleRecord, actual: SampleRecord, differ: Differ,
  withoutX87: boolean): void {
  if (samePart(expected, actual, FXSAVE, FXSAVE + FXSAVE_SIZE)
    && samePart(expected, actual, UPPER_HALVES, UPPER_HALVES + UPPER_HALVES_SIZE)) return;
  const estimate = ignore.tolerance > 0;
  differ('mxcsr', FXSAVE + 24, 4);
  differ('x87 control', FXSAVE, 2);
  const registers = withoutX87 ? 0 : 8;
  if (!withoutX87) {
    differ('x87 status', FXSAVE + 2, 2, BigInt(~(ignore.status | (estimate ? ESTIMATE_STATUS : 0)) & 0xffff));
    differ('x87 tags', FXSAVE + 4, 1);
  }
  for (let n = 0; n < registers; n++) {
    const at = FXSAVE + 32 + n * 16;
    const close = estimate && closeEnough(expected.view, actual.view, at, 'extended', ignore.tolerance);
    if (!close) differ(`st${n}`, at, 10);
  }
  for (let n = 0; n < 16; n++) {
    for (const half of [0, 8]) {
      for (const [name, base] of [['xmm', FXSAVE + 160], ['ymm', UPPER_HALVES]] as const) {
        const at = base + n * 16 + half;
        if (!estimate || !closeEnough(expected.view, actual.view, at, 'singles', ignore.tolerance)) {
          differ(`${name}${n}${half === 0 ? '' : ' high'}`, at, 8);
        }
      }
    }
  }
}

function compareMemory(ignore: Undefined, before: SampleRecord, expected: SampleRecord, actual: SampleRecord,
  found: Difference[]): void {
  if (samePart(expected, actual, WINDOWS, RECORD_SIZE)) return;
  const operand = Number(before.view.getBigUint64(OPERAND, true));
  const skip = (base: number, from: number, to: number): void => {
    for (let n = from; n < to; n++) {
      const at = windowOffset(base + n);
      if (at !== undefined) actual.bytes[at] = expected.bytes[at] as number;
    }
  };
  for (const [from, to] of ignore.memory) skip(operand, from, to);
  // What a CALL that succeeds pushes is compared.
  const quiet = ignore.stack !== undefined && (ignore.stack[0] === -2 || expected.vector === 13);
  if (quiet) skip(Number(before.gpr(RSP)), ...ignore.stack);
  for (const { address, size, offset } of WINDOW_LIST) {
    for (let n = 0; n < size; n += 8) {
      const at = offset + n;
      const values = [before, expected, actual].map(({ view }) => view.getBigUint64(at, true));
      if (values[1] !== values[2]) found.push(differenceOf(`memory ${(address + n).toString(16)}`, values, 8));
    }
  }
}

/** A failing sample in one compact block, with how to run it alone. */
export function describe(form: Form, seed: number, sample: number, before: SampleRecord, expected: SampleRecord,
  found: readonly Difference[]): string {
  const code = Buffer.from(before.bytes.subarray(BYTES, BYTES + 16)).toString('hex').replace(/(cc)+$/, '');
  const lines = found.slice(0, 12).map((one) =>
    `    ${one.what.padEnd(16)} before ${one.before}  host ${one.expected}  engine ${one.actual}`);
  if (found.length > 12) lines.push(`    and ${found.length - 12} more`);
  const again = `node dist/tests/oracle/full.js --form '${form.key}' --seed ${seed} --sample ${sample}`;
  return [`  ${form.key}: ${code} at ${before.rip.toString(16)}, ${before.selector('cs') === 0x33 ? 64 : 32}-bit, `
    + `rflags ${before.flags.toString(16)}, operand ${before.view.getBigUint64(OPERAND, true).toString(16)}`,
    `    host: vector ${expected.vector}, address ${expected.view.getBigUint64(ADDRESS, true).toString(16)}`,
    ...lines, `    ${again}`].join('\n');
}
