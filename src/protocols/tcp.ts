/** Transmission control [RFC 9293, 3.1]; window scale [RFC 7323, 2.2]. */
import { struct, u16be, u32be, u8 } from '../wire/struct.ts';

/** `offset` holds the header's length in words in its upper four bits. */
export const TcpHeader = struct('tcp_header', 20, {
  sourcePort: u16be, destinationPort: u16be, sequence: u32be, acknowledgment: u32be, offset: u8, flags: u8,
  window: u16be, checksum: u16be, urgentPointer: u16be,
});

export const TcpFlag = { Fin: 0x01, Syn: 0x02, Rst: 0x04, Psh: 0x08, Ack: 0x10, Urg: 0x20 } as const;

export const TcpOption = { End: 0, Nothing: 1, MaximumSegment: 2, WindowScale: 3 } as const;

/** What holds when a SYN names no maximum segment size [RFC 9293, 3.7.1]. */
export const TCP_DEFAULT_SEGMENT_BYTES = 536;
export const TCP_MAXIMUM_WINDOW_SHIFT = 14;
export const TCP_MINIMUM_HEADER_BYTES = 20;
