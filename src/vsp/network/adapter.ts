/**
 * The adapter that a guest's driver talks to in RNDIS control messages [MS-RNDIS 2.2]: initialize, query, set, halt. A
 * message is a private copy; its answer is a new one. What makes no sense gets an error status.
 */
import {
  ChecksumSetting, CONFIG_PARAMETER_STRING, NdisCoalescingParameters, NdisObjectHeader, NdisObjectType,
  NdisOffloadParameters, Oid, PacketFilter, RndisConfigParameter, SwitchSetting,
} from '../../protocols/ndis-oid.ts';
import {
  RNDIS_HEADER_SIZE, RndisHeader, RndisIndicate, RndisInitialize, RndisInitializeComplete, RndisObjectRequest,
  RndisQueryComplete, RndisRequest, RndisResetComplete, RndisStatus, RndisStatusReply, RndisType,
} from '../../protocols/rndis.ts';
import { isStationAddress } from '../../kit/mac-address.ts';
import { MAX_FRAMES_IN_SEND, offersCoalescing, queryObject } from './objects.ts';
import { ReceiveScaling, type ScalingState } from './receive-scaling.ts';
import type { NetworkStatistics } from './statistics.ts';

const QUERY_BODY = RndisQueryComplete.$size;
const INFORMATION_OFFSET = QUERY_BODY - RNDIS_HEADER_SIZE;
/** Of frames in one send, as an exponent. */
const ALIGNMENT = 3;
const MAX_TRANSFER_BYTES = 0xefff_ffff;
const OBJECT_HEADER_AT = RNDIS_HEADER_SIZE;
const NETWORK_ADDRESS = 'NetworkAddress';

/** What the adapter can do for the guest. */
export interface Offloads {
  /** TCP and UDP checksums, both ways. */
  readonly checksum: boolean;
  /** TCP segments larger than the MTU from the guest; needs checksums. */
  readonly largeSend: boolean;
  /** And to the guest. */
  readonly coalescing: boolean;
}

export interface AdapterOptions {
  readonly permanentAddress: Uint8Array;
  readonly friendlyName: string;
  readonly linkBitsPerSecond: number;
  readonly offloads: Offloads;
  /** The guest may take another MAC address. */
  readonly allowsAddressChange: boolean;
  readonly statistics: NetworkStatistics;
  /** Channels that the guest may have. */
  readonly queueCount: number;
  readonly isConnected: () => boolean;
}

export interface AdapterState {
  readonly isInitialized: boolean;
  readonly packetFilter: number;
  readonly address: Uint8Array;
  readonly receiveChecksums: boolean;
  /** The guest's driver takes coalesced segments, and wants those of IPv4 and IPv6. */
  readonly knowsCoalescing: boolean;
  readonly coalescesIpv4: boolean;
  readonly coalescesIpv6: boolean;
  readonly scaling: ScalingState;
  /** What the guest was last told; undefined when nothing. */
  readonly toldConnected: boolean | undefined;
}

export class Adapter {
  readonly options: AdapterOptions;
  /** The longest frame of the guest, and the revision of the structures it knows: both follow from NVSP. */
  frameBytes = 1514;
  isInitialized = false;
  packetFilter = 0;
  address: Uint8Array;
  /** The guest wants to know which checksums were found good. */
  receiveChecksums = true;
  /** The guest's driver takes coalesced segments at all. */
  knowsCoalescing = false;
  readonly scaling: ReceiveScaling;
  #coalescesIpv4 = false;
  #coalescesIpv6 = false;
  #toldConnected: boolean | undefined;

  constructor(options: AdapterOptions) {
    this.options = options;
    this.scaling = new ReceiveScaling(options.queueCount);
    this.address = options.permanentAddress;
  }

  /** The guest's driver is gone. */
  reset(): void {
    this.isInitialized = false;
    this.packetFilter = 0;
    this.address = this.options.permanentAddress;
    this.receiveChecksums = true;
    this.knowsCoalescing = false;
    this.#coalescesIpv4 = false;
    this.#coalescesIpv6 = false;
    this.scaling.reset();
    this.#toldConnected = undefined;
  }

  /** Whether the guest takes TCP segments larger than its MTU. */
  coalesces(isIpv6: boolean): boolean {
    return isIpv6 ? this.#coalescesIpv6 : this.#coalescesIpv4;
  }

