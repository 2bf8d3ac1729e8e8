/**
 * Watches a thread that counts what it does: one that has something to do and does not count on for long is stuck. It
 * is looked at a few times within that span, so that a host that slept itself is not taken for a stuck thread.
 */

const LOOKS = 6;

export interface ProgressWatchOptions {
  readonly progress: () => number;
  /** There is nothing to do. */
  readonly isIdle: () => boolean;
  readonly stuckMs: number;
  readonly onStuck: () => void;
}

export class ProgressWatch {
  readonly #options: ProgressWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #seen = 0;
  #looks = 0;

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.look(), this.#options.stuckMs / LOOKS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One look. */
  look(): void {
    const progress = this.#options.progress();
    if (progress !== this.#seen || this.#options.isIdle()) {
      this.#seen = progress;
      this.#looks = 0;
      return;
    }
    if (++this.#looks < LOOKS) return;
    this.#looks = 0;
    this.#options.onStuck();
  }
}
