/** Host configuration for IPv4 [RFC 2131, 2; options: RFC 2132]. */
import { bytes, struct, u16be, u32be, u8 } from '../wire/struct.ts';

export const DhcpMessage = struct('dhcp_message', 240, {
  operation: u8, hardwareType: u8, hardwareSize: u8, hops: u8, transaction: u32be, seconds: u16be, flags: u16be,
  clientIp: u32be, yourIp: u32be, serverIp: u32be, relayIp: u32be, clientHardware: bytes(16),
  serverName: bytes(64), bootFile: bytes(128), magic: u32be,
});

export const DHCP_MAGIC = 0x6382_5363;
export const DHCP_BROADCAST_FLAG = 0x8000;
export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

export const DhcpOperation = { Request: 1, Reply: 2 } as const;

export const DhcpType = {
  Discover: 1, Offer: 2, Request: 3, Decline: 4, Ack: 5, Nak: 6, Release: 7, Inform: 8,
} as const;

export const DhcpOption = {
  Pad: 0, SubnetMask: 1, Router: 3, DomainNameServer: 6, HostName: 12, DomainName: 15, InterfaceMtu: 26,
  BroadcastAddress: 28, RequestedAddress: 50, LeaseSeconds: 51, MessageType: 53, ServerIdentifier: 54,
  RenewalSeconds: 58, RebindingSeconds: 59, End: 255,
} as const;
