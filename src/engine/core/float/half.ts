// F16C [SDM vol. 2: VCVTPH2PS, VCVTPS2PH]: numbers of 16 bits, as IEEE 754 has them. DAZ and FTZ do not hold for them.

import { MXCSR } from "../layout";
import { cpu } from "../cpu";
import { enterSse, leaveSse } from "./sse-environment";
import { DENORMAL_OPERAND, IE, masked, OE, PE, signal, UE } from "./rounding";

function widened(h: u32): u32 {
  const sign = (h & 0x8000) << 16;
  const exponent = (h >> 10) & 31;
  const fraction = h & 0x3ff;
  if (exponent == 31) {
    if (fraction == 0) return sign | 0x7f800000;
    if ((fraction & 0x200) == 0) signal(IE);
    return sign | 0x7fc00000 | (fraction << 13);
  }
  if (exponent != 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction == 0) return sign;
  const shift = clz<u32>(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

/** Whether a magnitude that lies `rest` of `unit` above one number of the format becomes the next. */
function roundsUp(mode: u32, sign: u32, odd: u32, rest: u32, unit: u32): bool {
  if (mode == 0) return rest > unit >> 1 || (rest == unit >> 1 && odd != 0);
  if (mode == 3) return false;
  return rest != 0 && (mode == 2) == (sign == 0);
}

function narrowed(f: u32, mode: u32): u32 {
  const sign = (f >> 16) & 0x8000;
  const magnitude = f & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    if ((magnitude & 0x400000) == 0) signal(IE);
    return sign | 0x7e00 | ((magnitude >> 13) & 0x1ff);
  }
  if (magnitude == 0x7f800000) return sign | 0x7c00;
  if (magnitude == 0) return sign;
  const exponent = <i32>(magnitude >> 23) - 127;
  if (exponent == -127 && (load<u32>(cpu + MXCSR) & 0x40) == 0) signal(DENORMAL_OPERAND);
  else if (exponent == -127) return sign;
  const significand = exponent == -127 ? magnitude : (magnitude & 0x7fffff) | 0x800000;
  const scale = exponent == -127 ? -126 : exponent;
  // Below the smallest normal number the unit stays what it is there.
  const drop: u32 = scale < -14 ? 13 + <u32>(-14 - scale) : 13;
  const kept = drop > 31 ? 0 : significand >> drop;
  const unit: u32 = drop > 30 ? 0x40000000 : <u32>1 << drop;
  const rest = drop > 30 ? 1 : significand & (unit - 1);
  const up = roundsUp(mode, sign, kept & 1, rest, unit);
  const base: u32 = scale < -14 ? 0 : <u32>(scale + 14) << 10;
  const result = base + kept + u32(up);
  if (scale < -14) {
    // Tiny is what would be below the smallest normal number with all bits of precision.
    const fine = significand & 0x1fff;
    const carries = scale == -15 && significand >> 13 == 0x7ff
      && roundsUp(mode, sign, 1, fine, 0x2000);
    if (!carries && (rest != 0 || (masked & UE) == 0)) signal(UE);
  }
  if (rest != 0) signal(PE);
  if (result < 0x7c00) return sign | result;
  signal(OE | PE);
  const toInfinity = mode == 0 || (mode == 2 && sign == 0) || (mode == 1 && sign != 0);
  return sign | (toInfinity ? 0x7c00 : 0x7bff);
}

export function vcvtph2ps(d: usize, s: usize, i: i32): void {
  enterSse();
  const r0 = widened(load<u16>(s));
  const r1 = widened(load<u16>(s, 2));
  const r2 = widened(load<u16>(s, 4));
  const r3 = widened(load<u16>(s, 6));
  leaveSse();
  store<u32>(d, r0);
  store<u32>(d, r1, 4);
  store<u32>(d, r2, 8);
  store<u32>(d, r3, 12);
}

/** Rounds as the immediate says, or with its bit 2 as MXCSR does. */
export function vcvtps2ph(d: usize, s: usize, i: i32): void {
  enterSse();
  const mode = (i & 4) != 0 ? (load<u32>(cpu + MXCSR) >> 13) & 3 : <u32>i & 3;
  let result: u64 = 0;
  for (let n: usize = 0; n < 4; n++) result |= <u64>narrowed(load<u32>(s + (n << 2)), mode) << (n << 4);
  leaveSse();
  store<u64>(d, result);
  store<u64>(d, 0, 8);
}
