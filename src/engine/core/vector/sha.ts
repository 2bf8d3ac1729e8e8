// SHA extensions [SDM vol. 2: SHA1*, SHA256*; FIPS 180-4]. Working variables and messages lie in vectors with the first
// one in the highest doubleword.

import { xmm } from "../cpu";

// @ts-ignore: decorator
@inline
function lane0(x: v128): u32 { return i32x4.extract_lane(x, 0); }
// @ts-ignore: decorator
@inline
function lane1(x: v128): u32 { return i32x4.extract_lane(x, 1); }
// @ts-ignore: decorator
@inline
function lane2(x: v128): u32 { return i32x4.extract_lane(x, 2); }
// @ts-ignore: decorator
@inline
function lane3(x: v128): u32 { return i32x4.extract_lane(x, 3); }

// @ts-ignore: decorator
@inline
function joined(w0: u32, w1: u32, w2: u32, w3: u32): v128 {
  const low = i32x4.replace_lane(i32x4.splat(w0), 1, w1);
  return i32x4.replace_lane(i32x4.replace_lane(low, 2, w2), 3, w3);
}

export function sha1NextE(d: v128, s: v128): v128 {
  return i32x4.replace_lane(s, 3, lane3(s) + rotl<u32>(lane3(d), 30));
}

export function sha1Message1(d: v128, s: v128): v128 {
  return v128.xor(d, v128.shuffle<i64>(s, d, 1, 2));
}

export function sha1Message2(d: v128, s: v128): v128 {
  const w16 = rotl<u32>(lane3(d) ^ lane2(s), 1);
  const w17 = rotl<u32>(lane2(d) ^ lane1(s), 1);
  const w18 = rotl<u32>(lane1(d) ^ lane0(s), 1);
  return joined(rotl<u32>(lane0(d) ^ w16, 1), w18, w17, w16);
}

/** FIPS 180-4, 4.1.1. */
// @ts-ignore: decorator
@inline
function mixed(b: u32, c: u32, d: u32, phase: u32): u32 {
  return phase == 0 ? (b & c) ^ (~b & d) : phase == 2 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d;
}

/** Four rounds; the first message has e added already. */
export function sha1Rounds(state: v128, messages: v128, i: u32): v128 {
  const phase = i & 3;
  // FIPS 180-4, 4.2.1.
  const constant: u32 = phase == 0 ? 0x5a827999 : phase == 1 ? 0x6ed9eba1 : phase == 2 ? 0x8f1bbcdc : 0xca62c1d6;
  const a = lane3(state);
  const b = lane2(state);
  const c = lane1(state);
  const d = lane0(state);
  const first = mixed(b, c, d, phase) + rotl<u32>(a, 5) + lane3(messages) + constant;
  const b2 = rotl<u32>(b, 30);
  const second = mixed(a, b2, c, phase) + rotl<u32>(first, 5) + lane2(messages) + d + constant;
  const a2 = rotl<u32>(a, 30);
  const third = mixed(first, a2, b2, phase) + rotl<u32>(second, 5) + lane1(messages) + c + constant;
  const first2 = rotl<u32>(first, 30);
  const fourth = mixed(second, first2, a2, phase) + rotl<u32>(third, 5) + lane0(messages) + b2 + constant;
  return joined(first2, rotl<u32>(second, 30), third, fourth);
}

/** FIPS 180-4, 4.1.2. */
// @ts-ignore: decorator
@inline
function chosen(e: u32, f: u32, g: u32): u32 {
  return (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + ((e & f) ^ (~e & g));
}

// @ts-ignore: decorator
@inline
function majority(a: u32, b: u32, c: u32): u32 {
  return (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

/** Two rounds of C D G H in `cdgh`, A B E F in `abef`, with two sums of message and constant. */
export function sha256Rounds(cdgh: v128, abef: v128, sums: v128): v128 {
  const a = lane3(abef);
  const b = lane2(abef);
  const e = lane1(abef);
  const f = lane0(abef);
  const c = lane3(cdgh);
  const g = lane1(cdgh);
  const first = lane0(cdgh) + chosen(e, f, g) + lane0(sums);
  const a1 = first + majority(a, b, c);
  const e1 = lane2(cdgh) + first;
  const second = g + chosen(e1, e, f) + lane1(sums);
  return joined(e1, c + second, a1, second + majority(a1, a, b));
}

// @ts-ignore: decorator
@inline
function rotatedRight(x: v128, by: i32): v128 {
  return v128.or(i32x4.shr_u(x, by), i32x4.shl(x, 32 - by));
}

export function sha256Message1(w: v128, s: v128): v128 {
  const next = v128.shuffle<i32>(w, s, 1, 2, 3, 4);
  const sigma = v128.xor(v128.xor(rotatedRight(next, 7), rotatedRight(next, 18)), i32x4.shr_u(next, 3));
  return i32x4.add(w, sigma);
}

// @ts-ignore: decorator
@inline
function sigma(w: u32): u32 {
  return rotr<u32>(w, 17) ^ rotr<u32>(w, 19) ^ (w >> 10);
}

export function sha256Message2(d: v128, s: v128): v128 {
  const w16 = lane0(d) + sigma(lane2(s));
  const w17 = lane1(d) + sigma(lane3(s));
  return joined(w16, w17, lane2(d) + sigma(w16), lane3(d) + sigma(w17));
}

export function sha1nexte(d: usize, s: usize, i: i32): void {
  v128.store(d, sha1NextE(v128.load(d), v128.load(s)));
}

export function sha1msg1(d: usize, s: usize, i: i32): void {
  v128.store(d, sha1Message1(v128.load(d), v128.load(s)));
}

export function sha1msg2(d: usize, s: usize, i: i32): void {
  v128.store(d, sha1Message2(v128.load(d), v128.load(s)));
}

export function sha1rnds4(d: usize, s: usize, i: i32): void {
  v128.store(d, sha1Rounds(v128.load(d), v128.load(s), <u32>i));
}

export function sha256rnds2(d: usize, s: usize, i: i32): void {
  v128.store(d, sha256Rounds(v128.load(d), v128.load(s), v128.load(xmm(0))));
}

export function sha256msg1(d: usize, s: usize, i: i32): void {
  v128.store(d, sha256Message1(v128.load(d), v128.load(s)));
}

export function sha256msg2(d: usize, s: usize, i: i32): void {
  v128.store(d, sha256Message2(v128.load(d), v128.load(s)));
}
