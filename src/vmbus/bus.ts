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
import { className, type Guid } from '../protocols/vmbus/class-ids.ts';
import {
  CHANNEL_MESSAGES, channelMessage, ChannelMessageHeader, CloseChannel, GpadlBody, GpadlHeader, GpadlTeardown,
  InitiateContact, MessageConnection, type MessageRow, messageRow, ModifyChannel, OpenChannel, RelidReleased,
  TlConnectRequest, VmbusStatus,
} from '../protocols/vmbus/message-table.ts';
import { isSupportedVersion, VmbusVersion, versionText } from '../protocols/vmbus/versions.ts';
import type { BusPort } from './bus-port.ts';
import { type BusState, restoreBus, saveBus } from './bus-state.ts';
import { ChannelSet } from './channel-set.ts';
import { GpadlResult, type GpadlTable } from './gpadl-table.ts';
import { LEDGER_SIZE } from './ledger.ts';
import type { ChannelService, Offer, OfferTable } from './offer.ts';
import { Outbox } from './outbox.ts';
import { MessageTrace } from './trace.ts';

/** Messages of the guest in a turn. */
const BATCH_MESSAGES = 64;
/** Of the last messages, in the tree. */
const SHOWN_MESSAGES = 32;
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
  readonly channels: ChannelSet;
  readonly outbox: Outbox;
  readonly trace = new MessageTrace();
  readonly #port: BusPort;
  readonly #onConnectRequest: (guestEndpoint: Guid, hostService: Guid) => boolean;
  connection: BusConnection | undefined;

  constructor(options: VmBusOptions) {
    this.#port = options.port;
    this.channels = new ChannelSet({
      memory: options.memory, port: options.port, ledger: options.ledger ?? new SharedArrayBuffer(LEDGER_SIZE),
      send: (message) => this.#send(message), note: (text) => this.trace.note(text),
    });
    this.outbox = new Outbox(options.port);
    this.#onConnectRequest = options.onConnectRequest ?? ((): boolean => false);
  }

  get offers(): OfferTable {
    return this.channels.offers;
  }

  get gpadls(): GpadlTable {
    return this.channels.gpadls;
  }

  /** The version that was agreed on, as "5.3"; undefined while no guest is connected. */
  get version(): string | undefined {
    return this.connection && versionText(this.connection.version);
  }

  /** Offers a service's channel, at once if the guest has asked for offers. Undefined: its instance is taken. */
  offer(service: ChannelService, subChannelIndex = 0): Offer | undefined {
    const offer = this.offers.add(service, subChannelIndex);
    if (offer !== undefined && this.connection?.offersRequested === true) this.channels.show(offer);
    return offer;
  }

  /** Takes an offer back; the service is told when the guest has let go of it. */
  rescind(offer: Offer): void {
    this.channels.rescind(offer);
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
    this.channels.giveTurns();
  }

  /** The guest is gone or starts over: every channel is closed, every list dropped, every offer hidden. */
  disconnect(): void {
    this.connection = undefined;
    this.outbox.clear();
    this.channels.clear();
  }

  /** The state of a bus whose guest is paused. */
  saveState(): BusState {
    return saveBus(this);
  }

  /** Puts a saved state into a new bus to which the same services were offered. */
  restoreState(state: BusState): void {
    restoreBus(this, state);
  }

  /** A tree of what there is, for people. */
  inspect(): object {
    return {
      version: this.version ?? 'not connected',
      gpadls: this.gpadls.count,
      channels: this.offers.all().map(({ relid, service, subChannelIndex, phase, targetVp }) => ({
        relid, service: className(service.description.classId), instance: service.description.instanceId,
        subChannelIndex, phase, targetVp,
      })),
      messages: this.trace.lines().slice(-SHOWN_MESSAGES),
    };
  }

  #receive({ processor, payload }: Message): void {
    this.trace.message('guest', payload);
    if (payload.length < BODY) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const row = messageRow(ChannelMessageHeader.messageType.get(view, 0));
    if (row === undefined || payload.length < BODY + row.body.$size) return;
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
      case CHANNEL_MESSAGES.CloseChannel.number: return this.channels.closeByGuest(CloseChannel.relid.get(view, BODY));
      case CHANNEL_MESSAGES.GpadlHeader.number: return this.#beginGpadl(view, tail);
      case CHANNEL_MESSAGES.GpadlBody.number: return this.#extendGpadl(GpadlBody.gpadl.get(view, BODY), tail);
      case CHANNEL_MESSAGES.GpadlTeardown.number: return this.#tearDownGpadl(GpadlTeardown.gpadl.get(view, BODY));
      case CHANNEL_MESSAGES.RelidReleased.number: return this.channels.release(RelidReleased.relid.get(view, BODY));
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
    this.#sendTo(processor, channelMessage(CHANNEL_MESSAGES.VersionResponse, {
      supported: supported ? 1 : 0, value: supported ? value : 0,
    }));
  }

  #requestOffers(): void {
    if (this.connection === undefined || this.connection.offersRequested) return;
    this.connection.offersRequested = true;
    for (const offer of this.offers.all()) this.channels.show(offer);
    this.#send(channelMessage(CHANNEL_MESSAGES.AllOffersDelivered, {}));
  }

  #open(view: DataView): void {
    const values = OpenChannel.decode(view, BODY);
    const { relid, openId } = values;
    const offer = this.offers.get(relid);
    // A channel that is being rescinded gets no answer: the guest hears of that by itself.
    if (offer === undefined || offer.phase === 'leaving' || offer.phase === 'hidden') return;
    const isOpen = this.channels.openByGuest(offer, values);
    const status = isOpen ? VmbusStatus.Success : VmbusStatus.Unsuccessful;
    this.#send(channelMessage(CHANNEL_MESSAGES.OpenChannelResult, { relid, openId, status }));
    if (isOpen) this.channels.start(offer);
  }

  #beginGpadl(view: DataView, tail: DataView): void {
    const { relid, gpadl, rangeCount, byteCount, byteOffset } = GpadlHeader.decode(view, BODY);
    const phase = this.offers.get(relid)?.phase;
    // Nor does this get one: the guest gives up when it hears that the channel is gone.
    if (phase === 'leaving') return;
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
    const offer = this.offers.get(relid);
    const pages = result === GpadlResult.Complete ? this.gpadls.pagesOf(gpadl, relid) : undefined;
    // Before the guest hears of it, and names it to the service.
    if (offer?.channel !== undefined && pages !== undefined) offer.service.pagesGiven?.(gpadl, pages);
    const status = result === GpadlResult.Complete ? VmbusStatus.Success : VmbusStatus.Unsuccessful;
    this.#send(channelMessage(CHANNEL_MESSAGES.GpadlCreated, { relid, gpadl, status }));
  }

  /** Answered whatever it names: the guest waits. A ring that is torn down under its channel closes that first. */
  #tearDownGpadl(gpadl: number): void {
    const offer = this.offers.get(this.gpadls.relidOf(gpadl));
    if (offer?.channel !== undefined && offer.open?.ringGpadl === gpadl) this.channels.closeByGuest(offer.relid);
    this.gpadls.remove(gpadl);
    offer?.service.pagesTaken?.(gpadl);
    this.#send(channelMessage(CHANNEL_MESSAGES.GpadlTorndown, { gpadl }));
  }

  #unload(): void {
    const processor = this.connection?.processor ?? 0;
    this.disconnect();
    this.#sendTo(processor, channelMessage(CHANNEL_MESSAGES.UnloadResponse, {}));
  }

  #connectRequest(view: DataView): void {
    const { guestEndpoint, hostService } = TlConnectRequest.decode(view, BODY);
    if (this.#onConnectRequest(guestEndpoint, hostService)) return;
    const status = VmbusStatus.ConnectionRefused;
    this.#send(channelMessage(CHANNEL_MESSAGES.TlConnectResult, { guestEndpoint, hostService, status }));
  }

  #modify(view: DataView): void {
    const { relid, targetVp } = ModifyChannel.decode(view, BODY);
    const status = this.channels.modify(relid, targetVp) ? VmbusStatus.Success : VmbusStatus.Unsuccessful;
    if ((this.connection?.version ?? 0) < VmbusVersion.Server2022) return;
    this.#send(channelMessage(CHANNEL_MESSAGES.ModifyChannelResponse, { relid, status }));
  }

  #send(message: Uint8Array): void {
    if (this.connection !== undefined) this.#sendTo(this.connection.processor, message);
  }

  #sendTo(processor: number, message: Uint8Array): void {
    this.trace.message('host', message);
    this.outbox.send(processor, message);
  }
}
