/** Internet control messages, version 4 [RFC 792; RFC 1812, 5.2.7]. */
import { struct, u16be, u8 } from '../wire/struct.ts';

export const IcmpHeader = struct('icmp_header', 8, {
  type: u8, code: u8, checksum: u16be, identifier: u16be, sequence: u16be,
});

export const IcmpType = { EchoReply: 0, Unreachable: 3, Redirect: 5, RouterAdvertisement: 9, EchoRequest: 8 } as const;

/** Codes of `Unreachable`. */
export const IcmpUnreachable = { Network: 0, Host: 1, Port: 3, Prohibited: 13 } as const;
