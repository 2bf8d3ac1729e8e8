/**
 * VMBus as a guest sees it: version negotiation, offers, page lists, channels. One guest, on one thread of ours; the
 * services behind the offers see their channel and nothing else.
 *
 *     const bus = new VmBus({ memory, port });
 *     bus.offer(heartbeat);
 *     for (;;) { await bell.wait(); bell.answer(); bus.poll(); }
 *
 * Whatever a guest sends, nothing throws: a message that makes no sense is noted and answered with a failure where
 * its kind has an answer.
 */
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import type { Message } from '../hypervisor/message-ring.ts';
import type { Guid } from '../protocols/vmbus/class-ids.ts';
import {
  CHANNEL_MESSAGES, ChannelMessageHeader, CloseChannel, GpadlBody, GpadlHeader, GpadlTeardown, InitiateContact,
  channelMessage, MessageConnection, type MessageBody, type MessageRow, messageRow, ModifyChannel, NO_TARGET_VP,
  OpenChannel, RelidReleased, TlConnectRequest, VmbusStatus,
} from '../protocols/vmbus/message-table.ts';
import { isSupportedVersion, VmbusVersion, versionText } from '../protocols/vmbus/versions.ts';
import type { BusPort } from './bus-port.ts';
import { type BusState, restoreBus, saveBus } from './bus-state.ts';
import { Channel } from './channel.ts';
import { GpadlResult, GpadlTable } from './gpadl-table.ts';
import { ChannelLedger, LEDGER_SIZE } from './ledger.ts';
import { type ChannelService, Offer, OfferTable } from './offer.ts';
import { Outbox } from './outbox.ts';
import { MIN_RING_PAGES } from './ring.ts';
import { MessageTrace } from './trace.ts';

/** Messages of the guest in a turn. */
const BATCH_MESSAGES = 64;
const BODY = ChannelMessageHeader.$size;

/** What guest and bus agreed on. */
export interface BusConnection {
  readonly version: number;
  /** Where messages to the guest go. */
  readonly processor: number;
  offersRequested: boolean;
}

export interface VmBusOptions {
  readonly memory: GuestMemory;
  readonly port: BusPort;
  /** LEDGER_SIZE bytes; shared with the threads of services, if they have any. */
  readonly ledger?: SharedArrayBuffer;
  /** A program in the guest connects to a service of the host; false refuses. */
  readonly onConnectRequest?: (guestEndpoint: Guid, hostService: Guid) => boolean;
}

export class VmBus {
  readonly offers = new OfferTable();
  readonly gpadls: GpadlTable;
  readonly outbox: Outbox;
  readonly ledger: SharedArrayBuffer;
  readonly trace = new MessageTrace();
  readonly #port: BusPort;
  readonly #onConnectRequest: (guestEndpoint: Guid, hostService: Guid) => boolean;
  #again = new Set<number>();
  connection: BusConnection | undefined;

  constructor(options: VmBusOptions) {
    this.#port = options.port;
    this.ledger = options.ledger ?? new SharedArrayBuffer(LEDGER_SIZE);
    this.gpadls = new GpadlTable(options.memory);
    this.outbox = new Outbox(options.port);
    this.#onConnectRequest = options.onConnectRequest ?? ((): boolean => false);
  }

  /** The version that was agreed on, as "5.3"; undefined while no guest is connected. */
  get version(): string | undefined {
    return this.connection && versionText(this.connection.version);
  }

  /** Offers a service's channel, at once if the guest has asked for offers. Undefined: its instance is taken. */
  offer(service: ChannelService, subChannelIndex = 0): Offer | undefined {
    const offer = this.offers.add(service, subChannelIndex);
    if (offer !== undefined && this.connection?.offersRequested === true) this.#show(offer);
    return offer;
  }

  /** Takes an offer back; the service is told when the guest has let go of it. */
  rescind(offer: Offer): void {
    offer.isWanted = false;
    if (offer.phase === 'leaving') return;
    if (offer.phase === 'hidden') {
      this.#remove(offer);
      return;
    }
    this.#takeBack(offer);
  }

