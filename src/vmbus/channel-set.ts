/**
 * The channels of a bus through their lives: offered, opened, closed, rescinded, released; and the turns in which their
 * services get what the guest has sent. What is said to the guest goes through `send`.
 */
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import {
  CHANNEL_MESSAGES, channelMessage, NO_TARGET_VP, type OpenChannel,
} from '../protocols/vmbus/message-table.ts';
import type { BusPort } from './bus-port.ts';
import { Channel } from './channel.ts';
import { GpadlTable } from './gpadl-table.ts';
import { PAGE_SIZE } from './guest-pages.ts';
import { ChannelLedger } from './ledger.ts';
import { type Offer, OfferTable } from './offer.ts';
import { MIN_RING_PAGES } from './ring.ts';

export interface ChannelSetOptions {
  readonly memory: GuestMemory;
  readonly port: BusPort;
  readonly ledger: SharedArrayBuffer;
  /** Sends a message to the guest, if one is connected. */
  readonly send: (message: Uint8Array) => void;
  /** Keeps a remark for whoever looks into what happened. */
  readonly note: (text: string) => void;
}

export class ChannelSet {
  readonly offers = new OfferTable();
  readonly gpadls: GpadlTable;
  readonly ledger: SharedArrayBuffer;
  readonly #port: BusPort;
  readonly #send: (message: Uint8Array) => void;
  readonly #note: (text: string) => void;
  /** Channels that want another turn. */
  #again = new Set<number>();

  constructor(options: ChannelSetOptions) {
    this.gpadls = new GpadlTable(options.memory);
    this.ledger = options.ledger;
    this.#port = options.port;
    this.#send = options.send;
    this.#note = options.note;
  }

  /** Tells the guest of an offer. */
  show(offer: Offer): void {
    offer.phase = 'offered';
    offer.targetVp = 0;
    this.#port.openEvents(offer.relid);
    this.#send(offer.message(this.#port.connectionId(offer.relid)));
  }

  /** The guest's wish to open an offered channel; false when it cannot be. The service is told by `start`. */
  openByGuest(offer: Offer, values: ReturnType<typeof OpenChannel.decode>): boolean {
    if (offer.phase !== 'offered' || values.targetVp >= this.#port.processorCount) return false;
    offer.targetVp = values.targetVp;
    offer.open = {
      ringGpadl: values.ringGpadl, downstreamPage: values.downstreamPageOffset, userData: values.userData,
    };
    return this.open(offer, false);
  }

  /** Makes the channel of an offer whose parameters are there; false when its ring makes no sense. */
  open(offer: Offer, isRestored: boolean): boolean {
    const { relid, open } = offer;
    const ring = open && this.gpadls.pagesOf(open.ringGpadl, relid);
    if (open === undefined || ring === undefined || ring.pageCount * PAGE_SIZE !== ring.byteCount) return false;
    const { downstreamPage } = open;
    if (downstreamPage < MIN_RING_PAGES || downstreamPage > ring.pageCount - MIN_RING_PAGES) return false;
    const ledger = new ChannelLedger(this.ledger, relid);
    if (!isRestored) ledger.begin();
    ledger.targetVp = offer.targetVp;
    offer.phase = 'open';
    offer.channel = new Channel({
      relid, ring, downstreamPage, userData: open.userData, maxPacketBytes: offer.service.maxPacketBytes,
      ledger, isRestored,
      signalGuest: () => { if (offer.targetVp !== NO_TARGET_VP) this.#port.signal(offer.targetVp, relid); },
      comeAgain: () => this.wantTurn(relid),
      fail: (reason) => {
        this.#note(`channel ${relid}: ${reason}`);
        if (offer.phase === 'leaving') this.#leave(offer);
        else this.#takeBack(offer, false);
      },
      pagesOf: (gpadl) => this.gpadls.pagesOf(gpadl, relid),
    });
    return true;
  }

  /** Lets the service of an open channel begin. */
  start(offer: Offer): void {
    if (offer.channel !== undefined) offer.service.opened(offer.channel);
  }

  /** After a restore: what the guest has opened goes on. Either side may have rung before it was saved. */
  resume(offer: Offer): void {
    if (offer.phase !== 'hidden' && offer.phase !== 'leaving') this.#port.openEvents(offer.relid);
    if (offer.channel === undefined) return;
    this.start(offer);
    this.wantTurn(offer.relid);
    if (offer.targetVp !== NO_TARGET_VP) this.#port.signal(offer.targetVp, offer.relid);
  }

  wantTurn(relid: number): void {
    this.#again.add(relid);
    this.#port.comeAgain();
  }

  /** A turn for every channel that the guest rang or that wants one. */
  giveTurns(): void {
    const rung = this.#again;
    this.#again = new Set();
    this.#port.takeSignals((relid) => rung.add(relid));
    for (const relid of rung) {
      const offer = this.offers.get(relid);
      const channel = offer?.channel;
      if (offer === undefined || channel === undefined) continue;
      channel.beginTurn();
      offer.service.signalled();
      channel.endTurn();
    }
  }

  closeByGuest(relid: number): void {
    const offer = this.offers.get(relid);
    if (offer?.phase === 'leaving') this.#leave(offer);
    if (offer?.phase !== 'open') return;
    offer.phase = 'offered';
    this.#close(offer);
    if (offer.subChannelIndex === 0) this.#takeBackSubChannels(offer);
  }

  /** For good: the service does not want to be offered any more. */
  rescind(offer: Offer): void {
    offer.isWanted = false;
    if (offer.phase === 'hidden') this.#remove(offer);
    else if (offer.phase !== 'leaving') this.#takeBack(offer, offer.service.outlivesRescind === true);
  }

  /** Has the guest forget a channel, which is closed now or, if its service is to finish, when the guest closes it. */
  #takeBack(offer: Offer, finishes: boolean): void {
    if (offer.subChannelIndex === 0) this.#takeBackSubChannels(offer);
    offer.phase = 'leaving';
    if (!finishes) this.#leave(offer);
    this.#send(channelMessage(CHANNEL_MESSAGES.RescindChannelOffer, { relid: offer.relid }));
  }

  #leave(offer: Offer): void {
    this.#close(offer);
    this.#port.closeEvents(offer.relid);
  }

