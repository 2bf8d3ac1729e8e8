/**
 * Makes samples: an instruction of one form with random operands, encoded in a random one of the ways that there are,
 * and the state before it. The same seed, form and number give the same sample.
 */

import { chooseTarget, encodeMemory, type MemoryEncoding } from './address.ts';
import type { Form, Operand } from './form.ts';
import { Random } from './random.ts';
import {
  BYTES, BYTES_SIZE, CODE, CODE_SIZE, DATA, FXSAVE, OPERAND, READ_ONLY, RECORD_SIZE, RIP, SampleRecord, UPPER_HALVES,
} from './record.ts';
import { Sample } from './sample.ts';
import {
  branchDisplacement, codeTarget, prepareMemory, prepareOperands, prepareRegisters, selector,
} from './special.ts';
import { integer } from './values.ts';

const INT3 = 0xcc;
/** Near branches, whose operand-size prefix 64-bit processors of different makers understand differently. */
const BRANCHES = /^(J[A-Z]+|CALL|RET|LOOP[A-Z]*)$/;
const REPEATED = /^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS)$/;
/** x87 images whose layout depends on the operand size. */
const ENVIRONMENTS = /^F(LDENV|NSTENV|RSTOR|NSAVE)$/;
/** Sizes of memory operands that rows do not say. */
const MEMORY_SIZES: Readonly<Record<string, number>> = { FXSAVE: 512, FXRSTOR: 512, XSAVE: 832, XRSTOR: 832, BOUND: 8 };

interface Sizes {
  readonly operandPrefix: boolean;
  readonly rexW: boolean;
  /** In bytes, of operands whose size varies. */
  readonly operand: 2 | 4 | 8;
  /** Of VEX: vectors of 256 bits. */
  readonly long: boolean;
}

export function generate(form: Form, seed: number, number: number,
  into: Uint8Array = new Uint8Array(RECORD_SIZE)): SampleRecord {
  const random = new Random(`${seed}/${form.key}/${number}`);
  const sample = new Sample(form, random, new SampleRecord(into));
  prepareRegisters(sample);
  sample.record.bytes.fill(INT3, BYTES, BYTES + BYTES_SIZE);
  const bytes = encode(sample);
  const left = CODE + CODE_SIZE - Number(sample.record.rip);
  sample.record.bytes.set(bytes.slice(0, Math.min(left, BYTES_SIZE)), BYTES);
  return sample.record;
}

function chooseSizes({ form, mode, random }: Sample): Sizes {
  const { row } = form;
  const varies = form.mandatoryPrefixes === undefined || /[EGMZAO][vyz]|^v/.test(row.operands);
  const w = form.rexW ?? ((mode === 64 || form.vex !== undefined)
    && (varies ? random.once(3) : random.once(8)) ? 1 : 0);
  if (form.vex !== undefined) {
    const long = form.vex.long ?? random.below(2);
    return { operandPrefix: false, rexW: w === 1, operand: mode === 64 && w === 1 ? 8 : 4, long: long === 1 };
  }
  const prefixable = form.mandatoryPrefixes === undefined
    || (form.mandatoryPrefixes.length > 0 && !form.mandatoryPrefixes.includes(0x66) && row.operands.includes('v'));
  const prefix = prefixable && (row.class === 'integer' || row.class === 'system' || ENVIRONMENTS.test(row.name))
    && (BRANCHES.test(row.name) ? mode === 32 && random.once(12) : random.once(4));
  const wide = mode === 64 && (w === 1 || (row.default64 === true && !prefix));
  return { operandPrefix: prefix, rexW: w === 1, operand: wide ? 8 : prefix ? 2 : 4, long: false };
}

function sizeOf({ size }: Operand, sizes: Sizes, rexW: boolean): number {
  switch (size) {
    case 'b': return 1;
    case 'w': return 2;
    case 'd': return 4;
    case 'q': return 8;
    case 'y': return rexW && sizes.operand === 8 ? 8 : 4;
    case 'z': return Math.min(sizes.operand, 4);
    default: return sizes.operand;
  }
}

function memorySize({ form: { row, operands } }: Sample, sizes: Sizes): number {
  if (MEMORY_SIZES[row.name] !== undefined) return MEMORY_SIZES[row.name] as number;
  if (row.bytes !== undefined) {
    return sizes.long && row.sameBytes !== true && row.scalar !== true ? row.bytes * 2 : row.bytes;
  }
  if (row.name === 'CMPXCHG8B') return 8;
  if (row.name === 'CMPXCHG16B') return 16;
  const operand = operands.find(({ letter }) => letter === 'E' || letter === 'M');
  const size = operand === undefined ? 8 : sizeOf(operand, sizes, sizes.rexW);
  return /FAR$|^L[EDSFG]S$/.test(row.name) ? size + 2 : size;
}

