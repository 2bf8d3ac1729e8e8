/**
 * What single instructions need so that their samples say something: stacks that hold return addresses, counts that
 * are small, divisors that fit, selectors that exist, images that can be loaded.
 */

import {
  CODE, CODE_SIZE, DATA, FLAGS, FXSAVE, READ_ONLY, RIP, USER_CODE_32, USER_CODE_64, USER_DATA,
} from './record.ts';
import { RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, type Sample } from './sample.ts';
import { integer } from './values.ts';

const STRINGS = ['MOVS', 'CMPS', 'STOS', 'LODS', 'SCAS', 'INS', 'OUTS'];
const SCANS = ['CMPS', 'SCAS'];
const SHIFTS = ['ROL', 'ROR', 'RCL', 'RCR', 'SHL', 'SHR', 'SAR', 'SHLD', 'SHRD'];
const SEGMENT_LOADS = ['LES', 'LDS', 'LSS', 'LFS', 'LGS'];
/** Null ones, the kernel's, beyond the table, in a local table. */
const ODD_SELECTORS = [1, 2, 3, 0x10, 0x18, 0x20, 0x28, 0x30, 0x40, 0x80, 0x88, 0x33c, 0xfff8, 0x2c, 0x37];
const SELECTOR_OPERANDS = ['LAR', 'LSL', 'VERR', 'VERW', 'ARPL', 'LLDT', 'LTR'];

/** An address in the code pages that holds int3 and is not the instruction itself; at times one that is no code. */
export function codeTarget(sample: Sample): bigint {
  const { random, record } = sample;
  if (random.once(16)) {
    return sample.mode === 32 || random.once(2) ? BigInt(random.pick([DATA + 0x1000, CODE + CODE_SIZE, 0x10]))
      : random.pick([0x8000_0000_0000n, 0x1234_5678_9abc_def0n, 0xffff_8000_0000_0000n]);
  }
  const rip = Number(record.rip);
  for (;;) {
    const target = CODE + random.below(CODE_SIZE);
    if (target < rip - 1 || target > rip + 20) return BigInt(target);
  }
}

/** A selector: mostly one that Linux's and the engine's descriptor table have in common. */
export function selector({ random }: Sample): bigint {
  return BigInt(random.pick(random.once(6) ? ODD_SELECTORS : [0, USER_CODE_64, USER_CODE_32, USER_DATA, USER_DATA]));
}

/** Sets registers before operands are chosen. */
export function prepareRegisters(sample: Sample): void {
  const { random, record } = sample;
  if (sample.is(...STRINGS)) prepareString(sample);
  if (sample.is('XLAT')) {
    const into = random.below(256);
    record.setGpr(RAX, (record.gpr(RAX) & ~0xffn) | BigInt(into));
    const table = random.once(8) ? READ_ONLY + 0x1000 - random.below(128) : DATA + 0xf00 - into + random.below(0x200);
    sample.fix(RBX, BigInt(table));
  }
  if (sample.is('MASKMOVQ', 'MASKMOVDQU', 'VMASKMOVDQU')) {
    sample.fix(RDI, BigInt(random.once(4) ? READ_ONLY - random.below(20) : DATA + 0xf00 + random.below(0x200)));
  }
  if (sample.is('LEAVE', 'ENTER')) {
    sample.fix(RBP, BigInt(random.once(12) ? DATA - random.below(20) : DATA + 0xf00 + random.below(0x200)));
  }
  if (sample.is(...SHIFTS)) record.view.setUint8(RCX * 8, random.once(3) ? random.below(256) : random.below(40));
  if (sample.is('LOOP', 'LOOPE', 'LOOPNE', 'JCXZ') && random.once(2)) record.setGpr(RCX, BigInt(random.below(3)));
  if (sample.is('DIV', 'IDIV')) prepareDivide(sample);
  if (sample.is('XSAVE', 'XRSTOR', 'XGETBV')) {
    sample.fix(RDX, 0n);
    sample.fix(RAX, BigInt(random.below(8)));
    if (sample.is('XGETBV')) record.setGpr(RCX, BigInt(random.between(2, 9)));
  }
  if (sample.is('PCMPESTRI', 'PCMPESTRM', 'VPCMPESTRI', 'VPCMPESTRM')) {
    for (const register of [RAX, RDX]) if (!random.once(4)) record.setGpr(register, BigInt(random.below(36) - 18));
    if (random.once(2)) pokeText(sample, 0);
  }
  if (sample.is('PCMPISTRI', 'PCMPISTRM', 'VPCMPISTRI', 'VPCMPISTRM')) pokeText(sample, 1);
  prepareStack(sample);
}

