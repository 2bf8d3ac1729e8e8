/** The shutdown service keeps nothing; versions are in the channel's ledger. */

export const SHUTDOWN_STATE_VERSION = 1;

export interface ShutdownState {
  readonly version: number;
}
