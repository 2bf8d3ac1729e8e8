/** Ethernet frames and their VLAN tags [IEEE 802.3 3.1; IEEE 802.1Q 9.6]. Frames carry no FCS here. */
import { bytes, struct, u16be } from '../wire/struct.ts';

export const MacAddress = bytes(6);

export const EthernetHeader = struct('ethernet_header', 14, {
  destination: MacAddress, source: MacAddress, etherType: u16be,
});

/** What follows the source address of a tagged frame; the frame's own type comes after it. */
export const VlanTag = struct('vlan_tag', 4, { tpid: u16be, control: u16be });

export const EtherType = {
  Ipv4: 0x0800,
  Arp: 0x0806,
  Vlan: 0x8100,
  Ipv6: 0x86dd,
  ServiceVlan: 0x88a8,
} as const;

/** Offsets for code that works on bytes. */
export const ETHERNET_HEADER_BYTES = 14;
export const MAC_BYTES = 6;
export const VLAN_TAG_BYTES = 4;
/** The bits of a tag's control word. */
export const VLAN_ID_MASK = 0x0fff;
export const VLAN_PRIORITY_SHIFT = 13;
/** 0 stands for "priority only", 4095 is reserved. */
export const MAXIMUM_VLAN_ID = 4094;
