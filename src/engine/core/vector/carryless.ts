// PCLMULQDQ [SDM vol. 2]: products of polynomials over GF(2), by integer products of operands with three zeros between
// their bits: sums of at most sixteen bits do not reach the next one that counts, or fall out at the top.

const FIRST: u64 = 0x1111111111111111;
const SECOND: u64 = 0x2222222222222222;
const THIRD: u64 = 0x4444444444444444;
const FOURTH: u64 = 0x8888888888888888;

/** The lower 64 bits of the product. */
function lowerProduct(a: u64, b: u64): u64 {
  const a0 = a & FIRST;
  const a1 = a & SECOND;
  const a2 = a & THIRD;
  const a3 = a & FOURTH;
  const b0 = b & FIRST;
  const b1 = b & SECOND;
  const b2 = b & THIRD;
  const b3 = b & FOURTH;
  return (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & FIRST)
    | (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & SECOND)
    | (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & THIRD)
    | (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & FOURTH);
}

function reversed(value: u64): u64 {
  let v = value;
  v = ((v & 0x5555555555555555) << 1) | ((v >> 1) & 0x5555555555555555);
  v = ((v & 0x3333333333333333) << 2) | ((v >> 2) & 0x3333333333333333);
  v = ((v & 0x0f0f0f0f0f0f0f0f) << 4) | ((v >> 4) & 0x0f0f0f0f0f0f0f0f);
  return bswap<u64>(v);
}

/** The upper half is the lower half of the mirrored operands' product, mirrored. */
export function carrylessProduct(a: u64, b: u64): v128 {
  const upper = reversed(lowerProduct(reversed(a), reversed(b))) >> 1;
  return i64x2.replace_lane(i64x2.splat(<i64>lowerProduct(a, b)), 1, <i64>upper);
}

export function pclmulqdq(d: usize, s: usize, i: i32): void {
  const a = load<u64>(d + ((i & 1) << 3));
  const b = load<u64>(s + ((i & 16) >> 1));
  v128.store(d, carrylessProduct(a, b));
}
