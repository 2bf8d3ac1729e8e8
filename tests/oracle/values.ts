/**
 * Values that find mistakes: the boundaries of every width, zeros and ones, and of floating-point numbers the signed
 * zeros, denormals, infinities, both kinds of NaN and what lies next to the limits of the integer types.
 */

import type { Random } from './random.ts';

const SPECIAL_INTEGERS: readonly bigint[] = (() => {
  const values = new Set<bigint>();
  for (const bits of [0n, 1n, 4n, 7n, 8n, 15n, 16n, 31n, 32n, 47n, 63n, 64n]) {
    const power = 1n << bits;
    for (const value of [power, power - 1n, power + 1n, -power, -power - 1n]) values.add(BigInt.asUintN(64, value));
  }
  for (const value of [0x55n, 0xaaaan, 0x5555_5555_5555_5555n, 0x8080_8080_8080_8080n, 0x0123_4567_89ab_cdefn]) {
    values.add(value);
  }
  return [...values];
})();

const SPECIAL_SINGLES: readonly number[] = [
  0x0000_0000, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x0000_0001, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x7f7f_ffff,
  0xff7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0x3f00_0000,
  0x3fc0_0000, 0x4020_0000, 0x4f00_0000, 0xcf00_0000, 0xcf00_0001, 0x5f00_0000, 0xdf00_0000, 0x4eff_ffff, 0x4b00_0000,
  0x4b7f_ffff, 0x3f7f_ffff, 0x3380_0000, 0x4040_0000, 0x7fa0_1234, 0x7fd5_5555, 0x0040_0000,
];

const SPECIAL_DOUBLES: readonly bigint[] = [
  0n, 1n << 63n, 0x3ff0n << 48n, 0xbff0n << 48n, 1n, (1n << 63n) | 1n, 0x000f_ffff_ffff_ffffn, 0x0010n << 48n,
  0x7fef_ffff_ffff_ffffn, 0xffef_ffff_ffff_ffffn, 0x7ff0n << 48n, 0xfff0n << 48n, 0x7ff8n << 48n, 0xfff8n << 48n,
  0x7ff0_0000_0000_0001n, 0xfff0_0000_0000_0001n, 0x7fff_ffff_ffff_ffffn, 0x3fe0n << 48n, 0x3ff8n << 48n,
  0x4004n << 48n,
  0x41e0n << 48n, 0xc1e0n << 48n, 0xc1e0_0000_0020_0000n, 0x41df_ffff_ffc0_0000n, 0x43e0n << 48n, 0xc3e0n << 48n,
  0x4330n << 48n, 0x433f_ffff_ffff_ffffn, 0x3fef_ffff_ffff_ffffn, 0x47ef_ffff_e000_0000n, 0x47ef_ffff_f000_0000n,
  0x380f_ffff_ffff_ffffn, 0x3810n << 48n, 0x36a0n << 48n, 0x3690n << 48n, 0x7ff4_0000_0000_1234n, 0x4008n << 48n,
];

/** Sign and exponent, mantissa. */
const SPECIAL_EXTENDED: readonly (readonly [number, bigint])[] = [
  [0, 0n], [0x8000, 0n], [0x3fff, 1n << 63n], [0xbfff, 1n << 63n], [0, 1n], [0x8000, 1n], [0, (1n << 63n) - 1n],
  [1, 1n << 63n], [0x7ffe, (1n << 64n) - 1n], [0xfffe, (1n << 64n) - 1n], [0x7fff, 1n << 63n], [0xffff, 1n << 63n],
  [0x7fff, 3n << 62n], [0xffff, 3n << 62n], [0x7fff, (1n << 63n) | 1n], [0xffff, (1n << 63n) | 1n], [0, 1n << 63n],
  [0x3fff, 1n], [0x7fff, 0n], [0x7fff, 1n], [0x3ffe, 1n << 63n], [0x4000, 0xc90f_daa2_2168_c235n],
  [0x3ffe, 0xb172_17f7_d1cf_79acn], [0x401e, 1n << 63n], [0xc01e, 1n << 63n], [0x403e, 1n << 63n], [0xc03e, 1n << 63n],
  [0x403d, (1n << 64n) - 2n], [0x3f6a, 1n << 63n], [0x3f81, 1n << 63n], [0x3c01, 1n << 63n], [0x3bcd, 1n << 63n],
  [0x43fe, (1n << 64n) - 1n], [0x407e, (1n << 64n) - 1n], [0x400e, 0xffff_0000_0000_0000n], [0x7fff, (3n << 62n) | 77n],
];

