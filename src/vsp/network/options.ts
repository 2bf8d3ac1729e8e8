/** What an adapter is made of. */
import type { NetworkEndpoint } from '../../kit/network-endpoint.ts';
import type { Timers } from '../../kit/timers.ts';
import type { Guid } from '../../protocols/vmbus/class-ids.ts';
import type { AdapterOptions, Offloads } from './adapter.ts';
import type { GuestRam } from './guest-ram.ts';
import type { AdapterJournal } from './journal.ts';

const DEFAULT_LINK_BITS_PER_SECOND = 10e9;
const DEFAULT_OFFLOADS: Offloads = { checksum: true, largeSend: true, coalescing: true };

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
  /** How long a link may be gone before the guest is told; by default it is told at once. */
  readonly linkPatienceMs?: number;
  /** How long a guest whose adapter leaves has to have sent nothing; 0 unless given. */
  readonly quietMs?: number;
  readonly timers?: Timers;
  /** What outlives this thread, for as many channels; by default nothing does. */
  readonly journal?: AdapterJournal;
}

/** The part of it that the guest's driver sees. */
export function adapterOptions(options: NetworkAdapterOptions):
  Omit<AdapterOptions, 'statistics' | 'queueCount' | 'isConnected'> {
  return {
    permanentAddress: options.macAddress, friendlyName: options.friendlyName ?? 'Network Adapter',
    linkBitsPerSecond: options.linkBitsPerSecond ?? DEFAULT_LINK_BITS_PER_SECOND,
    offloads: options.offloads ?? DEFAULT_OFFLOADS, allowsAddressChange: options.allowsAddressChange ?? false,
  };
}
