/** One channel of an adapter, and the completions that wait for room in its ring. */
import { type Channel, SendResult } from '../../vmbus/channel.ts';

/** A completion that waits for room. */
export interface UnsentCompletion {
  readonly transactionLow: number;
  readonly transactionHigh: number;
  readonly payload: Uint8Array;
}

export interface QueueState {
  readonly isOpen: boolean;
  readonly unsent: readonly UnsentCompletion[];
}

export class Queue {
  readonly index: number;
  channel: Channel | undefined;
  #unsent: UnsentCompletion[] = [];

  constructor(index: number) {
    this.index = index;
  }

  get waitingCount(): number {
    return this.#unsent.length;
  }

  complete(transactionLow: number, transactionHigh: number, payload: Uint8Array): void {
    const { channel } = this;
    if (channel === undefined) return;
    const waits = this.#unsent.length > 0;
    if (!waits && channel.complete(transactionLow, transactionHigh, payload) !== SendResult.Full) return;
    this.#unsent.push({ transactionLow, transactionHigh, payload });
  }

  /** Sends what waits; whether nothing does now. */
  catchUp(): boolean {
    while (this.#unsent.length > 0) {
      const { transactionLow, transactionHigh, payload } = this.#unsent[0] as UnsentCompletion;
      if (this.channel?.complete(transactionLow, transactionHigh, payload) === SendResult.Full) return false;
      this.#unsent.shift();
    }
    return true;
  }

  close(): void {
    this.channel = undefined;
    this.#unsent = [];
  }

  saveState(): QueueState {
    const unsent = this.#unsent.map((each) => ({ ...each, payload: each.payload.slice() }));
    return { isOpen: this.channel !== undefined, unsent };
  }

  restoreState({ unsent }: QueueState): void {
    this.#unsent = unsent.map((each) => ({ ...each, payload: each.payload.slice() }));
  }
}
