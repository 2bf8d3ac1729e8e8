/**
 * What of a controller outlives a save: requests that are not answered yet, by channel, and what its units remember.
 * How far the guest is with the protocol is in its channel's ledger, and a disk is its file.
 */

import { expectStateVersion } from '../service.ts';
import type { RequestTable } from './request-table.ts';

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

/** The shared memory that a controller's state is in; its tables by channel. */
export interface StorageMemory {
  readonly tables: readonly RequestTable[];
  readonly unitStates: SharedArrayBuffer;
}

export function saveStorage({ tables, unitStates }: StorageMemory, subChannels: number): StorageState {
  return {
    version: STORAGE_STATE_VERSION,
    requests: tables.map((table) => table.save()),
    units: new Uint8Array(unitStates).slice(),
    subChannels,
  };
}

/** @throws Error when the state makes no sense. */
export function restoreStorage(state: StorageState, { tables, unitStates }: StorageMemory): void {
  expectStateVersion('storage', state.version, STORAGE_STATE_VERSION);
  tables.forEach((table, index) => table.restore(state.requests[index] ?? NO_REQUESTS));
  new Uint8Array(unitStates).set(state.units);
}

const NO_REQUESTS = new Uint8Array(0);
