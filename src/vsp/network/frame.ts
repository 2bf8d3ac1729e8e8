/**
 * The little that an adapter must know of what is in a frame: to give a large segment whole headers, and to complete a
 * checksum that was left half done [IEEE 802.3; RFC 791, 1071, 8200, 9293, 768]. Everything is read from a copy that
 * the guest cannot reach.
 */

const ETHERNET = 14;
const TYPE_IPV4 = 0x0800;
const TYPE_IPV6 = 0x86dd;
const TYPE_VLAN = 0x8100;
const TCP = 6;
const UDP = 17;
const FIN = 0x01;
const PSH = 0x08;
const CWR = 0x80;
const IPV6_HEADER = 40;
/** From here on words of four bytes are added. */
const LONG_BYTES = 256;

/** Where the headers of a frame are. Undefined protocol: not TCP or UDP, or cut off. */
export class FrameHeaders {
  isIpv6 = false;
  ip = 0;
  transport = 0;
  /** 0 when the frame has no transport header that we know. */
  protocol = 0;

  /** Finds the headers of the frame at `offset`; false when there is no whole TCP or UDP header. */
  find(bytes: Uint8Array, offset: number, length: number): boolean {
    this.protocol = 0;
    let ip = offset + ETHERNET;
    const end = offset + length;
    if (length < ETHERNET + 20) return false;
    let type = word(bytes, offset + 12);
    if (type === TYPE_VLAN) {
      type = word(bytes, offset + 16);
      ip += 4;
    }
    if (type === TYPE_IPV4) return this.#ipv4(bytes, ip, end);
    return type === TYPE_IPV6 && this.#ipv6(bytes, ip, end);
  }

  #ipv4(bytes: Uint8Array, ip: number, end: number): boolean {
    const first = bytes[ip] as number;
    const headerBytes = (first & 0xf) * 4;
    // A later fragment has no transport header, and the first one not the whole of what a checksum covers.
    if (first >>> 4 !== 4 || headerBytes < 20 || (word(bytes, ip + 6) & 0x3fff) !== 0) return false;
    return this.#transport(false, ip, ip + headerBytes, bytes[ip + 9] as number, end);
  }

  #ipv6(bytes: Uint8Array, ip: number, end: number): boolean {
    if (end - ip < IPV6_HEADER || (bytes[ip] as number) >>> 4 !== 6) return false;
    return this.#transport(true, ip, ip + IPV6_HEADER, bytes[ip + 6] as number, end);
  }

  #transport(isIpv6: boolean, ip: number, transport: number, protocol: number, end: number): boolean {
    if (protocol === TCP ? end - transport < 20 : protocol !== UDP || end - transport < 8) return false;
    this.isIpv6 = isIpv6;
    this.ip = ip;
    this.transport = transport;
    this.protocol = protocol;
    return true;
  }

  get isTcp(): boolean {
    return this.protocol === TCP;
  }

  get checksumAt(): number {
    return this.transport + (this.protocol === TCP ? 16 : 6);
  }

  /** The bytes of the segment or datagram by the IP header, less what pads the frame; -1 when there are not as many. */
  transportBytes(bytes: Uint8Array, end: number): number {
    const total = this.isIpv6 ? IPV6_HEADER + word(bytes, this.ip + 4) : word(bytes, this.ip + 2);
    const count = this.ip + total - this.transport;
    return count >= 8 && this.ip + total <= end ? count : -1;
  }

  /** The sum over addresses, protocol and length that a transport checksum begins with. */
  pseudoSum(bytes: Uint8Array, transportBytes: number): number {
    const at = this.isIpv6 ? this.ip + 8 : this.ip + 12;
    return sum(bytes, at, this.isIpv6 ? 32 : 8, this.protocol + transportBytes);
  }
}

/** Completes a transport checksum. False: the frame is not what it was said to be. */
export function completeChecksum(bytes: Uint8Array, offset: number, length: number, headers: FrameHeaders): boolean {
  if (!headers.find(bytes, offset, length)) return false;
  const count = headers.transportBytes(bytes, offset + length);
  if (count < 0) return false;
  const at = headers.checksumAt;
  setWord(bytes, at, 0);
  const value = ~fold(sum(bytes, headers.transport, count, headers.pseudoSum(bytes, count))) & 0xffff;
  setWord(bytes, at, value === 0 && !headers.isTcp ? 0xffff : value);
  return true;
}

