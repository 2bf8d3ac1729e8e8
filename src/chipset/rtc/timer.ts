/** Gives the real-time clock its interrupts, on a thread with an event loop. Sleeps while the guest wants none. */
import type { RealTimeClock } from './device.ts';

export class RtcTimer {
  readonly #rtc: RealTimeClock;
  readonly #running: Promise<void>;
  #timeout: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: { rtc: RealTimeClock }) {
    this.#rtc = options.rtc;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#rtc.doorbell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      await this.#rtc.doorbell.wait();
      this.#schedule();
    }
    clearTimeout(this.#timeout);
  }

  #schedule(): void {
    clearTimeout(this.#timeout);
    const delayMs = this.#rtc.tick();
    if (delayMs >= 0 && !this.#closed) this.#timeout = setTimeout(() => this.#schedule(), delayMs);
  }
}
