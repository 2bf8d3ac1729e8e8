/**
 * What guest and host agree on by NVSP: the version, the buffers, the MTU, the channels [Linux drivers/net/hyperv/
 * netvsc.c]. A message is a private copy, and its answer says how it went.
 */
import {
  CAPABILITY_COALESCING, NvspBuffer, NvspInitialize, NvspNdisConfiguration, NvspStatus, NvspSubChannel, NvspType,
  NvspVersion,
} from '../../protocols/nvsp.ts';
import type { GuestPages } from '../../vmbus/guest-pages.ts';
import type { Adapter } from './adapter.ts';
import { initializeComplete, receiveBufferComplete, sendBufferComplete, statusMessage } from './answers.ts';
import { offersCoalescing } from './objects.ts';
import { allocationBytes, type ReceivePath } from './receive.ts';
import type { SubChannels } from './sub-channels.ts';
import type { TransmitPath } from './transmit.ts';

const ETHERNET_HEADER = 14;
export const DEFAULT_FRAME_BYTES = 1500 + ETHERNET_HEADER;
/** What Hyper-V calls jumbo frames: an MTU of 9014. */
export const MAX_FRAME_BYTES = 9014 + ETHERNET_HEADER;
/** The smallest that IPv4 may have. */
const MIN_FRAME_BYTES = 68 + ETHERNET_HEADER;
const NOTHING = new Uint8Array(0);
const VERSIONS: ReadonlySet<number> = new Set(Object.values(NvspVersion));

interface NegotiationOptions {
  readonly adapter: Adapter;
  readonly receive: ReceivePath;
  readonly transmit: TransmitPath;
  readonly subChannels: SubChannels;
  /** A list of pages that the guest made for its first channel. */
  readonly pagesOf: (gpadl: number) => GuestPages | undefined;
}

/** What was agreed on, of another life of the adapter. */
interface Agreed {
  readonly nvspVersion: number;
  readonly frameBytes: number;
  readonly receiveGpadl: number | undefined;
  readonly sendGpadl: number | undefined;
  readonly allocationBytes: number;
}

export class Negotiation {
  readonly #adapter: Adapter;
  readonly #receive: ReceivePath;
  readonly #transmit: TransmitPath;
  readonly #subChannels: SubChannels;
  readonly #pagesOf: (gpadl: number) => GuestPages | undefined;
  #nvspVersion = 0;
  #receiveGpadl: number | undefined;
  #sendGpadl: number | undefined;

  constructor(options: NegotiationOptions) {
    this.#adapter = options.adapter;
    this.#receive = options.receive;
    this.#transmit = options.transmit;
    this.#subChannels = options.subChannels;
    this.#pagesOf = options.pagesOf;
  }

  /** The version that was agreed on, 0 before. */
  get version(): number {
    return this.#nvspVersion;
  }

  get receiveGpadl(): number | undefined {
    return this.#receiveGpadl;
  }

  get sendGpadl(): number | undefined {
    return this.#sendGpadl;
  }

  /** The guest's driver is gone. */
  reset(): void {
    this.#nvspVersion = 0;
    this.#receiveGpadl = undefined;
    this.#sendGpadl = undefined;
  }

  /** Whether there is a receive buffer. @param isTakenOver the guest holds what another thread has left of it */
  restore(agreed: Agreed, isTakenOver: boolean): boolean {
    this.#nvspVersion = agreed.nvspVersion;
    this.#adapter.frameBytes = agreed.frameBytes;
    if (agreed.sendGpadl !== undefined) {
      const pages = this.#pagesOf(agreed.sendGpadl);
      if (pages !== undefined && this.#transmit.setBuffer(pages)) this.#sendGpadl = agreed.sendGpadl;
    }
    const pages = agreed.receiveGpadl === undefined ? undefined : this.#pagesOf(agreed.receiveGpadl);
    if (pages === undefined || !this.#receive.setBuffer(pages, agreed.allocationBytes, isTakenOver)) return false;
    this.#receiveGpadl = agreed.receiveGpadl;
    return true;
  }

  /** The answer to an NVSP message, for a guest that wants one. */
  answer(type: number, view: DataView, at: number, length: number): Uint8Array | undefined {
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
    const pages = this.#pagesOf(gpadl);
    const { frameBytes } = this.#adapter;
    const bytes = allocationBytes(
      Math.max(DEFAULT_FRAME_BYTES, frameBytes), pages?.byteCount ?? 0, offersCoalescing(this.#adapter));
    if (pages === undefined || !this.#receive.setBuffer(pages, bytes)) {
      return statusMessage(NvspType.SendReceiveBufferComplete, NvspStatus.Failure);
    }
    this.#receiveGpadl = gpadl;
    return receiveBufferComplete(bytes, this.#receive.allocationCount);
  }

  #takeSendBuffer(gpadl: number): Uint8Array {
    const pages = this.#pagesOf(gpadl);
    const isGood = pages !== undefined && this.#transmit.setBuffer(pages);
    if (isGood) this.#sendGpadl = gpadl;
    return sendBufferComplete(isGood);
  }
}