/**
 * Gives a large segment the lengths and sums that its sender left to us: IP length, IP header checksum, and a
 * pseudo-header's sum over the whole segment. False: it is no TCP segment.
 */
export function completeLargeSegment(
  bytes: Uint8Array, offset: number, length: number, headers: FrameHeaders,
): boolean {
  if (!headers.find(bytes, offset, length) || !headers.isTcp) return false;
  const { ip, transport, isIpv6 } = headers;
  const total = offset + length - ip;
  if (total > 0xffff) return false;
  if (isIpv6) {
    setWord(bytes, ip + 4, total - IPV6_HEADER);
  } else {
    setWord(bytes, ip + 2, total);
    setWord(bytes, ip + 10, 0);
    setWord(bytes, ip + 10, ~fold(sum(bytes, ip, transport - ip, 0)) & 0xffff);
  }
  setWord(bytes, headers.checksumAt, fold(headers.pseudoSum(bytes, offset + length - transport)));
  return true;
}

/** The bytes before the payload of the TCP segment whose headers were found, counted from `offset`. */
export function segmentHeaderBytes(bytes: Uint8Array, offset: number, headers: FrameHeaders): number {
  return headers.transport - offset + ((bytes[headers.transport + 12] as number) >>> 4) * 4;
}

/**
 * Makes a frame at the start of `piece`, whose headers are those of a large segment, that segment's piece of `length`
 * bytes in all from payload byte `skip` on: its number, lengths, flags and sums.
 */
export function finishPiece(
  piece: Uint8Array, length: number, index: number, skip: number, isLast: boolean, headers: FrameHeaders,
): boolean {
  if (!headers.find(piece, 0, length)) return false;
  const { ip, transport, isIpv6 } = headers;
  if (isIpv6) {
    setWord(piece, ip + 4, length - ip - IPV6_HEADER);
  } else {
    setWord(piece, ip + 2, length - ip);
    setWord(piece, ip + 4, (word(piece, ip + 4) + index) & 0xffff);
    setWord(piece, ip + 10, 0);
    setWord(piece, ip + 10, ~fold(sum(piece, ip, transport - ip, 0)) & 0xffff);
  }
  const sequence = word(piece, transport + 4) * 0x1_0000 + word(piece, transport + 6) + skip;
  setWord(piece, transport + 4, Math.floor(sequence / 0x1_0000) & 0xffff);
  setWord(piece, transport + 6, sequence & 0xffff);
  const flags = piece[transport + 13] as number;
  piece[transport + 13] = flags & (isLast ? 0xff : ~(FIN | PSH)) & (index === 0 ? 0xff : ~CWR);
  return completeChecksum(piece, 0, length, headers);
}

/**
 * Ones'-complement sum of 16-bit words, not folded; up to 64 KiB stay below 2^32. The sum does not depend on the order
 * of bytes in a word but for that of its own, so what is long is added by the host's words [RFC 1071 2 (B)].
 */
function sum(bytes: Uint8Array, at: number, count: number, start: number): number {
  if (count >= LONG_BYTES) return start + longSum(bytes, at, count);
  let total = start;
  const even = at + (count & ~1);
  for (let i = at; i < even; i += 2) total += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  return (count & 1) === 0 ? total : total + ((bytes[even] as number) << 8);
}

/** The same of much. Behind an odd number of bytes the host's words begin in the middle of one of the sum. */
function longSum(bytes: Uint8Array, at: number, count: number): number {
  const head = -(bytes.byteOffset + at) & 3;
  const wordCount = ((count - head) >>> 4) * 4;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at + head, wordCount);
  // The halves of 64 KiB stay below 2^31, and four at once are twice as fast.
  let [low, high] = [0, 0];
  for (let i = 0; i < wordCount; i += 4) {
    const a = words[i] as number;
    const b = words[i + 1] as number;
    const c = words[i + 2] as number;
    const d = words[i + 3] as number;
    low = (low + (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff)) | 0;
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
  }
  const tail = head + wordCount * 4;
  const middle = swapped(fold(fold(low) + fold(high)));
  const behind = fold(middle + sum(bytes, at + tail, count - tail, 0));
  return sum(bytes, at, head, (head & 1) === 0 ? behind : swapped(behind));
}

function swapped(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}

function fold(value: number): number {
  const once = (value & 0xffff) + (value >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}
