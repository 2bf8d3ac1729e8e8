/** What the main thread and the storage thread of a controller say to each other. */

import type { ServiceMachineData } from './service-protocol.ts';
import type { ChannelHandle } from '../vmbus/channel.ts';
import type { StorageDescription } from './description.ts';

/** The synthetic controllers; the same in every VM, as nothing outside sees them. */
export const CONTROLLER_INSTANCES = [
  '7d1c8a4e-52b0-4a53-9a3e-6d0f3b9c2e11',
  '7d1c8a4e-52b0-4a53-9a3e-6d0f3b9c2e12',
  '7d1c8a4e-52b0-4a53-9a3e-6d0f3b9c2e13',
  '7d1c8a4e-52b0-4a53-9a3e-6d0f3b9c2e14',
] as const;
/** The bell of the first storage thread, the others follow; the main thread has the first of all. */
export const STORAGE_DOORBELL = 1;

export interface StorageWorkerData extends ServiceMachineData {
  readonly controller: number;
  /** REQUEST_TABLE_BYTES each, for every channel that the guest may open. */
  readonly requests: readonly SharedArrayBuffer[];
  /** UNIT_STATES_BYTES. */
  readonly unitStates: SharedArrayBuffer;
  /** By logical unit number. */
  readonly units: readonly (StorageDescription | undefined)[];
}

/** From the main thread, with the bell. Each is acknowledged by its number. */
export type StorageCommand =
  | { readonly kind: 'open'; readonly index: number; readonly channel: ChannelHandle }
  | { readonly kind: 'close'; readonly index: number }
  /** Finish what was begun, put it on the medium, and take no more until told to go on. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'go-on' }
  | { readonly kind: 'stop' }
  /** Everything of a merge is copied: its disk is the parent from now on. */
  | { readonly kind: 'finish-merge'; readonly lun: number }
  | StorageChange;

/** What changes the units of a controller. The answer is a report. */
export type StorageChange =
  | { readonly kind: 'add'; readonly lun: number; readonly unit: StorageDescription }
  | { readonly kind: 'remove'; readonly lun: number }
  | { readonly kind: 'resize'; readonly lun: number; readonly sizeBytes: number }
  | { readonly kind: 'medium'; readonly lun: number; readonly path: string | undefined }
  /** A new child, at that path, takes the disk's place, and the disk stays as it is. */
  | { readonly kind: 'branch'; readonly lun: number; readonly path: string }
  /** The disk is merged into its parent, which takes its place at the end. */
  | { readonly kind: 'merge'; readonly lun: number };

/** To the main thread, beside how it began. */
export type StorageReport =
  /** The guest broke the protocol. */
  | { readonly kind: 'broken'; readonly index: number; readonly reason: string }
  /** The guest wants so many channels beside the first. */
  | { readonly kind: 'sub-channels'; readonly count: number }
  /** The host has no room for a disk any more, or has room again. */
  | { readonly kind: 'condition'; readonly lun: number; readonly isFull: boolean }
  /** The guest has taken out what was in a drive. */
  | { readonly kind: 'ejected'; readonly lun: number }
  /** So much of a disk is merged into its parent. */
  | { readonly kind: 'merging'; readonly lun: number; readonly parent: string; readonly fraction: number }
  /** Everything is copied: waits for 'finish-merge'. */
  | { readonly kind: 'merge-copied'; readonly lun: number }
  /** The disk is another one now. */
  | { readonly kind: 'merged'; readonly lun: number; readonly path: string }
  /** The disk is what it was. */
  | { readonly kind: 'merge-failed'; readonly lun: number; readonly failure: StorageFailure }
  /** A change was made, or could not be. */
  | { readonly kind: 'changed'; readonly number: number; readonly failure: StorageFailure | undefined };

export interface StorageFailure {
  readonly code: string;
  readonly message: string;
}
