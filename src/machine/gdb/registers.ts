/**
 * The registers that a debugger sees, in its order, and the description that tells it so [Debugging with GDB, appendix
 * G: Target Descriptions; i386 Features]. Control registers and the descriptor tables are a feature of our own.
 */

import type { ProcessorState, SegmentState } from '../../hypervisor/engine-port.ts';
import { ENGINE_MSRS } from '../../hypervisor/engine-port.ts';

/** One register: its bytes in the state, little-endian. */
interface Register {
  readonly name: string;
  readonly bits: number;
  readonly type: string;
  read(state: ProcessorState): bigint;
  write(state: ProcessorState, value: bigint): void;
}

type SegmentName = keyof ProcessorState['segments'];

/** GDB's order of the general registers, as encoding numbers. */
const GENERAL: readonly (readonly [name: string, encoding: number])[] = [
  ['rax', 0], ['rbx', 3], ['rcx', 1], ['rdx', 2], ['rsi', 6], ['rdi', 7], ['rbp', 5], ['rsp', 4],
  ['r8', 8], ['r9', 9], ['r10', 10], ['r11', 11], ['r12', 12], ['r13', 13], ['r14', 14], ['r15', 15],
];

// Offsets in an FXSAVE image [Intel SDM 1, table 10-2].
const FXSAVE = { control: 0, status: 2, tags: 4, opcode: 6, instruction: 8, data: 16, mxcsr: 24, st: 32, xmm: 160 };

/** In an XSAVE area [Intel SDM 1, 13.4]. */
const UPPER_HALVES = 576;

function bytesOf(state: ProcessorState, at: number, count: number): bigint {
  let value = 0n;
  for (let n = count - 1; n >= 0; n--) value = (value << 8n) | BigInt(state.xsave[at + n] ?? 0);
  return value;
}

function setBytes(state: ProcessorState, at: number, count: number, value: bigint): void {
  for (let n = 0; n < count; n++) state.xsave[at + n] = Number((value >> BigInt(n * 8)) & 0xffn);
}

function general(name: string, encoding: number): Register {
  const type = name === 'rsp' || name === 'rbp' ? 'data_ptr' : 'int64';
  return { name, bits: 64, type,
    read: (state) => state.gpr[encoding] ?? 0n, write: (state, value) => { state.gpr[encoding] = value; } };
}

/** Writing a selector changes nothing else: the hidden part of a segment register is loaded by instructions alone. */
function selector(name: SegmentName): Register {
  return { name, bits: 32, type: 'int32', read: (state) => BigInt(state.segments[name].selector),
    write: (state, value) => { state.segments[name].selector = Number(value & 0xffffn); } };
}

function base(name: string, segment: SegmentName): Register {
  return { name, bits: 64, type: 'int64', read: (state) => state.segments[segment].base,
    write: (state, value) => { (state.segments[segment] as SegmentState).base = value; } };
}

function extended(name: string, at: number, bytes: number, bits: number, type: string): Register {
  return { name, bits, type, read: (state) => bytesOf(state, at, bytes),
    write: (state, value) => setBytes(state, at, bytes, value) };
}

/** The tag word of FNSAVE from the abridged one, which knows only what is empty [Intel SDM 1, 10.5.1.1]. */
const TAGS: Register = {
  name: 'ftag', bits: 32, type: 'int',
  read: (state) => {
    let tags = 0n;
    for (let n = 7; n >= 0; n--) tags = (tags << 2n) | (((state.xsave[FXSAVE.tags] ?? 0) >> n) & 1 ? 0n : 3n);
    return tags;
  },
  write: (state, value) => {
    let abridged = 0;
    for (let n = 0; n < 8; n++) if (((value >> BigInt(n * 2)) & 3n) !== 3n) abridged |= 1 << n;
    state.xsave[FXSAVE.tags] = abridged;
  },
};

/** A control register, which a debugger only looks at: what depends on it is not recomputed. */
function shown(name: string, read: (state: ProcessorState) => bigint): Register {
  return { name, bits: 64, type: 'int64', read, write: () => {} };
}

function msr(index: number): (state: ProcessorState) => bigint {
  return (state) => state.msrs.find(([number]) => number === index)?.[1] ?? 0n;
}

