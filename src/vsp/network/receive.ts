/**
 * Frames and control messages to the guest. Its receive buffer is cut into allocations of equal size; each holds one
 * RNDIS message, and belongs to the guest from the transfer packet that names it until the guest completes that
 * packet. Frames that come together go in one packet.
 */
import { NO_SECTION, NVSP_MESSAGE_SIZE, NvspChannelType, NvspRndisPacket, NvspType, RECEIVE_BUFFER_ID,
} from '../../protocols/nvsp.ts';
import { ChecksumVerdict, PerPacketType, RNDIS_HEADER_SIZE, RndisPacket, RndisPerPacket, RndisType,
} from '../../protocols/rndis.ts';
import { PacketFlag, PacketType, TransferPagesHeader } from '../../protocols/vmbus/ring-layout.ts';
import { FrameOffload, type FrameSink } from '../../kit/network-endpoint.ts';
import { type Channel, SendResult } from '../../vmbus/channel.ts';
import type { GuestPages } from '../../vmbus/guest-pages.ts';
import type { Adapter } from './adapter.ts';
import { AllocationTable } from './allocations.ts';
import { completeChecksum, finishPiece, FrameHeaders, segmentHeaderBytes } from './frame.ts';
import type { NetworkStatistics } from './statistics.ts';

/** Frames in one packet to the guest. */
export const BATCH_FRAMES = 64;
/** Answers that wait for room; a guest has one request under way. */
export const MAX_CONTROL_MESSAGES = 16;
/** Allocations that frames leave to control messages. */
const RESERVED_ALLOCATIONS = 4;
const MIN_ALLOCATIONS = 16;

const DESCRIPTOR = 16;
const RANGE = 8;
const ETHERNET_HEADER = 14;
const VLAN_TAG = 4;
const CHECKSUM_INFO = RndisPerPacket.$size + 4;
const FRAME_HEAD = RndisPacket.$size + CHECKSUM_INFO;
const ALLOCATION_SPARE = 214;
const ALLOCATION_UNIT = 64;
const ANY_CHECKSUM = FrameOffload.TransportChecksumGood | FrameOffload.TransportChecksumPartial;

/** Room for a frame of that many bytes and all that goes before it. */
export function allocationBytes(frameBytes: number): number {
  return Math.ceil((frameBytes + ALLOCATION_SPARE) / ALLOCATION_UNIT) * ALLOCATION_UNIT;
}

interface Range {
  readonly allocation: number;
  readonly bytes: number;
}

export interface ReceiveState {
  readonly allocationBytes: number;
  /** Allocations that the guest holds, by transfer. */
  readonly transfers: readonly (readonly number[])[];
  readonly pending: readonly Range[];
  readonly controls: readonly Uint8Array[];
}

interface ReceiveOptions {
  readonly adapter: Adapter;
  readonly statistics: NetworkStatistics;
  /** There is room again after a frame was refused. */
  readonly onRoom: () => void;
}

export class ReceivePath implements FrameSink {
  readonly #adapter: Adapter;
  readonly #statistics: NetworkStatistics;
  readonly #onRoom: () => void;
  readonly #head = new Uint8Array(TransferPagesHeader.$size + BATCH_FRAMES * RANGE);
  readonly #headView = new DataView(this.#head.buffer);
  readonly #nvsp = new Uint8Array(NVSP_MESSAGE_SIZE);
  readonly #nvspView = new DataView(this.#nvsp.buffer);
  readonly #frameHead = new Uint8Array(FRAME_HEAD);
  readonly #frameHeadView = new DataView(this.#frameHead.buffer);
  readonly #headers = new FrameHeaders();
  #copy = new Uint8Array(0);
  #channel: Channel | undefined;
  #pages: GuestPages | undefined;
  #allocationBytes = 0;
  #allocations = new AllocationTable(0);
  #pending: Range[] = [];
  #controls: Uint8Array[] = [];
  #isScheduled = false;
  #hasRefused = false;
  /** Allocations that what was refused needs. */
  #wanted = 1;

  constructor(options: ReceiveOptions) {
    this.#adapter = options.adapter;
    this.#statistics = options.statistics;
    this.#onRoom = options.onRoom;
  }

  get allocationCount(): number {
    return this.#allocations.count;
  }

  /** Allocations that the guest holds. */
  get heldAllocations(): number {
    return this.#allocations.count - this.#allocations.freeCount - this.#pending.length;
  }

  attach(channel: Channel | undefined): void {
    this.#channel = channel;
  }

