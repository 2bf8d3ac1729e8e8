/**
 * Wakes a thread for work that lies in shared memory: one word, 1 while rung. Ringing costs an atomic exchange when it
 * is rung already. The reader may be blocked in `Atomics.wait` or go on with its event loop.
 */
import { waitForChange } from './shared-wait.ts';

/** Waiting is by notification; the limit only bounds one wait. */
const WAIT_MS = 60_000;

export class Doorbell {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #at: number;

  constructor(words: Int32Array<SharedArrayBuffer>, at: number) {
    this.#words = words;
    this.#at = at;
  }

  ring(): void {
    if (Atomics.exchange(this.#words, this.#at, 1) === 0) Atomics.notify(this.#words, this.#at);
  }

  get isRung(): boolean {
    return Atomics.load(this.#words, this.#at) !== 0;
  }

  /** Silences it and says whether it was rung: look for work after this, not before. */
  answer(): boolean {
    return Atomics.exchange(this.#words, this.#at, 0) !== 0;
  }

  /** On an event loop: resolves when the bell is rung, or now and then without that. */
  async wait(): Promise<void> {
    await waitForChange(this.#words, this.#at, 0, WAIT_MS);
  }

  /** On a thread that may block. */
  block(timeoutMs: number): void {
    Atomics.wait(this.#words, this.#at, 0, timeoutMs);
  }
}
