/** What of the heartbeat service outlives a save: its count. Versions are in the channel's ledger. */

export const HEARTBEAT_STATE_VERSION = 1;

export interface HeartbeatState {
  readonly version: number;
  readonly sequence: number;
  readonly answered: number;
}
