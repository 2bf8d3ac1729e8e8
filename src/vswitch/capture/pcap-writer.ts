/**
 * Writes frames as a pcapng file: an interface for each port, the direction as the port sees it, and for what was
 * dropped the reason as a comment.
 */
import {
  LINKTYPE_ETHERNET, PCAP_BYTE_ORDER_MAGIC, PcapBlockType, PcapDirection, PcapEnhancedPacket, PcapInterfaceDescription,
  PcapOption, PcapSectionHeader,
} from '../../protocols/pcapng.ts';
import type { CapturePoint } from '../switch/extension.ts';

const OPTION_HEADER = 4;
const TRAILER = 4;

export class PcapWriter {
  readonly #write: (block: Uint8Array) => void;
  readonly #nowMicroseconds: () => number;
  readonly #interfaces = new Map<string, number>();

  constructor(options: { readonly write: (block: Uint8Array) => void; readonly nowMicroseconds: () => number }) {
    this.#write = options.write;
    this.#nowMicroseconds = options.nowMicroseconds;
    const block = new Uint8Array(PcapSectionHeader.$size + TRAILER);
    PcapSectionHeader.encode(new DataView(block.buffer), 0, {
      type: PcapBlockType.SectionHeader, byteOrder: PCAP_BYTE_ORDER_MAGIC, major: 1, minor: 0,
      // How long the section is nobody knows yet.
      sectionLengthLow: 0xffff_ffff, sectionLengthHigh: 0xffff_ffff,
    });
    this.#finish(block);
  }

  frame(
    point: CapturePoint, port: string, bytes: Uint8Array, offset: number, length: number, reason?: string,
  ): void {
    const interfaceId = this.#interfaceOf(port);
    const direction = point === 'egress' ? PcapDirection.Outbound : PcapDirection.Inbound;
    const comment = Buffer.from(reason === undefined ? '' : `dropped: ${reason}`);
    const flagsAt = PcapEnhancedPacket.$size + padded(length);
    const commentAt = flagsAt + OPTION_HEADER + 4;
    const endAt = commentAt + (comment.length > 0 ? OPTION_HEADER + padded(comment.length) : 0);
    const block = new Uint8Array(endAt + OPTION_HEADER + TRAILER);
    const view = new DataView(block.buffer);
    const now = this.#nowMicroseconds();
    PcapEnhancedPacket.encode(view, 0, {
      type: PcapBlockType.EnhancedPacket, interfaceId, timestampHigh: Math.floor(now / 2 ** 32),
      timestampLow: now % 2 ** 32, capturedBytes: length, originalBytes: length,
    });
    block.set(bytes.subarray(offset, offset + length), PcapEnhancedPacket.$size);
    option(view, flagsAt, PcapOption.PacketFlags, 4);
    view.setUint32(flagsAt + OPTION_HEADER, direction, true);
    if (comment.length > 0) {
      option(view, commentAt, PcapOption.Comment, comment.length);
      block.set(comment, commentAt + OPTION_HEADER);
    }
    this.#finish(block);
  }

  #interfaceOf(port: string): number {
    const known = this.#interfaces.get(port);
    if (known !== undefined) return known;
    const id = this.#interfaces.size;
    this.#interfaces.set(port, id);
    const name = Buffer.from(port);
    const block = new Uint8Array(
      PcapInterfaceDescription.$size + OPTION_HEADER + padded(name.length) + OPTION_HEADER + TRAILER);
    const view = new DataView(block.buffer);
    PcapInterfaceDescription.encode(view, 0, {
      type: PcapBlockType.InterfaceDescription, linkType: LINKTYPE_ETHERNET, reserved: 0, snapLength: 0,
    });
    option(view, PcapInterfaceDescription.$size, PcapOption.InterfaceName, name.length);
    block.set(name, PcapInterfaceDescription.$size + OPTION_HEADER);
    this.#finish(block);
    return id;
  }

  /** The length stands at both ends of a block; the end of the options is zeros. */
  #finish(block: Uint8Array<ArrayBuffer>): void {
    const view = new DataView(block.buffer);
    view.setUint32(4, block.length, true);
    view.setUint32(block.length - TRAILER, block.length, true);
    this.#write(block);
  }
}

function option(view: DataView, at: number, code: number, length: number): void {
  view.setUint16(at, code, true);
  view.setUint16(at + 2, length, true);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
