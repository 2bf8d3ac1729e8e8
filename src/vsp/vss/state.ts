/** What of the snapshot service outlives a save: whether the guest's file systems stand still. */

export const VSS_STATE_VERSION = 1;

export interface VssState {
  readonly version: number;
  readonly isFrozen: boolean;
}
