/**
 * When an adapter that leaves may be taken from the guest. From then on Linux neither gives back what it has nor hears
 * of what becomes of what it has sent, and waits for both for ever: so it has nothing of us, nothing of it is under
 * way, it has read all that we said, and it has sent nothing for a while. It stops sending once it has acted on the
 * news that its link is down.
 */
import { HostTimers, type Timer, type Timers } from '../../kit/timers.ts';

export class Departure {
  readonly #timers: Timers;
  readonly #quietMs: number;
  readonly #isIdle: () => boolean;
  readonly #ready: () => void;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(options: {
    timers?: Timers;
    /** How long the guest has to have sent nothing. */
    quietMs?: number;
    isIdle: () => boolean;
    /** Called once. */
    ready: () => void;
  }) {
    this.#timers = options.timers ?? new HostTimers();
    this.#quietMs = options.quietMs ?? 0;
    this.#isIdle = options.isIdle;
    this.#ready = options.ready;
  }

  /** The guest has sent something. */
  stir(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Something may have changed. */
  look(): void {
    if (this.#isOver || this.#timer !== undefined || !this.#isIdle()) return;
    if (this.#quietMs === 0) this.end();
    else {
      this.#timer = this.#timers.after(this.#quietMs, () => {
        this.#timer = undefined;
        if (this.#isIdle()) this.end();
      });
    }
  }

  /** Now. */
  end(): void {
    this.stir();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ready();
  }
}
