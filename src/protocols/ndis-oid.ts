/**
 * Objects of a network adapter that a guest queries and sets, and the structures in them [Windows SDK ntddndis.h;
 * Linux include/linux/hyperv/rndis.h, drivers/net/hyperv/hyperv_net.h, struct ndis_offload].
 */
import { bytes, struct, u16, u32, u8 } from '../wire/struct.ts';

export const Oid = {
  SupportedList: 0x0001_0101,
  HardwareStatus: 0x0001_0102,
  MediaSupported: 0x0001_0103,
  MediaInUse: 0x0001_0104,
  MaximumFrameSize: 0x0001_0106,
  LinkSpeed: 0x0001_0107,
  CurrentPacketFilter: 0x0001_010e,
  MaximumTotalSize: 0x0001_0111,
  MediaConnectStatus: 0x0001_0114,
  MaximumSendPackets: 0x0001_0115,
  ReceiveScaleCapabilities: 0x0001_0203,
  ReceiveScaleParameters: 0x0001_0204,
  RndisConfigParameter: 0x0001_021b,
  TransmitOk: 0x0002_0101,
  ReceiveOk: 0x0002_0102,
  TransmitError: 0x0002_0103,
  ReceiveError: 0x0002_0104,
  ReceiveNoBuffer: 0x0002_0105,
  FriendlyName: 0x0002_0216,
  PermanentAddress: 0x0101_0101,
  CurrentAddress: 0x0101_0102,
  MulticastList: 0x0101_0103,
  MaximumListSize: 0x0101_0104,
  OffloadParameters: 0xfc01_020c,
  OffloadHardwareCapabilities: 0xfc01_020d,
} as const;

/** Which frames a guest wants. */
export const PacketFilter = {
  Directed: 0x1, Multicast: 0x2, AllMulticast: 0x4, Broadcast: 0x8, Promiscuous: 0x20,
} as const;

export const NdisObjectHeader = struct('ndis_object_header', 4, { type: u8, revision: u8, size: u16 });
export const NdisObjectType = {
  OffloadCapabilities: 0xa7, OffloadParameters: 0x80, ScaleCapabilities: 0x88, ScaleParameters: 0x89,
} as const;

/** Sizes of the capabilities by revision: 1, 2, 3. */
export const OFFLOAD_SIZES = [112, 144, 156] as const;
export const NdisOffload = struct('ndis_offload', 156, {
  type: u8,
  revision: u8,
  size: u16,
  ipv4TransmitEncapsulation: u32,
  ipv4Transmit: u32,
  ipv4ReceiveEncapsulation: u32,
  ipv4Receive: u32,
  ipv6TransmitEncapsulation: u32,
  ipv6Transmit: u32,
  ipv6ReceiveEncapsulation: u32,
  ipv6Receive: u32,
  largeSendVersion1: bytes(16),
  ipsecVersion1: bytes(28),
  ipv4LargeSendEncapsulation: u32,
  ipv4LargeSendMaximum: u32,
  ipv4LargeSendMinimumSegments: u32,
  ipv6LargeSendEncapsulation: u32,
  ipv6LargeSendMaximum: u32,
  ipv6LargeSendMinimumSegments: u32,
  ipv6LargeSendOptions: u32,
  flags: u32,
  ipsecVersion2: bytes(32),
  ipv4Coalescing: u8,
  ipv6Coalescing: u8,
  reserved: u16,
  greEncapsulation: bytes(8),
});
export const ETHERNET_ENCAPSULATION = 2;
export const ChecksumCapability = {
  IpOptions: 0x1, TcpOptions: 0x4, Tcp: 0x10, Udp: 0x40, IpHeader: 0x100,
} as const;
/** Extension headers and TCP options may be there. */
export const LARGE_SEND_IPV6_OPTIONS = 0x5;

/** The bytes of the offload parameters that every revision has. Of each: 0 is no change. */
export const NdisOffloadParameters = struct('ndis_offload_params', 14, {
  type: u8,
  revision: u8,
  size: u16,
  ipv4Checksum: u8,
  tcpIpv4Checksum: u8,
  udpIpv4Checksum: u8,
  tcpIpv6Checksum: u8,
  udpIpv6Checksum: u8,
  largeSendVersion1: u8,
  ipsecVersion1: u8,
  ipv4LargeSend: u8,
  ipv6LargeSend: u8,
  tcpConnectionIpv4: u8,
});
/** And two that newer ones have. */
export const NdisCoalescingParameters = struct('ndis_offload_params', 24, { before: bytes(22), ipv4: u8, ipv6: u8 });
export const SwitchSetting = { NoChange: 0, Off: 1, On: 2 } as const;
export const ChecksumSetting = { NoChange: 0, Disabled: 1, Transmit: 2, Receive: 3, Both: 4 } as const;

/** Receive-side scaling: what an adapter can do, and what the guest wants of it. */
export const NdisScaleCapabilities = struct('ndis_recv_scale_cap', 18, {
  type: u8, revision: u8, size: u16, flags: u32, interruptMessages: u32, receiveQueues: u32, tableEntries: u16,
});
export const NdisScaleParameters = struct('ndis_recv_scale_param', 40, {
  type: u8,
  revision: u8,
  size: u16,
  flags: u16,
  baseProcessor: u16,
  hash: u32,
  tableBytes: u16,
  reserved: u16,
  tableOffset: u32,
  keyBytes: u16,
  reserved2: u16,
  keyOffset: u32,
  masks: bytes(12),
});
export const ScaleFlag = {
  HashUnchanged: 0x2, TableUnchanged: 0x4, KeyUnchanged: 0x8, Disable: 0x10,
} as const;
/** Bits of `hash`; the function is Toeplitz's. */
export const ScaleHash = {
  Toeplitz: 0x1, Ipv4: 0x100, TcpIpv4: 0x200, Ipv6: 0x400, TcpIpv6: 0x1000,
} as const;
/** Bits of the capabilities: hashes of TCP over either IP by Toeplitz's function. */
export const SCALE_CAPABILITY_FLAGS = 0x301;
export const SCALE_TABLE_ENTRIES = 128;
export const SCALE_KEY_BYTES = 40;

/** Before the name and value of RndisConfigParameter; offsets count from its first byte. */
export const RndisConfigParameter = struct('rndis_config_parameter_info', 20, {
  nameOffset: u32, nameBytes: u32, type: u32, valueOffset: u32, valueBytes: u32,
});
export const CONFIG_PARAMETER_STRING = 2;
