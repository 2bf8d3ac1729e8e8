/** Numbers below a limit, the same ones for the same seed [Marsaglia, "Xorshift RNGs"]. */
export function seededNumbers(seed: number): (limit: number) => number {
  let state = (seed ^ 0x9e37_79b9) | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
