/** What an adapter counts: frames and bytes in both directions, and every frame that was lost, by its cause. */

export const DROP_CAUSES = {
  /** From the guest: before its driver has initialized, or with an empty packet filter. */
  transmitNotReady: 'the guest sent before it was ready',
  transmitMalformed: 'the guest described a frame that makes no sense',
  transmitOversized: 'the guest sent a frame longer than its MTU',
  transmitDisconnected: 'the network was not there',
  transmitBusy: 'the network took no frames for too long',
  /** To the guest. */
  receiveNotReady: 'the guest was not ready to receive',
  receiveFiltered: 'the guest does not want such frames',
  receiveMalformed: 'the network gave something that is no frame',
  receiveOversized: 'the frame is longer than the guest can take',
} as const;
export type DropCause = keyof typeof DROP_CAUSES;

export interface StatisticsState {
  readonly sentFrames: number;
  readonly sentBytes: number;
  readonly receivedFrames: number;
  readonly receivedBytes: number;
  readonly drops: Readonly<Record<DropCause, number>>;
}

/** Sent and received are the guest's. */
export class NetworkStatistics {
  sentFrames = 0;
  sentBytes = 0;
  receivedFrames = 0;
  receivedBytes = 0;
  readonly #drops: Record<DropCause, number> = {
    transmitNotReady: 0, transmitMalformed: 0, transmitOversized: 0, transmitDisconnected: 0, transmitBusy: 0,
    receiveNotReady: 0, receiveFiltered: 0, receiveMalformed: 0, receiveOversized: 0,
  };

  get drops(): Readonly<Record<DropCause, number>> {
    return this.#drops;
  }

  drop(cause: DropCause): void {
    this.#drops[cause]++;
  }

  sent(bytes: number): void {
    this.sentFrames++;
    this.sentBytes += bytes;
  }

  received(bytes: number): void {
    this.receivedFrames++;
    this.receivedBytes += bytes;
  }

  /** Frames lost on the way from (`transmit`) or to (`receive`) the guest. */
  lost(direction: 'transmit' | 'receive'): number {
    return Object.entries(this.#drops)
      .filter(([cause]) => cause.startsWith(direction)).reduce((sum, [, count]) => sum + count, 0);
  }

  saveState(): StatisticsState {
    const { sentFrames, sentBytes, receivedFrames, receivedBytes } = this;
    return { sentFrames, sentBytes, receivedFrames, receivedBytes, drops: { ...this.#drops } };
  }

  restoreState(state: StatisticsState): void {
    this.sentFrames = state.sentFrames;
    this.sentBytes = state.sentBytes;
    this.receivedFrames = state.receivedFrames;
    this.receivedBytes = state.receivedBytes;
    Object.assign(this.#drops, state.drops);
  }
}