/** A 64-bit pattern: special, of some random width (sign-extended at times), or wholly random. */
export function integer(random: Random): bigint {
  switch (random.below(4)) {
    case 0: return random.pick(SPECIAL_INTEGERS);
    case 1: {
      const bits = random.between(1, 64);
      const value = random.u64();
      return BigInt.asUintN(64, random.once(2) ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value));
    }
    default: return random.u64();
  }
}

export function single(random: Random): number {
  switch (random.below(4)) {
    case 0: return random.pick(SPECIAL_SINGLES);
    case 1: return random.u32();
    // Exponents near one another, so that sums cancel and round.
    case 2: return ((random.below(2) << 31) | (random.between(100, 150) << 23) | random.below(1 << 23)) >>> 0;
    default: return ((random.below(2) << 31) | (random.between(126, 130) << 23)
      | (random.below(1 << 23) & random.pick([0x7f_ffff, 0x70_0000, 0x7f_f000]))) >>> 0;
  }
}

export function double(random: Random): bigint {
  const mantissa = random.u64() & 0xf_ffff_ffff_ffffn;
  const sign = BigInt(random.below(2)) << 63n;
  switch (random.below(5)) {
    case 0: return random.pick(SPECIAL_DOUBLES);
    case 1: return random.u64();
    case 2: return sign | (BigInt(random.between(1000, 1090)) << 52n) | mantissa;
    // What a single holds, and integers.
    case 3: return sign | (BigInt(random.between(880, 1160)) << 52n) | (mantissa & (-1n << BigInt(random.below(52))));
    default: return sign | (BigInt(random.between(1022, 1026)) << 52n) | (mantissa & (-1n << BigInt(random.below(52))));
  }
}

/** Writes an 80-bit number at `at`. */
export function extended(random: Random, view: DataView, at: number): void {
  let exponent = 0;
  let mantissa = 0n;
  switch (random.below(5)) {
    case 0: [exponent, mantissa] = random.pick(SPECIAL_EXTENDED); break;
    case 1: exponent = random.below(0x1_0000); mantissa = random.u64(); break;
    case 2:
      exponent = (random.below(2) << 15) | random.between(0x3fc0, 0x4045);
      mantissa = random.u64() | (1n << 63n);
      break;
    default:
      exponent = (random.below(2) << 15) | random.between(0x3ff8, 0x4008);
      mantissa = BigInt.asUintN(64, (random.u64() | (1n << 63n)) & (-1n << BigInt(random.below(64))));
  }
  view.setBigUint64(at, mantissa, true);
  view.setUint16(at + 8, exponent, true);
}

export type ValueKind = 'integer' | 'single' | 'double' | 'extended' | 'decimal';

/** Fills `size` bytes at `at` with values of one kind. */
export function fill(random: Random, view: DataView, at: number, size: number, kind: ValueKind): void {
  if (kind === 'extended') {
    extended(random, view, at);
  } else if (kind === 'decimal') {
    for (let n = 0; n < 9; n++) view.setUint8(at + n, random.below(10) * 16 + random.below(10));
    view.setUint8(at + 9, random.below(2) << 7);
  } else {
    let n = 0;
    for (; n + 8 <= size; n += 8) {
      if (kind === 'single') {
        view.setUint32(at + n, single(random), true);
        view.setUint32(at + n + 4, single(random), true);
      } else {
        view.setBigUint64(at + n, kind === 'double' ? double(random) : integer(random), true);
      }
    }
    for (; n + 4 <= size; n += 4) {
      view.setUint32(at + n, kind === 'single' ? single(random) : Number(integer(random) & 0xffff_ffffn), true);
    }
    for (; n < size; n++) view.setUint8(at + n, random.below(256));
  }
}
