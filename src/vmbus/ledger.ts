/**
 * What must outlive a service's thread: for each channel, in a shared buffer, the parameters that were negotiated and
 * the transactions that the guest has begun and we have not completed. A service that starts again over an open
 * channel rebuilds from it.
 *
 * A channel's record, in words:  0 open · 1 times opened · 2 … 17 parameters · 18 target processor · 32 … 223
 * transactions of three words (taken: 1 + the service's note, low and high half of the id). Only the service's thread
 * writes, but for the target, which is the bus's.
 */
import { MAX_RELID } from '../protocols/vmbus/message-table.ts';

const RECORD_WORDS = 256;
const OPEN = 0;
const TIMES_OPENED = 1;
const PARAMETERS = 2;
const TARGET = 18;
const TRANSACTIONS = 32;
const TRANSACTION_WORDS = 3;

export const PARAMETER_COUNT = 16;
export const TRANSACTION_COUNT = 64;
export const LEDGER_SIZE = (MAX_RELID + 1) * RECORD_WORDS * 4;

export class ChannelLedger {
  readonly #words: Int32Array;
  readonly #at: number;

  /** A channel's record in a buffer of LEDGER_SIZE bytes, on any thread. */
  constructor(buffer: SharedArrayBuffer, relid: number) {
    this.#words = new Int32Array(buffer);
    this.#at = relid * RECORD_WORDS;
  }

  get isOpen(): boolean {
    return this.#words[this.#at + OPEN] === 1;
  }

  get timesOpened(): number {
    return this.#words[this.#at + TIMES_OPENED] as number;
  }

  /** The processor that takes the channel's interrupts; the bus sets it, the service's thread may be another. */
  get targetVp(): number {
    return Atomics.load(this.#words, this.#at + TARGET) >>> 0;
  }

  set targetVp(processor: number) {
    Atomics.store(this.#words, this.#at + TARGET, processor | 0);
  }

  /** A guest opened the channel: nothing is left of an earlier life. */
  begin(): void {
    const times = this.timesOpened;
    this.#words.fill(0, this.#at, this.#at + RECORD_WORDS);
    this.#words[this.#at + TIMES_OPENED] = times + 1;
    this.#words[this.#at + OPEN] = 1;
  }

  end(): void {
    this.#words[this.#at + OPEN] = 0;
  }

  parameter(index: number): number {
    return index < PARAMETER_COUNT ? this.#words[this.#at + PARAMETERS + index] as number : 0;
  }

  setParameter(index: number, value: number): void {
    if (index < PARAMETER_COUNT) this.#words[this.#at + PARAMETERS + index] = value;
  }

  // Hot path: one a request. No allocation.
  /** Notes that the guest has begun a transaction; the slot to complete it with, or -1 when the ledger is full. */
  take(low: number, high: number, note = 0): number {
    for (let slot = 0; slot < TRANSACTION_COUNT; slot++) {
      const at = this.#at + TRANSACTIONS + slot * TRANSACTION_WORDS;
      if (this.#words[at] !== 0) continue;
      this.#words[at + 1] = low;
      this.#words[at + 2] = high;
      this.#words[at] = 1 + note;
      return slot;
    }
    return -1;
  }

  complete(slot: number): void {
    if (slot >= 0 && slot < TRANSACTION_COUNT) {
      this.#words[this.#at + TRANSACTIONS + slot * TRANSACTION_WORDS] = 0;
    }
  }

  /** The transactions that are open: what a restarted service has to finish. */
  forEachOpen(each: (slot: number, low: number, high: number, note: number) => void): void {
    for (let slot = 0; slot < TRANSACTION_COUNT; slot++) {
      const at = this.#at + TRANSACTIONS + slot * TRANSACTION_WORDS;
      const taken = this.#words[at] as number;
      if (taken === 0) continue;
      each(slot, (this.#words[at + 1] as number) >>> 0, (this.#words[at + 2] as number) >>> 0, taken - 1);
    }
  }

  save(): number[] {
    return [...this.#words.subarray(this.#at, this.#at + RECORD_WORDS)];
  }

  restore(words: readonly number[]): void {
    this.#words.set(words.slice(0, RECORD_WORDS), this.#at);
  }
}
