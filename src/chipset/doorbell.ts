/**
 * Wakes a thread's event loop from another thread: one word of shared memory, 1 while rung. Ringing costs an atomic
 * exchange when it is rung already; waiting costs nothing.
 */
export class Doorbell {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #index: number;

  constructor(words: Int32Array<SharedArrayBuffer>, index: number) {
    this.#words = words;
    this.#index = index;
  }

  ring(): void {
    if (Atomics.exchange(this.#words, this.#index, 1) === 0) Atomics.notify(this.#words, this.#index);
  }

  /** Whether it was rung; silences it. */
  take(): boolean {
    return Atomics.exchange(this.#words, this.#index, 0) !== 0;
  }

  /** Answers as soon as the bell is rung and silences it: look for work after this, not before. */
  async wait(): Promise<void> {
    const waiting = Atomics.waitAsync(this.#words, this.#index, 0);
    if (waiting.async) await waiting.value;
    Atomics.store(this.#words, this.#index, 0);
  }
}