  /** The guest has forgotten a channel: a rescinded one, or one that it does not want. */
  release(relid: number): void {
    const offer = this.offers.get(relid);
    if (offer === undefined || offer.phase === 'hidden' || offer.phase === 'open') return;
    this.#leave(offer);
    this.gpadls.removeOf(relid);
    offer.phase = 'hidden';
    if (!offer.isWanted) this.#remove(offer);
  }

  /** The guest is gone or starts over: every channel is closed, every list dropped, every offer hidden. */
  clear(): void {
    for (const offer of this.offers.all()) {
      // Not hidden yet: a service that takes back its offer when its channel closes must not remove it here and now.
      offer.phase = 'leaving';
      this.#close(offer);
      this.#port.closeEvents(offer.relid);
      offer.phase = 'hidden';
      if (!offer.isWanted || offer.subChannelIndex > 0) this.#remove(offer);
    }
    this.gpadls.clear();
    this.#again.clear();
  }

  /** Another processor takes a channel's interrupts, or none; false when that makes no sense. */
  modify(relid: number, targetVp: number): boolean {
    const offer = this.offers.get(relid);
    if (offer?.phase !== 'open') return false;
    if (targetVp >= this.#port.processorCount && targetVp !== NO_TARGET_VP) return false;
    offer.targetVp = targetVp;
    if (offer.channel !== undefined) offer.channel.ledger.targetVp = targetVp;
    return true;
  }

  #close(offer: Offer): void {
    const { channel } = offer;
    offer.channel = undefined;
    offer.open = undefined;
    if (channel === undefined) return;
    channel.close();
    offer.service.closed();
  }

  #takeBackSubChannels(primary: Offer): void {
    const { instanceId } = primary.service.description;
    for (const offer of this.offers.all()) {
      if (offer.subChannelIndex > 0 && offer.service.description.instanceId === instanceId) this.rescind(offer);
    }
  }

  #remove(offer: Offer): void {
    this.offers.remove(offer);
    offer.service.released?.();
  }
}
