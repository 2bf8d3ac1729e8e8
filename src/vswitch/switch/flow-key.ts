/**
 * What decisions about a frame are made from, as words: they are the key of the flow cache. Words of the link layer are
 * always there; those of the network layer are read when an extension wants them. The frame is the host's own copy, of
 * any content.
 */
import { ETHERNET_HEADER_BYTES, EtherType, VLAN_TAG_BYTES } from '../../protocols/ethernet.ts';
import { IPV4_MINIMUM_HEADER_BYTES, IpProtocol } from '../../protocols/ip.ts';
import { hazardOf } from './hazard.ts';

/** The words. */
export const KeyWord = {
  /** Number of the port; bit 16: the frame has a tag. */
  Port: 0,
  /** High 16 bits of the destination, then of the source. */
  MacHigh: 1,
  DestinationLow: 2,
  SourceLow: 3,
  /** Control word of the tag, then the type behind it. */
  Type: 4,
  /** What guards look for (hazard.ts). */
  Hazard: 5,
  /** IP version << 24, protocol << 16, bit 0: a fragment that is not the first. */
  Protocol: 6,
  /** Four words each; IPv4 in the first. */
  IpSource: 7,
  IpDestination: 11,
  /** Source and destination port, or type and code of ICMP. */
  Ports: 15,
} as const;

export const LINK_WORDS = 6;
export const KEY_WORDS = 16;
export const TAGGED = 0x1_0000;

export interface KeyWishes {
  readonly hazard: boolean;
  readonly network: boolean;
}

/** The type at the end of the header, where the payload begins, and whether there is a tag: of the frame last read. */
export class KeyReader {
  readonly key = new Int32Array(KEY_WORDS);

  // Hot path: one a frame. Nothing is allocated.
  /** False: the frame is shorter than its headers. */
  read(port: number, wishes: KeyWishes, bytes: Uint8Array, at: number, length: number): boolean {
    const { key } = this;
    if (length < ETHERNET_HEADER_BYTES) return false;
    key[1] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!;
    key[2] = (bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!;
    key[3] = (bytes[at + 8]! << 24) | (bytes[at + 9]! << 16) | (bytes[at + 10]! << 8) | bytes[at + 11]!;
    const type = (bytes[at + 12]! << 8) | bytes[at + 13]!;
    let payload = ETHERNET_HEADER_BYTES;
    if (type === EtherType.Vlan) {
      if (length < ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES) return false;
      key[0] = port | TAGGED;
      key[4] = (bytes[at + 14]! << 24) | (bytes[at + 15]! << 16) | (bytes[at + 16]! << 8) | bytes[at + 17]!;
      payload += VLAN_TAG_BYTES;
    } else {
      key[0] = port;
      key[4] = type;
    }
    key[5] = wishes.hazard ? hazardOf(bytes, at + payload, at + length, (key[4] as number) & 0xffff) : 0;
    if (wishes.network) readNetwork(key, bytes, at + payload, at + length, (key[4] as number) & 0xffff);
    return true;
  }
}

function readNetwork(key: Int32Array, bytes: Uint8Array, at: number, end: number, type: number): void {
  key.fill(0, KeyWord.Protocol);
  if (type === EtherType.Ipv4 && end - at >= IPV4_MINIMUM_HEADER_BYTES) readIpv4(key, bytes, at, end);
  else if (type === EtherType.Ipv6 && end - at >= 40) readIpv6(key, bytes, at, end);
}

function readIpv4(key: Int32Array, bytes: Uint8Array, at: number, end: number): void {
  const protocol = bytes[at + 9]!;
  const isLater = (((bytes[at + 6]! & 0x1f) << 8) | bytes[at + 7]!) !== 0;
  key[KeyWord.Protocol] = (4 << 24) | (protocol << 16) | (isLater ? 1 : 0);
  key[KeyWord.IpSource] = word32(bytes, at + 12);
  key[KeyWord.IpDestination] = word32(bytes, at + 16);
  if (!isLater) readPorts(key, bytes, at + (bytes[at]! & 15) * 4, end, protocol);
}

function readIpv6(key: Int32Array, bytes: Uint8Array, at: number, end: number): void {
  const protocol = bytes[at + 6]!;
  key[KeyWord.Protocol] = (6 << 24) | (protocol << 16);
  for (let i = 0; i < 4; i++) {
    key[KeyWord.IpSource + i] = word32(bytes, at + 8 + i * 4);
    key[KeyWord.IpDestination + i] = word32(bytes, at + 24 + i * 4);
  }
  readPorts(key, bytes, at + 40, end, protocol);
}

function readPorts(key: Int32Array, bytes: Uint8Array, at: number, end: number, protocol: number): void {
  if (end - at < 4) return;
  const isIcmp = protocol === IpProtocol.Icmp || protocol === IpProtocol.IcmpV6;
  if (protocol === IpProtocol.Tcp || protocol === IpProtocol.Udp) key[KeyWord.Ports] = word32(bytes, at);
  else if (isIcmp) key[KeyWord.Ports] = word32(bytes, at) >>> 16;
}

function word32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