function alignmentOf({ row }: Form, { long }: Sizes): number {
  if (row.name === 'XSAVE' || row.name === 'XRSTOR') return 64;
  if (row.aligned === true && long) return 32;
  return row.aligned === true || /^FX|^CMPXCHG16B/.test(row.name) ? 16 : 1;
}

function encode(sample: Sample): number[] {
  const { form, random, mode } = sample;
  const sizes = chooseSizes(sample);
  const inMemory = form.modrm && form.memoryAllowed && (!form.registerAllowed || random.below(5) < 3);
  let memory: MemoryEncoding | undefined;
  const registers = mode === 64 ? 16 : 8;
  if (form.row.name.includes('GATHER')) return encodeGather(sample, sizes);
  const reg = form.extension ?? random.below(form.operands.some(({ letter }) => letter === 'S') ? 8 : registers);
  let rm = 0;
  if (inMemory) {
    const size = memorySize(sample, sizes);
    prepareOperands(sample, reg, undefined);
    const target = chooseTarget(sample, size, alignmentOf(form, sizes));
    memory = encodeMemory(sample, target);
    sample.record.view.setBigUint64(OPERAND, memory.target, true);
    prepareMemory(sample, target, size);
  } else if (form.modrm || form.registerInOpcode) {
    rm = form.fixedRm ?? random.below(registers);
    prepareOperands(sample, reg, rm);
  }
  const prefixes = legacyPrefixes(sample, sizes, memory);
  const rex = rexPrefix(sample, sizes, reg, rm, memory);
  const bytes = [...prefixes, ...rex, ...vexPrefix(sample, sizes, reg, rm, memory), ...form.opcode];
  if (form.registerInOpcode) bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) | (rm & 7);
  let displacementAt = 0;
  if (memory !== undefined) {
    bytes.push(memory.mod << 6 | (reg & 7) << 3 | memory.rm);
    if (memory.sib !== undefined) bytes.push(memory.sib);
    displacementAt = bytes.length;
    if (memory.displacement !== undefined) append(bytes, BigInt(memory.displacement.value), memory.displacement.size);
  } else if (form.modrm) {
    bytes.push(0xc0 | (reg & 7) << 3 | (rm & 7));
  }
  appendImmediates(sample, sizes, bytes, prefixes);
  if (memory?.ripRelative === true) {
    const end = Number(sample.record.view.getBigUint64(RIP, true)) + bytes.length;
    const distance: number[] = [];
    append(distance, BigInt((memory.displacement?.value ?? 0) - end), 4);
    bytes.splice(displacementAt, 4, ...distance);
  }
  return bytes;
}

/** Three vectors that differ, and indices that lead to where something is. */
function encodeGather(sample: Sample, sizes: Sizes): number[] {
  const { form, random, mode, record } = sample;
  const registers = mode === 64 ? 16 : 8;
  const target = random.below(registers);
  const index = random.once(40) ? target : (target + random.between(1, registers - 1)) % registers;
  let mask = random.below(registers);
  while ((mask === index || mask === target) && !random.once(40)) mask = random.below(registers);
  const base = random.pick([0, 1, 2, 3, 6, 7]);
  const scale = random.below(4);
  sample.fix(base, BigInt(random.once(10) ? READ_ONLY - 16 : DATA + 0x1000));
  const wide = form.row.opcode.includes('91') || form.row.opcode.includes('93');
  for (let n = 0; n < 32; n += wide ? 8 : 4) {
    const value = random.between(-200, 200) >> scale;
    const at = n < 16 ? FXSAVE + 160 + index * 16 + n : UPPER_HALVES + index * 16 + n - 16;
    if (wide) record.view.setBigInt64(at, BigInt(value), true);
    else record.view.setInt32(at, value, true);
  }
  const r = target > 7 ? 0 : 0x80;
  const x = index > 7 ? 0 : 0x40;
  const last = (sizes.rexW ? 0x80 : 0) | (~mask & 15) << 3 | (sizes.long ? 4 : 0) | 1;
  return [0xc4, r | x | 0x20 | 2, last, ...form.opcode, (target & 7) << 3 | 0x44,
    scale << 6 | (index & 7) << 3 | base, random.below(128)];
}

function append(bytes: number[], value: bigint, size: number): void {
  for (let n = 0; n < size; n++) bytes.push(Number(value >> BigInt(n * 8) & 0xffn));
}

