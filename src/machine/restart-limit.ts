/** A thread that dies again and again has a reason that a restart does not take away. */

const MAX_RESTARTS_PER_MINUTE = 100;
const MINUTE_MS = 60_000;

export class RestartLimit {
  /** Of all time. */
  count = 0;
  readonly #times: number[] = [];

  /** Counts a restart; false when it is one too many. */
  allow(nowMs: number): boolean {
    this.count++;
    this.#times.push(nowMs);
    while ((this.#times[0] ?? nowMs) < nowMs - MINUTE_MS) this.#times.shift();
    return this.#times.length <= MAX_RESTARTS_PER_MINUTE;
  }
}
