/**
 * An open channel as its service sees it: packets in, packets out, whatever the guest does. A service that was told
 * of packets reads until `receive` says no; between two turns of the thread's loop it gets a bounded number.
 */
import { PacketDescriptor, PacketFlag, PacketType } from '../protocols/vmbus/ring-layout.ts';
import type { GuestPages, GuestPagesValue } from './guest-pages.ts';
import type { ChannelLedger } from './ledger.ts';
import { IncomingRing, OutgoingRing, ReadResult, WriteResult } from './ring.ts';

/** Packets of one channel in a turn. */
export const BATCH_PACKETS = 128;

/** What became of a packet to the guest. After Full the service is signalled once there is room. */
export const SendResult = { Sent: 0, Full: 1, Closed: 2 } as const;
export type SendResult = (typeof SendResult)[keyof typeof SendResult];

export interface ChannelOptions {
  readonly relid: number;
  readonly ring: GuestPages;
  readonly downstreamPage: number;
  readonly userData: Uint8Array;
  readonly maxPacketBytes: number;
  readonly ledger: ChannelLedger;
  /** The channel was open when its state was saved, and goes on: nothing is to be negotiated again. */
  readonly isRestored: boolean;
  /** Where a service that starts again goes on reading, when it has not taken all that was read for it. */
  readonly receivePosition?: number | undefined;
  /** Raises the guest's interrupt for this channel. */
  readonly signalGuest: () => void;
  /** More packets may lie in the ring than one turn takes: come again. */
  readonly comeAgain: () => void;
  /** The guest broke the ring or its protocol. */
  readonly fail: (reason: string) => void;
  /** A list of pages that the guest made for this channel. */
  readonly pagesOf: (gpadl: number) => GuestPages | undefined;
}

/** What another thread needs to serve a channel that was opened on the bus's. */
export interface ChannelHandle {
  readonly relid: number;
  readonly ring: GuestPagesValue;
  readonly downstreamPage: number;
  readonly userData: Uint8Array;
  readonly maxPacketBytes: number;
  readonly isRestored: boolean;
}

export class Channel {
  readonly relid: number;
  /** What the guest's driver gave along with its wish to open. */
  readonly userData: Uint8Array;
  readonly ledger: ChannelLedger;
  readonly isRestored: boolean;
  readonly #incoming: IncomingRing;
  readonly #outgoing: OutgoingRing;
  readonly #options: ChannelOptions;
  #isOpen = true;
  #isElsewhere = false;
  #masked = false;
  #budget = 0;

