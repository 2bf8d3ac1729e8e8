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

const CAUSES = Object.keys(DROP_CAUSES) as DropCause[];
/** Where each lies among the counters; the drops follow in the order of their causes. */
const Counter = { SentFrames: 0, SentBytes: 1, ReceivedFrames: 2, ReceivedBytes: 3, Drops: 4 } as const;
type Counter = (typeof Counter)[keyof typeof Counter];
export const COUNTER_COUNT = Counter.Drops + CAUSES.length;

/** Sent and received are the guest's. Counted in memory that another thread may read. */
export class NetworkStatistics {
  readonly #counters: Float64Array;

  /** @param counters of COUNTER_COUNT */
  constructor(counters: Float64Array) {
    this.#counters = counters;
  }

  get sentFrames(): number {
    return this.#get(Counter.SentFrames);
  }

  get sentBytes(): number {
    return this.#get(Counter.SentBytes);
  }

  get receivedFrames(): number {
    return this.#get(Counter.ReceivedFrames);
  }

  get receivedBytes(): number {
    return this.#get(Counter.ReceivedBytes);
  }

  get drops(): Readonly<Record<DropCause, number>> {
    return Object.fromEntries(CAUSES.map((cause, i) => [cause, this.#counters[Counter.Drops + i] ?? 0])) as
      Record<DropCause, number>;
  }

  drop(cause: DropCause): void {
    this.#add(Counter.Drops + CAUSES.indexOf(cause), 1);
  }

  sent(bytes: number): void {
    this.#add(Counter.SentFrames, 1);
    this.#add(Counter.SentBytes, bytes);
  }

  received(bytes: number): void {
    this.#add(Counter.ReceivedFrames, 1);
    this.#add(Counter.ReceivedBytes, bytes);
  }

  /** Frames lost on the way from (`transmit`) or to (`receive`) the guest. */
  lost(direction: 'transmit' | 'receive'): number {
    return Object.entries(this.drops)
      .filter(([cause]) => cause.startsWith(direction)).reduce((sum, [, count]) => sum + count, 0);
  }

  saveState(): StatisticsState {
    const { sentFrames, sentBytes, receivedFrames, receivedBytes, drops } = this;
    return { sentFrames, sentBytes, receivedFrames, receivedBytes, drops };
  }

  restoreState({ sentFrames, sentBytes, receivedFrames, receivedBytes, drops }: StatisticsState): void {
    this.#counters.set([sentFrames, sentBytes, receivedFrames, receivedBytes]);
    this.#counters.set(CAUSES.map((cause) => drops[cause] ?? 0), Counter.Drops);
  }

  #get(counter: Counter): number {
    return this.#counters[counter] as number;
  }

  #add(counter: number, count: number): void {
    this.#counters[counter] = (this.#counters[counter] as number) + count;
  }
}
