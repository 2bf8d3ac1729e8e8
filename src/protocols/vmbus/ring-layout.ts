/**
 * A ring of a VMBus channel: one control page, then data pages. Indices are bytes into the data, multiples of 8; a
 * packet is a descriptor, a header of its type, a payload padded to 8 bytes, and a trailer
 * [Linux include/linux/hyperv.h, struct hv_ring_buffer and struct vmpacket_descriptor].
 */
import { bytes, struct, u16, u32, u8 } from '../../wire/struct.ts';

export const RING_PAGE_SIZE = 4096;

export const RingControl = struct('hv_ring_buffer', 72, {
  writeIndex: u32,
  readIndex: u32,
  interruptMask: u32,
  /** Bytes for which the writer waits. */
  pendingSendSize: u32,
  reserved: bytes(48),
  featureBits: u32,
  reserved2: u32,
});
export const RingFeature = { PendingSendSize: 1 } as const;

/** Lengths are in units of eight bytes, and without the trailer. */
export const PacketDescriptor = struct('vmpacket_descriptor', 16, {
  type: u16,
  dataOffset8: u16,
  length8: u16,
  flags: u16,
  transactionLow: u32,
  transactionHigh: u32,
});
/** Behind each packet: the index of its first byte, in the high word. */
export const PACKET_TRAILER_SIZE = 8;

export const PacketType = { InBand: 6, TransferPages: 7, GpaDirect: 9, Completion: 0xb } as const;
export const PacketFlag = { CompletionRequested: 1 } as const;

/** Behind the descriptor of a TransferPages packet; `rangeCount` pairs of byte count and offset follow. */
export const TransferPagesHeader = struct('vmtransfer_page_packet_header', 8, {
  pageSetId: u16,
  senderOwnsSet: u8,
  reserved: u8,
  rangeCount: u32,
});
/** Behind the descriptor of a GpaDirect packet; ranges of byte count, offset and page numbers follow. */
export const GpaDirectHeader = struct('vmdata_gpa_direct', 8, { reserved: u32, rangeCount: u32 });

/** Before the payload of each packet of a pipe. */
export const PipeHeader = struct('vmpipe_proto_header', 8, { packetType: u32, dataSize: u32 });
export const PipePacketType = { Data: 1, Partial: 2 } as const;
