/**
 * Reads the IPv4 header of a frame [RFC 791]. The bytes are the host's own copy; what they say may be anything, so
 * every length is checked against the frame before it is used.
 */
import { ETHERNET_HEADER_BYTES } from '../../protocols/ethernet.ts';
import {
  IPV4_FRAGMENT_OFFSET_MASK, IPV4_MINIMUM_HEADER_BYTES, IPV4_MORE_FRAGMENTS, Ipv4Header,
} from '../../protocols/ip.ts';
import { FrameOffload } from '../../kit/network-endpoint.ts';
import { addBytes, finish, pseudoHeader } from './checksum.ts';

export interface Ipv4Packet {
  source: number;
  destination: number;
  protocol: number;
  /** Where the payload lies in the frame. */
  payload: number;
  payloadBytes: number;
}

export type Ipv4Fault = 'ipv4-malformed' | 'ipv4-checksum' | 'ipv4-fragment';

const GOOD_HEADER = FrameOffload.Ipv4ChecksumGood | FrameOffload.TransportChecksumPartial;
const GOOD_TRANSPORT = FrameOffload.TransportChecksumGood | FrameOffload.TransportChecksumPartial;

/**
 * Fills `packet`; otherwise says what is wrong. A segment that stands for several (`segmentBytes` > 0) has no total
 * length and no checksum yet: the frame's own length holds.
 */
export function readIpv4(
  view: DataView, frameBytes: number, offload: number, segmentBytes: number, packet: Ipv4Packet,
): Ipv4Fault | undefined {
  const at = ETHERNET_HEADER_BYTES;
  const present = frameBytes - at;
  if (present < IPV4_MINIMUM_HEADER_BYTES) return 'ipv4-malformed';
  const versionAndLength = Ipv4Header.versionAndLength.get(view, at);
  const headerBytes = (versionAndLength & 15) * 4;
  const totalBytes = segmentBytes > 0 ? present : Ipv4Header.totalLength.get(view, at);
  if (versionAndLength >>> 4 !== 4 || headerBytes < IPV4_MINIMUM_HEADER_BYTES) return 'ipv4-malformed';
  if (totalBytes < headerBytes || totalBytes > present) return 'ipv4-malformed';
  if (segmentBytes === 0 && (offload & GOOD_HEADER) === 0) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, frameBytes);
    if (finish(addBytes(0, bytes, at, headerBytes)) !== 0) return 'ipv4-checksum';
  }
  const fragment = Ipv4Header.fragment.get(view, at);
  if ((fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET_MASK)) !== 0) return 'ipv4-fragment';
  packet.source = Ipv4Header.source.get(view, at);
  packet.destination = Ipv4Header.destination.get(view, at);
  packet.protocol = Ipv4Header.protocol.get(view, at);
  packet.payload = at + headerBytes;
  packet.payloadBytes = totalBytes - headerBytes;
  return undefined;
}

/** Whether the TCP or UDP checksum over the payload is right, or need not be looked at. */
export function transportChecksumHolds(
  bytes: Uint8Array, packet: Ipv4Packet, length: number, offload: number, segmentBytes: number,
): boolean {
  if (segmentBytes > 0 || (offload & GOOD_TRANSPORT) !== 0) return true;
  const start = pseudoHeader(packet.source, packet.destination, packet.protocol, length);
  return finish(addBytes(start, bytes, packet.payload, length)) === 0;
}
