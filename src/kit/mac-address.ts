/** MAC addresses as text and bytes. Those that nobody gave come from the block that Hyper-V's pool is in, 00-15-5D. */

const FORM = /^[0-9a-f]{2}([-:][0-9a-f]{2}){5}$/i;
const POOL = [0x00, 0x15, 0x5d];
const POOL_SIZE = 1 << 24;

/** Six bytes separated by dashes or colons; undefined when it is no address that a NIC can have. */
export function parseMacAddress(text: string): Uint8Array | undefined {
  if (!FORM.test(text)) return undefined;
  const bytes = Uint8Array.from(text.split(/[-:]/), (pair) => Number.parseInt(pair, 16));
  return isStationAddress(bytes) ? bytes : undefined;
}

/** Neither a group's address nor all zeros. */
export function isStationAddress(bytes: Uint8Array): boolean {
  return bytes.length === 6 && ((bytes[0] as number) & 1) === 0 && bytes.some((byte) => byte !== 0);
}

export function macAddressText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('-');
}

/** The address of that number in the pool; numbers go round. */
export function poolMacAddress(number: number): Uint8Array {
  const rest = number % POOL_SIZE;
  return Uint8Array.of(...POOL, rest >>> 16, (rest >>> 8) & 0xff, rest & 0xff);
}
