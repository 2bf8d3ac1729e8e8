/** A network adapter as a value: what guest and host agreed on, what is under way, and what was counted. */
import type { AdapterState } from './adapter.ts';
import type { ReceiveState } from './receive.ts';
import type { StatisticsState } from './statistics.ts';
import type { TransmitState } from './transmit.ts';

export const NETWORK_STATE_VERSION = 1;

/** A completion that waits for room in the ring. */
export interface UnsentCompletion {
  readonly transactionLow: number;
  readonly transactionHigh: number;
  readonly payload: Uint8Array;
}

export interface NetworkState {
  readonly version: number;
  /** 0 before a version is agreed on. */
  readonly nvspVersion: number;
  readonly frameBytes: number;
  readonly receiveGpadl: number | undefined;
  readonly sendGpadl: number | undefined;
  readonly unsent: readonly UnsentCompletion[];
  readonly adapter: AdapterState;
  readonly receive: ReceiveState;
  readonly transmit: TransmitState;
  readonly statistics: StatisticsState;
}
