/**
 * Storage QoS as Hyper-V counts it: a bucket of I/O operations normalised to 8 KiB, and one of bytes, each a tenth of a
 * second deep. A request starts when both hold what it takes, or are full, and may leave them in debt: so the rate is
 * met over time, and a request of any size gets through.
 */

/** Limits of a disk; what is absent is not limited. */
export interface RateLimits {
  /** Operations a second, a started 8 KiB being one. */
  readonly operations?: number | undefined;
  readonly bytes?: number | undefined;
}

const NORMAL_BYTES = 8192;
const DEPTH_SECONDS = 0.1;

export class RateLimit {
  readonly #operations: Bucket;
  readonly #bytes: Bucket;

  constructor(limits: RateLimits) {
    this.#operations = new Bucket(limits.operations ?? Infinity, 1);
    this.#bytes = new Bucket(limits.bytes ?? Infinity, NORMAL_BYTES);
  }

  // Hot path: one a request. No allocation.
  /** Takes what a request of so many bytes costs; milliseconds to wait before trying again, 0 when it was taken. */
  take(lengthBytes: number, nowMs: number): number {
    const operations = Math.max(1, Math.ceil(lengthBytes / NORMAL_BYTES));
    const wait = Math.max(this.#operations.waitMs(operations, nowMs), this.#bytes.waitMs(lengthBytes, nowMs));
    if (wait > 0) return wait;
    this.#operations.take(operations);
    this.#bytes.take(lengthBytes);
    return 0;
  }
}

class Bucket {
  readonly #perSecond: number;
  readonly #depth: number;
  #level: number;
  #filledAtMs: number | undefined;

  constructor(perSecond: number, leastDepth: number) {
    this.#perSecond = perSecond;
    this.#depth = Math.max(leastDepth, perSecond * DEPTH_SECONDS);
    this.#level = this.#depth;
  }

  waitMs(amount: number, nowMs: number): number {
    if (this.#perSecond === Infinity) return 0;
    const elapsed = Math.max(0, nowMs - (this.#filledAtMs ?? nowMs));
    this.#filledAtMs = nowMs;
    this.#level = Math.min(this.#depth, this.#level + elapsed / 1000 * this.#perSecond);
    // A whole millisecond at least: a thread that waits is not to spin.
    const missing = Math.min(amount, this.#depth) - this.#level;
    return missing <= 0 ? 0 : Math.max(1, missing / this.#perSecond * 1000);
  }

  take(amount: number): void {
    if (this.#perSecond !== Infinity) this.#level -= amount;
  }
}
