/** Host configuration for IPv6 [RFC 8415; options 23 and 24: RFC 3646]. */
import { bytes, struct, u16be, u32be } from '../wire/struct.ts';

/** A message's type is its first byte; the other three are the transaction. */
export const Dhcpv6Message = struct('dhcpv6_message', 4, { typeAndTransaction: u32be });
export const Dhcpv6OptionHeader = struct('dhcpv6_option', 4, { code: u16be, length: u16be });
export const IdentityAssociation = struct('ia_na', 12, { id: u32be, renewSeconds: u32be, rebindSeconds: u32be });
export const IdentityAddress = struct('ia_address', 24, {
  address: bytes(16), preferredSeconds: u32be, validSeconds: u32be,
});

export const DHCPV6_SERVER_PORT = 547;
export const DHCPV6_CLIENT_PORT = 546;

export const Dhcpv6Type = {
  Solicit: 1, Advertise: 2, Request: 3, Confirm: 4, Renew: 5, Rebind: 6, Reply: 7, Release: 8, Decline: 9,
  InformationRequest: 11,
} as const;

export const Dhcpv6Option = {
  ClientId: 1, ServerId: 2, NonTemporary: 3, Address: 5, Status: 13, RapidCommit: 14, Resolvers: 23, Domains: 24,
} as const;
