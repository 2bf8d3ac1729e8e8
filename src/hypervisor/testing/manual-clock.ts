/** A clock that stands still until a test moves it. */
import type { Clock } from '../../kit/clock.ts';

export class ManualClock implements Clock {
  #ns: number;

  constructor(ns = 1_000_000_000) {
    this.#ns = ns;
  }

  nowNs(): number {
    return this.#ns;
  }

  wallMs(): number {
    return Math.floor(this.#ns / 1e6);
  }

  advance(ns: number): void {
    this.#ns += ns;
  }
}
