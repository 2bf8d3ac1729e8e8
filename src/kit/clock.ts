/**
 * The clock port. Everything that keeps time takes a `Clock`, so that a test can bring its own. Both readings agree
 * between the threads of a process.
 */

export interface Clock {
  /** Monotonic nanoseconds since an arbitrary moment, as a double (whole up to 104 days). */
  nowNs(): number;
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number;
}

/** Each reading of both clocks narrows down where the offset lies; these are enough for it. */
const OFFSET_READINGS = 64;
/** Threads that differ less cannot show it to each other. */
const OFFSET_UNCERTAINTY_NS = 100;

/**
 * The host's clock. `performance.now()` is the cheapest monotonic reading (no allocation), but each thread counts it
 * from its own start: the offset to CLOCK_MONOTONIC, which `hrtime` shows, is taken once. A thread may be off its core
 * between two readings, so `hrtime` is read between two of the other and many such tell the offset together.
 */
export class HostClock implements Clock {
  readonly #offsetNs: number;

  constructor() {
    let least = -Infinity;
    let most = Infinity;
    for (let n = 0; n < OFFSET_READINGS && most - least > OFFSET_UNCERTAINTY_NS; n++) {
      const before = performance.now() * 1e6;
      const [seconds, nanoseconds] = process.hrtime();
      const after = performance.now() * 1e6;
      least = Math.max(least, seconds * 1e9 + nanoseconds - after);
      most = Math.min(most, seconds * 1e9 + nanoseconds - before);
    }
    this.#offsetNs = (least + most) / 2;
  }

  nowNs(): number {
    return performance.now() * 1e6 + this.#offsetNs;
  }

  wallMs(): number {
    return Date.now();
  }
}
