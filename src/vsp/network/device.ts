/**
 * The synthetic network adapter: NVSP on a VMBus channel, and behind it RNDIS [Linux drivers/net/hyperv/netvsc.c,
 * rndis_filter.c]. Versions 1 to 6.1; from 5 on the guest may ask for more channels, which carry frames alone. Frames
 * go to and come from a network endpoint.
 *
 * A service is called on one thread, and its endpoint calls on the same one.
 */
import { macAddressText } from '../../kit/mac-address.ts';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import { HostTimers } from '../../kit/timers.ts';
import { NvspChannelType, NvspRndisPacket, NvspStatus, NvspType } from '../../protocols/nvsp.ts';
import { ClassId, type Guid } from '../../protocols/vmbus/class-ids.ts';
import { PacketType } from '../../protocols/vmbus/ring-layout.ts';
import type { Channel } from '../../vmbus/channel.ts';
import type { ChannelService, OfferDescription } from '../../vmbus/offer.ts';
import { expectStateVersion, type Service } from '../service.ts';
import { Adapter } from './adapter.ts';
import { statusMessage } from './answers.ts';
import { AdapterJournal, type ControlState } from './journal.ts';
import { Departure } from './departure.ts';
import { LinkNews } from './link-news.ts';
import { DEFAULT_FRAME_BYTES, Negotiation } from './negotiation.ts';
import { adapterOptions, type NetworkAdapterOptions } from './options.ts';
import { Queue, wantsCompletion } from './queue.ts';
import { ReceivePath } from './receive.ts';
import { NETWORK_STATE_VERSION, type NetworkState } from './state.ts';
import { NetworkStatistics } from './statistics.ts';
import { SubChannels } from './sub-channels.ts';
import { TransmitPath } from './transmit.ts';

const FRAMES_LOST = statusMessage(NvspType.SendRndisPacketComplete, NvspStatus.Success);

/** How to go on, once the channels that were open are open again. */
interface Resumption {
  readonly isOpen: boolean[];
  /** Undefined: from the journal. */
  readonly state: NetworkState | undefined;
}

/** The longest packet of the guest's. */
export const MAX_PACKET_BYTES = 4096;

/** The description of an adapter. */
export function networkOffer(instanceId: Guid): OfferDescription {
  return { classId: ClassId.Network, instanceId, flags: 0 };
}

export class NetworkAdapter implements Service<NetworkState> {
  readonly description: OfferDescription;
  readonly maxPacketBytes = MAX_PACKET_BYTES;
  /** Linux does not let an interface go before every send is completed. */
  readonly outlivesRescind = true;
  readonly statistics: NetworkStatistics;
  readonly #journal: AdapterJournal;
  readonly #endpoint: NetworkEndpoint;
  readonly #adapter: Adapter;
  readonly #receive: ReceivePath;
  readonly #transmit: TransmitPath;
  readonly #queues: readonly Queue[];
  readonly #subChannels: SubChannels;
  readonly #negotiation: Negotiation;
  #resumption: Resumption | undefined;
  #isHeld = false;
  readonly #options: NetworkAdapterOptions;
  /** Of an adapter that is to be taken from the guest; the link is down meanwhile. */
  #departure: Departure | undefined;
  readonly #linkNews: LinkNews;

