/**
 * Channel messages on their way to the guest, in order. What the microkernel's queue has no room for waits here; while
 * much waits, no more is taken from the guest, so that one that does not read cannot make this grow.
 */
import { PostResult } from '../hypervisor/synic-port.ts';
import type { BusPort } from './bus-port.ts';

/** Above this the guest's messages are left where they are. Offers may go beyond it: their number is ours. */
const ENOUGH = 64;

interface Waiting {
  readonly processor: number;
  readonly message: Uint8Array;
}

export class Outbox {
  readonly #port: BusPort;
  #waiting: Waiting[] = [];

  constructor(port: BusPort) {
    this.#port = port;
  }

  get hasRoom(): boolean {
    return this.#waiting.length < ENOUGH;
  }

  /** A message for a guest that does not listen (any more) is dropped. */
  send(processor: number, message: Uint8Array): void {
    const isFirst = this.#waiting.length === 0;
    if (isFirst && this.#port.post(processor, message) !== PostResult.Full) return;
    this.#waiting.push({ processor, message });
  }

  /** Sends what there is room for now. */
  flush(): void {
    let sent = 0;
    for (const { processor, message } of this.#waiting) {
      if (this.#port.post(processor, message) === PostResult.Full) break;
      sent++;
    }
    if (sent > 0) this.#waiting = this.#waiting.slice(sent);
  }

  clear(): void {
    this.#waiting = [];
  }

  save(): Waiting[] {
    return [...this.#waiting];
  }

  restore(waiting: readonly Waiting[]): void {
    this.#waiting = [...waiting];
  }
}
