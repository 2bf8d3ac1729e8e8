/** Where a memory operand lies, and every way that ModRM, SIB, prefixes and segment bases have to say so. */

import { AFTER, CODE, DATA, FS_BASE, GS_BASE, READ_ONLY, RIP } from './record.ts';
import type { Sample } from './sample.ts';
import { integer } from './values.ts';

const MASK_32 = 0xffff_ffffn;

/**
 * A linear address for an operand of `size` bytes: mostly writable, at times where something is wrong with it.
 * `alignment` is what the instruction insists on, 1 if nothing.
 */
export function chooseTarget(sample: Sample, size: number, alignment: number): bigint {
  const { random } = sample;
  const crossing = (boundary: number): bigint => BigInt(boundary - (size > 1 ? random.between(1, size - 1) : 0));
  const align = (address: number): bigint => {
    const unit = alignment > 1 ? alignment : Math.min(size & -size, 16);
    return BigInt(random.once(alignment > 1 ? 12 : 2) ? address : address & -unit);
  };
  const choice = random.below(100);
  if (size > 64 || choice < 64) {
    if (size > 64 && choice >= 97) return crossing(AFTER);
    if (size > 64 && choice >= 90) return BigInt(choice < 94 ? READ_ONLY : AFTER);
    return align(DATA + 0xe40 + random.below(0x380 - size));
  }
  if (choice < 73) return crossing(DATA + 0x1000);
  if (choice < 76) return align(DATA + random.below(0x80));
  if (choice < 82) return align(READ_ONLY + random.below(0x1c0));
  if (choice < 86) return crossing(READ_ONLY);
  if (choice < 88) return BigInt(AFTER - size - random.below(16));
  if (choice < 91) return crossing(AFTER);
  if (choice < 93) return crossing(DATA);
  if (choice < 96) return BigInt(random.once(2) ? AFTER + random.below(0x1000) : DATA - 0x1000 + random.below(0xf00));
  if (choice < 97) return align(CODE + random.below(0x100));
  if (sample.mode === 32) return BigInt(random.once(2) ? random.below(0x1_0000) : 0xffff_0000 + random.below(0xff00));
  if (choice < 98) return 0xffff_8000_0000_0000n + BigInt(random.below(0x7fff_0000));
  if (random.once(2)) return 0x8000_0000_0000n - BigInt(random.below(size + 1));
  return (random.u64() & 0xffffn) | 0x1234_0000_0000_0000n;
}

export interface MemoryEncoding {
  /** Where the operand lies after all. */
  readonly target: bigint;
  readonly mod: number;
  readonly rm: number;
  readonly sib?: number;
  readonly displacement?: { readonly size: 1 | 2 | 4; readonly value: number };
  /** The displacement counts from the end of the instruction: its value is the target itself. */
  readonly ripRelative?: boolean;
  readonly rexX: boolean;
  readonly rexB: boolean;
  readonly addressPrefix: boolean;
  readonly segmentPrefix?: number;
}

const SEGMENTS_64 = [0x26, 0x2e, 0x36, 0x3e];

/** Encodes linear address `target`, giving base registers the values that make it so. */
export function encodeMemory(sample: Sample, target: bigint): MemoryEncoding {
  const { random, mode } = sample;
  if (mode === 32 && random.once(25)) return encode16(sample);
  const segmentPrefix = chooseSegment(sample);
  const based = mode === 64 && (segmentPrefix === 0x64 || segmentPrefix === 0x65);
  const segmentBase = based ? sample.record.view.getBigUint64(segmentPrefix === 0x64 ? FS_BASE : GS_BASE, true) : 0n;
  const effective = BigInt.asUintN(64, target - segmentBase);
  const addressPrefix = mode === 64 && random.once(6) && effective <= MASK_32;
  const bits = mode === 32 || addressPrefix ? 32 : 64;
  const shape = encodeShape(sample, effective, bits);
  return { ...shape, target, addressPrefix, ...(segmentPrefix === undefined ? {} : { segmentPrefix }) };
}

/** FS and GS with their bases; the others do nothing in 64-bit mode and are flat in 32-bit mode. */
function chooseSegment({ random, mode }: Sample): number | undefined {
  if (random.once(6)) return random.pick([0x64, 0x65]);
  if (random.once(20)) return mode === 64 ? random.pick(SEGMENTS_64) : random.pick([0x26, 0x2e, 0x36, 0x3e]);
  return undefined;
}

type Shape = Omit<MemoryEncoding, 'target' | 'addressPrefix' | 'segmentPrefix'>;

