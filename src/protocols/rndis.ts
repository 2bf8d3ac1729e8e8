/**
 * Remote NDIS: the messages that carry frames and the requests to a network adapter [MS-RNDIS; Linux
 * include/linux/hyperv/rndis.h, drivers/net/hyperv/hyperv_net.h]. Offsets within a message count from behind its
 * first eight bytes.
 */
import { struct, u16, u32, u8 } from '../wire/struct.ts';

export const RNDIS_HEADER_SIZE = 8;

export const RndisType = {
  Packet: 1,
  Initialize: 2,
  Halt: 3,
  Query: 4,
  Set: 5,
  Reset: 6,
  Indicate: 7,
  KeepAlive: 8,
  InitializeComplete: 0x8000_0002,
  QueryComplete: 0x8000_0004,
  SetComplete: 0x8000_0005,
  ResetComplete: 0x8000_0006,
  KeepAliveComplete: 0x8000_0008,
} as const;

export const RndisStatus = {
  Success: 0,
  Failure: 0xc000_0001,
  InvalidLength: 0xc001_0014,
  InvalidData: 0xc001_0015,
  NotSupported: 0xc000_00bb,
  MediaConnect: 0x4001_000b,
  MediaDisconnect: 0x4001_000c,
} as const;

export const RndisHeader = struct('rndis_message_header', 8, { type: u32, length: u32 });

/** Every request begins so; its answer has the same id. */
export const RndisRequest = struct('rndis_request_header', 12, { type: u32, length: u32, requestId: u32 });

export const RndisInitialize = struct('rndis_initialize_request', 24, {
  type: u32, length: u32, requestId: u32, major: u32, minor: u32, maximumTransferBytes: u32,
});
export const RndisInitializeComplete = struct('rndis_initialize_complete', 52, {
  type: u32,
  length: u32,
  requestId: u32,
  status: u32,
  major: u32,
  minor: u32,
  deviceFlags: u32,
  medium: u32,
  maximumPacketsPerMessage: u32,
  maximumTransferBytes: u32,
  /** A power of two, as its exponent. */
  packetAlignment: u32,
  addressFamilyOffset: u32,
  addressFamilySize: u32,
});
/** Query and Set; the information lies at `informationOffset` behind the header. */
export const RndisObjectRequest = struct('rndis_query_request', 28, {
  type: u32, length: u32, requestId: u32, oid: u32, informationBytes: u32, informationOffset: u32, handle: u32,
});
export const RndisQueryComplete = struct('rndis_query_complete', 24, {
  type: u32, length: u32, requestId: u32, status: u32, informationBytes: u32, informationOffset: u32,
});
/** SetComplete and KeepAliveComplete. */
export const RndisStatusReply = struct('rndis_set_complete', 16, {
  type: u32, length: u32, requestId: u32, status: u32,
});
export const RndisResetComplete = struct('rndis_reset_complete', 16, {
  type: u32, length: u32, status: u32, addressingReset: u32,
});
export const RndisIndicate = struct('rndis_indicate_status', 20, {
  type: u32, length: u32, status: u32, bufferBytes: u32, bufferOffset: u32,
});
export const RndisPacket = struct('rndis_packet', 44, {
  type: u32,
  length: u32,
  dataOffset: u32,
  dataBytes: u32,
  outOfBandOffset: u32,
  outOfBandBytes: u32,
  outOfBandCount: u32,
  perPacketOffset: u32,
  perPacketBytes: u32,
  handle: u32,
  reserved: u32,
});

/** Information about one frame; its data lies at `dataOffset` from its own first byte. */
export const RndisPerPacket = struct('rndis_per_packet_info', 12, { size: u32, type: u32, dataOffset: u32 });
export const PerPacketType = {
  Checksum: 0, LargeSend: 2, Vlan: 6,
  /** Which part of a coalesced segment a message holds; the high bit is that of types for Hyper-V alone. */
  PacketId: 0x8000_0001,
} as const;

/** The data of PacketId. */
export const RndisPacketId = struct('rndis_pktinfo_id', 4, { version: u8, flags: u8, id: u16 });
export const PacketIdFlag = { Part: 0x1, First: 0x2, Last: 0x4 } as const;

/** Checksum information of a frame that the guest sends. */
export const ChecksumRequest = { Ipv4: 0x1, Ipv6: 0x2, Tcp: 0x4, Udp: 0x8, IpHeader: 0x10 } as const;
/** And of one that it is given. */
export const ChecksumVerdict = { TcpGood: 0x8, UdpGood: 0x10, IpHeaderGood: 0x20 } as const;

/** Large send, version 2: [19:0] payload of a piece, [29:20] where the TCP header is, 30 set, 31 IPv6. */
export const LargeSend = { SegmentMask: 0xf_ffff, Version2: 0x4000_0000, Ipv6: 0x8000_0000 } as const;
