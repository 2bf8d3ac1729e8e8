// Access to MMX registers as the lower halves of vectors.

/** The quadword at `address`, zero-extended. */
// @ts-ignore: decorator
@inline
export function low(address: usize): v128 {
  return v128.load64_zero(address);
}

/** Stores the lower quadword of `value`. */
// @ts-ignore: decorator
@inline
export function setLow(address: usize, value: v128): void {
  v128.store64_lane(address, value, 0);
}

/** The quadwords at two addresses as one vector. */
// @ts-ignore: decorator
@inline
export function joined(lower: usize, upper: usize): v128 {
  return v128.load64_lane(upper, v128.load64_zero(lower), 1);
}

/** Each byte's own index. */
// @ts-ignore: decorator
@inline
export function positions(): v128 {
  return i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
