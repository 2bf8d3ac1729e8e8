/** The time service keeps nothing: a guest that goes on after a restore is set right at once. */

export const TIME_SYNC_STATE_VERSION = 1;

export interface TimeSyncState {
  readonly version: number;
}
