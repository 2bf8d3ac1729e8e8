// Unsigned 128-bit arithmetic: what softfloat needs beyond 64 bits. WebAssembly returns one value, so a second one is
// left in a global (`low`, `remainder`) that the caller reads at once.

/** Low half of the last product, sum, difference or shift. */
export let low: u64 = 0;
/** Remainder of the last division. */
export let remainder: u64 = 0;

/** a × b: returns the high half, leaves the low one in `low`. */
export function multiplyWide(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const ll = al * bl;
  const middle = ah * bl + (ll >> 32);
  const cross = al * bh + (middle & 0xffffffff);
  low = (cross << 32) | (ll & 0xffffffff);
  return ah * bh + (middle >> 32) + (cross >> 32);
}

/** (ah:al) × (bh:bl): returns the top 64 of 256 bits, leaves the next 64 in `low`, with bit 0 set for anything lost. */
export function multiplyTop(ah: u64, al: u64, bh: u64, bl: u64): u64 {
  let lost = multiplyWide(al, bl);
  let sticky = low;
  let h1 = multiplyWide(ah, bl);
  lost += low;
  if (lost < low) h1++;
  let h2 = multiplyWide(al, bh);
  lost += low;
  if (lost < low) h2++;
  sticky |= lost;
  let top = multiplyWide(ah, bh);
  let next = low + h1;
  if (next < h1) top++;
  next += h2;
  if (next < h2) top++;
  low = next | u64(sticky != 0);
  return top;
}

/** hi:lo ÷ d for hi < d and d with its top bit set: returns the quotient, leaves the remainder in `remainder`. */
export function divideWide(hi: u64, lo: u64, d: u64): u64 {
  const dh = d >> 32;
  const dl = d & 0xffffffff;
  let q1 = hi / dh;
  let rest = hi - q1 * dh;
  while (q1 >> 32 != 0 || q1 * dl > ((rest << 32) | (lo >> 32))) {
    q1--;
    rest += dh;
    if (rest >> 32 != 0) break;
  }
  const partial = ((hi << 32) | (lo >> 32)) - q1 * d;
  let q0 = partial / dh;
  rest = partial - q0 * dh;
  while (q0 >> 32 != 0 || q0 * dl > ((rest << 32) | (lo & 0xffffffff))) {
    q0--;
    rest += dh;
    if (rest >> 32 != 0) break;
  }
  remainder = ((partial << 32) | (lo & 0xffffffff)) - q0 * d;
  return (q1 << 32) + q0;
}

/** hi:lo ÷ n for n below 2³¹: returns the quotient's high half, leaves its low one in `low`. */
export function divideSmall(hi: u64, lo: u64, n: u64): u64 {
  const high = hi / n;
  const upper = ((hi - high * n) << 32) | (lo >> 32);
  const middle = upper / n;
  const lower = ((upper - middle * n) << 32) | (lo & 0xffffffff);
  low = (middle << 32) + lower / n;
  return high;
}

/** hi:lo shifted right, bit 0 of the result set for anything lost. */
export function shiftRightSticky(hi: u64, lo: u64, count: u32): u64 {
  if (count == 0) {
    low = lo;
    return hi;
  }
  if (count < 64) {
    low = (hi << (64 - count)) | (lo >> count) | u64(lo << (64 - count) != 0);
    return hi >> count;
  }
  if (count == 64) {
    low = hi | u64(lo != 0);
    return 0;
  }
  if (count < 128) {
    low = (hi >> (count - 64)) | u64((hi << (128 - count)) != 0 || lo != 0);
    return 0;
  }
  low = u64((hi | lo) != 0);
  return 0;
}

/** hi:lo shifted left by less than 128. */
export function shiftLeft(hi: u64, lo: u64, count: u32): u64 {
  if (count == 0) {
    low = lo;
    return hi;
  }
  if (count < 64) {
    low = lo << count;
    return (hi << count) | (lo >> (64 - count));
  }
  low = 0;
  return lo << (count - 64);
}

export function addWide(ah: u64, al: u64, bh: u64, bl: u64): u64 {
  low = al + bl;
  return ah + bh + u64(low < bl);
}

export function subtractWide(ah: u64, al: u64, bh: u64, bl: u64): u64 {
  low = al - bl;
  return ah - bh - u64(al < bl);
}