const CORE: readonly Register[] = [
  ...GENERAL.map(([name, encoding]) => general(name, encoding)),
  { name: 'rip', bits: 64, type: 'code_ptr', read: (state) => state.rip,
    write: (state, value) => { state.rip = value; } },
  { name: 'eflags', bits: 32, type: 'i386_eflags', read: (state) => state.rflags & 0xffff_ffffn,
    write: (state, value) => { state.rflags = value; } },
  ...(['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const).map(selector),
  ...Array.from({ length: 8 }, (_, n) => extended(`st${n}`, FXSAVE.st + n * 16, 10, 80, 'i387_ext')),
  extended('fctrl', FXSAVE.control, 2, 32, 'int'), extended('fstat', FXSAVE.status, 2, 32, 'int'), TAGS,
  extended('fiseg', FXSAVE.instruction + 4, 2, 32, 'int'), extended('fioff', FXSAVE.instruction, 4, 32, 'int'),
  extended('foseg', FXSAVE.data + 4, 2, 32, 'int'), extended('fooff', FXSAVE.data, 4, 32, 'int'),
  extended('fop', FXSAVE.opcode, 2, 32, 'int'),
];

const SSE: readonly Register[] = [
  ...Array.from({ length: 16 }, (_, n) => extended(`xmm${n}`, FXSAVE.xmm + n * 16, 16, 128, 'vec128')),
  extended('mxcsr', FXSAVE.mxcsr, 4, 32, 'i386_mxcsr'),
];

/** The upper halves, from which gdb makes YMM registers; zeros that stay zeros where there is no AVX. */
const AVX: readonly Register[] =
  Array.from({ length: 16 }, (_, n) => extended(`ymm${n}h`, UPPER_HALVES + n * 16, 16, 128, 'uint128'));

const BASES: readonly Register[] = [base('fs_base', 'fs'), base('gs_base', 'gs')];

const SYSTEM: readonly Register[] = [
  shown('cr0', (state) => state.cr0), shown('cr2', (state) => state.cr2), shown('cr3', (state) => state.cr3),
  shown('cr4', (state) => state.cr4), shown('efer', msr(ENGINE_MSRS.IA32_EFER)),
  shown('k_gs_base', msr(ENGINE_MSRS.IA32_KERNEL_GS_BASE)), shown('lstar', msr(ENGINE_MSRS.IA32_LSTAR)),
  shown('gdt_base', (state) => state.gdtr.base), shown('idt_base', (state) => state.idtr.base),
  shown('tr_base', (state) => state.segments.tr.base), shown('ldt_base', (state) => state.segments.ldtr.base),
];

const REGISTERS: readonly Register[] = [...CORE, ...SSE, ...AVX, ...BASES, ...SYSTEM];

export const REGISTER_COUNT = REGISTERS.length;

/** All registers, as the `g` packet has them. */
export function registerBytes(state: ProcessorState): Buffer {
  return Buffer.concat(REGISTERS.map((_, number) => readRegister(state, number) as Buffer));
}

/** One register's bytes, little-endian; undefined when there is none of that number. */
export function readRegister(state: ProcessorState, number: number): Buffer | undefined {
  const register = REGISTERS[number];
  if (register === undefined) return undefined;
  const bytes = Buffer.alloc(register.bits / 8);
  let value = register.read(state);
  for (let n = 0; n < bytes.length; n++, value >>= 8n) bytes[n] = Number(value & 0xffn);
  return bytes;
}

/** Puts bytes into a register; false when there is none of that number and size. */
export function writeRegister(state: ProcessorState, number: number, bytes: Uint8Array): boolean {
  const register = REGISTERS[number];
  if (register === undefined || bytes.length !== register.bits / 8) return false;
  let value = 0n;
  for (let n = bytes.length - 1; n >= 0; n--) value = (value << 8n) | BigInt(bytes[n] as number);
  register.write(state, value);
  return true;
}

/** Puts a `g` packet's bytes into all registers; false when they are not so many. */
export function writeRegisters(state: ProcessorState, bytes: Uint8Array): boolean {
  const total = REGISTERS.reduce((sum, { bits }) => sum + bits / 8, 0);
  if (bytes.length !== total) return false;
  let at = 0;
  REGISTERS.forEach(({ bits }, number) => {
    writeRegister(state, number, bytes.subarray(at, at + bits / 8));
    at += bits / 8;
  });
  return true;
}

function flags(id: string, names: readonly string[]): string {
  const fields = names.flatMap((name, bit) =>
    (name === '' ? [] : [`<field name="${name}" start="${bit}" end="${bit}" type="bool"/>`]));
  return `<flags id="${id}" size="4">${fields.join('')}</flags>`;
}

const FLAG_NAMES = ['CF', '', 'PF', '', 'AF', '', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF', '', '', 'NT', '', 'RF', 'VM',
  'AC', 'VIF', 'VIP', 'ID'];
const MXCSR_NAMES = ['IE', 'DE', 'ZE', 'OE', 'UE', 'PE', 'DAZ', 'IM', 'DM', 'ZM', 'OM', 'UM', 'PM', '', '', 'FZ'];
const VECTOR_TYPES = [
  '<vector id="v4f" type="ieee_single" count="4"/>', '<vector id="v2d" type="ieee_double" count="2"/>',
  '<vector id="v16i8" type="int8" count="16"/>', '<vector id="v8i16" type="int16" count="8"/>',
  '<vector id="v4i32" type="int32" count="4"/>', '<vector id="v2i64" type="int64" count="2"/>',
  '<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>' +
    '<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/>' +
    '<field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/>' +
    '<field name="uint128" type="uint128"/></union>',
];

function feature(name: string, registers: readonly Register[], types: readonly string[] = []): string {
  const lines = registers.map((register) => {
    const group = register.type === 'int' ? ' group="float"' : '';
    return `<reg name="${register.name}" bitsize="${register.bits}" type="${register.type}"${group}/>`;
  });
  return `<feature name="${name}">${types.join('')}${lines.join('')}</feature>`;
}

/** What `qXfer:features:read:target.xml` gives. */
export const TARGET_DESCRIPTION = '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>' +
  '<architecture>i386:x86-64</architecture>' +
  feature('org.gnu.gdb.i386.core', CORE, [flags('i386_eflags', FLAG_NAMES)]) +
  feature('org.gnu.gdb.i386.sse', SSE, [...VECTOR_TYPES, flags('i386_mxcsr', MXCSR_NAMES)]) +
  feature('org.gnu.gdb.i386.avx', AVX) + feature('org.gnu.gdb.i386.segments', BASES) +
  feature('partout.system', SYSTEM) + '</target>';
