/**
 * The synthetic network adapter: NVSP on a VMBus channel, and behind it RNDIS [Linux drivers/net/hyperv/netvsc.c,
 * rndis_filter.c]. Versions 1 to 6.1; from 5 on the guest may ask for more channels, which carry frames alone. Frames
 * go to and come from a network endpoint.
 *
 * A service is called on one thread, and its endpoint calls on the same one.
 */
import { macAddressText } from '../../kit/mac-address.ts';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import {
  CAPABILITY_COALESCING, NvspBuffer, NvspChannelType, NvspInitialize, NvspNdisConfiguration, NvspRndisPacket,
  NvspStatus, NvspSubChannel, NvspType, NvspVersion,
} from '../../protocols/nvsp.ts';
import { ClassId, type Guid } from '../../protocols/vmbus/class-ids.ts';
import { PacketFlag, PacketType } from '../../protocols/vmbus/ring-layout.ts';
import type { Channel } from '../../vmbus/channel.ts';
import type { ChannelService, OfferDescription } from '../../vmbus/offer.ts';
import { expectStateVersion, type Service } from '../service.ts';
import { Adapter, type Offloads } from './adapter.ts';
import { initializeComplete, receiveBufferComplete, sendBufferComplete, statusMessage } from './answers.ts';
import type { GuestRam } from './guest-ram.ts';
import { Queue } from './queue.ts';
import { allocationBytes, ReceivePath } from './receive.ts';
import { NETWORK_STATE_VERSION, type NetworkState } from './state.ts';
import { NetworkStatistics } from './statistics.ts';
import { SubChannels } from './sub-channels.ts';
import { type SendPacket, TransmitPath } from './transmit.ts';

const ETHERNET_HEADER = 14;
const DEFAULT_FRAME_BYTES = 1500 + ETHERNET_HEADER;
/** What Hyper-V calls jumbo frames: an MTU of 9014. */
export const MAX_FRAME_BYTES = 9014 + ETHERNET_HEADER;
/** The smallest that IPv4 may have. */
const MIN_FRAME_BYTES = 68 + ETHERNET_HEADER;
const DEFAULT_LINK_BITS_PER_SECOND = 10e9;
const DEFAULT_OFFLOADS: Offloads = { checksum: true, largeSend: true, coalescing: true };
const NOTHING = new Uint8Array(0);
const VERSIONS: ReadonlySet<number> = new Set(Object.values(NvspVersion));

export interface NetworkAdapterOptions {
  /** Unique among the guest's devices, and the same after every restart: interface names hang on it. */
  readonly instanceId: Guid;
  readonly macAddress: Uint8Array;
  readonly ram: GuestRam;
  readonly endpoint: NetworkEndpoint;
  readonly friendlyName?: string;
  readonly linkBitsPerSecond?: number;
  /** What the other end of the endpoint can deal with; by default everything that the port carries. */
  readonly offloads?: Offloads;
  /** The guest may take another MAC address. */
  readonly allowsAddressChange?: boolean;
  /** Channels that the guest may have; 1 unless given. */
  readonly queueCount?: number;
  /** Offers the guest another channel, `subChannel(index)`. It may be that the guest has not let go of the last one. */
  readonly offerSubChannel?: (index: number) => void;
}

export class NetworkAdapter implements Service<NetworkState> {
  readonly description: OfferDescription;
  readonly maxPacketBytes = 4096;
  /** Linux does not let an interface go before every send is completed. */
  readonly outlivesRescind = true;
  readonly statistics = new NetworkStatistics();
  readonly #endpoint: NetworkEndpoint;
  readonly #adapter: Adapter;
  readonly #receive: ReceivePath;
  readonly #transmit: TransmitPath;
  readonly #queues: readonly Queue[];
  readonly #subChannels: SubChannels;
  #nvspVersion = 0;
  #receiveGpadl: number | undefined;
  #sendGpadl: number | undefined;
  #restored: NetworkState | undefined;
  /** Called once the guest holds no frame any more; the link is down meanwhile. */
  #onDrained: (() => void) | undefined;
  #isLeaving = false;

