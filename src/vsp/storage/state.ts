/**
 * What of a controller outlives a save: requests that are not answered yet. How far the guest is with the protocol is
 * in its channel's ledger, and a disk is its file.
 */

export const STORAGE_STATE_VERSION = 1;

export interface StorageState {
  readonly version: number;
  /** A request table as bytes; undefined when nothing is unanswered. */
  readonly requests: Uint8Array | undefined;
}
