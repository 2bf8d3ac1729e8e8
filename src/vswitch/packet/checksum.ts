/**
 * The internet checksum [RFC 1071]. Sums are plain numbers that grow: up to 64 KiB of data and a pseudo-header stay far
 * below 2^53, so carries are folded once, at the end.
 */

/** Adds `length` bytes as big-endian words; an odd last byte counts as if a zero followed. */
export function addBytes(sum: number, buffer: Uint8Array, offset: number, length: number): number {
  const end = offset + (length & ~1);
  let total = sum;
  for (let at = offset; at < end; at += 2) total += (buffer[at]! << 8) | buffer[at + 1]!;
  return (length & 1) === 1 ? total + (buffer[end]! << 8) : total;
}

export function addWord32(sum: number, value: number): number {
  return sum + (value >>> 16) + (value & 0xffff);
}

/** The field's value for a sum; 0 when the sum already holds a right checksum. */
export function finish(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}

/** The sum of what TCP and UDP put in front of themselves [RFC 9293, 3.1]. */
export function pseudoHeader(source: number, destination: number, protocol: number, length: number): number {
  return addWord32(addWord32(protocol + length, source), destination);
}
