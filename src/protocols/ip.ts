/** The internet protocol, version 4 [RFC 791, 3.1]. */
import { struct, u16be, u32be, u8 } from '../wire/struct.ts';

export const Ipv4Header = struct('ipv4_header', 20, {
  versionAndLength: u8, service: u8, totalLength: u16be, identification: u16be, fragment: u16be, timeToLive: u8,
  protocol: u8, checksum: u16be, source: u32be, destination: u32be,
});

/** Bits of `fragment`. */
export const IPV4_DONT_FRAGMENT = 0x4000;
export const IPV4_MORE_FRAGMENTS = 0x2000;
export const IPV4_FRAGMENT_OFFSET_MASK = 0x1fff;

export const IpProtocol = { Icmp: 1, Igmp: 2, Tcp: 6, Udp: 17, IcmpV6: 58 } as const;

export const IPV4_BROADCAST = 0xffff_ffff;
export const IPV4_MINIMUM_HEADER_BYTES = 20;
export const IPV4_MAXIMUM_BYTES = 65_535;
