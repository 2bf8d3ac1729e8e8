/**
 * The synthetic network adapter: NVSP on a VMBus channel, and behind it RNDIS [Linux drivers/net/hyperv/netvsc.c,
 * rndis_filter.c]. Versions 1 to 6.1, one queue. Frames go to and come from a network endpoint.
 *
 * A service is called on one thread, and its endpoint calls on the same one.
 */
import { macAddressText } from '../../kit/mac-address.ts';
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import {
  NvspBuffer, NVSP_MESSAGE_SIZE, NvspChannelType, NvspInitialize, NvspInitializeComplete, NvspNdisConfiguration,
  NvspReceiveBufferComplete, NvspRndisPacket, NvspSendBufferComplete, NvspStatus, NvspStatusMessage, NvspType,
  NvspVersion,
} from '../../protocols/nvsp.ts';
import { ClassId, type Guid } from '../../protocols/vmbus/class-ids.ts';
import { PacketFlag, PacketType } from '../../protocols/vmbus/ring-layout.ts';
import { type Channel, SendResult } from '../../vmbus/channel.ts';
import type { OfferDescription } from '../../vmbus/offer.ts';
import { expectStateVersion, type Service } from '../service.ts';
import { Adapter, type Offloads } from './adapter.ts';
import type { GuestRam } from './guest-ram.ts';
import { allocationBytes, ReceivePath } from './receive.ts';
import { NETWORK_STATE_VERSION, type NetworkState, type UnsentCompletion } from './state.ts';
import { NetworkStatistics } from './statistics.ts';
import { SECTION_BYTES, type SendPacket, TransmitPath } from './transmit.ts';

const ETHERNET_HEADER = 14;
const DEFAULT_FRAME_BYTES = 1500 + ETHERNET_HEADER;
/** What Hyper-V calls jumbo frames: an MTU of 9014. */
export const MAX_FRAME_BYTES = 9014 + ETHERNET_HEADER;
/** The smallest that IPv4 may have. */
const MIN_FRAME_BYTES = 68 + ETHERNET_HEADER;
const MAX_MDL_CHAIN = 34;
const DEFAULT_LINK_BITS_PER_SECOND = 10e9;
const DEFAULT_OFFLOADS: Offloads = { checksum: true, largeSend: true };
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
}

export class NetworkAdapter implements Service<NetworkState> {
  readonly description: OfferDescription;
  readonly maxPacketBytes = 4096;
  readonly statistics = new NetworkStatistics();
  readonly #endpoint: NetworkEndpoint;
  readonly #adapter: Adapter;
  readonly #receive: ReceivePath;
  readonly #transmit: TransmitPath;
  #channel: Channel | undefined;
  #nvspVersion = 0;
  #receiveGpadl: number | undefined;
  #sendGpadl: number | undefined;
  #unsent: UnsentCompletion[] = [];
  #restored: NetworkState | undefined;

