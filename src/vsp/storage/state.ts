/**
 * What of a controller outlives a save: requests that are not answered yet, by channel, and what its units remember.
 * How far the guest is with the protocol is in its channel's ledger, and a disk is its file.
 */

export const STORAGE_STATE_VERSION = 1;

export interface StorageState {
  readonly version: number;
  /** Request tables as bytes, one a channel that the guest may have; empty where nothing is unanswered. */
  readonly requests: readonly Uint8Array[];
  /** Unit states as bytes. */
  readonly units: Uint8Array;
  /** How many channels the guest has asked for beside the first. */
  readonly subChannels: number;
}