  constructor(options: ChannelOptions) {
    this.relid = options.relid;
    this.userData = options.userData;
    this.ledger = options.ledger;
    this.isRestored = options.isRestored;
    this.#options = options;
    const { ring, downstreamPage } = options;
    this.#incoming = new IncomingRing(ring.slice(0, downstreamPage), {
      maxPacketBytes: options.maxPacketBytes, position: options.receivePosition,
    });
    this.#outgoing = new OutgoingRing(ring.slice(downstreamPage, ring.pageCount - downstreamPage));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The packet that `receive` brought: valid until the next `receive`, and in the ring until then. */
  get packet(): Readonly<IncomingRing> {
    return this.#incoming;
  }

  /** A private copy of the packet's payload, padded to eight bytes as it was sent. */
  get payload(): Uint8Array<ArrayBuffer> {
    return this.#incoming.bytes.subarray(this.#incoming.dataOffset, this.#incoming.length);
  }

  /** The next packet is in `packet`. False: there is none, or it is somebody else's turn. */
  receive(): boolean {
    if (!this.#isOpen) return false;
    if (this.#budget === 0) {
      this.#options.comeAgain();
      return false;
    }
    for (;;) {
      const result = this.#incoming.next();
      if (result === ReadResult.Packet) {
        this.#budget--;
        return true;
      }
      if (result === ReadResult.Broken) {
        this.fail('the ring makes no sense');
        return false;
      }
      if (!this.#masked) return false;
      this.#masked = false;
      this.#incoming.unmask();
    }
  }

  /** Sends a packet whose payload is `head` and then `body`. */
  send(
    head: Uint8Array, body?: Uint8Array, transactionLow = 0, transactionHigh = 0, wantsCompletion = false,
  ): SendResult {
    const flags = wantsCompletion ? PacketFlag.CompletionRequested : 0;
    return this.write(PacketType.InBand, flags, transactionLow, transactionHigh, PacketDescriptor.$size, head, body);
  }

  /** Completes a transaction of the guest. */
  complete(transactionLow: number, transactionHigh: number, payload: Uint8Array): SendResult {
    return this.write(PacketType.Completion, 0, transactionLow, transactionHigh, PacketDescriptor.$size, payload);
  }

  /** Sends a packet of any type; its payload begins `dataOffset` bytes into it, the header before that in `head`. */
  write(
    type: number, flags: number, transactionLow: number, transactionHigh: number,
    dataOffset: number, head: Uint8Array, body?: Uint8Array,
  ): SendResult {
    if (!this.#isOpen) return SendResult.Closed;
    const result = this.#outgoing.write(type, flags, transactionLow, transactionHigh, dataOffset, head, body);
    if (result === WriteResult.Written) {
      if (this.#outgoing.readerWaits) {
        this.#outgoing.readerWaits = false;
        this.#options.signalGuest();
      }
      return SendResult.Sent;
    }
    if (result === WriteResult.Full) return SendResult.Full;
    this.fail('the ring makes no sense');
    return SendResult.Closed;
  }

  /** Where in the ring the next packet to the guest begins: a service that starts again sees whether one was sent. */
  get sendPosition(): number {
    return this.#outgoing.position;
  }

  /** Bytes of payload for which there is room now. */
  get room(): number {
    return this.#isOpen ? this.#outgoing.room : 0;
  }

  /** Whether the guest has read all but the last bytes that were sent. If not, the service is signalled when it has. */
  isDrained(exceptBytes = 0): boolean {
    return !this.#isOpen || this.#outgoing.isDrained(exceptBytes);
  }

  /** The pages of a list that the guest made for this channel; undefined when there is none of that number. */
  pagesOf(gpadl: number): GuestPages | undefined {
    return this.#isOpen ? this.#options.pagesOf(gpadl) : undefined;
  }

  /** The guest broke the protocol: the channel is taken away from it. */
  fail(reason: string): void {
    if (this.#isOpen) this.#options.fail(reason);
  }

  /** The channel is served by another thread from now on: this end has no turns any more, and is only closed. */
  handOver(): ChannelHandle {
    this.#isElsewhere = true;
    const { relid, ring, downstreamPage, userData, maxPacketBytes, isRestored } = this.#options;
    return { relid, ring: ring.toValue(), downstreamPage, userData, maxPacketBytes, isRestored };
  }

  /** For the bus: begins a turn, in which the guest need not ring. */
  beginTurn(): void {
    if (!this.#isOpen || this.#isElsewhere) return;
    this.#budget = BATCH_PACKETS;
    this.#masked = true;
    this.#incoming.mask();
  }

  /** For the bus: ends a turn. Whatever the service left unread, the guest rings again or we come again. */
  endTurn(): void {
    if (!this.#isOpen || this.#isElsewhere) return;
    this.#incoming.release();
    if (this.#masked && this.#budget > 0) {
      // The service stopped reading of its own will: it is called again when it asks for that.
      this.#masked = false;
      this.#incoming.unmask();
    }
    if (this.#incoming.writerWaits) {
      this.#incoming.writerWaits = false;
      this.#options.signalGuest();
    }
  }

  /** Asks for a turn, for a service that had stopped reading. */
  wantTurn(): void {
    if (this.#isOpen) this.#options.comeAgain();
  }

  /** For the bus: nothing more crosses, and guest memory is not touched again. */
  close(): void {
    this.#isOpen = false;
    this.ledger.end();
  }
}
