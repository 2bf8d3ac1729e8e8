/**
 * The main thread's end of one network adapter: it is offered on the bus, and its channels are handed to the network
 * thread when the guest opens them. What is counted and agreed on is read from shared memory.
 */

import { macAddressText } from '../kit/mac-address.ts';
import type { VmBus } from '../vmbus/bus.ts';
import type { Channel, ChannelHandle } from '../vmbus/channel.ts';
import type { ChannelService, Offer } from '../vmbus/offer.ts';
import { MAX_PACKET_BYTES, networkOffer } from '../vsp/network/device.ts';
import { AdapterJournal } from '../vsp/network/journal.ts';
import type { NetworkState } from '../vsp/network/state.ts';
import { NetworkStatistics } from '../vsp/network/statistics.ts';
import type { NetworkCommand, NicNetwork } from './network-protocol.ts';

export interface MachineAdapterOptions {
  /** Its slot. */
  readonly nic: number;
  readonly instanceId: string;
  readonly macAddress: Uint8Array;
  readonly queueCount: number;
  readonly bus: VmBus;
  /** Has the guest ring the network thread for a channel from now on; the connection by which it does. */
  readonly handOver: (relid: number) => number;
  /** To the network thread, without or with waiting; false when there is no such thread. */
  readonly send: (command: NetworkCommand) => void;
  readonly call: (command: NetworkCommand) => boolean;
  /** Wakes it. */
  readonly ring: () => void;
  /** The guest has let go of it. */
  readonly onReleased: () => void;
}

interface OpenChannel {
  readonly channel: Channel;
  readonly handle: ChannelHandle;
  readonly connection: number;
}

export class MachineAdapter {
  readonly statistics: NetworkStatistics;
  readonly #options: MachineAdapterOptions;
  readonly #journal: AdapterJournal;
  readonly #channels = new Map<number, OpenChannel>();
  #subChannels = 0;
  #network: NicNetwork | undefined;
  #restored: NetworkState | undefined;
  /** Called when the guest has given back what it had; it is taken from the guest. */
  #drained: (() => void) | undefined;
  #isLeaving = false;

