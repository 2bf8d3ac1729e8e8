/** Internet control messages, version 6 [RFC 4443], and the discovery of neighbours by them [RFC 4861; RFC 8106]. */
import { bytes, struct, u16be, u32be, u8 } from '../wire/struct.ts';

export const Icmpv6Header = struct('icmpv6_header', 8, { type: u8, code: u8, checksum: u16be, word: u32be });

export const Icmpv6Type = {
  Unreachable: 1, EchoRequest: 128, EchoReply: 129, RouterSolicitation: 133, RouterAdvertisement: 134,
  NeighbourSolicitation: 135, NeighbourAdvertisement: 136,
} as const;
/** A code of `Unreachable`. */
export const ICMPV6_PROHIBITED = 1;

/** NeighbourSolicitation and NeighbourAdvertisement; options follow. */
export const NeighbourMessage = struct('neighbour_message', 24, {
  type: u8, code: u8, checksum: u16be, flags: u32be, target: bytes(16),
});
export const NeighbourFlag = { Router: 0x8000_0000, Solicited: 0x4000_0000, Override: 0x2000_0000 } as const;

export const RouterAdvertisement = struct('router_advertisement', 16, {
  type: u8, code: u8, checksum: u16be, hopLimit: u8, flags: u8, lifetimeSeconds: u16be, reachableMs: u32be,
  retransmitMs: u32be,
});
/** A flag: the rest is had by DHCP. */
export const ROUTER_OTHER_BY_DHCP = 0x40;

/** Options: a type, and a length in units of eight bytes. */
export const NeighbourOption = {
  SourceLink: 1, TargetLink: 2, Prefix: 3, Mtu: 5, Resolvers: 25, Domains: 31,
} as const;
export const LinkOption = struct('link_option', 8, { type: u8, units: u8, address: bytes(6) });
export const PrefixOption = struct('prefix_option', 32, {
  type: u8, units: u8, bits: u8, flags: u8, validSeconds: u32be, preferredSeconds: u32be, reserved: u32be,
  prefix: bytes(16),
});
export const PrefixFlag = { OnLink: 0x80, Autonomous: 0x40 } as const;
export const MtuOption = struct('mtu_option', 8, { type: u8, units: u8, reserved: u16be, mtu: u32be });
export const ResolversOption = struct('resolvers_option', 24, {
  type: u8, units: u8, reserved: u16be, lifetimeSeconds: u32be, address: bytes(16),
});
export const DomainsOption = struct('domains_option', 8, {
  type: u8, units: u8, reserved: u16be, lifetimeSeconds: u32be,
});