/** XMM registers over a small alphabet, so that strings match and end. */
function pokeText({ random, record }: Sample, least: number): void {
  for (let n = 0; n < 256; n++) {
    if (!random.once(4)) record.bytes[FXSAVE + 160 + n] = random.below(4) + (random.once(12) ? 0 : least);
  }
}

function prepareString(sample: Sample): void {
  const { random, record, mode } = sample;
  const place = (): bigint => {
    const choice = random.below(12);
    const address = choice === 0 ? READ_ONLY + random.below(0x100) : choice === 1 ? READ_ONLY - random.below(40)
      : choice === 2 ? DATA + random.below(40) : choice === 3 ? READ_ONLY + 0x1000 - random.below(80)
        : DATA + 0xf00 + random.below(0x200);
    return BigInt(address) | (mode === 64 && random.once(64) ? 0x1234n << 48n : 0n);
  };
  sample.fix(RSI, place());
  sample.fix(RDI, random.once(6) ? record.gpr(RSI) + BigInt(random.below(17) - 8) : place());
  sample.fix(RCX, BigInt(random.below(random.once(4) ? 24 : 8)));
  record.view.setUint32(FLAGS, (record.flags & ~0x400) | random.below(2) << 10, true);
  if (!sample.is(...SCANS)) return;
  // A run of equal bytes on both sides, so that repetition goes on for a while.
  const fill = BigInt.asUintN(64, random.once(2) ? 0n : integer(random));
  if (sample.is('SCAS')) record.setGpr(RAX, fill);
  for (let n = -64; n < 64; n += 8) {
    if (!random.once(12)) sample.poke(record.gpr(RDI) + BigInt(n), fill, 8);
    if (!random.once(12) && sample.is('CMPS')) sample.poke(record.gpr(RSI) + BigInt(n), fill, 8);
  }
}

function prepareDivide(sample: Sample): void {
  const { random, record } = sample;
  const high = random.below(4);
  if (high === 0) return;
  const negative = sample.is('IDIV') && random.once(2);
  record.setGpr(RDX, high === 1 ? BigInt(random.below(1000)) : negative ? -1n : 0n);
  if (negative) record.setGpr(RAX, record.gpr(RAX) | (1n << 63n) | (1n << 31n) | (1n << 15n));
  if (sample.form.row.operands === 'Eb') record.view.setUint8(1, high === 1 ? random.below(16) : negative ? 0xff : 0);
}

/** What lies at the top of the stack for instructions that take addresses, selectors and flags from there. */
function prepareStack(sample: Sample): void {
  const { random, record, mode } = sample;
  let top = record.gpr(RSP);
  const push = (value: bigint, size: number): void => {
    sample.poke(top, value, size);
    top += BigInt(size);
  };
  if (sample.is('RET')) push(codeTarget(sample), mode / 8);
  const size = mode === 32 ? 4 : random.once(2) ? 4 : 8;
  if (sample.is('RET FAR', 'IRET')) {
    push(codeTarget(sample), size);
    push(selector(sample), size);
  }
  if (sample.is('IRET', 'POPF')) {
    // IRET with AC: seen to hang where the host's own kernel runs on a hypervisor.
    push(BigInt((random.u32() & ~(sample.is('IRET') ? 0x4_0100 : 0x100)) | (random.once(24) ? 0x100 : 0)), size);
  }
  if (sample.is('RET FAR', 'IRET')) {
    push(BigInt(DATA + 0x1000 + random.below(64)), size);
    push(selector(sample), size);
  }
  if (/^POP [A-Z]S$/.test(sample.form.row.name)) push(selector(sample), mode === 64 ? 8 : 4);
}