  /** Cuts the guest's buffer; false when it is too small to be of use. */
  setBuffer(pages: GuestPages, bytes: number): boolean {
    const count = Math.floor(pages.byteCount / bytes);
    if (this.#pages !== undefined || count < MIN_ALLOCATIONS) return false;
    this.#pages = pages;
    this.#allocationBytes = bytes;
    this.#copy = new Uint8Array(bytes);
    this.#allocations = new AllocationTable(count);
    return true;
  }

  /** The guest takes its buffer back, or is gone. */
  clear(): void {
    this.#pages = undefined;
    this.#allocations = new AllocationTable(0);
    this.#pending = [];
    this.#controls = [];
    this.#hasRefused = false;
  }

  // Hot path: one a frame. Allocates the entry of a range and the views of guest memory.
  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean {
    if (segmentBytes > 0 && length > this.#limit) return this.#deliverSegment(buffer, offset, length, segmentBytes);
    const adapter = this.#adapter;
    const cause = this.#reasonToDrop(buffer, offset, length);
    if (cause !== undefined) {
      this.#statistics.drop(cause);
      return true;
    }
    if (this.#allocations.freeCount <= RESERVED_ALLOCATIONS || this.#pending.length >= BATCH_FRAMES) {
      this.#hasRefused = true;
      this.#wanted = 1;
      return false;
    }
    let [source, at, verdict] = [buffer, offset, 0];
    if ((offload & ANY_CHECKSUM) !== 0) {
      if ((offload & FrameOffload.TransportChecksumPartial) !== 0) {
        this.#copy.set(buffer.subarray(offset, offset + length));
        [source, at] = [this.#copy, 0];
        if (!completeChecksum(source, 0, length, this.#headers)) {
          this.#statistics.drop('receiveMalformed');
          return true;
        }
      } else if (!this.#headers.find(buffer, offset, length)) offload &= ~FrameOffload.TransportChecksumGood;
      if (adapter.receiveChecksums) verdict = this.#verdict(offload);
    }
    this.#place(source, at, length, verdict);
    this.#statistics.received(length);
    if (this.#pending.length >= BATCH_FRAMES) this.#sendFrames();
    else this.#schedule();
    return true;
  }

  /** A TCP segment larger than the guest takes: it gets the pieces for which it stands, all of them or none. */
  #deliverSegment(buffer: Uint8Array, offset: number, length: number, segmentBytes: number): boolean {
    const cause = this.#reasonToDrop(buffer, offset, ETHERNET_HEADER);
    const isTcp = this.#headers.find(buffer, offset, length) && this.#headers.isTcp;
    const headerBytes = isTcp ? segmentHeaderBytes(buffer, offset, this.#headers) : length;
    const payload = length - headerBytes;
    const pieces = Math.ceil(payload / segmentBytes);
    // What needs more than the whole buffer can never be taken.
    const isSound = isTcp && payload > 0 && headerBytes + segmentBytes <= this.#limit &&
      pieces + RESERVED_ALLOCATIONS <= this.#allocations.count;
    if (cause !== undefined || !isSound) {
      this.#statistics.drop(cause ?? 'receiveOversized');
      return true;
    }
    if (this.#allocations.freeCount < pieces + RESERVED_ALLOCATIONS || this.#pending.length >= BATCH_FRAMES) {
      this.#hasRefused = true;
      this.#wanted = pieces;
      return false;
    }
    this.#cut(buffer, offset, headerBytes, payload, segmentBytes);
    this.#sendFrames();
    return true;
  }

  #cut(buffer: Uint8Array, offset: number, headerBytes: number, payload: number, segmentBytes: number): void {
    for (let index = 0, skip = 0; skip < payload; index++, skip += segmentBytes) {
      const count = Math.min(segmentBytes, payload - skip);
      const from = offset + headerBytes + skip;
      this.#copy.set(buffer.subarray(offset, offset + headerBytes));
      this.#copy.set(buffer.subarray(from, from + count), headerBytes);
      const pieceBytes = headerBytes + count;
      const isLast = skip + count === payload;
      if (!finishPiece(this.#copy, pieceBytes, index, skip, isLast, this.#headers)) {
        this.#statistics.drop('receiveMalformed');
        continue;
      }
      this.#place(this.#copy, 0, pieceBytes, this.#adapter.receiveChecksums ? ChecksumVerdict.TcpGood : 0);
      this.#statistics.received(pieceBytes);
    }
  }

  /** The longest frame that the guest takes. */
  get #limit(): number {
    return Math.min(this.#adapter.frameBytes + VLAN_TAG, this.#allocationBytes - FRAME_HEAD);
  }

  /** An answer or indication; false when too many wait already. */
  control(message: Uint8Array): boolean {
    if (this.#controls.length >= MAX_CONTROL_MESSAGES || message.length > this.#allocationBytes) return false;
    this.#controls.push(message);
    this.#sendControls();
    return true;
  }

  /** The guest is through with a transfer. False: there is none of that number. */
  completed(low: number, high: number): boolean {
    return high === 0 && this.#allocations.end(low - 1);
  }

  /** Sends what there is room for, and asks for more if some was refused. */
  turn(): void {
    this.#sendControls();
    this.#sendFrames();
    const { freeCount } = this.#allocations;
    const hasRoom = freeCount >= RESERVED_ALLOCATIONS + this.#wanted && this.#pending.length < BATCH_FRAMES;
    if (!this.#hasRefused || !hasRoom) return;
    this.#hasRefused = false;
    this.#onRoom();
  }

  saveState(): ReceiveState {
    return {
      allocationBytes: this.#allocationBytes, transfers: this.#allocations.transfers(), pending: [...this.#pending],
      controls: this.#controls.map((message) => message.slice()),
    };
  }

  /** After `setBuffer` with the saved size, if there was a buffer. */
  restoreState(state: ReceiveState): void {
    this.#allocations.restore(state.transfers, state.pending.map(({ allocation }) => allocation));
    this.#pending = [...state.pending];
    this.#controls = state.controls.map((message) => message.slice());
  }

  #reasonToDrop(
    buffer: Uint8Array, offset: number, length: number,
  ): 'receiveNotReady' | 'receiveMalformed' | 'receiveOversized' | 'receiveFiltered' | undefined {
    if (this.#pages === undefined || this.#channel === undefined) return 'receiveNotReady';
    if (!this.#adapter.isInitialized || this.#adapter.packetFilter === 0) return 'receiveNotReady';
    if (length < ETHERNET_HEADER) return 'receiveMalformed';
    if (length > this.#limit) return 'receiveOversized';
    return this.#adapter.wants(buffer, offset) ? undefined : 'receiveFiltered';
  }

  #verdict(offload: number): number {
    let verdict = (offload & FrameOffload.Ipv4ChecksumGood) === 0 ? 0 : ChecksumVerdict.IpHeaderGood;
    if ((offload & ANY_CHECKSUM) !== 0) {
      verdict |= this.#headers.isTcp ? ChecksumVerdict.TcpGood : ChecksumVerdict.UdpGood;
    }
    return verdict;
  }

  #place(source: Uint8Array, at: number, length: number, verdict: number): void {
    const pages = this.#pages as GuestPages;
    const information = verdict === 0 ? 0 : CHECKSUM_INFO;
    const headBytes = RndisPacket.$size + information;
    const view = this.#frameHeadView;
    RndisPacket.type.set(view, 0, RndisType.Packet);
    RndisPacket.length.set(view, 0, headBytes + length);
    RndisPacket.dataOffset.set(view, 0, headBytes - RNDIS_HEADER_SIZE);
    RndisPacket.dataBytes.set(view, 0, length);
    RndisPacket.perPacketOffset.set(view, 0, information === 0 ? 0 : RndisPacket.$size - RNDIS_HEADER_SIZE);
    RndisPacket.perPacketBytes.set(view, 0, information);
    if (information > 0) {
      RndisPerPacket.size.set(view, RndisPacket.$size, CHECKSUM_INFO);
      RndisPerPacket.type.set(view, RndisPacket.$size, PerPacketType.Checksum);
      RndisPerPacket.dataOffset.set(view, RndisPacket.$size, RndisPerPacket.$size);
      view.setUint32(RndisPacket.$size + RndisPerPacket.$size, verdict, true);
    }
    const allocation = this.#allocations.take();
    const position = allocation * this.#allocationBytes;
    pages.write(position, this.#frameHead, 0, headBytes);
    pages.write(position + headBytes, source, at, length);
    this.#pending.push({ allocation, bytes: headBytes + length });
  }

  /** Frames that come in the same run of the network's code go together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#sendFrames();
    });
  }

  #sendFrames(): void {
    while (this.#pending.length > 0) {
      if (!this.#sendPacket(NvspChannelType.Data, this.#pending.slice(0, BATCH_FRAMES))) return;
      this.#pending = this.#pending.slice(BATCH_FRAMES);
    }
  }

  #sendControls(): void {
    while (this.#controls.length > 0 && this.#allocations.freeCount > 0) {
      const message = this.#controls[0] as Uint8Array;
      const allocation = this.#allocations.top;
      this.#pages?.write(allocation * this.#allocationBytes, message, 0, message.length);
      if (!this.#sendPacket(NvspChannelType.Control, [{ allocation, bytes: message.length }])) return;
      this.#allocations.take();
      this.#controls.shift();
    }
  }

  #sendPacket(channelType: number, ranges: readonly Range[]): boolean {
    const view = this.#headView;
    TransferPagesHeader.pageSetId.set(view, 0, RECEIVE_BUFFER_ID);
    TransferPagesHeader.rangeCount.set(view, 0, ranges.length);
    let at = TransferPagesHeader.$size;
    for (const { allocation, bytes } of ranges) {
      view.setUint32(at, bytes, true);
      view.setUint32(at + 4, allocation * this.#allocationBytes, true);
      at += RANGE;
    }
    NvspRndisPacket.type.set(this.#nvspView, 0, NvspType.SendRndisPacket);
    NvspRndisPacket.channelType.set(this.#nvspView, 0, channelType);
    NvspRndisPacket.sectionIndex.set(this.#nvspView, 0, NO_SECTION);
    const first = (ranges[0] as Range).allocation;
    const result = this.#channel?.write(
      PacketType.TransferPages, PacketFlag.CompletionRequested, first + 1, 0, DESCRIPTOR + at,
      this.#head.subarray(0, at), this.#nvsp);
    if (result !== SendResult.Sent) return false;
    this.#allocations.begin(ranges.map(({ allocation }) => allocation));
    return true;
  }
}