  /** One turn: messages, then channels that the guest rang. Cheap when there is nothing. */
  poll(): void {
    this.outbox.flush();
    let count = 0;
    for (; count < BATCH_MESSAGES && this.outbox.hasRoom; count++) {
      const message = this.#port.takeMessage();
      if (message === undefined) break;
      this.#receive(message);
    }
    if (count === BATCH_MESSAGES) this.#port.comeAgain();
    const rung = this.#again;
    this.#again = new Set();
    this.#port.takeSignals((relid) => rung.add(relid));
    for (const relid of rung) this.#turn(relid);
  }

  /** The guest is gone or starts over: every channel is closed, every list dropped, every offer hidden. */
  disconnect(): void {
    this.connection = undefined;
    this.outbox.clear();
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

  /** The state of a bus whose guest is paused. */
  saveState(): BusState {
    return saveBus(this);
  }

  /** Puts a saved state into a new bus to which the same services were offered. */
  restoreState(state: BusState): void {
    restoreBus(this, state);
  }

  /** For restore: makes a channel of an offer whose parameters are there. False when its ring is not. */
  openChannel(offer: Offer, isRestored: boolean): boolean {
    const { relid, open } = offer;
    const ring = open && this.gpadls.pagesOf(open.ringGpadl, relid);
    if (open === undefined || ring === undefined) return false;
    const isWhole = ring.byteCount % 4096 === 0 && ring.pageCount * 4096 === ring.byteCount;
    const { downstreamPage } = open;
    if (!isWhole || downstreamPage < MIN_RING_PAGES || downstreamPage > ring.pageCount - MIN_RING_PAGES) return false;
    const ledger = new ChannelLedger(this.ledger, relid);
    if (!isRestored) ledger.begin();
    offer.phase = 'open';
    offer.channel = new Channel({
      relid, ring, downstreamPage, userData: open.userData, maxPacketBytes: offer.service.maxPacketBytes,
      ledger, isRestored,
      signalGuest: () => { if (offer.targetVp !== NO_TARGET_VP) this.#port.signal(offer.targetVp, relid); },
      comeAgain: () => {
        this.#again.add(relid);
        this.#port.comeAgain();
      },
      fail: (reason) => {
        this.trace.note(`channel ${relid}: ${reason}`);
        this.#takeBack(offer);
      },
      pagesOf: (gpadl) => this.gpadls.pagesOf(gpadl, relid),
    });
    return true;
  }

  /** For restore: what the guest has opened goes on; it may have rung before it was saved. */
  resume(offer: Offer): void {
    if (offer.phase !== 'hidden' && offer.phase !== 'leaving') this.#port.openEvents(offer.relid);
    if (offer.channel === undefined) return;
    offer.service.opened(offer.channel);
    this.#again.add(offer.relid);
    this.#port.comeAgain();
  }

  /** A tree of what there is, for people. */
  inspect(): object {
    return {
      version: this.version ?? 'not connected',
      gpadls: this.gpadls.count,
      channels: this.offers.all().map(({ relid, service, subChannelIndex, phase, targetVp }) => ({
        relid, class: service.description.classId, instance: service.description.instanceId, subChannelIndex, phase,
        targetVp,
      })),
    };
  }

  #turn(relid: number): void {
    const offer = this.offers.get(relid);
    const channel = offer?.channel;
    if (offer === undefined || channel === undefined) return;
    channel.beginTurn();
    offer.service.signalled();
    channel.endTurn();
  }

  #receive({ processor, payload }: Message): void {
    this.trace.message('guest', payload);
    if (payload.length < BODY) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const row = messageRow(ChannelMessageHeader.messageType.get(view, 0));
    if (row === undefined || row.sender !== 'guest' || payload.length < BODY + row.body.$size) return;
    if (row.number === CHANNEL_MESSAGES.InitiateContact.number) {
      this.#initiateContact(view, processor);
      return;
    }
    if (this.connection === undefined || this.connection.version < row.since) return;
    this.#handle(row, view, new DataView(view.buffer, view.byteOffset + BODY + row.body.$size));
  }

