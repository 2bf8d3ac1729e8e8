/**
 * Numbers for IPv6 addresses, above those of IPv4, so that the tables of a NAT network are keyed by numbers alone. A
 * number is never given again. There are at most so many at once: the one that was seen longest ago is forgotten, and
 * what was keyed by it hears no more, as if its packets were lost.
 */
import { IPV6_ADDRESS_BYTES } from '../../protocols/ip.ts';
import { addBytes } from '../packet/checksum.ts';

export const MAXIMUM_IPV6_ADDRESSES = 32_768;
const FIRST_NUMBER = 0x1_0000_0000;

export interface Ipv6Address {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** As the system writes it [RFC 5952]. */
  readonly text: string;
  /** Of its words, for checksums. */
  readonly sum: number;
}

export function isIpv6(address: number): boolean {
  return address >= FIRST_NUMBER;
}

export class Ipv6Addresses {
  readonly #byKey = new Map<string, Ipv6Address>();
  readonly #byNumber = new Map<number, Ipv6Address>();
  #next = FIRST_NUMBER;

  /** The number of the address at `at`. */
  numberOf(view: DataView, at: number): number {
    const key = keyOf(view, at);
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      // Last in order of use, but not for every packet.
      if (this.#next - known.number > MAXIMUM_IPV6_ADDRESSES / 2) {
        this.#byKey.delete(key);
        this.#byKey.set(key, known);
      }
      return known.number;
    }
    if (this.#byKey.size >= MAXIMUM_IPV6_ADDRESSES) this.#forgetOldest();
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, IPV6_ADDRESS_BYTES).slice();
    const address = { number: this.#next++, bytes, text: ipv6Text(bytes), sum: addBytes(0, bytes, 0, bytes.length) };
    this.#byKey.set(key, address);
    this.#byNumber.set(address.number, address);
    return address.number;
  }

  numberOfBytes(bytes: Uint8Array): number {
    return this.numberOf(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  }

  /** Undefined when it was forgotten. */
  get(number: number): Ipv6Address | undefined {
    return this.#byNumber.get(number);
  }

  #forgetOldest(): void {
    for (const [key, { number }] of this.#byKey) {
      this.#byKey.delete(key);
      this.#byNumber.delete(number);
      return;
    }
  }
}

function keyOf(view: DataView, at: number): string {
  return `${view.getUint32(at)},${view.getUint32(at + 4)},${view.getUint32(at + 8)},${view.getUint32(at + 12)}`;
}

/** Eight groups, the longest run of two or more that are zero left out [RFC 5952, 4]. */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!);
  let [from, count] = [-1, 1];
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > count) [from, count] = [start, end - start];
  }
  const text = (some: readonly number[]): string => some.map((group) => group.toString(16)).join(':');
  return from < 0 ? text(groups) : `${text(groups.slice(0, from))}::${text(groups.slice(from + count))}`;
}
