/**
 * The host's end of a serial line, on the thread that has the terminal. It sleeps until the port rings, so an idle
 * console costs nothing; what the handler of output does not get through with stays in the guest.
 */
import type { SerialPort } from './device.ts';

/** How long the last output may take with a reader that is behind. */
const CLOSE_DEADLINE_MS = 1000;

export interface SerialConsoleOptions {
  readonly port: SerialPort;
  /** Takes what the guest wrote. The next bytes come when the promise is kept; until then the guest has to wait. */
  readonly onData: (bytes: Uint8Array) => void | Promise<void>;
}

export class SerialConsole {
  readonly #port: SerialPort;
  readonly #onData: (bytes: Uint8Array) => void | Promise<void>;
  readonly #running: Promise<void>;
  #closed = false;
  #writable: (() => void)[] = [];
  #isDraining = false;
  #drained = Promise.resolve();

  constructor(options: SerialConsoleOptions) {
    this.#port = options.port;
    this.#onData = options.onData;
    this.#running = this.#run();
  }

  /** Sends bytes to the guest; answers how many were taken. For the rest wait for `writable` and try again. */
  write(bytes: Uint8Array): number {
    return this.#port.receive(bytes);
  }

  /** Kept when there may be room again after a `write` that took less than it was given. */
  writable(): Promise<void> {
    if (!this.#port.isReceiveBlocked) return Promise.resolve();
    return new Promise((resolve) => this.#writable.push(resolve));
  }

  /** Hands over what the guest has written so far, and ends; a reader that is too slow loses the rest. */
  async close(deadlineMs = CLOSE_DEADLINE_MS): Promise<void> {
    this.#closed = true;
    this.#port.doorbell.ring();
    await this.#running;
    let timeout: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => { timeout = setTimeout(resolve, deadlineMs); });
    await Promise.race([this.#drained, late]);
    clearTimeout(timeout);
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      await this.#port.doorbell.wait();
      const waiting = this.#writable;
      this.#writable = [];
      for (const resolve of waiting) resolve();
      // Not awaited: a terminal that takes no output must not keep input from the guest.
      if (!this.#isDraining) this.#drained = this.#drain();
    }
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    for (;;) {
      const bytes = this.#port.takeTransmitted();
      if (bytes.length === 0) break;
      await this.#onData(bytes);
    }
    this.#isDraining = false;
  }
}
