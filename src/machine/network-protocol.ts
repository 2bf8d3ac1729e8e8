/** What the main thread and the network thread say to each other. */

import type { ChannelHandle } from '../vmbus/channel.ts';
import type { GuestPagesValue } from '../vmbus/guest-pages.ts';
import type { NetworkState } from '../vsp/network/state.ts';
import type { SwitchLinkOptions } from '../vswitch/link/switch-link.ts';
import { MAXIMUM_CONTROLLERS } from './description.ts';
import { STORAGE_DOORBELL } from './storage-protocol.ts';

/** Behind those of the storage threads. */
export const NETWORK_DOORBELL = STORAGE_DOORBELL + MAXIMUM_CONTROLLERS;

/** What a NIC is plugged into. */
export type NicNetwork =
  /** A port of the switch process, to which the thread has a connection of its own. */
  | {
    readonly kind: 'switch';
    readonly directory: { readonly configuration: string; readonly runtime: string };
    readonly link: Pick<SwitchLinkOptions, 'switch' | 'nic' | 'mac' | 'settings'>;
  }
  /** A network on the main thread; FRAME_CROSSING_BYTES. */
  | { readonly kind: 'crossed'; readonly buffer: SharedArrayBuffer };

export interface PlacedNic {
  readonly instanceId: string;
  readonly macAddress: Uint8Array;
  readonly queueCount: number;
  /** Of an `AdapterJournal`. */
  readonly journal: SharedArrayBuffer;
  readonly network: NicNetwork;
}

export interface GivenPages {
  readonly gpadl: number;
  readonly pages: GuestPagesValue;
}

/** From the main thread, with the bell. Each is acknowledged by its number. A NIC is named by its slot. */
export type NetworkCommand =
  /** @property isOpen of a NIC that another thread had, which of its channels are open */
  | { readonly kind: 'add'; readonly nic: number; readonly placed: PlacedNic; readonly isOpen?: readonly boolean[] }
  /** Of a saved guest, before its channels are opened. */
  | { readonly kind: 'restore'; readonly nic: number; readonly state: NetworkState }
  | {
    readonly kind: 'open'; readonly nic: number; readonly index: number; readonly channel: ChannelHandle;
    readonly connection: number; readonly pages: readonly GivenPages[];
  }
  | { readonly kind: 'close'; readonly nic: number; readonly index: number }
  | { readonly kind: 'pages-given'; readonly nic: number; readonly given: GivenPages }
  | { readonly kind: 'pages-taken'; readonly nic: number; readonly gpadl: number }
  /** Its network is gone, and its guest is to give back what it has. */
  | { readonly kind: 'leave'; readonly nic: number }
  | { readonly kind: 'forget'; readonly nic: number }
  /** Touch guest memory no more until told to go on. The answer is a SavedNic for each NIC. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'go-on' }
  /** The switch process was started, or could not be. */
  | { readonly kind: 'switches'; readonly failure: string | undefined }
  | { readonly kind: 'stop' };

export interface SavedNic {
  readonly nic: number;
  readonly state: NetworkState;
}

/** To the main thread, beside how it began. */
export type NetworkReport =
  /** The guest broke the protocol. */
  | { readonly kind: 'broken'; readonly nic: number; readonly index: number; readonly reason: string }
  /** The guest is to have this channel, too. */
  | { readonly kind: 'sub-channel'; readonly nic: number; readonly index: number }
  /** The guest has given back what it had of a NIC that leaves. */
  | { readonly kind: 'drained'; readonly nic: number }
  /** There is no switch process. */
  | { readonly kind: 'switches-wanted' };