  #handle(row: MessageRow, view: DataView, tail: DataView): void {
    switch (row.number) {
      case CHANNEL_MESSAGES.RequestOffers.number: return this.#requestOffers();
      case CHANNEL_MESSAGES.OpenChannel.number: return this.#open(view);
      case CHANNEL_MESSAGES.CloseChannel.number: return this.#closeByGuest(CloseChannel.relid.get(view, BODY));
      case CHANNEL_MESSAGES.GpadlHeader.number: return this.#beginGpadl(view, tail);
      case CHANNEL_MESSAGES.GpadlBody.number: return this.#extendGpadl(GpadlBody.gpadl.get(view, BODY), tail);
      case CHANNEL_MESSAGES.GpadlTeardown.number: return this.#tearDownGpadl(GpadlTeardown.gpadl.get(view, BODY));
      case CHANNEL_MESSAGES.RelidReleased.number: return this.#releaseRelid(RelidReleased.relid.get(view, BODY));
      case CHANNEL_MESSAGES.Unload.number: return this.#unload();
      case CHANNEL_MESSAGES.TlConnectRequest.number: return this.#connectRequest(view);
      case CHANNEL_MESSAGES.ModifyChannel.number: return this.#modify(view);
      default:
    }
  }

  #initiateContact(view: DataView, sender: number): void {
    this.disconnect();
    const version = InitiateContact.version.get(view, BODY);
    const target = InitiateContact.targetVp.get(view, BODY);
    const isThere = target < this.#port.processorCount;
    const supported = isThere && isSupportedVersion(version);
    const processor = isThere ? target : sender;
    if (supported) this.connection = { version, processor, offersRequested: false };
    const value = version >= VmbusVersion.Win10V5 ? MessageConnection.Contact : version;
    this.#sendTo(processor, CHANNEL_MESSAGES.VersionResponse, {
      supported: supported ? 1 : 0, value: supported ? value : 0,
    });
  }

  #requestOffers(): void {
    if (this.connection === undefined || this.connection.offersRequested) return;
    this.connection.offersRequested = true;
    for (const offer of this.offers.all()) this.#show(offer);
    this.#send(CHANNEL_MESSAGES.AllOffersDelivered, {});
  }

  #show(offer: Offer): void {
    if (this.connection === undefined) return;
    offer.phase = 'offered';
    offer.targetVp = 0;
    this.#port.openEvents(offer.relid);
    const message = offer.message(this.#port.connectionId(offer.relid));
    this.trace.message('host', message);
    this.outbox.send(this.connection.processor, message);
  }

  #open(view: DataView): void {
    const values = OpenChannel.decode(view, BODY);
    const offer = this.offers.get(values.relid);
    // A channel that is being rescinded gets no answer: the guest hears of that by itself.
    if (offer === undefined || offer.phase === 'leaving' || offer.phase === 'hidden') return;
    let status: number = VmbusStatus.Unsuccessful;
    if (offer.phase === 'offered' && values.targetVp < this.#port.processorCount) {
      offer.targetVp = values.targetVp;
      offer.open = {
        ringGpadl: values.ringGpadl, downstreamPage: values.downstreamPageOffset, userData: values.userData,
      };
      if (this.openChannel(offer, false)) status = VmbusStatus.Success;
    }
    this.#send(CHANNEL_MESSAGES.OpenChannelResult, { relid: values.relid, openId: values.openId, status });
    if (status === VmbusStatus.Success && offer.channel !== undefined) offer.service.opened(offer.channel);
  }

  #closeByGuest(relid: number): void {
    const offer = this.offers.get(relid);
    if (offer?.phase !== 'open') return;
    offer.phase = 'offered';
    this.#close(offer);
    if (offer.subChannelIndex === 0) this.#takeBackSubChannels(offer);
  }

  #close(offer: Offer): void {
    const { channel } = offer;
    offer.channel = undefined;
    offer.open = undefined;
    if (channel === undefined) return;
    channel.close();
    offer.service.closed();
  }

  #takeBack(offer: Offer): void {
    if (offer.subChannelIndex === 0) this.#takeBackSubChannels(offer);
    offer.phase = 'leaving';
    this.#close(offer);
    this.#port.closeEvents(offer.relid);
    this.#send(CHANNEL_MESSAGES.RescindChannelOffer, { relid: offer.relid });
  }

  #takeBackSubChannels(primary: Offer): void {
    const { instanceId } = primary.service.description;
    for (const offer of this.offers.all()) {
      if (offer.subChannelIndex > 0 && offer.service.description.instanceId === instanceId) this.rescind(offer);
    }
  }

  /** The guest has forgotten a channel: a rescinded one, or one that it does not want. */
  #releaseRelid(relid: number): void {
    const offer = this.offers.get(relid);
    if (offer === undefined || offer.phase === 'hidden' || offer.phase === 'open') return;
    this.gpadls.removeOf(relid);
    this.#port.closeEvents(relid);
    offer.phase = 'hidden';
    if (!offer.isWanted) this.#remove(offer);
  }

  #remove(offer: Offer): void {
    this.offers.remove(offer);
    offer.service.released?.();
  }

  #beginGpadl(view: DataView, tail: DataView): void {
    const { relid, gpadl, rangeCount, byteCount, byteOffset } = GpadlHeader.decode(view, BODY);
    const phase = this.offers.get(relid)?.phase;
    const isKnown = phase === 'offered' || phase === 'open';
    const result = isKnown && rangeCount === 1
      ? this.gpadls.begin(gpadl, relid, byteCount, byteOffset, tail) : GpadlResult.Refused;
    this.#answerGpadl(relid, gpadl, result);
  }

  #extendGpadl(gpadl: number, tail: DataView): void {
    const relid = this.gpadls.relidOf(gpadl);
    if (relid < 0) return;
    this.#answerGpadl(relid, gpadl, this.gpadls.extend(gpadl, tail));
  }

  #answerGpadl(relid: number, gpadl: number, result: GpadlResult): void {
    if (result === GpadlResult.More) return;
    const status = result === GpadlResult.Complete ? VmbusStatus.Success : VmbusStatus.Unsuccessful;
    this.#send(CHANNEL_MESSAGES.GpadlCreated, { relid, gpadl, status });
  }

  /** Answered whatever it names: the guest waits. A ring that is torn down under its channel closes that first. */
  #tearDownGpadl(gpadl: number): void {
    const offer = this.offers.get(this.gpadls.relidOf(gpadl));
    if (offer?.phase === 'open' && offer.open?.ringGpadl === gpadl) this.#closeByGuest(offer.relid);
    this.gpadls.remove(gpadl);
    this.#send(CHANNEL_MESSAGES.GpadlTorndown, { gpadl });
  }

  #unload(): void {
    const processor = this.connection?.processor ?? 0;
    this.disconnect();
    this.#sendTo(processor, CHANNEL_MESSAGES.UnloadResponse, {});
  }

  #connectRequest(view: DataView): void {
    const { guestEndpoint, hostService } = TlConnectRequest.decode(view, BODY);
    if (this.#onConnectRequest(guestEndpoint, hostService)) return;
    this.#send(CHANNEL_MESSAGES.TlConnectResult, { guestEndpoint, hostService, status: VmbusStatus.ConnectionRefused });
  }

  #modify(view: DataView): void {
    const { relid, targetVp } = ModifyChannel.decode(view, BODY);
    const offer = this.offers.get(relid);
    const isValid = offer?.phase === 'open' && (targetVp < this.#port.processorCount || targetVp === NO_TARGET_VP);
    if (offer !== undefined && isValid) offer.targetVp = targetVp;
    if ((this.connection?.version ?? 0) < VmbusVersion.Server2022) return;
    const status = isValid ? VmbusStatus.Success : VmbusStatus.Unsuccessful;
    this.#send(CHANNEL_MESSAGES.ModifyChannelResponse, { relid, status });
  }

  #send<Body extends MessageBody>(row: MessageRow<Body>, values: Parameters<Body['encode']>[2]): void {
    if (this.connection !== undefined) this.#sendTo(this.connection.processor, row, values);
  }

  #sendTo<Body extends MessageBody>(
    processor: number, row: MessageRow<Body>, values: Parameters<Body['encode']>[2],
  ): void {
    const message = channelMessage(row, values);
    this.trace.message('host', message);
    this.outbox.send(processor, message);
  }
}
