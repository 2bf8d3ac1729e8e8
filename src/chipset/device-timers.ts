/**
 * Gives devices the interrupts that come with time, on a thread with an event loop: the processors' threads have none.
 * Sleeps while the guest wants no such interrupt.
 */
import type { Doorbell } from './doorbell.ts';

export interface TimedDevice {
  /** Rung when the guest changes what it wants. */
  readonly doorbell: Doorbell;
  /** Raises what is due; answers in how many milliseconds to call again, or -1 when nothing is wanted. */
  tick(): number;
}

export class DeviceTimers {
  readonly #timers: readonly DeviceTimer[];

  constructor(options: { devices: readonly TimedDevice[] }) {
    this.#timers = options.devices.map((device) => new DeviceTimer(device));
  }

  async close(): Promise<void> {
    await Promise.all(this.#timers.map((timer) => timer.close()));
  }
}

class DeviceTimer {
  readonly #device: TimedDevice;
  readonly #running: Promise<void>;
  #timeout: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(device: TimedDevice) {
    this.#device = device;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#device.doorbell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      await this.#device.doorbell.wait();
      this.#schedule();
    }
    clearTimeout(this.#timeout);
  }

  #schedule(): void {
    clearTimeout(this.#timeout);
    const delayMs = this.#device.tick();
    if (delayMs >= 0) this.#timeout = setTimeout(() => this.#schedule(), delayMs);
  }
}