  constructor(options: MachineAdapterOptions) {
    this.#options = options;
    this.#journal = new AdapterJournal(options.queueCount);
    this.statistics = new NetworkStatistics(this.#journal.counters);
  }

  /** Undefined: the guest has not let go of the one that was there before. */
  offer(): Offer | undefined {
    return this.#options.bus.offer(this.#service(0));
  }

  /** The version of NVSP that was agreed on, 0 before. */
  get nvspVersion(): number {
    return this.#journal.control.read()?.nvspVersion ?? 0;
  }

  get macAddress(): Uint8Array {
    return this.#journal.control.read()?.adapter.address ?? this.#options.macAddress;
  }

  /** Has the network thread serve it. */
  plugIn(network: NicNetwork): void {
    this.#network = network;
    this.handToThread(false);
  }

  /** To the thread that there is now. @param isTakenOver another one had it */
  handToThread(isTakenOver: boolean): void {
    const { nic, instanceId, macAddress, queueCount, send } = this.#options;
    const network = this.#network;
    if (network === undefined) return;
    const placed = { instanceId, macAddress, queueCount, journal: this.#journal.buffer, network };
    // A thread that ended before it had gone on from a saved state has left nothing to go on from.
    const isFresh = this.#restored !== undefined && this.#journal.control.read() === undefined;
    const isOpen = Array.from({ length: queueCount }, (_, index) => this.#channels.has(index));
    send({ kind: 'add', nic, placed, ...(isTakenOver && { isOpen: isFresh ? [] : isOpen }) });
    if (isFresh) send({ kind: 'restore', nic, state: this.#restored as NetworkState });
    for (const [index, open] of this.#channels) this.#sendOpen(index, open, isTakenOver);
    if (this.#isLeaving) send({ kind: 'leave', nic });
  }

  /** Before the bus is restored, which opens the channels again. */
  restoreState(state: NetworkState): void {
    this.#restored = state;
    for (let index = 1; index <= state.subChannels; index++) this.offerSubChannel(index);
    this.#options.send({ kind: 'restore', nic: this.#options.nic, state });
  }

  /** The guest is to have another channel. */
  offerSubChannel(index: number): void {
    this.#subChannels = Math.max(this.#subChannels, index);
    this.#options.bus.offer(this.#service(index), index);
  }

  /** The guest broke the protocol. */
  broken(index: number, reason: string): void {
    this.#channels.get(index)?.channel.fail(reason);
  }

  /** Nothing is sent or received any more; `drained` is called when the guest has given back what it was given. */
  leave(drained: () => void): void {
    this.#isLeaving = true;
    this.#drained = drained;
    this.#options.send({ kind: 'leave', nic: this.#options.nic });
  }

  drained(): void {
    this.#drained?.();
    this.#drained = undefined;
  }

  inspect(): object {
    const { sentFrames, sentBytes, receivedFrames, receivedBytes, drops } = this.statistics;
    const control = this.#journal.control.read();
    return {
      address: macAddressText(this.macAddress),
      nvspVersion: `0x${this.nvspVersion.toString(16)}`,
      isConnected: this.#journal.isConnected,
      packetFilter: control?.adapter.packetFilter ?? 0,
      heldTransfers: this.#journal.heldTransfers,
      channels: this.#channels.size,
      unanswered: this.#journal.unanswered,
      sentFrames, sentBytes, receivedFrames, receivedBytes, drops,
    };
  }

  /** The service of one channel, for the bus. */
  #service(index: number): ChannelService {
    const { nic, instanceId, send } = this.#options;
    return {
      description: networkOffer(instanceId),
      maxPacketBytes: MAX_PACKET_BYTES,
      // Linux does not let an interface go before every send is completed.
      outlivesRescind: true,
      opened: (channel) => this.#opened(index, channel),
      // The guest rang before the bell was handed over.
      signalled: () => this.#options.ring(),
      closed: () => this.#closed(index),
      released: () => this.#released(index),
      pagesGiven: (gpadl, pages) => send({ kind: 'pages-given', nic, given: { gpadl, pages: pages.toValue() } }),
      pagesTaken: (gpadl) => send({ kind: 'pages-taken', nic, gpadl }),
    };
  }

  #opened(index: number, channel: Channel): void {
    if (index === 0 && !channel.isRestored) this.#restored = undefined;
    const handle = channel.handOver();
    const open = { channel, handle, connection: this.#options.handOver(channel.relid) };
    this.#channels.set(index, open);
    this.#sendOpen(index, open, handle.isRestored);
  }

  #sendOpen(index: number, { handle, connection }: OpenChannel, isRestored: boolean): void {
    const { nic, bus, send } = this.#options;
    const pages = bus.gpadls.listsOf(handle.relid).map(({ gpadl, pages: list }) => ({ gpadl, pages: list.toValue() }));
    send({ kind: 'open', nic, index, channel: { ...handle, isRestored }, connection, pages });
  }

  /** When this returns, the thread does not touch guest memory any more. */
  #closed(index: number): void {
    const { nic, call } = this.#options;
    this.#channels.delete(index);
    const isDone = call({ kind: 'close', nic, index });
    if (index > 0) {
      if (!isDone) this.#journal.queues[index]?.clear();
      return;
    }
    if (!isDone) this.#journal.clear();
    this.#subChannels = 0;
    this.#restored = undefined;
    this.drained();
  }

  /** The driver may ask for its channels again before it has let go of those that it had. */
  #released(index: number): void {
    const { nic, bus, send, onReleased } = this.#options;
    if (index === 0) {
      send({ kind: 'forget', nic });
      onReleased();
    } else if (index <= this.#subChannels) bus.offer(this.#service(index), index);
  }
}
