/**
 * The only results that may differ from the host's: processors of different makers, and models of one maker, give
 * different ones within what the manuals promise.
 *
 * | instructions                                       | error promised                | difference allowed |
 * | RCPPS RCPSS RSQRTPS RSQRTSS                        | below 1.5 × 2^-12             | 1.5 × 2^-11        |
 * | FSIN FCOS FSINCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1 | below 1 ulp of 64 bits        | 2^-60              |
 *
 * undefined.ts applies them, and with them the comparison ignores the flags that say how the result was rounded.
 */

/** Whether two numbers agree but for `tolerance`; what is no number must be the same. */
export function closeEnough(expected: DataView, actual: DataView, at: number, kind: 'extended' | 'singles',
  tolerance: number): boolean {
  if (kind === 'singles') {
    return [at, at + 4].every((lane) => expected.getUint32(lane, true) === actual.getUint32(lane, true)
      || closeNumbers(expected.getFloat32(lane, true), actual.getFloat32(lane, true), tolerance));
  }
  const [first, second] = [expected, actual].map((view) => ({
    exponent: view.getUint16(at + 8, true), mantissa: view.getBigUint64(at, true),
  })) as [Extended, Extended];
  if (first.exponent === second.exponent && first.mantissa === second.mantissa) return true;
  if ((first.exponent & 0x7fff) === 0x7fff || (first.exponent ^ second.exponent) >> 15 !== 0) return false;
  // As integers, sixteen units of the last place apart at most; numbers next to a power of two differ in exponent.
  const place = ({ exponent, mantissa }: Extended): bigint =>
    (BigInt(exponent & 0x7fff) << 63n) + (mantissa & ~(1n << 63n));
  const distance = place(first) - place(second);
  return (distance < 0n ? -distance : distance) <= BigInt(Math.round(tolerance * 2 ** 64));
}

interface Extended {
  readonly exponent: number;
  readonly mantissa: bigint;
}

function closeNumbers(first: number, second: number, tolerance: number): boolean {
  return Number.isFinite(first) && Number.isFinite(second) && Math.abs(first - second) <= Math.abs(first) * tolerance;
}
