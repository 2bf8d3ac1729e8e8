/**
 * One channel's way to the guest: messages that lie in allocations of the receive buffer and wait for a packet that
 * names them [Linux drivers/net/hyperv/netvsc.c, netvsc_receive].
 */
import {
  NO_SECTION, NVSP_MESSAGE_SIZE, NvspRndisPacket, NvspType, RECEIVE_BUFFER_ID,
} from '../../protocols/nvsp.ts';
import { PacketFlag, PacketType, TransferPagesHeader } from '../../protocols/vmbus/ring-layout.ts';
import { type Channel, SendResult } from '../../vmbus/channel.ts';

/** Messages in one packet to the guest. */
export const BATCH_FRAMES = 64;

const DESCRIPTOR = 16;
const RANGE = 8;

/** A message in its allocation. */
export interface Range {
  readonly allocation: number;
  readonly bytes: number;
}

export class ReceiveQueue {
  readonly index: number;
  channel: Channel | undefined;
  pending: Range[] = [];
  readonly #head = new Uint8Array(TransferPagesHeader.$size + BATCH_FRAMES * RANGE);
  readonly #headView = new DataView(this.#head.buffer);
  readonly #nvsp = new Uint8Array(NVSP_MESSAGE_SIZE);
  readonly #nvspView = new DataView(this.#nvsp.buffer);

  constructor(index: number) {
    this.index = index;
  }

  get isFull(): boolean {
    return this.pending.length >= BATCH_FRAMES;
  }

  /** Sends one packet. False: the ring has no room for it. */
  send(channelType: number, ranges: readonly Range[], allocationBytes: number): boolean {
    const view = this.#headView;
    TransferPagesHeader.pageSetId.set(view, 0, RECEIVE_BUFFER_ID);
    TransferPagesHeader.rangeCount.set(view, 0, ranges.length);
    let at = TransferPagesHeader.$size;
    for (const { allocation, bytes } of ranges) {
      view.setUint32(at, bytes, true);
      view.setUint32(at + 4, allocation * allocationBytes, true);
      at += RANGE;
    }
    NvspRndisPacket.type.set(this.#nvspView, 0, NvspType.SendRndisPacket);
    NvspRndisPacket.channelType.set(this.#nvspView, 0, channelType);
    NvspRndisPacket.sectionIndex.set(this.#nvspView, 0, NO_SECTION);
    const first = (ranges[0] as Range).allocation;
    const result = this.channel?.write(
      PacketType.TransferPages, PacketFlag.CompletionRequested, first + 1, 0, DESCRIPTOR + at,
      this.#head.subarray(0, at), this.#nvsp);
    return result === SendResult.Sent;
  }
}
