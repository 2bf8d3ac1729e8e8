/** One channel of an adapter: the requests that came on it, and their answers that wait for room. */
import { PacketFlag } from '../../protocols/vmbus/ring-layout.ts';
import type { TakenPacket } from '../../vmbus/packet-slots.ts';
import { type Channel, SendResult } from '../../vmbus/channel.ts';
import type { QueueJournal } from './queue-journal.ts';

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

/** A request that is to be answered. */
interface Unsent {
  readonly slot: number;
  readonly payload: Uint8Array;
}

export class Queue {
  readonly index: number;
  readonly journal: QueueJournal;
  channel: Channel | undefined;
  #unsent: Unsent[] = [];

  constructor(index: number, journal: QueueJournal) {
    this.index = index;
    this.journal = journal;
  }

  /** A channel that was not open before. */
  open(channel: Channel): void {
    this.channel = channel;
    if (!channel.isRestored) this.journal.clear(channel.packet.position);
  }

  /** The next packet is in the channel; false when there is none, or none is to be read now. */
  receive(): boolean {
    // While an answer has no room nothing is read: the guest will make room, and nothing of it waits for us.
    return this.catchUp() && !this.journal.isFull && this.channel?.receive() === true;
  }

  /** Answers a request. */
  complete(slot: number, payload: Uint8Array): void {
    if (this.channel === undefined) return;
    if (this.#unsent.length === 0 && this.#send(slot, payload)) return;
    this.journal.setAnswer(slot, payload);
    this.#unsent.push({ slot, payload });
  }

  /** Sends what waits; whether nothing does now. */
  catchUp(): boolean {
    while (this.#unsent.length > 0) {
      const { slot, payload } = this.#unsent[0] as Unsent;
      if (!this.#send(slot, payload)) return false;
      this.#unsent.shift();
    }
    return true;
  }

  close(): void {
    this.channel = undefined;
    this.#unsent = [];
    this.journal.clear();
  }

  saveState(): QueueState {
    const { journal } = this;
    const unsent = this.#unsent.map(({ slot, payload }) => ({
      transactionLow: journal.transactionLow(slot), transactionHigh: journal.transactionHigh(slot),
      payload: payload.slice(),
    }));
    return { isOpen: this.channel !== undefined, unsent };
  }

  /** Into an empty journal. */
  restoreState({ unsent }: QueueState): void {
    this.journal.clear(this.channel?.packet.position);
    for (const { transactionLow, transactionHigh, payload } of unsent) {
      this.#keep(this.journal.addAnswered(this.restoredPacket(transactionLow, transactionHigh), payload), payload);
    }
  }

  /** A packet that was read before the state was saved. */
  restoredPacket(transactionLow: number, transactionHigh: number): TakenPacket {
    return { transactionLow, transactionHigh, position: this.channel?.packet.position ?? 0 };
  }

  /**
   * Goes on over what another thread has left: each request gets its answer, or `lost` when that is not known.
   */
  takeOver(lost: Uint8Array): void {
    for (let i = 0; i < this.journal.count; i++) {
      const slot = this.journal.slotAt(i);
      this.#keep(slot, this.journal.answerOf(slot) ?? lost);
    }
  }

  #keep(slot: number, payload: Uint8Array): void {
    this.#unsent.push({ slot, payload });
  }

  /** False: there is no room. */
  #send(slot: number, payload: Uint8Array): boolean {
    const { journal, channel } = this;
    if (channel === undefined) return true;
    journal.beginAnswering(slot, channel.sendPosition);
    const result = channel.complete(journal.transactionLow(slot), journal.transactionHigh(slot), payload);
    if (result !== SendResult.Full) journal.finish(slot);
    journal.stopSending();
    return result !== SendResult.Full;
  }
}

/** Whether the guest waits for the completion of a packet. */
export function wantsCompletion({ flags }: { readonly flags: number }): boolean {
  return (flags & PacketFlag.CompletionRequested) !== 0;
}
