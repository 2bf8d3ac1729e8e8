/**
 * When a guest is told how its link is. That it is there at once; that it is gone only when that lasts, because Linux
 * acts on such news every two seconds at most, and a network that is back by then is not to be missed for so long.
 */
import type { Timer, Timers } from '../../kit/timers.ts';

export class LinkNews {
  readonly #timers: Timers;
  readonly #patienceMs: number;
  readonly #onDue: () => void;
  #timer: Timer | undefined;
  #isLong = false;

  /** @param onDue it has lasted */
  constructor(timers: Timers, patienceMs: number, onDue: () => void) {
    this.#timers = timers;
    this.#patienceMs = patienceMs;
    this.#onDue = onDue;
  }

  /** Whether a guest that believes its link to be there is to hear how it is. To be asked at each change. */
  isDue(isConnected: boolean): boolean {
    if (isConnected || this.#patienceMs === 0) {
      this.stop();
      return true;
    }
    this.#timer ??= this.#timers.after(this.#patienceMs, () => {
      this.#isLong = true;
      this.#onDue();
    });
    return this.#isLong;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isLong = false;
  }
}
