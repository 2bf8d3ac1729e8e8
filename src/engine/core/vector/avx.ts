// What AVX and AVX2 have beyond SSE's instructions in lanes [SDM vol. 2: VBROADCAST, VEXTRACT, VINSERT, VPERM,
// VPBLENDD, VBLENDV, VTEST, VPSLLV, VPSRLV, VPSRAV, VZERO]. Handlers as wide.ts calls them; those of shape WHOLE have
// all 256 bits.

import { CF, MODE, MODE_64, ZF } from "../layout";
import { cpu, xmm } from "../cpu";
import { checkAvx } from "../fpu-state";
import { setArithmeticFlags } from "../flags";
import { pcmpestrm, pcmpestrm64, pcmpistrm } from "./string-compare";
import { isLong, lane } from "./wide";

function both(d: usize, value: v128): void {
  v128.store(d, value);
  v128.store(d, value, 16);
}

export function vbroadcast8(d: usize, s: usize, i: i32): void { both(d, i8x16.splat(load<i8>(s))); }
export function vbroadcast16(d: usize, s: usize, i: i32): void { both(d, i16x8.splat(load<i16>(s))); }
export function vbroadcast32(d: usize, s: usize, i: i32): void { both(d, i32x4.splat(load<i32>(s))); }
export function vbroadcast64(d: usize, s: usize, i: i32): void { both(d, i64x2.splat(load<i64>(s))); }
export function vbroadcast128(d: usize, s: usize, i: i32): void { both(d, v128.load(s)); }

export function vinsert128(d: usize, s: usize, i: i32): void {
  v128.store(d + ((i & 1) << 4), v128.load(s));
}

export function vextract128(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.load(s + ((i & 1) << 4)));
  v128.store(d, i64x2.splat(0), 16);
}

/** A lane of the first source (in `d`) or the second, or zero. */
function chosenLane(d: usize, s: usize, choice: i32): v128 {
  if ((choice & 8) != 0) return i64x2.splat(0);
  return v128.load(((choice & 2) != 0 ? s : d) + ((choice & 1) << 4));
}

export function vperm2x128(d: usize, s: usize, i: i32): void {
  const low = chosenLane(d, s, i);
  const high = chosenLane(d, s, i >> 4);
  v128.store(d, low);
  v128.store(d, high, 16);
}

/** Doublewords of the source by numbers in `d`, which is VEX.vvvv. */
export function vpermd(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 32; n += 4) store<u32>(d + n, load<u32>(s + ((load<u32>(d + n) & 7) << 2)));
}

export function vpermq(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 4; n++) store<u64>(d + (n << 3), load<u64>(s + (((i >> <i32>(n << 1)) & 3) << 3)));
}

/** VPERMILPS by numbers in the second source. */
export function vpermilps(d: usize, s: usize, i: i32): void {
  const from = v128.load(d);
  const choice = i32x4.shl(v128.and(v128.load(s), i32x4.splat(3)), 2);
  // Each byte of a doubleword: four times its number, and 0, 1, 2, 3.
  const bytes = i32x4.mul(choice, i32x4.splat(0x01010101));
  v128.store(d, i8x16.swizzle(from, i8x16.add(bytes, i32x4.splat(0x03020100))));
}

export function vpermilpd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d + ((load<u32>(s) & 2) << 2));
  const b = load<u64>(d + ((load<u32>(s, 8) & 2) << 2));
  store<u64>(d, a);
  store<u64>(d, b, 8);
}

export function vpermilpsImmediate(d: usize, s: usize, i: i32): void {
  const from = v128.load(s);
  for (let n: usize = 0; n < 4; n++) {
    const choice = (i >> <i32>(n << 1)) & 3;
    store<u32>(d + (n << 2), <u32>(choice == 0 ? i32x4.extract_lane(from, 0) : choice == 1 ? i32x4.extract_lane(from, 1)
      : choice == 2 ? i32x4.extract_lane(from, 2) : i32x4.extract_lane(from, 3)));
  }
}

export function vpermilpdImmediate(d: usize, s: usize, i: i32): void {
  const a = load<u64>(s + ((i & 1) << 3));
  const b = load<u64>(s + ((i & 2) << 2));
  store<u64>(d, a);
  store<u64>(d, b, 8);
}

/** The mask's register, in the upper four bits of the immediate, three outside 64-bit mode. */
function mask(i: i32): v128 {
  return v128.load(xmm((<usize>i >> 4) & (registers() - 1)) + lane);
}

