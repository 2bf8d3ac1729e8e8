/**
 * A channel that the guest may open: what it is, which service is behind it, and how far the guest is with it.
 *
 *     hidden ─► offered ◄─► open          the guest opens and closes as it likes
 *       ▲          │          │
 *       │          └─► leaving ◄┘         rescinded: the id is free again once the guest has released it
 *       └──────────────┘
 */
import type { Guid } from '../protocols/vmbus/class-ids.ts';
import {
  CHANNEL_MESSAGES, channelMessage, MAX_RELID, OFFER_USER_BYTES,
} from '../protocols/vmbus/message-table.ts';
import type { Channel } from './channel.ts';
import type { GuestPages } from './guest-pages.ts';

export interface OfferDescription {
  /** Which of the guest's drivers it is for. */
  readonly classId: Guid;
  /** Unique among all offers, and the same after every restart. */
  readonly instanceId: Guid;
  /** OfferFlag. */
  readonly flags: number;
  /** Up to 120 bytes; of a pipe the first word is its type. */
  readonly userDefined?: Uint8Array;
  readonly mmioMegabytes?: number;
}

/** Who serves a channel. It is called on one thread, and never after `closed` but to open again. */
export interface ChannelService {
  readonly description: OfferDescription;
  /** The longest packet that the guest may send, trailer not counted. A longer one costs it the channel. */
  readonly maxPacketBytes: number;
  /**
   * What the guest has begun is finished though its channel is rescinded: it is closed when the guest closes it. For a
   * guest whose driver waits until everything is answered.
   */
  readonly outlivesRescind?: boolean;
  opened(channel: Channel): void;
  /** Packets may have come, or room for some. */
  signalled(): void;
  /** The guest closed the channel, it was rescinded (unless that is outlived), or the guest started over. */
  closed(): void;
  /** The guest has let go of a rescinded offer: nothing of it is left. */
  released?(): void;
  /** The guest has made a list of pages for the channel, which is open, or takes it back. */
  pagesGiven?(gpadl: number, pages: GuestPages): void;
  pagesTaken?(gpadl: number): void;
}

export type OfferPhase = 'hidden' | 'offered' | 'open' | 'leaving';

/** What the guest said when it opened. */
export interface OpenParameters {
  readonly ringGpadl: number;
  readonly downstreamPage: number;
  readonly userData: Uint8Array;
}

export class Offer {
  /** Changes only when a state is restored. */
  relid: number;
  readonly service: ChannelService;
  readonly subChannelIndex: number;
  phase: OfferPhase = 'hidden';
  /** Offer again after the guest has let go, or has started over. */
  isWanted = true;
  targetVp = 0;
  channel: Channel | undefined;
  open: OpenParameters | undefined;

  constructor(relid: number, service: ChannelService, subChannelIndex: number) {
    this.relid = relid;
    this.service = service;
    this.subChannelIndex = subChannelIndex;
  }

  message(connectionId: number): Uint8Array {
    const { classId, instanceId, flags, userDefined, mmioMegabytes } = this.service.description;
    return channelMessage(CHANNEL_MESSAGES.OfferChannel, {
      interfaceId: classId,
      instanceId,
      flags,
      mmioMegabytes: mmioMegabytes ?? 0,
      userDefined: userDefined ?? new Uint8Array(OFFER_USER_BYTES),
      subChannelIndex: this.subChannelIndex,
      relid: this.relid,
      isDedicatedInterrupt: 1,
      connectionId,
    });
  }
}

/** Offers by channel id. Ids go round, so that one is not used again at once. */
export class OfferTable {
  readonly #offers = new Map<number, Offer>();
  #last = 0;

  get(relid: number): Offer | undefined {
    return this.#offers.get(relid);
  }

  all(): Offer[] {
    return [...this.#offers.values()];
  }

  /**
   * Undefined when an offer with the instance and index is there already, when it would be a sub-channel of one that
   * leaves, or when every id is in use.
   */
  add(service: ChannelService, subChannelIndex: number): Offer | undefined {
    const { instanceId } = service.description;
    for (const offer of this.#offers.values()) {
      if (offer.service.description.instanceId !== instanceId) continue;
      const isLeaving = offer.subChannelIndex === 0 && offer.phase === 'leaving';
      if (isLeaving || offer.subChannelIndex === subChannelIndex) return undefined;
    }
    const relid = this.#freeRelid();
    if (relid < 0) return undefined;
    const offer = new Offer(relid, service, subChannelIndex);
    this.#offers.set(relid, offer);
    return offer;
  }

  /** Gives offers the ids that they had when a state was saved; the others get ids that are left. */
  renumber(relids: ReadonlyMap<Offer, number>): void {
    const all = this.all();
    this.#offers.clear();
    for (const [offer, relid] of relids) {
      offer.relid = relid;
      this.#offers.set(relid, offer);
    }
    for (const offer of all) {
      if (relids.has(offer)) continue;
      offer.relid = this.#freeRelid();
      this.#offers.set(offer.relid, offer);
    }
  }

  remove(offer: Offer): void {
    this.#offers.delete(offer.relid);
  }

  #freeRelid(): number {
    for (let i = 0; i < MAX_RELID; i++) {
      this.#last = (this.#last % MAX_RELID) + 1;
      if (!this.#offers.has(this.#last)) return this.#last;
    }
    return -1;
  }
}
