/**
 * NVSP, the messages of a synthetic network adapter's channel [Linux drivers/net/hyperv/hyperv_net.h, struct
 * nvsp_message]. Each is a type and what belongs to it, padded to 40 bytes. Frames and control messages are RNDIS and
 * lie in shared buffers or in pages that the packet of the ring names.
 */
import { struct, u16, u32 } from '../wire/struct.ts';

/** Both sides send this many bytes, whatever the message. */
export const NVSP_MESSAGE_SIZE = 40;

export const NvspType = {
  Initialize: 1,
  InitializeComplete: 2,
  SendNdisVersion: 100,
  SendReceiveBuffer: 101,
  SendReceiveBufferComplete: 102,
  RevokeReceiveBuffer: 103,
  SendSendBuffer: 104,
  SendSendBufferComplete: 105,
  RevokeSendBuffer: 106,
  SendRndisPacket: 107,
  SendRndisPacketComplete: 108,
  SendNdisConfiguration: 125,
  SwitchDataPath: 129,
  SubChannel: 133,
  SendIndirectionTable: 134,
} as const;

/** Best first, as guests ask for them. */
export const NvspVersion = {
  V61: 0x6_0001, V6: 0x6_0000, V5: 0x5_0000, V4: 0x4_0000, V2: 0x3_0002, V1: 2,
} as const;

export const NvspStatus = {
  Success: 1, Failure: 2, TooNew: 3, TooOld: 4, InvalidRndisPacket: 5, Busy: 6, Unsupported: 7,
} as const;

/** `sectionIndex` of a message that lies in pages alone. */
export const NO_SECTION = 0xffff_ffff;
/** The number of a receive buffer, as the guest names it and every transfer packet does. */
export const RECEIVE_BUFFER_ID = 0xcafe;

export const NvspChannelType = { Data: 0, Control: 1 } as const;

export const NvspInitialize = struct('nvsp_message_init', 12, { type: u32, minimumVersion: u32, maximumVersion: u32 });
export const NvspInitializeComplete = struct('nvsp_message_init_complete', 16, {
  type: u32, version: u32, maximumMdlChain: u32, status: u32,
});
export const NvspNdisVersion = struct('nvsp_1_message_send_ndis_version', 12, { type: u32, major: u32, minor: u32 });
export const NvspNdisConfiguration = struct('nvsp_2_vsc_config', 20, {
  type: u32,
  /** The MTU and the 14 bytes of an Ethernet header. */
  frameBytes: u32,
  reserved: u32,
  capabilitiesLow: u32,
  capabilitiesHigh: u32,
});
/** SendReceiveBuffer and SendSendBuffer. */
export const NvspBuffer = struct('nvsp_1_message_send_receive_buffer', 10, { type: u32, gpadl: u32, id: u16 });
export const NvspReceiveBufferComplete = struct('nvsp_1_message_send_receive_buffer_complete', 28, {
  type: u32, status: u32, sectionCount: u32, offset: u32, allocationBytes: u32, allocationCount: u32, endOffset: u32,
});
export const NvspSendBufferComplete = struct('nvsp_1_message_send_send_buffer_complete', 12, {
  type: u32, status: u32, sectionBytes: u32,
});
export const NvspRndisPacket = struct('nvsp_1_message_send_rndis_packet', 16, {
  type: u32, channelType: u32, sectionIndex: u32, sectionBytes: u32,
});
/** SubChannel; the operation is to allocate. */
export const NvspSubChannel = struct('nvsp_5_subchannel_request', 12, { type: u32, operation: u32, count: u32 });
export const NvspSubChannelComplete = struct('nvsp_5_subchannel_complete', 12, {
  type: u32, status: u32, count: u32,
});
/** Which channel each share of what the guest sends is to take. The table lies behind the message's 40 bytes. */
export const NvspSendIndirectionTable = struct('nvsp_5_send_indirect_table', 12, {
  type: u32, count: u32, offset: u32,
});
export const SEND_TABLE_ENTRIES = 16;
/** A bit of NvspNdisConfiguration's capabilities: the guest takes coalesced segments. */
export const CAPABILITY_COALESCING = 0x80;
/** SendRndisPacketComplete, and answers that are nothing but a status. */
export const NvspStatusMessage = struct('nvsp_1_message_send_rndis_packet_complete', 8, { type: u32, status: u32 });