export function vblendvps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i32x4.shr_s(mask(i), 31)));
}

export function vblendvpd(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i64x2.shr_s(mask(i), 63)));
}

export function vpblendvb(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), i8x16.shr_s(mask(i), 7)));
}

/** ZF: no bit of both; CF: none of the source alone. */
function setTestFlags(d: usize, s: usize, relevant: v128): void {
  let common = v128.and(v128.and(v128.load(d), v128.load(s)), relevant);
  let alone = v128.and(v128.andnot(v128.load(s), v128.load(d)), relevant);
  if (isLong) {
    common = v128.or(common, v128.and(v128.and(v128.load(d, 16), v128.load(s, 16)), relevant));
    alone = v128.or(alone, v128.and(v128.andnot(v128.load(s, 16), v128.load(d, 16)), relevant));
  }
  setArithmeticFlags((v128.any_true(common) ? 0 : ZF) | (v128.any_true(alone) ? 0 : CF));
}

export function vptest(d: usize, s: usize, i: i32): void { setTestFlags(d, s, i32x4.splat(-1)); }
export function vtestps(d: usize, s: usize, i: i32): void { setTestFlags(d, s, i32x4.splat(0x80000000)); }
export function vtestpd(d: usize, s: usize, i: i32): void { setTestFlags(d, s, i64x2.splat(0x8000000000000000)); }

export function vpmovmskb(d: usize, s: usize, i: i32): void {
  store<u64>(d, <u64>(<u32>i8x16.bitmask(v128.load(s)) | (<u32>i8x16.bitmask(v128.load(s, 16)) << 16)));
}

export function vmovmskps(d: usize, s: usize, i: i32): void {
  store<u64>(d, <u64>(<u32>i32x4.bitmask(v128.load(s)) | (<u32>i32x4.bitmask(v128.load(s, 16)) << 4)));
}

export function vmovmskpd(d: usize, s: usize, i: i32): void {
  store<u64>(d, <u64>(<u32>i64x2.bitmask(v128.load(s)) | (<u32>i64x2.bitmask(v128.load(s, 16)) << 2)));
}

/** A count beyond the width gives 0, and of PSRAVD the sign. */
export function vpsllvd(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 16; n += 4) {
    const count = load<u32>(s + n);
    store<u32>(d + n, count > 31 ? 0 : load<u32>(d + n) << count);
  }
}

export function vpsrlvd(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 16; n += 4) {
    const count = load<u32>(s + n);
    store<u32>(d + n, count > 31 ? 0 : load<u32>(d + n) >> count);
  }
}

export function vpsravd(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 16; n += 4) {
    const count = load<u32>(s + n);
    store<i32>(d + n, load<i32>(d + n) >> (count > 31 ? 31 : count));
  }
}

export function vpsllvq(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 16; n += 8) {
    const count = load<u64>(s + n);
    store<u64>(d + n, count > 63 ? 0 : load<u64>(d + n) << count);
  }
}

export function vpsrlvq(d: usize, s: usize, i: i32): void {
  for (let n: usize = 0; n < 16; n += 8) {
    const count = load<u64>(s + n);
    store<u64>(d + n, count > 63 ? 0 : load<u64>(d + n) >> count);
  }
}

// The mask that they leave in XMM0 is of 128 bits.

export function vpcmpestrm(d: usize, s: usize, i: i32): void {
  pcmpestrm(d, s, i);
  v128.store(xmm(0), i64x2.splat(0), 16);
}

export function vpcmpestrm64(d: usize, s: usize, i: i32): void {
  pcmpestrm64(d, s, i);
  v128.store(xmm(0), i64x2.splat(0), 16);
}

export function vpcmpistrm(d: usize, s: usize, i: i32): void {
  pcmpistrm(d, s, i);
  v128.store(xmm(0), i64x2.splat(0), 16);
}

/** Outside 64-bit mode there are eight registers. */
function registers(): usize {
  return load<u32>(cpu + MODE) == MODE_64 ? 16 : 8;
}

export function vzeroupper(u: usize): void {
  checkAvx();
  const count = registers();
  for (let n: usize = 0; n < count; n++) v128.store(xmm(n), i64x2.splat(0), 16);
}

export function vzeroall(u: usize): void {
  checkAvx();
  const count = registers();
  for (let n: usize = 0; n < count; n++) both(xmm(n), i64x2.splat(0));
}