  /** The answer to a control message; undefined when it gets none. */
  answer(message: Uint8Array): Uint8Array | undefined {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    if (message.length < RndisRequest.$size) return undefined;
    const length = RndisHeader.length.get(view, 0);
    const requestId = RndisRequest.requestId.get(view, 0);
    const isWhole = length >= RndisRequest.$size && length <= message.length;
    switch (RndisHeader.type.get(view, 0)) {
      case RndisType.Initialize: return this.#initialize(view, requestId, isWhole);
      case RndisType.Halt:
        this.isInitialized = false;
        this.packetFilter = 0;
        return undefined;
      case RndisType.Query: return this.#query(view, requestId, isWhole);
      case RndisType.Set:
        return statusReply(RndisType.SetComplete, requestId, isWhole ? this.#set(view) : RndisStatus.InvalidLength);
      case RndisType.Reset: return resetReply();
      case RndisType.KeepAlive: return statusReply(RndisType.KeepAliveComplete, requestId, RndisStatus.Success);
      default: return undefined;
    }
  }

  /** The guest believes that its link is there. */
  get believesConnected(): boolean {
    return this.#toldConnected === true;
  }

  /** What to tell the guest when the link is not as it believes. */
  linkChange(): Uint8Array | undefined {
    const isConnected = this.options.isConnected();
    if (!this.isInitialized || this.#toldConnected === isConnected) return undefined;
    this.#toldConnected = isConnected;
    const message = new Uint8Array(RndisIndicate.$size);
    RndisIndicate.encode(new DataView(message.buffer), 0, {
      type: RndisType.Indicate, length: message.length,
      status: isConnected ? RndisStatus.MediaConnect : RndisStatus.MediaDisconnect,
    });
    return message;
  }

  // Hot path: one a frame to the guest.
  /** Whether the guest wants a frame whose destination address is at `at`. */
  wants(bytes: Uint8Array, at: number): boolean {
    const filter = this.packetFilter;
    if ((filter & PacketFilter.Promiscuous) !== 0) return true;
    if (((bytes[at] as number) & 1) === 0) {
      if ((filter & PacketFilter.Directed) === 0) return false;
      for (let i = 0; i < 6; i++) if (bytes[at + i] !== this.address[i]) return false;
      return true;
    }
    for (let i = 0; i < 6; i++) {
      if (bytes[at + i] !== 0xff) return (filter & (PacketFilter.Multicast | PacketFilter.AllMulticast)) !== 0;
    }
    return (filter & PacketFilter.Broadcast) !== 0;
  }

  /** The link's state, which the guest then knows. */
  tellConnected(): boolean {
    this.#toldConnected = this.options.isConnected();
    return this.#toldConnected;
  }

  saveState(): AdapterState {
    const { isInitialized, packetFilter, address, receiveChecksums, knowsCoalescing } = this;
    return {
      isInitialized, packetFilter, address: address.slice(), receiveChecksums, knowsCoalescing,
      coalescesIpv4: this.#coalescesIpv4, coalescesIpv6: this.#coalescesIpv6, scaling: this.scaling.saveState(),
      toldConnected: this.#toldConnected,
    };
  }

  restoreState(state: AdapterState): void {
    this.isInitialized = state.isInitialized;
    this.packetFilter = state.packetFilter;
    this.address = state.address.slice();
    this.receiveChecksums = state.receiveChecksums;
    this.knowsCoalescing = state.knowsCoalescing;
    this.#coalescesIpv4 = state.coalescesIpv4;
    this.#coalescesIpv6 = state.coalescesIpv6;
    this.scaling.restoreState(state.scaling);
    this.#toldConnected = state.toldConnected;
  }

  #initialize(view: DataView, requestId: number, isWhole: boolean): Uint8Array {
    const isGood = isWhole && view.byteLength >= RndisInitialize.$size && RndisInitialize.major.get(view, 0) === 1;
    if (isGood) {
      this.isInitialized = true;
      // The driver asks for the state of the link as it begins: only what changes later is news.
      this.tellConnected();
    }
    const reply = new Uint8Array(RndisInitializeComplete.$size);
    RndisInitializeComplete.encode(new DataView(reply.buffer), 0, {
      type: RndisType.InitializeComplete, length: reply.length, requestId,
      status: isGood ? RndisStatus.Success : RndisStatus.Failure,
      major: 1, minor: 0, deviceFlags: 1, medium: 0, maximumPacketsPerMessage: MAX_FRAMES_IN_SEND,
      maximumTransferBytes: MAX_TRANSFER_BYTES, packetAlignment: ALIGNMENT,
    });
    return reply;
  }

  #query(view: DataView, requestId: number, isWhole: boolean): Uint8Array {
    const information = isWhole ? informationOf(view) : undefined;
    const oid = information === undefined ? 0 : RndisObjectRequest.oid.get(view, 0);
    const value = information === undefined ? undefined : queryObject(this, oid, information);
    const reply = new Uint8Array(QUERY_BODY + (value?.length ?? 0));
    RndisQueryComplete.encode(new DataView(reply.buffer), 0, {
      type: RndisType.QueryComplete, length: reply.length, requestId,
      status: statusOfQuery(information, value),
      informationBytes: value?.length ?? 0, informationOffset: INFORMATION_OFFSET,
    });
    if (value !== undefined) reply.set(value, QUERY_BODY);
    return reply;
  }

