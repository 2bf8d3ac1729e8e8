/** What the main thread and the storage thread of a VM say to each other. */

import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import type { ChannelHandle } from '../vmbus/channel.ts';
import type { DiskDescription } from './description.ts';
import type { SavedMemory } from './saved-state/memory-source.ts';

/** The synthetic controller that has the disks; the same in every VM, as nothing outside sees it. */
export const CONTROLLER_INSTANCE = '7d1c8a4e-52b0-4a53-9a3e-6d0f3b9c2e11';
/** The bell of the storage thread; the main thread has the first. */
export const STORAGE_DOORBELL = 1;

/** The words of a buffer that both threads have. */
export const StorageWord = { Acknowledged: 0, Count: 1 } as const;

export interface StorageWorkerData {
  readonly engine: EngineMemoryHandle;
  readonly control: SharedArrayBuffer;
  readonly ledger: SharedArrayBuffer;
  /** REQUEST_TABLE_BYTES. */
  readonly requests: SharedArrayBuffer;
  /** StorageWord. */
  readonly words: SharedArrayBuffer;
  readonly disks: readonly DiskDescription[];
  /** Guest memory that arrives as it is needed, of a guest that is being restored. */
  readonly memory: SavedMemory | undefined;
}

/** From the main thread, with the bell. Each is acknowledged by its number. */
export type StorageCommand = { readonly number: number } & (
  | { readonly kind: 'open'; readonly channel: ChannelHandle }
  | { readonly kind: 'close' }
  /** Finish what was begun, put it on the medium, and take no more until told to go on. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'go-on' }
  | { readonly kind: 'stop' }
);

/** To the main thread. */
export type StorageReport =
  | { readonly kind: 'ready' }
  /** The disks could not be opened: for the user. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** The guest broke the protocol. */
  | { readonly kind: 'broken'; readonly reason: string };
