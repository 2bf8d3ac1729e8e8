/** A network adapter as a value: what guest and host agreed on, what is under way, and what was counted. */
import type { AdapterState } from './adapter.ts';
import type { QueueState } from './queue.ts';
import type { ReceiveState } from './receive.ts';
import type { StatisticsState } from './statistics.ts';
import type { TransmitState } from './transmit.ts';

export const NETWORK_STATE_VERSION = 2;

export interface NetworkState {
  readonly version: number;
  /** 0 before a version is agreed on. */
  readonly nvspVersion: number;
  readonly frameBytes: number;
  readonly receiveGpadl: number | undefined;
  readonly sendGpadl: number | undefined;
  /** Channels that were granted beside the first one. */
  readonly subChannels: number;
  /** By channel. */
  readonly queues: readonly QueueState[];
  readonly adapter: AdapterState;
  readonly receive: ReceiveState;
  readonly transmit: TransmitState;
  readonly statistics: StatisticsState;
}