  constructor(options: NetworkAdapterOptions) {
    this.description = { classId: ClassId.Network, instanceId: options.instanceId, flags: 0 };
    const { endpoint, statistics } = { endpoint: options.endpoint, statistics: this.statistics };
    this.#endpoint = endpoint;
    this.#adapter = new Adapter({
      permanentAddress: options.macAddress, friendlyName: options.friendlyName ?? 'Network Adapter',
      linkBitsPerSecond: options.linkBitsPerSecond ?? DEFAULT_LINK_BITS_PER_SECOND,
      offloads: options.offloads ?? DEFAULT_OFFLOADS, allowsAddressChange: options.allowsAddressChange ?? false,
      statistics, isConnected: () => endpoint.isConnected,
    });
    this.#receive = new ReceivePath({ adapter: this.#adapter, statistics, onRoom: () => endpoint.flush() });
    this.#transmit = new TransmitPath({
      ram: options.ram, endpoint, adapter: this.#adapter, statistics,
      complete: (low, high, status) =>
        this.#complete(low, high, statusMessage(NvspType.SendRndisPacketComplete, status)),
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

  opened(channel: Channel): void {
    this.#channel = channel;
    this.#receive.attach(channel);
    const state = this.#restored;
    this.#restored = undefined;
    if (channel.isRestored && state !== undefined) this.#goOn(channel, state);
  }

  signalled(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    this.#sendUnsent(channel);
    // While a completion has no room nothing is read: the guest will make room, and nothing of it waits for us.
    while (this.#unsent.length === 0 && channel.receive()) this.#take(channel);
    this.#transmit.flush();
    this.#receive.turn();
  }

  closed(): void {
    this.#channel = undefined;
    this.#receive.attach(undefined);
    this.#receive.clear();
    this.#transmit.clear();
    this.#adapter.reset();
    this.#adapter.frameBytes = DEFAULT_FRAME_BYTES;
    this.#nvspVersion = 0;
    this.#receiveGpadl = undefined;
    this.#sendGpadl = undefined;
    this.#unsent = [];
  }

  saveState(): NetworkState {
    return {
      version: NETWORK_STATE_VERSION,
      nvspVersion: this.#nvspVersion,
      frameBytes: this.#adapter.frameBytes,
      receiveGpadl: this.#receiveGpadl,
      sendGpadl: this.#sendGpadl,
      unsent: this.#unsent.map((each) => ({ ...each, payload: each.payload.slice() })),
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
  }

  inspect(): object {
    const { sentFrames, sentBytes, receivedFrames, receivedBytes, drops } = this.statistics;
    return {
      address: macAddressText(this.#adapter.address),
      nvspVersion: `0x${this.#nvspVersion.toString(16)}`,
      isConnected: this.#endpoint.isConnected,
      packetFilter: this.#adapter.packetFilter,
      receiveAllocations: { all: this.#receive.allocationCount, held: this.#receive.heldAllocations },
      waitingSends: this.#transmit.waitingCount,
      sentFrames, sentBytes, receivedFrames, receivedBytes, drops: { ...drops },
    };
  }

  /** The rest of a saved state, once there is a channel whose page lists can be asked for. */
  #goOn(channel: Channel, state: NetworkState): void {
    this.#nvspVersion = state.nvspVersion;
    this.#adapter.frameBytes = state.frameBytes;
    this.#adapter.restoreState(state.adapter);
    this.#unsent = state.unsent.map((each) => ({ ...each, payload: each.payload.slice() }));
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

  #take(channel: Channel): void {
    const { packet } = channel;
    if (packet.type === PacketType.Completion) {
      // Of a buffer that was taken back meanwhile nothing is left to give free: an unknown number is no harm.
      this.#receive.completed(packet.transactionLow, packet.transactionHigh);
      return;
    }
    const { view, dataOffset, length } = packet;
    const type = length - dataOffset >= 4 ? view.getUint32(dataOffset, true) : 0;
    if (type === NvspType.SendRndisPacket && length - dataOffset >= NvspRndisPacket.$size) {
      this.#takeSend(packet);
      return;
    }
    const answer = this.#answer(channel, type, view, dataOffset, length - dataOffset);
    if ((packet.flags & PacketFlag.CompletionRequested) === 0 || answer === undefined) return;
    this.#complete(packet.transactionLow, packet.transactionHigh, answer);
  }

  #takeSend(packet: SendPacket): void {
    const { transactionLow, transactionHigh } = packet;
    if (NvspRndisPacket.channelType.get(packet.view, packet.dataOffset) !== NvspChannelType.Control) {
      this.#transmit.take(packet);
      return;
    }
    const message = this.#transmit.copyControl(packet);
    const status = message === undefined ? NvspStatus.InvalidRndisPacket : this.#control(message);
    this.#complete(transactionLow, transactionHigh, statusMessage(NvspType.SendRndisPacketComplete, status));
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
  #answer(channel: Channel, type: number, view: DataView, at: number, length: number): Uint8Array | undefined {
    if (type === NvspType.Initialize && length >= NvspInitialize.$size) return this.#initialize(view, at);
    if (type === NvspType.SwitchDataPath) return NOTHING;
    if (this.#nvspVersion === 0) return statusMessage(type + 1, NvspStatus.Failure);
    switch (type) {
      case NvspType.SendNdisConfiguration:
        if (length >= NvspNdisConfiguration.$size) this.#configure(NvspNdisConfiguration.frameBytes.get(view, at));
        return statusMessage(type, NvspStatus.Success);
      case NvspType.SendReceiveBuffer:
        return length < NvspBuffer.$size ? statusMessage(NvspType.SendReceiveBufferComplete, NvspStatus.Failure)
          : this.#takeReceiveBuffer(channel, NvspBuffer.gpadl.get(view, at));
      case NvspType.RevokeReceiveBuffer:
        this.#receive.clear();
        this.#receiveGpadl = undefined;
        return statusMessage(type, NvspStatus.Success);
      case NvspType.SendSendBuffer:
        return length < NvspBuffer.$size ? statusMessage(NvspType.SendSendBufferComplete, NvspStatus.Failure)
          : this.#takeSendBuffer(channel, NvspBuffer.gpadl.get(view, at));
      case NvspType.RevokeSendBuffer:
        this.#transmit.clearBuffer();
        this.#sendGpadl = undefined;
        return statusMessage(type, NvspStatus.Success);
      case NvspType.SendNdisVersion: return statusMessage(type, NvspStatus.Success);
      default: return statusMessage(type, NvspStatus.Unsupported);
    }
  }

  #initialize(view: DataView, at: number): Uint8Array {
    const version = NvspInitialize.maximumVersion.get(view, at);
    const isFirst = this.#nvspVersion === 0;
    const isGood = isFirst && VERSIONS.has(version) && NvspInitialize.minimumVersion.get(view, at) <= version;
    if (isGood) this.#nvspVersion = version;
    const reply = new Uint8Array(NVSP_MESSAGE_SIZE);
    NvspInitializeComplete.encode(new DataView(reply.buffer), 0, {
      type: NvspType.InitializeComplete, version: isGood ? version : 0, maximumMdlChain: MAX_MDL_CHAIN,
      status: isGood ? NvspStatus.Success : NvspStatus.Failure,
    });
    return reply;
  }

  #configure(frameBytes: number): void {
    this.#adapter.frameBytes = Math.max(MIN_FRAME_BYTES, Math.min(frameBytes, MAX_FRAME_BYTES));
  }

  #takeReceiveBuffer(channel: Channel, gpadl: number): Uint8Array {
    const pages = channel.pagesOf(gpadl);
    const bytes = allocationBytes(Math.max(DEFAULT_FRAME_BYTES, this.#adapter.frameBytes));
    const reply = new Uint8Array(NVSP_MESSAGE_SIZE);
    const view = new DataView(reply.buffer);
    NvspReceiveBufferComplete.encode(view, 0, { type: NvspType.SendReceiveBufferComplete, status: NvspStatus.Failure });
    if (pages === undefined || !this.#receive.setBuffer(pages, bytes)) return reply;
    this.#receiveGpadl = gpadl;
    const { allocationCount } = this.#receive;
    NvspReceiveBufferComplete.encode(view, 0, {
      status: NvspStatus.Success, sectionCount: 1, offset: 0, allocationBytes: bytes, allocationCount,
      endOffset: bytes * allocationCount,
    });
    return reply;
  }

  #takeSendBuffer(channel: Channel, gpadl: number): Uint8Array {
    const pages = channel.pagesOf(gpadl);
    const isGood = pages !== undefined && this.#transmit.setBuffer(pages);
    if (isGood) this.#sendGpadl = gpadl;
    const reply = new Uint8Array(NVSP_MESSAGE_SIZE);
    NvspSendBufferComplete.encode(new DataView(reply.buffer), 0, {
      type: NvspType.SendSendBufferComplete, status: isGood ? NvspStatus.Success : NvspStatus.Failure,
      sectionBytes: isGood ? SECTION_BYTES : 0,
    });
    return reply;
  }

  #complete(transactionLow: number, transactionHigh: number, payload: Uint8Array): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    const waits = this.#unsent.length > 0;
    if (!waits && channel.complete(transactionLow, transactionHigh, payload) !== SendResult.Full) return;
    this.#unsent.push({ transactionLow, transactionHigh, payload });
  }

  #sendUnsent(channel: Channel): void {
    while (this.#unsent.length > 0) {
      const { transactionLow, transactionHigh, payload } = this.#unsent[0] as UnsentCompletion;
      if (channel.complete(transactionLow, transactionHigh, payload) === SendResult.Full) return;
      this.#unsent.shift();
    }
  }
}

function statusMessage(type: number, status: number): Uint8Array {
  const message = new Uint8Array(NVSP_MESSAGE_SIZE);
  NvspStatusMessage.encode(new DataView(message.buffer), 0, { type, status });
  return message;
}
