// CRC32 [SDM vol. 2]: the remainder of dividing by the Castagnoli polynomial 0x11EDC6F41, bits reflected. Without a
// table (the core has no static data): Barrett's reduction, two carry-less products by constants.

/** floor(x^96 / P) without its highest bit, reflected. */
const QUOTIENT: u64 = 0x4869ec38dea713f1;
/** P, reflected, 33 bits. */
const POLYNOMIAL: u64 = 0x105ec76f1;

export function crc32_8(d: usize, s: usize, i: i32): void {
  const sum: u64 = load<u32>(d);
  store<u64>(d, remainder((sum ^ load<u8>(s)) << 56) ^ (sum >> 8));
}

export function crc32_16(d: usize, s: usize, i: i32): void {
  const sum: u64 = load<u32>(d);
  store<u64>(d, remainder((sum ^ load<u16>(s)) << 48) ^ (sum >> 16));
}

export function crc32_32(d: usize, s: usize, i: i32): void {
  store<u64>(d, remainder((<u64>load<u32>(d) ^ load<u32>(s)) << 32));
}

export function crc32_64(d: usize, s: usize, i: i32): void {
  store<u64>(d, remainder(<u64>load<u32>(d) ^ load<u64>(s)));
}

/**
 * (V · x^32) mod P, where bit n of `value` is V's coefficient of x^(63-n). Of the quotient only the last 32
 * coefficients matter to the remainder; reflected they are the upper half of the product's lower 64 bits.
 */
function remainder(value: u64): u64 {
  return carryless(carryless(value, QUOTIENT) >> 32, POLYNOMIAL) >> 32;
}

/**
 * The lower 64 bits of a carry-less product. Every fourth bit of each factor at a time, carries stay in the three bits
 * between and are masked away.
 */
// @ts-ignore: decorator
@inline
function carryless(a: u64, b: u64): u64 {
  const m0: u64 = 0x1111111111111111;
  const m1: u64 = 0x2222222222222222;
  const m2: u64 = 0x4444444444444444;
  const m3: u64 = 0x8888888888888888;
  const a0 = a & m0, a1 = a & m1, a2 = a & m2, a3 = a & m3;
  const b0 = b & m0, b1 = b & m1, b2 = b & m2, b3 = b & m3;
  return (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & m0)
    | (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & m1)
    | (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & m2)
    | (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & m3);
}
