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

/**
 * The host's clock. `performance.now()` is the cheapest monotonic reading (no allocation), but each thread counts it
 * from its own start: the offset to CLOCK_MONOTONIC, which `hrtime` shows, is taken once.
 */
export class HostClock implements Clock {
  readonly #offsetNs: number;

  constructor() {
    const [seconds, nanoseconds] = process.hrtime();
    this.#offsetNs = seconds * 1e9 + nanoseconds - performance.now() * 1e6;
  }

  nowNs(): number {
    return performance.now() * 1e6 + this.#offsetNs;
  }

  wallMs(): number {
    return Date.now();
  }
}