function encodeShape(sample: Sample, effective: bigint, bits: 32 | 64): Shape {
  const { random, mode } = sample;
  const signed = Number(BigInt.asIntN(bits === 32 ? 32 : 64, effective));
  const fits32 = BigInt(signed) === BigInt.asIntN(bits, effective) && signed === (signed | 0);
  const choice = random.below(16);
  if (choice === 0 && fits32) {
    const displacement = { size: 4, value: signed } as const;
    if (mode === 32 && random.once(2)) return { mod: 0, rm: 5, displacement, rexX: false, rexB: false };
    const rexes = { rexX: false, rexB: mode === 64 && random.once(2) };
    return { mod: 0, rm: 4, sib: random.below(4) << 6 | 0x25, displacement, ...rexes };
  }
  if (choice <= 3 && mode === 64) {
    const distance = Number(BigInt.asIntN(64, effective)) - Number(sample.record.view.getBigUint64(RIP, true));
    if (Math.abs(distance) < 0x7fff_0000) {
      const rexes = { rexX: random.once(8), rexB: random.once(2) };
      const displacement = { size: 4, value: Number(BigInt.asIntN(64, effective)) } as const;
      return { mod: 0, rm: 5, displacement, ripRelative: true, ...rexes };
    }
  }
  if (choice === 4) return indexOnly(sample, effective, bits);
  return withBase(sample, effective, bits);
}

function indexOnly(sample: Sample, effective: bigint, bits: 32 | 64): Shape {
  const { random, mode } = sample;
  const index = freeRegister(sample, (register) => register !== 4);
  const scale = random.below(4);
  const unit = 1n << BigInt(scale);
  const start = BigInt(random.u32() | 0) & ~7n;
  const value = BigInt.asIntN(32, start + ((effective - start) % unit + unit) % unit);
  const quotient = BigInt.asUintN(bits, effective - value) >> BigInt(scale);
  // Bits that the scaling shifts out say nothing.
  const noise = scale === 0 ? 0n : BigInt.asUintN(bits, random.u64() << BigInt(bits - scale));
  setAddressRegister(sample, index, quotient | noise, bits);
  return { mod: 0, rm: 4, sib: scale << 6 | (index & 7) << 3 | 5, displacement: { size: 4, value: Number(value) },
    rexX: index > 7, rexB: mode === 64 && random.once(2) };
}

function withBase(sample: Sample, effective: bigint, bits: 32 | 64): Shape {
  const { random, mode } = sample;
  const base = freeRegister(sample, () => true);
  const indexed = random.once(2) || (base & 7) === 4;
  const index = indexed ? random.below(mode === 64 ? 16 : 8) : 4;
  const scale = indexed ? random.below(4) : 0;
  const usable = index !== 4 && index !== base;
  const offset = usable ? sample.record.gpr(index) << BigInt(scale) : 0n;
  if (usable) sample.fixed.add(index);
  const size = random.pick((base & 7) === 5 ? [1, 4] as const : [0, 1, 4] as const);
  const displacement = size === 0 ? 0 : size === 1 ? random.below(256) - 128
    : Number(BigInt.asIntN(32, integer(random)));
  setAddressRegister(sample, base, effective - offset - BigInt(displacement), bits);
  const common = {
    mod: size === 0 ? 0 : size === 1 ? 1 : 2, rexB: base > 7,
    ...(size === 0 ? {} : { displacement: { size, value: displacement } }),
  };
  if (!indexed) return { ...common, rm: base & 7, rexX: mode === 64 && random.once(8) && (base & 7) !== 4 };
  const field = usable ? index : 4;
  return { ...common, rm: 4, sib: scale << 6 | (field & 7) << 3 | (base & 7), rexX: field > 7 };
}

/** Gives an address register its value; bits above a 32-bit address are noise. */
function setAddressRegister(sample: Sample, register: number, value: bigint, bits: 32 | 64): void {
  const noise = bits === 32 && sample.mode === 64 ? sample.random.u64() & ~MASK_32 : 0n;
  sample.fix(register, BigInt.asUintN(bits, value) | noise);
}

function freeRegister(sample: Sample, fits: (register: number) => boolean): number {
  for (;;) {
    const register = sample.random.below(sample.mode === 64 ? 16 : 8);
    if (!sample.fixed.has(register) && fits(register)) return register;
  }
}

/** BX+SI BX+DI BP+SI BP+DI SI DI BP BX. */
const REGISTERS_16 = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];

/** 16-bit addressing in 32-bit mode reaches only the lowest 64 KiB, where nothing is mapped. */
function encode16({ random, record }: Sample): MemoryEncoding {
  const mod = random.below(3);
  const rm = random.below(8);
  const size = mod === 1 ? 1 : mod === 2 || rm === 6 ? 2 : 0;
  const value = size === 0 ? 0 : size === 1 ? random.below(256) - 128 : random.u32() << 16 >> 16;
  const registers = mod === 0 && rm === 6 ? [] : REGISTERS_16[rm] ?? [];
  const target = registers.reduce((sum, register) => sum + record.gpr(register), BigInt(value)) & 0xffffn;
  const displacement = size === 0 ? {} : { displacement: { size, value } } as const;
  return { mod, rm, target, rexX: false, rexB: false, addressPrefix: true, ...displacement };
}
