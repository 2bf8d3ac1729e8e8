/** What stands before a frame in its allocation: the RNDIS packet header and what is said about the frame. */
import {
  PerPacketType, RNDIS_HEADER_SIZE, RndisPacket, RndisPacketId, RndisPerPacket, RndisType,
} from '../../protocols/rndis.ts';

const INFORMATION = RndisPerPacket.$size + 4;
/** With everything that can be said. */
export const MAX_HEAD_BYTES = RndisPacket.$size + 2 * INFORMATION;

export class ReceiveHead {
  readonly bytes = new Uint8Array(MAX_HEAD_BYTES);
  readonly #view = new DataView(this.bytes.buffer);

  // Hot path: one a frame. Nothing is allocated.
  /**
   * Writes the head of `dataBytes` bytes of frame; how long it is.
   * @param part PacketIdFlag of a part of a coalesced segment; 0 for a frame by itself
   */
  write(dataBytes: number, verdict: number, part: number): number {
    const view = this.#view;
    let end = RndisPacket.$size;
    if (verdict !== 0) {
      view.setUint32(end + RndisPerPacket.$size, verdict, true);
      end = this.#information(end, PerPacketType.Checksum);
    }
    if (part !== 0) {
      const data = end + RndisPerPacket.$size;
      RndisPacketId.version.set(view, data, 1);
      RndisPacketId.flags.set(view, data, part);
      RndisPacketId.id.set(view, data, 0);
      end = this.#information(end, PerPacketType.PacketId);
    }
    const informationBytes = end - RndisPacket.$size;
    RndisPacket.type.set(view, 0, RndisType.Packet);
    RndisPacket.length.set(view, 0, end + dataBytes);
    RndisPacket.dataOffset.set(view, 0, end - RNDIS_HEADER_SIZE);
    RndisPacket.dataBytes.set(view, 0, dataBytes);
    RndisPacket.perPacketOffset.set(view, 0, informationBytes === 0 ? 0 : RndisPacket.$size - RNDIS_HEADER_SIZE);
    RndisPacket.perPacketBytes.set(view, 0, informationBytes);
    return end;
  }

  #information(at: number, type: number): number {
    RndisPerPacket.size.set(this.#view, at, INFORMATION);
    RndisPerPacket.type.set(this.#view, at, type);
    RndisPerPacket.dataOffset.set(this.#view, at, RndisPerPacket.$size);
    return at + INFORMATION;
  }
}