  constructor(options: NetworkAdapterOptions) {
    this.description = { classId: ClassId.Network, instanceId: options.instanceId, flags: 0 };
    const { endpoint, statistics } = { endpoint: options.endpoint, statistics: this.statistics };
    const queueCount = options.queueCount ?? 1;
    this.#endpoint = endpoint;
    this.#queues = Array.from({ length: queueCount }, (_, index) => new Queue(index));
    this.#subChannels = new SubChannels(this.#queues, options.offerSubChannel ?? ((): void => {}));
    this.#adapter = new Adapter({
      permanentAddress: options.macAddress, friendlyName: options.friendlyName ?? 'Network Adapter',
      linkBitsPerSecond: options.linkBitsPerSecond ?? DEFAULT_LINK_BITS_PER_SECOND,
      offloads: options.offloads ?? DEFAULT_OFFLOADS, allowsAddressChange: options.allowsAddressChange ?? false,
      statistics, queueCount, isConnected: () => endpoint.isConnected && !this.#isLeaving,
    });
    this.#receive = new ReceivePath({
      queueCount, adapter: this.#adapter, statistics, onRoom: () => endpoint.flush(),
    });
    this.#transmit = new TransmitPath({
      ram: options.ram, endpoint, adapter: this.#adapter, statistics,
      complete: (queue, low, high, status) =>
        this.#queues[queue]?.complete(low, high, statusMessage(NvspType.SendRndisPacketComplete, status)),
    });
    endpoint.setReceiver(this.#receive, () => this.#transmit.resume());
    endpoint.onConnectionChange = () => {
      this.#tellLink();
      this.#transmit.resume();
    };
  }

  /** The version that was agreed on, 0 before. */
  get nvspVersion(): number {
    return this.#nvspVersion;
  }

  get macAddress(): Uint8Array {
    return this.#adapter.address;
  }

  opened(channel: Channel, index = 0): void {
    (this.#queues[index] as Queue).channel = channel;
    this.#receive.attach(channel, index);
    if (channel.isRestored) this.#goOn();
    else if (index > 0) this.#subChannels.tellSendTable();
  }

  signalled(index = 0): void {
    const queue = this.#queues[index] as Queue;
    // While a completion has no room nothing is read: the guest will make room, and nothing of it waits for us.
    while (queue.catchUp() && queue.channel?.receive() === true) this.#take(queue, queue.channel);
    this.#transmit.flush();
    this.#receive.turn();
    this.#tellDrained();
  }

  /**
   * The adapter is going to be taken from the guest: nothing is sent or received any more, and `drained` is called when
   * the guest has given back what it was given. Once it hears of the end, Linux can give nothing back and waits for it.
   */
  leave(drained: () => void): void {
    this.#isLeaving = true;
    this.#onDrained = drained;
    this.#tellLink();
    this.#tellDrained();
  }

  closed(index = 0): void {
    this.#queues[index]?.close();
    this.#receive.detach(index);
    if (index > 0) return;
    this.#clear();
    this.#tellDrained();
  }

  /** The service of another channel of the guest's. */
  subChannel(index: number): ChannelService {
    return {
      description: this.description,
      maxPacketBytes: this.maxPacketBytes,
      outlivesRescind: true,
      opened: (channel) => this.opened(channel, index),
      signalled: () => this.signalled(index),
      closed: () => this.closed(index),
      released: () => this.#subChannels.released(index),
    };
  }

  saveState(): NetworkState {
    return {
      version: NETWORK_STATE_VERSION,
      nvspVersion: this.#nvspVersion,
      frameBytes: this.#adapter.frameBytes,
      receiveGpadl: this.#receiveGpadl,
      sendGpadl: this.#sendGpadl,
      subChannels: this.#subChannels.count,
      queues: this.#queues.map((queue) => queue.saveState()),
      adapter: this.#adapter.saveState(),
      receive: this.#receive.saveState(),
      transmit: this.#transmit.saveState(),
      statistics: this.statistics.saveState(),
    };
  }

  restoreState(state: NetworkState): void {
    expectStateVersion('network', state.version, NETWORK_STATE_VERSION);
    this.statistics.restoreState(state.statistics);
    this.#restored = state;
    this.#subChannels.offer(state.subChannels);
  }

  inspect(): object {
    const { sentFrames, sentBytes, receivedFrames, receivedBytes, drops } = this.statistics;
    return {
      address: macAddressText(this.#adapter.address),
      nvspVersion: `0x${this.#nvspVersion.toString(16)}`,
      isConnected: this.#endpoint.isConnected,
      packetFilter: this.#adapter.packetFilter,
      receiveAllocations: { all: this.#receive.allocationCount, held: this.#receive.heldAllocations },
      channels: this.#queues.filter(({ channel }) => channel !== undefined).length,
      waitingSends: this.#transmit.waitingCount,
      sentFrames, sentBytes, receivedFrames, receivedBytes, drops: { ...drops },
    };
  }

  /** The guest's driver is gone. */
  #clear(): void {
    this.#restored = undefined;
    this.#receive.clear();
    this.#transmit.clear();
    this.#adapter.reset();
    this.#adapter.frameBytes = DEFAULT_FRAME_BYTES;
    this.#nvspVersion = 0;
    this.#receiveGpadl = undefined;
    this.#sendGpadl = undefined;
    this.#subChannels.count = 0;
  }

  #tellDrained(): void {
    if (this.#receive.heldAllocations > 0) return;
    const drained = this.#onDrained;
    this.#onDrained = undefined;
    drained?.();
  }

  /** The rest of a saved state, once the channels are there that were open. */
  #goOn(): void {
    const state = this.#restored;
    const channel = this.#queues[0]?.channel;
    if (state === undefined || channel === undefined) return;
    if (this.#queues.some((queue) => state.queues[queue.index]?.isOpen === true && queue.channel === undefined)) return;
    this.#restored = undefined;
    this.#nvspVersion = state.nvspVersion;
    this.#adapter.frameBytes = state.frameBytes;
    this.#adapter.restoreState(state.adapter);
    state.queues.forEach((saved, index) => this.#queues[index]?.restoreState(saved));
    if (state.sendGpadl !== undefined) {
      const pages = channel.pagesOf(state.sendGpadl);
      if (pages !== undefined && this.#transmit.setBuffer(pages)) this.#sendGpadl = state.sendGpadl;
    }
    if (state.receiveGpadl !== undefined) {
      const pages = channel.pagesOf(state.receiveGpadl);
      if (pages !== undefined && this.#receive.setBuffer(pages, state.receive.allocationBytes)) {
        this.#receiveGpadl = state.receiveGpadl;
        this.#receive.restoreState(state.receive);
      }
    }
    this.#transmit.restoreState(state.transmit);
    this.#tellLink();
    this.#transmit.resume();
  }

  #take(queue: Queue, { packet }: Channel): void {
    if (packet.type === PacketType.Completion) {
      // Of a buffer that was taken back meanwhile nothing is left to give free: an unknown number is no harm.
      this.#receive.completed(packet.transactionLow, packet.transactionHigh);
      return;
    }
    const { view, dataOffset, length } = packet;
    const type = length - dataOffset >= 4 ? view.getUint32(dataOffset, true) : 0;
    if (type === NvspType.SendRndisPacket && length - dataOffset >= NvspRndisPacket.$size) {
      this.#takeSend(queue, packet);
      return;
    }
    const answer = queue.index === 0 ? this.#answer(type, view, dataOffset, length - dataOffset)
      : statusMessage(type, NvspStatus.Unsupported);
    if ((packet.flags & PacketFlag.CompletionRequested) !== 0 && answer !== undefined) {
      queue.complete(packet.transactionLow, packet.transactionHigh, answer);
    }
  }

  #takeSend(queue: Queue, packet: SendPacket): void {
    const { transactionLow, transactionHigh } = packet;
    if (NvspRndisPacket.channelType.get(packet.view, packet.dataOffset) !== NvspChannelType.Control) {
      this.#transmit.take(packet, queue.index);
      return;
    }
    const message = this.#transmit.copyControl(packet);
    const status = message === undefined ? NvspStatus.InvalidRndisPacket : this.#control(message);
    queue.complete(transactionLow, transactionHigh, statusMessage(NvspType.SendRndisPacketComplete, status));
  }

  #control(message: Uint8Array): number {
    const answer = this.#adapter.answer(message);
    if (answer !== undefined && !this.#receive.control(answer)) return NvspStatus.Busy;
    this.#tellLink();
    return NvspStatus.Success;
  }

  #tellLink(): void {
    const message = this.#adapter.linkChange();
    if (message !== undefined) this.#receive.control(message);
  }

  /** The answer to an NVSP message, for a guest that wants one. */
  #answer(type: number, view: DataView, at: number, length: number): Uint8Array | undefined {
    if (type === NvspType.Initialize && length >= NvspInitialize.$size) return this.#initialize(view, at);
    if (type === NvspType.SwitchDataPath) return NOTHING;
    if (this.#nvspVersion === 0) return statusMessage(type + 1, NvspStatus.Failure);
    switch (type) {
      case NvspType.SendNdisConfiguration:
        if (length >= NvspNdisConfiguration.$size) this.#configure(view, at);
        return statusMessage(type, NvspStatus.Success);
      case NvspType.SendReceiveBuffer:
        return length < NvspBuffer.$size ? statusMessage(NvspType.SendReceiveBufferComplete, NvspStatus.Failure)
          : this.#takeReceiveBuffer(NvspBuffer.gpadl.get(view, at));
      case NvspType.RevokeReceiveBuffer:
        this.#receive.clear();
        this.#receiveGpadl = undefined;
        return statusMessage(type, NvspStatus.Success);
      case NvspType.SendSendBuffer:
        return length < NvspBuffer.$size ? statusMessage(NvspType.SendSendBufferComplete, NvspStatus.Failure)
          : this.#takeSendBuffer(NvspBuffer.gpadl.get(view, at));
      case NvspType.RevokeSendBuffer:
        this.#transmit.clearBuffer();
        this.#sendGpadl = undefined;
        return statusMessage(type, NvspStatus.Success);
      case NvspType.SubChannel: return length < NvspSubChannel.$size ? statusMessage(type, NvspStatus.Failure)
        : this.#subChannels.grant(NvspSubChannel.count.get(view, at), this.#nvspVersion);
      case NvspType.SendNdisVersion: return statusMessage(type, NvspStatus.Success);
      default: return statusMessage(type, NvspStatus.Unsupported);
    }
  }

  #initialize(view: DataView, at: number): Uint8Array {
    const version = NvspInitialize.maximumVersion.get(view, at);
    const isFirst = this.#nvspVersion === 0;
    const isGood = isFirst && VERSIONS.has(version) && NvspInitialize.minimumVersion.get(view, at) <= version;
    if (isGood) this.#nvspVersion = version;
    return initializeComplete(isGood ? version : 0);
  }

  #configure(view: DataView, at: number): void {
    const frameBytes = NvspNdisConfiguration.frameBytes.get(view, at);
    this.#adapter.frameBytes = Math.max(MIN_FRAME_BYTES, Math.min(frameBytes, MAX_FRAME_BYTES));
    this.#adapter.knowsCoalescing = this.#nvspVersion >= NvspVersion.V61
      && (NvspNdisConfiguration.capabilitiesLow.get(view, at) & CAPABILITY_COALESCING) !== 0;
  }

  #takeReceiveBuffer(gpadl: number): Uint8Array {
    const pages = this.#queues[0]?.channel?.pagesOf(gpadl);
    const bytes = allocationBytes(Math.max(DEFAULT_FRAME_BYTES, this.#adapter.frameBytes));
    if (pages === undefined || !this.#receive.setBuffer(pages, bytes)) {
      return statusMessage(NvspType.SendReceiveBufferComplete, NvspStatus.Failure);
    }
    this.#receiveGpadl = gpadl;
    return receiveBufferComplete(bytes, this.#receive.allocationCount);
  }

  #takeSendBuffer(gpadl: number): Uint8Array {
    const pages = this.#queues[0]?.channel?.pagesOf(gpadl);
    const isGood = pages !== undefined && this.#transmit.setBuffer(pages);
    if (isGood) this.#sendGpadl = gpadl;
    return sendBufferComplete(isGood);
  }
}
