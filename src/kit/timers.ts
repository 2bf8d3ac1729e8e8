/** Timers as a port: what acts now and then takes them from outside, so that a test can let time pass by itself. */

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Calls `action` once, `milliseconds` from now at the earliest. */
  after(milliseconds: number, action: () => void): Timer;
}

/** The event loop's timers. They do not keep a process alive. */
export class HostTimers implements Timers {
  after(milliseconds: number, action: () => void): Timer {
    const timer = setTimeout(action, milliseconds);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  }
}

/** Timers that stand still until a test lets time pass. */
export class ManualTimers implements Timers {
  #nowMs = 0;
  #waiting: { readonly atMs: number; readonly action: () => void }[] = [];

  after(milliseconds: number, action: () => void): Timer {
    const entry = { atMs: this.#nowMs + milliseconds, action };
    this.#waiting.push(entry);
    return { cancel: () => { this.#waiting = this.#waiting.filter((each) => each !== entry); } };
  }

  get count(): number {
    return this.#waiting.length;
  }

  /** Lets time pass; what falls due is called in order, at its moment. */
  advance(milliseconds: number): void {
    const end = this.#nowMs + milliseconds;
    for (;;) {
      const next = this.#waiting.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((each) => each !== next);
      this.#nowMs = next.atMs;
      next.action();
    }
    this.#nowMs = end;
  }
}
