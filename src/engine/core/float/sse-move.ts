// SSE moves, shuffles, blends and logic on packed floating-point data (SDM volume 2, MOVAPS … XORPS): bits only, no
// arithmetic, so no exceptions and no MXCSR. Forms that do the same to bits share a handler.

import { xmm } from "../cpu";

/** MOVAPS, MOVUPS, MOVAPD, MOVUPD, MOVNTPS, MOVNTPD in both directions. */
export function movps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.load(s));
}

/** MOVSS from memory: the rest of the register becomes zero. */
export function movssLoad(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.load32_zero(s));
}

/** MOVSS to memory, and between registers: the rest of the register stays. */
export function movss(d: usize, s: usize, i: i32): void {
  store<u32>(d, load<u32>(s));
}

/** MOVSD from memory: the rest of the register becomes zero. */
export function movsdLoad(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.load64_zero(s));
}

/** MOVSD to memory and between registers, MOVLPS and MOVLPD: the low quadword alone. */
export function movlps(d: usize, s: usize, i: i32): void {
  store<u64>(d, load<u64>(s));
}

/** MOVHPS and MOVHPD from memory, and MOVLHPS: a low quadword goes to the high one. */
export function movhps(d: usize, s: usize, i: i32): void {
  store<u64>(d, load<u64>(s), 8);
}

/** MOVHPS and MOVHPD to memory, and MOVHLPS: the high quadword goes to a low one. */
export function movhlps(d: usize, s: usize, i: i32): void {
  store<u64>(d, load<u64>(s, 8));
}

export function movddup(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.load64_splat(s));
}

export function movsldup(d: usize, s: usize, i: i32): void {
  const a = v128.load(s);
  v128.store(d, v128.shuffle<u32>(a, a, 0, 0, 2, 2));
}

export function movshdup(d: usize, s: usize, i: i32): void {
  const a = v128.load(s);
  v128.store(d, v128.shuffle<u32>(a, a, 1, 1, 3, 3));
}

export function movmskps(d: usize, s: usize, i: i32): void {
  store<u64>(d, <u64>(<u32>i32x4.bitmask(v128.load(s))));
}

export function movmskpd(d: usize, s: usize, i: i32): void {
  store<u64>(d, <u64>(<u32>i64x2.bitmask(v128.load(s))));
}

export function andps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.and(v128.load(d), v128.load(s)));
}

export function andnps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.andnot(v128.load(s), v128.load(d)));
}

export function orps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.or(v128.load(d), v128.load(s)));
}

export function xorps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.xor(v128.load(d), v128.load(s)));
}

export function unpcklps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.shuffle<u32>(v128.load(d), v128.load(s), 0, 4, 1, 5));
}

export function unpckhps(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.shuffle<u32>(v128.load(d), v128.load(s), 2, 6, 3, 7));
}

export function unpcklpd(d: usize, s: usize, i: i32): void {
  store<u64>(d, load<u64>(s), 8);
}

export function unpckhpd(d: usize, s: usize, i: i32): void {
  v128.store(d, v128.shuffle<u64>(v128.load(d), v128.load(s), 1, 3));
}

export function shufps(d: usize, s: usize, i: i32): void {
  const a = load<u32>(d + ((i & 3) << 2));
  const b = load<u32>(d + (((i >> 2) & 3) << 2));
  const c = load<u32>(s + (((i >> 4) & 3) << 2));
  const e = load<u32>(s + (((i >> 6) & 3) << 2));
  store<u64>(d, <u64>a | (<u64>b << 32));
  store<u64>(d, <u64>c | (<u64>e << 32), 8);
}

export function shufpd(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d + ((i & 1) << 3));
  const b = load<u64>(s + (((i >> 1) & 1) << 3));
  store<u64>(d, a);
  store<u64>(d, b, 8);
}

export function blendps(d: usize, s: usize, i: i32): void {
  for (let n = 0; n < 4; n++) {
    if ((i >> n) & 1) store<u32>(d + (n << 2), load<u32>(s + (n << 2)));
  }
}

export function blendpd(d: usize, s: usize, i: i32): void {
  if (i & 1) store<u64>(d, load<u64>(s));
  if (i & 2) store<u64>(d, load<u64>(s, 8), 8);
}

export function blendvps(d: usize, s: usize, i: i32): void {
  const mask = i32x4.shr_s(v128.load(xmm(0)), 31);
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), mask));
}

export function blendvpd(d: usize, s: usize, i: i32): void {
  const mask = i64x2.shr_s(v128.load(xmm(0)), 63);
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), mask));
}

/** EXTRACTPS: a register gets it zero-extended; of a memory scratch only 4 bytes are copied on. */
export function extractps(d: usize, s: usize, i: i32): void {
  store<u64>(d, <u64>load<u32>(s + ((i & 3) << 2)));
}

/** INSERTPS from a register: bits 7..6 choose the source element. */
export function insertps(d: usize, s: usize, i: i32): void {
  insertElement(d, load<u32>(s + (((i >> 6) & 3) << 2)), i);
}

/** INSERTPS from memory: the one element there. */
export function insertpsLoad(d: usize, s: usize, i: i32): void {
  insertElement(d, load<u32>(s), i);
}

function insertElement(d: usize, value: u32, i: i32): void {
  store<u32>(d + (((i >> 4) & 3) << 2), value);
  for (let n = 0; n < 4; n++) {
    if ((i >> n) & 1) store<u32>(d + (n << 2), 0);
  }
}