  #set(view: DataView): number {
    const information = informationOf(view);
    if (information === undefined) return RndisStatus.InvalidLength;
    switch (RndisObjectRequest.oid.get(view, 0)) {
      case Oid.CurrentPacketFilter:
        if (information.byteLength < 4) return RndisStatus.InvalidLength;
        this.packetFilter = information.getUint32(0, true);
        return RndisStatus.Success;
      case Oid.MulticastList:
        // Every group's frames are given to a guest that wants some: a list would only make fewer of them.
        return information.byteLength % 6 === 0 ? RndisStatus.Success : RndisStatus.InvalidLength;
      case Oid.OffloadParameters: return this.#setOffloads(information);
      case Oid.ReceiveScaleParameters: return this.scaling.set(information);
      case Oid.RndisConfigParameter: return this.#setParameter(information);
      default: return RndisStatus.NotSupported;
    }
  }

  #setOffloads(view: DataView): number {
    if (view.byteLength < NdisOffloadParameters.$size) return RndisStatus.InvalidLength;
    if (NdisObjectHeader.type.get(view, 0) !== NdisObjectType.OffloadParameters) return RndisStatus.InvalidData;
    const settings = [
      NdisOffloadParameters.tcpIpv4Checksum.get(view, 0), NdisOffloadParameters.tcpIpv6Checksum.get(view, 0),
    ];
    this.#setCoalescing(view);
    if (settings.every((setting) => setting === ChecksumSetting.NoChange)) return RndisStatus.Success;
    this.receiveChecksums = settings.some((setting) =>
      setting === ChecksumSetting.Receive || setting === ChecksumSetting.Both);
    return RndisStatus.Success;
  }

  /** Only of a guest that was told of it. */
  #setCoalescing(view: DataView): void {
    if (!offersCoalescing(this) || view.byteLength < NdisCoalescingParameters.$size) return;
    const ipv4 = NdisCoalescingParameters.ipv4.get(view, 0);
    const ipv6 = NdisCoalescingParameters.ipv6.get(view, 0);
    if (ipv4 !== SwitchSetting.NoChange) this.#coalescesIpv4 = ipv4 === SwitchSetting.On;
    if (ipv6 !== SwitchSetting.NoChange) this.#coalescesIpv6 = ipv6 === SwitchSetting.On;
  }

  /** The one parameter there is: a MAC address as twelve hexadecimal digits. */
  #setParameter(view: DataView): number {
    if (view.byteLength < RndisConfigParameter.$size) return RndisStatus.InvalidLength;
    const { nameOffset, nameBytes, type, valueOffset, valueBytes } = RndisConfigParameter.decode(view, 0);
    const name = wideText(view, nameOffset, nameBytes);
    const value = wideText(view, valueOffset, valueBytes);
    if (name === undefined || value === undefined) return RndisStatus.InvalidLength;
    if (name !== NETWORK_ADDRESS || !this.options.allowsAddressChange) return RndisStatus.NotSupported;
    if (type !== CONFIG_PARAMETER_STRING || !/^[0-9a-f]{12}$/i.test(value)) return RndisStatus.InvalidData;
    const address = Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(value.slice(i * 2, i * 2 + 2), 16));
    if (!isStationAddress(address)) return RndisStatus.InvalidData;
    this.address = address;
    return RndisStatus.Success;
  }
}

/** The information of a query or set; undefined when it does not lie within the message. */
function informationOf(view: DataView): DataView | undefined {
  const end = Math.min(RndisHeader.length.get(view, 0), view.byteLength);
  if (end < RndisObjectRequest.$size - 4) return undefined;
  const length = RndisObjectRequest.informationBytes.get(view, 0);
  if (length === 0) return new DataView(new ArrayBuffer(0));
  const at = OBJECT_HEADER_AT + RndisObjectRequest.informationOffset.get(view, 0);
  return at + length <= end ? new DataView(view.buffer, view.byteOffset + at, length) : undefined;
}

function statusOfQuery(information: DataView | undefined, value: Uint8Array | undefined): number {
  if (information === undefined) return RndisStatus.InvalidLength;
  return value === undefined ? RndisStatus.NotSupported : RndisStatus.Success;
}

function wideText(view: DataView, offset: number, length: number): string | undefined {
  if (offset + length > view.byteLength) return undefined;
  let text = '';
  for (let at = offset; at + 1 < offset + length; at += 2) text += String.fromCharCode(view.getUint16(at, true));
  return text;
}

function statusReply(type: number, requestId: number, status: number): Uint8Array {
  const reply = new Uint8Array(RndisStatusReply.$size);
  RndisStatusReply.encode(new DataView(reply.buffer), 0, { type, length: reply.length, requestId, status });
  return reply;
}

function resetReply(): Uint8Array {
  const reply = new Uint8Array(RndisResetComplete.$size);
  RndisResetComplete.encode(new DataView(reply.buffer), 0, {
    type: RndisType.ResetComplete, length: reply.length, status: RndisStatus.Success, addressingReset: 0,
  });
  return reply;
}
