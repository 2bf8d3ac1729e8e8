/**
 * Frames from the guest. A send is copied out of the guest whole (its section of the send buffer, then the pages that
 * its packet names), and the RNDIS messages in the copy become frames of the network. When the network takes no
 * more, sends wait here in their order, a bounded number; the ring goes on, because what the guest gives back of the
 * receive buffer comes through it, too.
 */
import { FrameOffload, type NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { NO_SECTION, NvspRndisPacket, NvspStatus } from '../../protocols/nvsp.ts';
import {
  ChecksumRequest, LargeSend, PerPacketType, RNDIS_HEADER_SIZE, RndisHeader, RndisPacket, RndisPerPacket, RndisType,
} from '../../protocols/rndis.ts';
import { PacketType } from '../../protocols/vmbus/ring-layout.ts';
import type { GuestPages } from '../../vmbus/guest-pages.ts';
import type { Adapter } from './adapter.ts';
import { completeLargeSegment, FrameHeaders } from './frame.ts';
import { GpaReader, type GuestRam } from './guest-ram.ts';
import type { DropCause, NetworkStatistics } from './statistics.ts';

/** One send with all its frames: a large segment and what goes before it, or a section full. */
export const MAX_SEND_BYTES = 0x2_0000;
/** Sends that wait for the network. */
export const MAX_WAITING_SENDS = 256;
export const SECTION_BYTES = 6144;

const DESCRIPTOR = 16;
const ETHERNET_HEADER = 14;
const ADDRESSES = 12;
const VLAN_TAG = 4;
const TYPE_VLAN = 0x8100;

/** A packet of the ring that holds a send, as a private copy. */
export interface SendPacket {
  readonly type: number;
  readonly transactionLow: number;
  readonly transactionHigh: number;
  readonly dataOffset: number;
  readonly length: number;
  readonly view: DataView;
}

/** Whose completion a send wants: its channel, and its slot in the channel's journal. */
interface Origin {
  readonly queue: number;
  readonly slot: number;
}

type Transactions = (origin: Origin) => readonly [low: number, high: number];
type Slots = (queue: number, low: number, high: number) => number;

export interface TransmitState {
  /** The send of which some frames were taken already: what is left of it. */
  readonly current: { readonly queue: number; readonly low: number; readonly high: number; readonly rest: Uint8Array }
    | undefined;
  readonly waiting: readonly (Omit<SendPacket, 'view'> & { readonly queue: number; readonly bytes: Uint8Array })[];
}

interface TransmitOptions {
  readonly ram: GuestRam;
  readonly endpoint: NetworkEndpoint;
  readonly adapter: Adapter;
  readonly statistics: NetworkStatistics;
  readonly complete: (queue: number, slot: number, status: number) => void;
}

export class TransmitPath {
  readonly #endpoint: NetworkEndpoint;
  readonly #adapter: Adapter;
  readonly #statistics: NetworkStatistics;
  readonly #complete: (queue: number, slot: number, status: number) => void;
  readonly #reader: GpaReader;
  readonly #headers = new FrameHeaders();
  readonly #bytes = new Uint8Array(MAX_SEND_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #sections: GuestPages | undefined;
  #waiting: (SendPacket & Origin)[] = [];
  /** The send that is in `#bytes`. */
  #current: Origin | undefined;
  #length = 0;
  #at = 0;
  #isRunning = false;
  #hasDelivered = false;
  /** Of the frame that is being looked at. */
  #offload = 0;
  #segmentBytes = 0;
  #vlanTag = -1;

  constructor(options: TransmitOptions) {
    this.#endpoint = options.endpoint;
    this.#adapter = options.adapter;
    this.#statistics = options.statistics;
    this.#complete = options.complete;
    this.#reader = new GpaReader(options.ram);
  }

  get waitingCount(): number {
    return this.#waiting.length + (this.#current === undefined ? 0 : 1);
  }

  /** Cuts the guest's send buffer; false when there is one, or it has no room for a section. */
  setBuffer(pages: GuestPages): boolean {
    if (this.#sections !== undefined || pages.byteCount < SECTION_BYTES) return false;
    this.#sections = pages;
    return true;
  }

  clearBuffer(): void {
    this.#sections = undefined;
  }

  /** The guest is gone. */
  clear(): void {
    this.clearBuffer();
    this.#waiting = [];
    this.#current = undefined;
  }

  /** Takes a send of a channel; it is completed now or later. `packet` need be valid only during the call. */
  take(packet: SendPacket, queue: number, slot: number): void {
    if (this.#current === undefined) {
      this.#begin(packet, { queue, slot });
      return;
    }
    if (this.#waiting.length >= MAX_WAITING_SENDS) {
      this.#statistics.drop('transmitBusy');
      this.#complete(queue, slot, NvspStatus.Success);
      return;
    }
    const { type, transactionLow, transactionHigh, dataOffset, length } = packet;
    const bytes = new Uint8Array(packet.view.buffer as ArrayBuffer, packet.view.byteOffset, length).slice();
    this.#waiting.push({
      queue, slot, type, transactionLow, transactionHigh, dataOffset, length, view: new DataView(bytes.buffer),
    });
  }

  /** The network takes frames again. */
  resume(): void {
    if (this.#isRunning) return;
    this.#run();
    while (this.#current === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#begin(next, { queue: next.queue, slot: next.slot });
    }
    this.flush();
  }

  /** Has the network act on the frames of a turn. */
  flush(): void {
    if (!this.#hasDelivered) return;
    this.#hasDelivered = false;
    this.#endpoint.flush();
  }

  /** A control message, whole; undefined when it is not where the packet says. */
  copyControl(packet: SendPacket): Uint8Array | undefined {
    const target = new Uint8Array(MAX_CONTROL_BYTES);
    const length = this.#gather(packet, target);
    return length < 0 ? undefined : target.subarray(0, length);
  }

  /** @param transactionOf whose send it is */
  saveState(transactionOf: Transactions): TransmitState {
    const current = this.#current;
    const [low, high] = current === undefined ? [0, 0] : transactionOf(current);
    return {
      current: current && { queue: current.queue, low, high, rest: this.#bytes.slice(this.#at, this.#length) },
      waiting: this.#waiting.map(({ queue, type, transactionLow, transactionHigh, dataOffset, length, view }) => ({
        queue, type, transactionLow, transactionHigh, dataOffset, length,
        bytes: new Uint8Array(view.buffer as ArrayBuffer).slice(),
      })),
    };
  }

  /** @param slotOf a new slot for a send */
  restoreState({ current, waiting }: TransmitState, slotOf: Slots): void {
    if (current !== undefined) {
      this.#bytes.set(current.rest);
      this.#length = current.rest.length;
      this.#at = 0;
      this.#current = { queue: current.queue, slot: slotOf(current.queue, current.low, current.high) };
    }
    this.#waiting = waiting.map(({ bytes, ...rest }) => ({
      ...rest, slot: slotOf(rest.queue, rest.transactionLow, rest.transactionHigh),
      view: new DataView(bytes.slice().buffer),
    }));
  }

  #begin(packet: SendPacket, origin: Origin): void {
    this.#length = this.#gather(packet, this.#bytes);
    this.#at = 0;
    this.#current = origin;
    this.#run();
  }

  /** Copies a send; -1 when it is not where the packet says. */
  #gather(packet: SendPacket, target: Uint8Array): number {
    const { view, dataOffset } = packet;
    const index = NvspRndisPacket.sectionIndex.get(view, dataOffset);
    let length = 0;
    if (index !== NO_SECTION) {
      const sections = this.#sections;
      length = NvspRndisPacket.sectionBytes.get(view, dataOffset);
      if (sections === undefined || length > Math.min(SECTION_BYTES, target.length)) return -1;
      if (index >= Math.floor(sections.byteCount / SECTION_BYTES)) return -1;
      sections.read(index * SECTION_BYTES, target, 0, length);
    }
    return packet.type === PacketType.GpaDirect
      ? this.#reader.read(view, DESCRIPTOR, dataOffset, target, length) : length;
  }

  // Hot path: one a send, and a turn of the loop for each frame. Nothing is allocated.
  #run(): void {
    const current = this.#current;
    if (current === undefined || this.#isRunning) return;
    this.#isRunning = true;
    let status: number = this.#length < RNDIS_HEADER_SIZE ? NvspStatus.InvalidRndisPacket : NvspStatus.Success;
    while (this.#length - this.#at >= RNDIS_HEADER_SIZE) {
      const messageBytes = RndisHeader.length.get(this.#view, this.#at);
      const isFrame = RndisHeader.type.get(this.#view, this.#at) === RndisType.Packet;
      if (!isFrame || messageBytes < RndisPacket.$size || messageBytes > this.#length - this.#at) {
        status = NvspStatus.InvalidRndisPacket;
        break;
      }
      if (!this.#frame(this.#at, messageBytes)) {
        this.#isRunning = false;
        return;
      }
      this.#at += messageBytes;
    }
    this.#isRunning = false;
    this.#current = undefined;
    if (status !== NvspStatus.Success) this.#statistics.drop('transmitMalformed');
    this.#complete(current.queue, current.slot, status);
  }

  /** False: the network takes nothing now. */
  #frame(at: number, messageBytes: number): boolean {
    const length = RndisPacket.dataBytes.get(this.#view, at);
    const offset = RNDIS_HEADER_SIZE + RndisPacket.dataOffset.get(this.#view, at);
    const isWhole = offset >= RndisPacket.$size && offset + length <= messageBytes && length >= ETHERNET_HEADER;
    if (!isWhole || !this.#readInformation(at, offset)) return this.#drop('transmitMalformed');
    if (!this.#adapter.isInitialized || this.#adapter.packetFilter === 0) return this.#drop('transmitNotReady');
    if (!this.#adapter.options.isConnected()) return this.#drop('transmitDisconnected');
    const limit = this.#adapter.frameBytes + VLAN_TAG;
    if (this.#segmentBytes === 0 && length > limit) return this.#drop('transmitOversized');
    const from = at + offset;
    if (this.#segmentBytes > 0 && !completeLargeSegment(this.#bytes, from, length, this.#headers)) {
      return this.#drop('transmitMalformed');
    }
    const tag = this.#vlanTag < 0 ? 0 : VLAN_TAG;
    if (tag > 0) this.#insertTag(from);
    const isTaken = this.#endpoint.deliver(this.#bytes, from - tag, length + tag, this.#offload, this.#segmentBytes);
    if (!isTaken) {
      if (tag > 0) this.#bytes.copyWithin(from, from - tag, from - tag + ADDRESSES);
      return false;
    }
    this.#statistics.sent(length + tag);
    this.#hasDelivered = true;
    return true;
  }

  /** The frame is gone; the next one's turn. */
  #drop(cause: DropCause): boolean {
    this.#statistics.drop(cause);
    return true;
  }

  /** The addresses move forward over what has been read already. */
  #insertTag(from: number): void {
    const to = from - VLAN_TAG;
    this.#bytes.copyWithin(to, from, from + ADDRESSES);
    this.#view.setUint16(to + ADDRESSES, TYPE_VLAN);
    this.#view.setUint16(to + ADDRESSES + 2, this.#vlanTag);
  }

  /** Reads what is said about a frame: `end` is where its data begins. False: it makes no sense. */
  #readInformation(at: number, end: number): boolean {
    this.#offload = 0;
    this.#segmentBytes = 0;
    this.#vlanTag = -1;
    const length = RndisPacket.perPacketBytes.get(this.#view, at);
    if (length === 0) return true;
    const start = RNDIS_HEADER_SIZE + RndisPacket.perPacketOffset.get(this.#view, at);
    if (start < RndisPacket.$size || start + length > end) return false;
    for (let next = start; next < start + length;) {
      const left = start + length - next;
      if (left < RndisPerPacket.$size) return false;
      const size = RndisPerPacket.size.get(this.#view, at + next);
      const data = RndisPerPacket.dataOffset.get(this.#view, at + next);
      if (size < RndisPerPacket.$size || size > left || data < RndisPerPacket.$size || data + 4 > size) return false;
      this.#apply(RndisPerPacket.type.get(this.#view, at + next), this.#view.getUint32(at + next + data, true));
      next += size;
    }
    return true;
  }

  #apply(type: number, value: number): void {
    if (type === PerPacketType.Checksum) {
      if ((value & (ChecksumRequest.Tcp | ChecksumRequest.Udp)) !== 0) {
        this.#offload |= FrameOffload.TransportChecksumPartial;
      }
    } else if (type === PerPacketType.LargeSend) {
      this.#segmentBytes = value & LargeSend.SegmentMask;
      this.#offload |= FrameOffload.TransportChecksumPartial;
    } else if (type === PerPacketType.Vlan) {
      // Priority, canonical form and number lie in another order than on the wire.
      this.#vlanTag = ((value & 7) << 13) | ((value & 8) << 9) | ((value >>> 4) & 0xfff);
    }
  }
}

/** The longest control message that says anything to us. */
const MAX_CONTROL_BYTES = 0x2000;
