/** Between what an endpoint says about a frame and the virtio header that the host's interfaces want before it. */
import { FrameOffload } from '../../kit/network-endpoint.ts';
import { ETHERNET_HEADER_BYTES, EtherType, VLAN_TAG_BYTES } from '../../protocols/ethernet.ts';
import { IPV4_MINIMUM_HEADER_BYTES, IpProtocol } from '../../protocols/ip.ts';
import { VirtioNetFlag, VirtioNetHeader, VirtioSegment } from '../../protocols/linux-network.ts';

const IPV6_HEADER_BYTES = 40;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const TCP_HEADER_BYTES = 20;

/** Writes the header of a frame; false: the frame is not what it was said to be. */
export function writeVirtioHeader(
  view: DataView, at: number, bytes: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number,
): boolean {
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint16(at + 8, 0);
  if ((offload & FrameOffload.TransportChecksumPartial) === 0 && segmentBytes === 0) return true;
  let ip = ETHERNET_HEADER_BYTES;
  let type = (bytes[offset + 12]! << 8) | bytes[offset + 13]!;
  if (type === EtherType.Vlan) {
    type = (bytes[offset + 16]! << 8) | bytes[offset + 17]!;
    ip += VLAN_TAG_BYTES;
  }
  const isIpv6 = type === EtherType.Ipv6;
  if ((!isIpv6 && type !== EtherType.Ipv4) || length < ip + IPV4_MINIMUM_HEADER_BYTES) return false;
  const transport = ip + (isIpv6 ? IPV6_HEADER_BYTES : (bytes[offset + ip]! & 15) * 4);
  const protocol = bytes[offset + ip + (isIpv6 ? 6 : 9)]!;
  const isTcp = protocol === IpProtocol.Tcp;
  if ((!isTcp && protocol !== IpProtocol.Udp) || length < transport + TCP_CHECKSUM + 2) return false;
  VirtioNetHeader.flags.set(view, at, VirtioNetFlag.NeedsChecksum);
  VirtioNetHeader.checksumStart.set(view, at, transport);
  VirtioNetHeader.checksumOffset.set(view, at, isTcp ? TCP_CHECKSUM : UDP_CHECKSUM);
  if (segmentBytes === 0) return true;
  const headerBytes = transport + (bytes[offset + transport + 12]! >>> 4) * 4;
  if (!isTcp || headerBytes < transport + TCP_HEADER_BYTES || headerBytes >= length) return false;
  VirtioNetHeader.segmentType.set(view, at, isIpv6 ? VirtioSegment.Tcp6 : VirtioSegment.Tcp4);
  VirtioNetHeader.segmentBytes.set(view, at, segmentBytes);
  VirtioNetHeader.headerBytes.set(view, at, headerBytes);
  return true;
}

/** What the header before a frame says about it, as bits of FrameOffload. */
export function offloadOf(view: DataView, at: number): number {
  const flags = VirtioNetHeader.flags.get(view, at);
  if ((flags & VirtioNetFlag.NeedsChecksum) !== 0) return FrameOffload.TransportChecksumPartial;
  return (flags & VirtioNetFlag.DataValid) === 0 ? 0 : FrameOffload.TransportChecksumGood;
}

/** The payload of each piece that a frame stands for, 0 for a frame that stands for itself; -1: we know no such. */
export function segmentOf(view: DataView, at: number): number {
  const type = VirtioNetHeader.segmentType.get(view, at) & ~VirtioSegment.EcnMask;
  if (type === VirtioSegment.None) return 0;
  if (type !== VirtioSegment.Tcp4 && type !== VirtioSegment.Tcp6) return -1;
  return VirtioNetHeader.segmentBytes.get(view, at);
}
