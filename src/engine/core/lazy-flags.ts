// Flags as translated code keeps them: a kind and two values, from which FLAGS_RESULT and FLAGS_AUX (flags.ts) are made
// when somebody wants them.
//
//   0  the processor's flags are as they are      1  a is FLAGS_RESULT, b is FLAGS_AUX
//   4 + s  a + b      8 + s  a - b      12 + s  a is the result of a logical operation
//
// where s is the log2 of the operand's bytes. Operands and logical results are zero-extended from their size.

import { FLAGS_AUX, FLAGS_RESULT, LAZY_A, LAZY_B, LAZY_KIND } from "./layout";
import { cpu } from "./cpu";
import { signedOf } from "./operand";

export function lazyResult(kind: u32, a: u64, b: u64): u64 {
  if (kind < 4) return a;
  const value = kind < 8 ? a + b : kind < 12 ? a - b : a;
  return <u64>signedOf(value, kind & 3);
}

export function lazyAux(kind: u32, a: u64, b: u64): u32 {
  if (kind < 4) return <u32>b;
  if (kind >= 12) return 0;
  const carries = kind < 8 ? (a & b) | ((a | b) & ~(a + b)) : (~a & b) | ((~a | b) & (a - b));
  return (<u32>carries & 8) | ((<u32>(carries >> <u64>((8 << (kind & 3)) - 2)) & 3) << 30);
}

/** A condition code's value, 1 or 0. */
export function lazyCondition(code: u32, kind: u32, a: u64, b: u64): u32 {
  const result = lazyResult(kind, a, b);
  const aux = lazyAux(kind, a, b);
  const overflow = ((aux >> 31) ^ (aux >> 30)) & 1;
  const zero = u32(result == 0);
  const sign = <u32>(result >> 63) ^ ((aux >> 16) & 1);
  let value: u32 = 0;
  switch (code >> 1) {
    case 0: { value = overflow; break; }
    case 1: { value = aux >> 31; break; }
    case 2: { value = zero; break; }
    case 3: { value = (aux >> 31) | zero; break; }
    case 4: { value = sign; break; }
    case 5: { value = (popcnt<u32>((<u32>result ^ (aux >> 8)) & 0xff) & 1) ^ 1; break; }
    case 6: { value = sign ^ overflow; break; }
    default: { value = zero | (sign ^ overflow); }
  }
  return value ^ (code & 1);
}

/** Hands the processor's flags to a region. */
export function lendFlags(): void {
  store<u32>(cpu + LAZY_KIND, 1);
  store<u64>(cpu + LAZY_A, load<u64>(cpu + FLAGS_RESULT));
  store<u64>(cpu + LAZY_B, <u64>load<u32>(cpu + FLAGS_AUX));
}

/** Makes the processor's flags of what a region has left. */
export function settleFlags(): void {
  const kind = load<u32>(cpu + LAZY_KIND);
  if (kind == 0) return;
  const a = load<u64>(cpu + LAZY_A);
  const b = load<u64>(cpu + LAZY_B);
  store<u32>(cpu + LAZY_KIND, 0);
  store<u64>(cpu + FLAGS_RESULT, lazyResult(kind, a, b));
  store<u32>(cpu + FLAGS_AUX, lazyAux(kind, a, b));
}
