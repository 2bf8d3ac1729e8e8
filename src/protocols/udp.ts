/** User datagrams [RFC 768]. */
import { struct, u16be } from '../wire/struct.ts';

export const UdpHeader = struct('udp_header', 8, {
  sourcePort: u16be, destinationPort: u16be, length: u16be, checksum: u16be,
});
