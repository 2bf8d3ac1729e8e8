// Arithmetic flags, kept lazily as the last result and the carries that made it:
//
//   FLAGS_RESULT  i64  the result, sign-extended: ZF is result == 0, SF its sign, PF its low byte's parity
//   FLAGS_AUX     u32  31: carry out of the top bit (CF) · 30: carry into the top bit (OF = bit 31 ^ bit 30)
//                      3: carry out of bit 3 (AF) · 15..8: xored into the byte whose parity is PF
//                      16: xored into SF
//
// PF and SF deltas exist so that any combination of flags can be represented (POPF, SAHF, COMISD).

import { AF, CF, FLAGS_AUX, FLAGS_RESULT, OF, PF, RFLAGS, SF, ZF } from "./layout";
import { cpu } from "./cpu";

// Of a processor whose address is at hand, which a loop keeps in a register.

// @ts-ignore: decorator
@inline
export function carry(c: usize = cpu): u32 {
  return load<u32>(c + FLAGS_AUX) >> 31;
}

// @ts-ignore: decorator
@inline
export function overflow(c: usize = cpu): u32 {
  const aux = load<u32>(c + FLAGS_AUX);
  return ((aux >> 31) ^ (aux >> 30)) & 1;
}

// @ts-ignore: decorator
@inline
export function zero(c: usize = cpu): u32 {
  return u32(load<i64>(c + FLAGS_RESULT) == 0);
}

// @ts-ignore: decorator
@inline
export function sign(c: usize = cpu): u32 {
  return u32(load<u64>(c + FLAGS_RESULT) >> 63) ^ ((load<u32>(c + FLAGS_AUX) >> 16) & 1);
}

// @ts-ignore: decorator
@inline
export function parity(c: usize = cpu): u32 {
  const aux = load<u32>(c + FLAGS_AUX);
  return (popcnt<u32>((load<u32>(c + FLAGS_RESULT) ^ (aux >> 8)) & 0xff) & 1) ^ 1;
}

// @ts-ignore: decorator
@inline
export function adjust(): u32 {
  return (load<u32>(cpu + FLAGS_AUX) >> 3) & 1;
}

/** The six arithmetic flags at their RFLAGS positions. */
export function arithmeticFlags(): u32 {
  return carry() | (parity() << 2) | (adjust() << 4) | (zero() << 6) | (sign() << 7) | (overflow() << 11);
}

/** Sets the six arithmetic flags from their RFLAGS positions; other bits of `flags` are ignored. */
export function setArithmeticFlags(flags: u32): void {
  // ZF set: result 0, whose SF is 0 and whose PF is 1; clear: result 1 (SF 0, PF 0). Deltas make up the rest.
  const z = (flags & ZF) != 0;
  const parityDelta: u32 = (z ? u32((flags & PF) == 0) : u32((flags & PF) != 0)) << 8;
  const c = flags & CF;
  const carryIn: u32 = c ^ ((flags & OF) >> 11);
  store<i64>(cpu + FLAGS_RESULT, z ? 0 : 1);
  store<u32>(
    cpu + FLAGS_AUX,
    (c << 31) | (carryIn << 30) | (((flags & AF) >> 4) << 3) | parityDelta | (((flags & SF) >> 7) << 16)
  );
}

/** RFLAGS as the guest sees it. */
export function readFlags(): u32 {
  return load<u32>(cpu + RFLAGS) | 2 | arithmeticFlags();
}