function legacyPrefixes({ form, random, mode }: Sample, sizes: Sizes, memory: MemoryEncoding | undefined): number[] {
  const prefixes: number[] = [];
  const { row } = form;
  if (sizes.operandPrefix || form.mandatoryPrefixes?.includes(0x66) === true) prefixes.push(0x66);
  if (memory?.addressPrefix === true) prefixes.push(0x67);
  else if (memory === undefined && random.once(REPEATED.test(row.name) && mode === 64 ? 6 : 24)) prefixes.push(0x67);
  if (memory?.segmentPrefix !== undefined) prefixes.push(memory.segmentPrefix);
  else if (memory === undefined && random.once(24)) prefixes.push(random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
  if (memory !== undefined && row.lock === true ? random.once(4) : random.once(60)) {
    // LOCK where it is not allowed raises #UD; with a mandatory F2 or F3 too.
    prefixes.push(0xf0);
  }
  if (REPEATED.test(row.name) && random.below(4) > 0) prefixes.push(random.once(2) ? 0xf2 : 0xf3);
  for (let n = prefixes.length - 1; n > 0; n--) {
    const other = random.below(n + 1);
    [prefixes[n], prefixes[other]] = [prefixes[other] as number, prefixes[n] as number];
  }
  const repeat = form.mandatoryPrefixes?.find((prefix) => prefix >= 0xf2);
  if (repeat !== undefined) prefixes.splice(random.below(prefixes.length + 1), 0, repeat);
  return prefixes;
}

function rexPrefix({ form, random, mode }: Sample, sizes: Sizes, reg: number, rm: number,
  memory: MemoryEncoding | undefined): number[] {
  if (mode === 32 || form.vex !== undefined) return [];
  const r = reg > 7 || (form.extension !== undefined && random.once(16));
  const x = memory?.rexX ?? random.once(16);
  const b = memory?.rexB ?? rm > 7;
  const rex = (sizes.rexW ? 8 : 0) | (r ? 4 : 0) | (x ? 2 : 0) | (b ? 1 : 0);
  return rex !== 0 || random.once(8) ? [0x40 | rex] : [];
}

/** Two bytes where they can say it, mostly. */
function vexPrefix({ form: { vex, operands }, random, mode }: Sample, sizes: Sizes, reg: number, rm: number,
  memory: MemoryEncoding | undefined): number[] {
  if (vex === undefined) return [];
  const extra = operands.some(({ letter }) => /[BH]/.test(letter)) ? random.below(mode === 64 ? 16 : 8)
    : random.once(60) ? random.below(16) : 0;
  const last = (~extra & 15) << 3 | (sizes.long ? 4 : 0) | vex.prefix;
  const r = reg > 7;
  const x = memory?.rexX ?? (mode === 64 && random.once(16));
  const b = memory?.rexB ?? rm > 7;
  if (vex.map === 1 && !x && !b && !sizes.rexW && !random.once(4)) return [0xc5, (r ? 0 : 0x80) | last];
  return [0xc4, (r ? 0 : 0x80) | (x ? 0 : 0x40) | (b ? 0 : 0x20) | vex.map, (sizes.rexW ? 0x80 : 0) | last];
}

function appendImmediates(sample: Sample, sizes: Sizes, bytes: number[], prefixes: readonly number[]): void {
  const { form, random, mode } = sample;
  const { name } = form.row;
  for (const operand of form.operands) {
    if (operand.letter === 'I') {
      append(bytes, immediate(sample, operand), sizeOf(operand, sizes, sizes.rexW));
    } else if (operand.letter === 'J') {
      const size = operand.size === 'b' ? 1 : mode === 32 && sizes.operandPrefix ? 2 : 4;
      const end = Number(sample.record.view.getBigUint64(RIP, true)) + bytes.length + size;
      append(bytes, BigInt(branchDisplacement(sample, end, size)), size);
    } else if (operand.letter === 'O') {
      const short = prefixes.includes(0x67);
      const target = chooseTarget(sample, sizeOf(operand, sizes, sizes.rexW), 1);
      append(bytes, target, mode === 64 ? short ? 4 : 8 : short ? 2 : 4);
    } else if (operand.size === 'p') {
      append(bytes, codeTarget(sample), sizes.operandPrefix ? 2 : 4);
      append(bytes, selector(sample), 2);
    }
  }
  if (name === 'INT' && bytes[bytes.length - 1] === 0x80) bytes[bytes.length - 1] = random.below(0x80);
}

function immediate({ form: { row }, random }: Sample, { size }: Operand): bigint {
  if (row.name === 'ENTER') return BigInt(size === 'w' ? random.below(96) : random.once(4) ? random.below(8) : 0);
  if (row.name.startsWith('RET')) return BigInt(random.below(random.once(4) ? 0x1_0000 : 64));
  if (/^(RO|RC|S)[LRAH]/.test(row.name) && random.once(2)) return BigInt(random.below(34));
  if (row.name === 'INT' && random.once(2)) return BigInt(random.pick([0, 1, 3, 4, 14]));
  return integer(random);
}