/** Puts values where the memory operand is. */
export function prepareMemory(sample: Sample, target: bigint, size: number): void {
  const { random, record, form, mode } = sample;
  const { name } = form.row;
  sample.pokeValues(target, size, name === 'FBLD' ? 'decimal' : size === 10 && sample.kind === 'extended' ? 'extended'
    : sample.kind === 'extended' ? floatingKind(name, size) : sample.kind);
  if (name === 'JMP' || name === 'CALL') sample.poke(target, codeTarget(sample), mode / 8);
  if (name === 'JMP FAR' || name === 'CALL FAR') pokeFar(sample, target, codeTarget(sample));
  if (SEGMENT_LOADS.includes(name)) pokeFar(sample, target, integer(random));
  if (SELECTOR_OPERANDS.includes(name) || form.operands[0]?.letter === 'S') sample.poke(target, selector(sample), 2);
  if (name === 'CMPXCHG' && random.once(2)) sample.poke(target, record.gpr(RAX), 8);
  if (name.startsWith('CMPXCHG') && name.endsWith('B') && random.once(2)) {
    const half = size / 2;
    sample.poke(target, record.gpr(RAX), half);
    sample.poke(target + BigInt(half), record.gpr(RDX), half);
  }
  if (/^V?LDMXCSR$/.test(name)) sample.poke(target, BigInt(random.u32() & (random.once(8) ? 0x1_ffff : 0xffff)), 4);
  if (name === 'BOUND') {
    sample.poke(target, 0xffff_f000n, 4);
    sample.poke(target + 4n, 0x7000n, 4);
  }
  if (name === 'FXRSTOR' || name === 'XRSTOR') pokeImage(sample, target);
}

function floatingKind(name: string, size: number): 'integer' | 'single' | 'double' {
  return /^FI|^FBLD/.test(name) || size === 2 ? 'integer' : size === 4 ? 'single' : size === 8 ? 'double' : 'integer';
}

function pokeFar(sample: Sample, target: bigint, offset: bigint): void {
  const size = sample.random.pick(sample.mode === 64 ? [2, 4, 4, 8] : [2, 4, 4]);
  sample.poke(target, offset, size);
  sample.poke(target + BigInt(size), selector(sample), 2);
}

/** The record's own floating-point state, with a difference here and there. */
function pokeImage(sample: Sample, target: bigint): void {
  const { random, record } = sample;
  for (let n = 0; n < 416; n++) sample.poke(target + BigInt(n), BigInt(record.bytes[FXSAVE + n] ?? 0), 1);
  for (let n = 32; n < 288; n += random.between(1, 40)) sample.poke(target + BigInt(n), random.u64(), 1);
  sample.poke(target + 24n, BigInt(random.u32() & (random.once(12) ? 0x1_ffff : 0xffff)), 4);
  if (sample.is('FXRSTOR')) return;
  for (let n = 0n; n < 64n; n += 8n) {
    sample.poke(target + 512n + n, n === 0n ? BigInt(random.below(8)) : random.once(200) ? 1n : 0n, 8);
  }
}

/** Gives the register operands of some instructions values that fit; called when they are known. */
export function prepareOperands(sample: Sample, reg: number, rm: number | undefined): void {
  const { random, record, form: { row, operands }, mode } = sample;
  const inMemory = rm === undefined;
  const free = (register: number): boolean => !sample.fixed.has(register);
  if (/^BT[SRC]?$/.test(row.name) && row.operands === 'Ev,Gv' && inMemory && free(reg)) {
    // Bit offsets move the operand: keep it near, or let it reach into the next page and into nothing.
    record.setGpr(reg, BigInt(random.once(16) ? random.u32() | 0 : random.between(-800, 800)));
  }
  if (inMemory) return;
  if (['JMP', 'CALL'].includes(row.name) && free(rm)) sample.fix(rm, codeTarget(sample));
  if (SELECTOR_OPERANDS.includes(row.name) || operands[0]?.letter === 'S') {
    if (free(rm)) record.setGpr(rm, (mode === 64 ? random.u64() & ~0xffffn : 0n) | selector(sample));
  }
  if (row.name === 'CMPXCHG' && random.once(2) && free(rm)) record.setGpr(rm, record.gpr(RAX));
  if (row.name.startsWith('WR') && row.name.endsWith('BASE') && !random.once(6) && free(rm)) {
    record.setGpr(rm, random.u64() & 0x7fff_ffff_ffffn);
  }
}

/** The relative displacement for a branch whose instruction ends at `end`. */
export function branchDisplacement(sample: Sample, end: number, size: 1 | 2 | 4): number {
  const { random, record } = sample;
  const start = Number(record.view.getBigUint64(RIP, true));
  for (;;) {
    const displacement = size === 1 ? random.below(256) - 128 : size === 2 ? random.u32() << 16 >> 16
      : random.once(8) ? integer32(sample) : Number(codeTarget(sample) & 0x7fff_ffffn) - end;
    const target = end + displacement;
    if (target < start - 1 || target >= start + 16) return displacement | 0;
  }
}

function integer32({ random }: Sample): number {
  return Number(BigInt.asIntN(32, integer(random)));
}
