/** The internet protocol, version 4 [RFC 791, 3.1] and version 6 [RFC 8200, 3; 4]. */
import { bytes, struct, u16be, u32be, u8 } from '../wire/struct.ts';

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

export const Ipv6Header = struct('ipv6_header', 40, {
  versionAndFlow: u32be, payloadBytes: u16be, next: u8, hopLimit: u8, source: bytes(16), destination: bytes(16),
});
export const IPV6_HEADER_BYTES = 40;
export const IPV6_ADDRESS_BYTES = 16;
export const Ipv6Extension = { HopByHop: 0, Routing: 43, Fragment: 44, Destination: 60 } as const;
export const Ipv6FragmentHeader = struct('ipv6_fragment', 8, {
  next: u8, reserved: u8, offsetAndMore: u16be, identification: u32be,
});