  constructor(options: NetworkAdapterOptions) {
    this.#options = options;
    this.description = networkOffer(options.instanceId);
    const { endpoint, queueCount = 1, journal = new AdapterJournal(queueCount) } = options;
    const statistics = this.statistics = new NetworkStatistics(journal.counters);
    this.#journal = journal;
    this.#endpoint = endpoint;
    this.#queues = journal.queues.map((queue, index) => new Queue(index, queue));
    this.#subChannels = new SubChannels(this.#queues, options.offerSubChannel ?? ((): void => {}));
    this.#adapter = new Adapter({
      ...adapterOptions(options), statistics, queueCount,
      isConnected: () => endpoint.isConnected && this.#departure === undefined,
    });
    this.#receive = new ReceivePath({
      queueCount, adapter: this.#adapter, statistics, journal, onRoom: () => endpoint.flush(),
    });
    this.#transmit = new TransmitPath({
      ram: options.ram, endpoint, adapter: this.#adapter, statistics,
      complete: (queue, slot, status) =>
        this.#queues[queue]?.complete(slot, statusMessage(NvspType.SendRndisPacketComplete, status)),
    });
    this.#negotiation = new Negotiation({
      adapter: this.#adapter, receive: this.#receive, transmit: this.#transmit, subChannels: this.#subChannels,
      pagesOf: (gpadl) => this.#queues[0]?.channel?.pagesOf(gpadl),
    });
    this.#linkNews = new LinkNews(
      options.timers ?? new HostTimers(), options.linkPatienceMs ?? 0, () => this.#tellLink());
    journal.isConnected = endpoint.isConnected;
    endpoint.setReceiver(this.#receive, () => this.#resume());
    endpoint.onConnectionChange = () => {
      journal.isConnected = endpoint.isConnected;
      this.#tellLink();
      this.#resume();
    };
  }

  /** The version that was agreed on, 0 before. */
  get nvspVersion(): number {
    return this.#negotiation.version;
  }

  get macAddress(): Uint8Array {
    return this.#adapter.address;
  }

  opened(channel: Channel, index = 0): void {
    (this.#queues[index] as Queue).open(channel);
    // A driver that begins anew has agreed on nothing.
    if (index === 0 && !channel.isRestored) this.#resumption = undefined;
    this.#receive.attach(channel, index);
    if (channel.isRestored) this.#goOn();
    else if (index > 0) this.#subChannels.tellSendTable();
  }

  signalled(index = 0): void {
    if (this.#isHeld || this.#resumption !== undefined) return;
    const queue = this.#queues[index] as Queue;
    while (queue.receive()) {
      this.#departure?.stir();
      this.#take(queue, queue.channel as Channel);
    }
    queue.journal.forgetFinished();
    this.#transmit.flush();
    this.#receive.turn();
    this.#departure?.look();
  }

  /** It is going to be taken from the guest: nothing is sent or received any more; `ready` when that may be done. */
  leave(ready: () => void): void {
    this.#departure = new Departure({ ...this.#options, ready, isIdle: () => this.#isIdle });
    this.#tellLink();
    this.#departure.look();
  }

  closed(index = 0): void {
    this.#queues[index]?.close();
    this.#receive.detach(index);
    if (index === 0) {
      this.#clear();
      this.#departure?.end();
    } else if (this.#resumption !== undefined) {
      this.#resumption.isOpen[index] = false;
      this.#goOn();
    }
  }

  /** The service of another channel of the guest's. */
  subChannel(index: number): ChannelService {
    return this.#subChannels.serviceOf(this, index);
  }

  saveState(): NetworkState {
    return {
      version: NETWORK_STATE_VERSION,
      nvspVersion: this.#negotiation.version,
      frameBytes: this.#adapter.frameBytes,
      receiveGpadl: this.#negotiation.receiveGpadl,
      sendGpadl: this.#negotiation.sendGpadl,
      subChannels: this.#subChannels.count,
      queues: this.#queues.map((queue) => queue.saveState()),
      adapter: this.#adapter.saveState(),
      receive: this.#receive.saveState(),
      transmit: this.#transmit.saveState(({ queue, slot }) => {
        const { journal } = this.#queues[queue] as Queue;
        return [journal.transactionLow(slot), journal.transactionHigh(slot)];
      }),
      statistics: this.statistics.saveState(),
    };
  }

  restoreState(state: NetworkState): void {
    expectStateVersion('network', state.version, NETWORK_STATE_VERSION);
    this.statistics.restoreState(state.statistics);
    this.#resumption = { isOpen: state.queues.map(({ isOpen }) => isOpen), state };
    this.#subChannels.offer(state.subChannels);
  }

  /**
   * Goes on over the journal of a thread that has ended, before the channels are opened that were open. What was on its
   * way is lost, and every request of the guest answered.
   */
  takeOver(isOpen: readonly boolean[]): void {
    this.#resumption = { isOpen: [...isOpen], state: undefined };
    this.#subChannels.offer(this.#journal.control.read()?.subChannels ?? 0);
    this.#goOn();
  }

  /** Nothing is read or written for the guest any more, until `goOn`. */
  hold(): void {
    this.#isHeld = true;
    this.#receive.hold();
  }

  goOn(): void {
    this.#isHeld = false;
    this.#receive.goOn();
    this.#resume();
    for (const { channel } of this.#queues) channel?.wantTurn();
  }

  inspect(): object {
    return {
      address: macAddressText(this.#adapter.address),
      nvspVersion: `0x${this.#negotiation.version.toString(16)}`,
      isConnected: this.#endpoint.isConnected,
      packetFilter: this.#adapter.packetFilter,
      receiveAllocations: { all: this.#receive.allocationCount, held: this.#receive.heldAllocations },
      waitingSends: this.#transmit.waitingCount,
      ...this.statistics.saveState(),
    };
  }

  /** The guest's driver is gone. */
  #clear(): void {
    this.#resumption = undefined;
    this.#linkNews.stop();
    this.#receive.clear();
    this.#transmit.clear();
    this.#adapter.reset();
    this.#adapter.frameBytes = DEFAULT_FRAME_BYTES;
    this.#negotiation.reset();
    this.#subChannels.count = 0;
    this.#journal.control.clear();
  }

  /** The network takes frames again. */
  #resume(): void {
    if (!this.#isHeld && this.#resumption === undefined) this.#transmit.resume();
  }

  /** The guest has nothing of us, nothing of it is under way, and it has read all that we said. */
  get #isIdle(): boolean {
    return this.#receive.heldAllocations === 0 && this.#receive.controls.length === 0
      && this.#queues.every(({ journal, channel }) => {
        journal.forgetFinished();
        return journal.count === 0 && (channel === undefined || channel.isDrained());
      });
  }

  /** Once the channels are there that were open. */
  #goOn(): void {
    const resumption = this.#resumption;
    if (resumption === undefined || this.#queues[0]?.channel === undefined) return;
    if (this.#queues.some(({ index, channel }) => resumption.isOpen[index] === true && channel === undefined)) return;
    this.#resumption = undefined;
    if (resumption.state === undefined) this.#goOnFromJournal();
    else this.#goOnFrom(resumption.state);
    this.#tellLink();
    this.#resume();
    for (const { channel } of this.#queues) channel?.wantTurn();
  }

  #goOnFrom(state: NetworkState): void {
    this.#adapter.restoreState(state.adapter);
    state.queues.forEach((saved, index) => this.#queues[index]?.restoreState(saved));
    if (this.#negotiation.restore({ ...state, allocationBytes: state.receive.allocationBytes }, false)) {
      this.#receive.restoreState(state.receive);
    }
    this.#transmit.restoreState(state.transmit, (index, low, high) => {
      const queue = this.#queues[index] ?? (this.#queues[0] as Queue);
      return queue.journal.add(queue.restoredPacket(low, high));
    });
    this.#commit();
  }

  #goOnFromJournal(): void {
    this.#journal.takeOver(this.#queues.map(({ channel }) => channel?.sendPosition));
    const control = this.#journal.control.read();
    for (const queue of this.#queues) queue.takeOver(FRAMES_LOST);
    if (control === undefined) return;
    this.#adapter.restoreState(control.adapter);
    this.#negotiation.restore(control, true);
    this.#receive.takeOver(control.controls);
  }

  #take(queue: Queue, { packet }: Channel): void {
    const { journal } = queue;
    if (packet.type === PacketType.Completion) {
      const slot = journal.addReturn(packet);
      // Of a buffer that was taken back meanwhile nothing is left to give free: an unknown number is no harm.
      this.#receive.completed(packet.transactionLow, packet.transactionHigh);
      journal.finish(slot);
      return;
    }
    const { view, dataOffset, length } = packet;
    const type = length - dataOffset >= 4 ? view.getUint32(dataOffset, true) : 0;
    if (type !== NvspType.SendRndisPacket || length - dataOffset < NvspRndisPacket.$size) {
      const answer = queue.index === 0 ? this.#negotiation.answer(type, view, dataOffset, length - dataOffset)
        : statusMessage(type, NvspStatus.Unsupported);
      this.#answer(queue, packet, wantsCompletion(packet) ? answer : undefined);
    } else if (NvspRndisPacket.channelType.get(view, dataOffset) === NvspChannelType.Control) {
      const message = this.#transmit.copyControl(packet);
      const status = message === undefined ? NvspStatus.InvalidRndisPacket : this.#control(message);
      this.#answer(queue, packet, statusMessage(NvspType.SendRndisPacketComplete, status));
    } else this.#transmit.take(packet, queue.index, journal.add(packet));
  }

  #control(message: Uint8Array): number {
    const answer = this.#adapter.answer(message);
    if (answer !== undefined && !this.#receive.addControl(answer)) return NvspStatus.Busy;
    this.#noteLink();
    return NvspStatus.Success;
  }

  /** A message was acted upon: from now on it was, and `answer` is what the guest gets, if it gets one. */
  #answer(queue: Queue, packet: Channel['packet'], answer: Uint8Array | undefined): void {
    const { journal } = queue;
    const { transactionLow, transactionHigh, position } = packet;
    this.#commit({
      queue: queue.index, sequence: journal.nextSequence, transactionLow, transactionHigh, position, answer,
    });
    const slot = answer === undefined ? journal.add(packet) : journal.addAnswered(packet, answer);
    this.#receive.sendControls();
    if (answer === undefined) journal.finish(slot);
    else queue.complete(slot, answer);
  }

  #tellLink(): void {
    if (!this.#noteLink()) return;
    this.#commit();
    this.#receive.sendControls();
  }

  /** False: the guest knows how the link is, or need not know yet. */
  #noteLink(): boolean {
    if (this.#resumption !== undefined) return false;
    const isConnected = this.#endpoint.isConnected || this.#departure !== undefined;
    if (!this.#linkNews.isDue(isConnected) && this.#adapter.believesConnected) return false;
    const message = this.#adapter.linkChange();
    return message !== undefined && this.#receive.addControl(message);
  }

  /** Writes down what guest and host agree on, with the packet that made it so. */
  #commit(packet?: ControlState['packet']): void {
    const { version, receiveGpadl, sendGpadl } = this.#negotiation;
    this.#journal.control.write({
      nvspVersion: version, frameBytes: this.#adapter.frameBytes, receiveGpadl, sendGpadl, packet,
      subChannels: this.#subChannels.count, allocationBytes: this.#receive.allocationBytes,
      adapter: this.#adapter.saveState(), controls: [...this.#receive.controls],
    });
  }
}
