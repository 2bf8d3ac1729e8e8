/** Capture files: blocks of pcapng [IETF draft-ietf-opsawg-pcapng 4]. Every block is little-endian here. */
import { struct, u16, u32 } from '../wire/struct.ts';

export const PcapBlockType = { SectionHeader: 0x0a0d_0d0a, InterfaceDescription: 1, EnhancedPacket: 6 } as const;
export const PCAP_BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
export const LINKTYPE_ETHERNET = 1;

export const PcapSectionHeader = struct('pcap_section_header', 24, {
  type: u32, length: u32, byteOrder: u32, major: u16, minor: u16, sectionLengthLow: u32, sectionLengthHigh: u32,
});
export const PcapInterfaceDescription = struct('pcap_interface_description', 16, {
  type: u32, length: u32, linkType: u16, reserved: u16, snapLength: u32,
});
export const PcapEnhancedPacket = struct('pcap_enhanced_packet', 28, {
  type: u32, length: u32, interfaceId: u32, timestampHigh: u32, timestampLow: u32, capturedBytes: u32,
  originalBytes: u32,
});

export const PcapOption = { End: 0, Comment: 1, InterfaceName: 2, PacketFlags: 2 } as const;
/** Of PacketFlags: the direction as the interface sees it. */
export const PcapDirection = { Inbound: 1, Outbound: 2 } as const;
