/** Address resolution for IPv4 over Ethernet [RFC 826]. */
import { struct, u16be, u32be, u8 } from '../wire/struct.ts';
import { MacAddress } from './ethernet.ts';

export const ArpPacket = struct('arp', 28, {
  hardwareType: u16be, protocolType: u16be, hardwareSize: u8, protocolSize: u8, operation: u16be,
  senderMac: MacAddress, senderIp: u32be, targetMac: MacAddress, targetIp: u32be,
});

export const ARP_HARDWARE_ETHERNET = 1;
export const ArpOperation = { Request: 1, Reply: 2 } as const;
