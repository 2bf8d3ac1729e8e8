/**
 * Reads the IPv6 header of a frame and the extension headers behind it [RFC 8200]. The bytes are the host's own copy;
 * what they say may be anything, so every length is checked against the frame before it is used.
 */
import { FrameOffload } from '../../kit/network-endpoint.ts';
import { ETHERNET_HEADER_BYTES } from '../../protocols/ethernet.ts';
import { IPV6_HEADER_BYTES, Ipv6Extension, Ipv6Header } from '../../protocols/ip.ts';
import { addBytes, finish } from './checksum.ts';

/** Where the addresses lie in a frame. */
export const IPV6_SOURCE = ETHERNET_HEADER_BYTES + Ipv6Header.source.offset;
export const IPV6_DESTINATION = ETHERNET_HEADER_BYTES + Ipv6Header.destination.offset;
const ADDRESSES_BYTES = 32;
const MAXIMUM_EXTENSIONS = 8;
const GOOD_TRANSPORT = FrameOffload.TransportChecksumGood | FrameOffload.TransportChecksumPartial;

export interface Ipv6Packet {
  protocol: number;
  /** Where the payload lies in the frame. */
  payload: number;
  payloadBytes: number;
}

export type Ipv6Fault = 'ipv6-malformed' | 'ipv6-fragment';

/** Fills `packet`; otherwise says what is wrong. Of a segment that stands for several the frame's own length holds. */
export function readIpv6(
  view: DataView, frameBytes: number, segmentBytes: number, packet: Ipv6Packet,
): Ipv6Fault | undefined {
  const at = ETHERNET_HEADER_BYTES;
  const present = frameBytes - at - IPV6_HEADER_BYTES;
  if (present < 0 || Ipv6Header.versionAndFlow.get(view, at) >>> 28 !== 6) return 'ipv6-malformed';
  const said = segmentBytes > 0 ? present : Ipv6Header.payloadBytes.get(view, at);
  if (said > present) return 'ipv6-malformed';
  const end = at + IPV6_HEADER_BYTES + said;
  let next = Ipv6Header.next.get(view, at);
  let payload = at + IPV6_HEADER_BYTES;
  for (let count = 0; isSkipped(next); count++) {
    if (count === MAXIMUM_EXTENSIONS || end - payload < 8) return 'ipv6-malformed';
    const bytes = 8 + view.getUint8(payload + 1) * 8;
    if (bytes > end - payload) return 'ipv6-malformed';
    next = view.getUint8(payload);
    payload += bytes;
  }
  if (next === Ipv6Extension.Fragment) return 'ipv6-fragment';
  packet.protocol = next;
  packet.payload = payload;
  packet.payloadBytes = end - payload;
  return undefined;
}

function isSkipped(next: number): boolean {
  return next === Ipv6Extension.HopByHop || next === Ipv6Extension.Destination;
}

/** Whether the checksum over pseudo-header and payload is right, or need not be looked at. */
export function ipv6ChecksumHolds(
  bytes: Uint8Array, { protocol, payload }: Ipv6Packet, length: number, offload: number, segmentBytes: number,
): boolean {
  if (segmentBytes > 0 || (offload & GOOD_TRANSPORT) !== 0) return true;
  const start = addBytes(protocol + length, bytes, IPV6_SOURCE, ADDRESSES_BYTES);
  return finish(addBytes(start, bytes, payload, length)) === 0;
}
