/**
 * A lock in shared memory, for device state that several threads change: the futex mutex with three states of Drepper,
 * "Futexes are tricky". Held for a few register accesses at most, never while waiting for anything else. Locks are
 * taken in the order device → IO-APIC; nothing calls back into a device while the IO-APIC's lock is held.
 */
const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

export class SharedLock {
  readonly #words: Int32Array;
  readonly #index: number;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#words, this.#index, FREE, HELD) === FREE) return;
    while (Atomics.exchange(this.#words, this.#index, CONTENDED) !== FREE) {
      Atomics.wait(this.#words, this.#index, CONTENDED);
    }
  }

  release(): void {
    if (Atomics.exchange(this.#words, this.#index, FREE) === CONTENDED) Atomics.notify(this.#words, this.#index, 1);
  }
}
