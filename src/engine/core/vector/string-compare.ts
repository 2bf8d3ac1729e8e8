// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM [SDM vol. 2, "Imm8 control byte operation"]. Comparisons of bytes or
// words, one bit an element: `first` holds a set, ranges or a needle, `second` the text that is searched.

import { cpu, xmm } from "../cpu";
import { setArithmeticFlags } from "../flags";
import { CF, OF, RAX, RCX, RDX, SF, ZF } from "../layout";

export function pcmpestri(d: usize, s: usize, i: i32): void {
  setIndex(compare(d, s, i, explicit(load<i32>(cpu + RAX), i), explicit(load<i32>(cpu + RDX), i)), i);
}

export function pcmpestri64(d: usize, s: usize, i: i32): void {
  setIndex(compare(d, s, i, explicit(load<i64>(cpu + RAX), i), explicit(load<i64>(cpu + RDX), i)), i);
}

export function pcmpistri(d: usize, s: usize, i: i32): void {
  setIndex(compare(d, s, i, implicit(d, i), implicit(s, i)), i);
}

export function pcmpestrm(d: usize, s: usize, i: i32): void {
  setMask(compare(d, s, i, explicit(load<i32>(cpu + RAX), i), explicit(load<i32>(cpu + RDX), i)), i);
}

export function pcmpestrm64(d: usize, s: usize, i: i32): void {
  setMask(compare(d, s, i, explicit(load<i64>(cpu + RAX), i), explicit(load<i64>(cpu + RDX), i)), i);
}

export function pcmpistrm(d: usize, s: usize, i: i32): void {
  setMask(compare(d, s, i, implicit(d, i), implicit(s, i)), i);
}

// @ts-ignore: decorator
@inline
function count(control: i32): u32 {
  return control & 1 ? 8 : 16;
}

/** A length given in a register: its absolute value, saturated. */
function explicit(length: i64, control: i32): u32 {
  return u32(min<u64>(length < 0 ? 0 - length : length, count(control)));
}

/** The length of a string that ends before its first zero element. */
function implicit(address: usize, control: i32): u32 {
  return u32(ctz<u32>(equal(v128.load(address), i64x2.splat(0), control) | (1 << count(control))));
}

/** One bit an element: equal. */
// @ts-ignore: decorator
@inline
function equal(a: v128, b: v128, control: i32): u32 {
  return u32(control & 1 ? i16x8.bitmask(i16x8.eq(a, b)) : i8x16.bitmask(i8x16.eq(a, b)));
}

/** Element `n` at `address`, in every lane. */
// @ts-ignore: decorator
@inline
function every(address: usize, n: u32, control: i32): v128 {
  return control & 1 ? i16x8.splat(load<i16>(address + (n << 1))) : i8x16.splat(load<i8>(address + n));
}

/** Compares, sets the flags, and returns one bit an element of `second`: the manual's IntRes2. */
function compare(first: usize, second: usize, control: i32, firstLength: u32, secondLength: u32): u32 {
  const total = count(control);
  const all: u32 = (1 << total) - 1;
  const valid: u32 = (1 << secondLength) - 1;
  let result: u32;
  switch ((control >> 2) & 3) {
    case 0: result = anyOf(first, second, control, firstLength) & valid; break;
    case 1: result = inRanges(first, second, control, firstLength) & valid; break;
    case 2: result = same(first, second, control, (1 << firstLength) - 1, valid) & all; break;
    default: result = occurrences(first, second, control, firstLength, valid) & all;
  }
  const polarity = (control >> 4) & 3;
  if (polarity == 1) result ^= all;
  if (polarity == 3) result ^= valid;
  setArithmeticFlags(
    (result ? CF : 0) | (secondLength < total ? ZF : 0) | (firstLength < total ? SF : 0) | (result & 1 ? OF : 0)
  );
  return result;
}

/** Elements of `second` that are one of `first`. */
function anyOf(first: usize, second: usize, control: i32, length: u32): u32 {
  const text = v128.load(second);
  let result: u32 = 0;
  for (let n: u32 = 0; n < length; n++) result |= equal(text, every(first, n, control), control);
  return result;
}

/** Elements of `second` in one of the inclusive ranges whose two ends are neighbours in `first`. */
function inRanges(first: usize, second: usize, control: i32, length: u32): u32 {
  // Signed comparison serves unsigned elements when their top bits are inverted.
  const bias = control & 2 ? i64x2.splat(0) : control & 1 ? i16x8.splat(-0x8000) : i8x16.splat(-0x80);
  const text = v128.xor(v128.load(second), bias);
  let result: u32 = 0;
  for (let n: u32 = 0; n + 1 < length; n += 2) {
    const lowest = v128.xor(every(first, n, control), bias);
    const highest = v128.xor(every(first, n + 1, control), bias);
    result |= u32(
      control & 1
        ? i16x8.bitmask(v128.and(i16x8.ge_s(text, lowest), i16x8.le_s(text, highest)))
        : i8x16.bitmask(v128.and(i8x16.ge_s(text, lowest), i8x16.le_s(text, highest)))
    );
  }
  return result;
}

/** Elements that are equal, or past the end of both strings. */
function same(first: usize, second: usize, control: i32, firstValid: u32, secondValid: u32): u32 {
  const both = firstValid & secondValid;
  return (equal(v128.load(first), v128.load(second), control) & both) | ~(firstValid | secondValid);
}

/** Where in `second` the string `first` begins; a beginning cut off by the register's end counts. */
function occurrences(first: usize, second: usize, control: i32, length: u32, valid: u32): u32 {
  const beyond: u32 = ~((1 << count(control)) - 1);
  const text = v128.load(second);
  let result: u32 = ~0;
  for (let n: u32 = 0; n < length; n++) {
    const matches = (equal(text, every(first, n, control), control) & valid) | beyond;
    // Arithmetic: what is beyond the register stays beyond.
    result &= u32(i32(matches) >> n);
  }
  return result;
}

/** ECX: the first or the last set bit, or the number of elements. */
function setIndex(result: u32, control: i32): void {
  let index = count(control);
  if (result) index = u32(control & 0x40 ? 31 - clz<u32>(result) : ctz<u32>(result));
  store<u64>(cpu + RCX, index);
}

/** XMM0: the bits, or elements of all ones and all zeros. */
function setMask(result: u32, control: i32): void {
  if (!(control & 0x40)) {
    v128.store(xmm(0), i64x2.replace_lane(i64x2.splat(0), 0, i64(result)));
  } else if (control & 1) {
    const bits = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
    v128.store(xmm(0), i16x8.eq(v128.and(i16x8.splat(i16(result)), bits), bits));
  } else {
    const bits = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
    const copies = v128.shuffle<i8>(
      i16x8.splat(i16(result)), i64x2.splat(0), 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1
    );
    v128.store(xmm(0), i8x16.eq(v128.and(copies, bits), bits));
  }
}
