/** A TCP segment as the guest sent it, and how one is written [RFC 9293, 3.1; 3.2]. Options: MSS and window scale. */
import { IpProtocol } from '../../protocols/ip.ts';
import {
  TCP_DEFAULT_SEGMENT_BYTES, TCP_MAXIMUM_WINDOW_SHIFT, TCP_MINIMUM_HEADER_BYTES, TcpFlag, TcpHeader, TcpOption,
} from '../../protocols/tcp.ts';
import { addBytes, finish } from '../packet/checksum.ts';
import type { IpOutput } from './ip-output.ts';

export interface TcpSegment {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgment: number;
  flags: number;
  window: number;
  /** What a SYN's options say; a shift of -1 means that there was none. */
  maximumSegment: number;
  windowShift: number;
  payload: Uint8Array;
}

const SMALLEST_SEGMENT_BYTES = 88;
/** The option bytes of a SYN: MSS, a filler, window scale. */
const SYN_OPTION_BYTES = 8;

/** Undefined when the header does not fit the packet. */
export function readSegment(view: DataView, at: number, length: number): TcpSegment | undefined {
  if (length < TCP_MINIMUM_HEADER_BYTES) return undefined;
  const headerBytes = (TcpHeader.offset.get(view, at) >>> 4) * 4;
  if (headerBytes < TCP_MINIMUM_HEADER_BYTES || headerBytes > length) return undefined;
  const segment: TcpSegment = {
    sourcePort: TcpHeader.sourcePort.get(view, at),
    destinationPort: TcpHeader.destinationPort.get(view, at),
    sequence: TcpHeader.sequence.get(view, at),
    acknowledgment: TcpHeader.acknowledgment.get(view, at),
    flags: TcpHeader.flags.get(view, at),
    window: TcpHeader.window.get(view, at),
    maximumSegment: TCP_DEFAULT_SEGMENT_BYTES,
    windowShift: -1,
    payload: new Uint8Array(view.buffer, view.byteOffset + at + headerBytes, length - headerBytes),
  };
  if ((segment.flags & TcpFlag.Syn) !== 0) readOptions(view, at + TCP_MINIMUM_HEADER_BYTES, at + headerBytes, segment);
  return segment;
}

function readOptions(view: DataView, from: number, end: number, segment: TcpSegment): void {
  let at = from;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === TcpOption.End) return;
    if (kind === TcpOption.Nothing) {
      at++;
      continue;
    }
    const size = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (size < 2 || at + size > end) return;
    if (kind === TcpOption.MaximumSegment && size === 4) {
      segment.maximumSegment = Math.max(view.getUint16(at + 2), SMALLEST_SEGMENT_BYTES);
    } else if (kind === TcpOption.WindowScale && size === 3) {
      segment.windowShift = Math.min(view.getUint8(at + 2), TCP_MAXIMUM_WINDOW_SHIFT);
    }
    at += size;
  }
}

export interface SegmentHeader {
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  /** For a SYN. */
  readonly maximumSegment?: number;
  readonly windowShift?: number;
}

/** Writes the header; returns where the payload begins in the output's buffer. */
export function writeSegment(output: IpOutput, header: SegmentHeader): number {
  const options = header.maximumSegment === undefined ? 0 : SYN_OPTION_BYTES;
  const headerBytes = TCP_MINIMUM_HEADER_BYTES + options;
  const { sourcePort, destinationPort, sequence, acknowledgment, flags, window } = header;
  TcpHeader.encode(output.view, output.payload, {
    sourcePort, destinationPort, sequence, acknowledgment, offset: headerBytes << 2, flags, window, checksum: 0,
    urgentPointer: 0,
  });
  if (options > 0) {
    const at = output.payload + TCP_MINIMUM_HEADER_BYTES;
    output.view.setUint16(at, (TcpOption.MaximumSegment << 8) | 4);
    output.view.setUint16(at + 2, header.maximumSegment ?? 0);
    const shift = header.windowShift ?? -1;
    output.view.setUint32(at + 4, shift < 0 ? 0x0101_0101 : ((TcpOption.Nothing << 24) | 0x03_0300 | shift) >>> 0);
  }
  return output.payload + headerBytes;
}

/** Completes the checksum over header and payload; returns the length of both. */
export function completeSegment(output: IpOutput, header: SegmentHeader, end: number): number {
  const { payload } = output;
  const length = end - payload;
  const sum = output.pseudo(header.source, header.destination, IpProtocol.Tcp, length);
  TcpHeader.checksum.set(output.view, payload, finish(addBytes(sum, output.bytes, payload, length)));
  return length;
}
