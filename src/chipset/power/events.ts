/**
 * What a guest asks of the machine as a whole: to be switched off, reset, or (for test kernels) ended with a status.
 * One word of shared memory; the first event stands until the host takes it.
 */

export const PowerEventKind = { Off: 1, Reset: 2, DebugExit: 3 } as const;
export type PowerEventKind = (typeof PowerEventKind)[keyof typeof PowerEventKind];

export interface PowerEvent {
  readonly kind: PowerEventKind;
  /** The run's exit status, of a debug exit; otherwise 0. */
  readonly status: number;
}

const NONE = 0;

export class PowerEvents {
  static readonly sharedBytes = 4;
  readonly #word: Int32Array<SharedArrayBuffer>;
  readonly #onRaise: () => void;

  /** `onRaise` is called on the thread that raises the first event, so that it can stop its processor. */
  constructor(options: { shared: SharedArrayBuffer; byteOffset: number; onRaise: () => void }) {
    this.#word = new Int32Array(options.shared, options.byteOffset, 1);
    this.#onRaise = options.onRaise;
  }

  raise(kind: PowerEventKind, status = 0): void {
    if (Atomics.compareExchange(this.#word, 0, NONE, kind | (status << 8)) !== NONE) return;
    Atomics.notify(this.#word, 0);
    this.#onRaise();
  }

  /** The event that stands, without taking it. */
  get pending(): PowerEvent | undefined {
    const word = Atomics.load(this.#word, 0);
    return word === NONE ? undefined : { kind: (word & 0xff) as PowerEventKind, status: word >>> 8 };
  }

  /** Answers when an event stands. */
  async wait(): Promise<PowerEvent> {
    for (;;) {
      const event = this.pending;
      if (event !== undefined) return event;
      const waiting = Atomics.waitAsync(this.#word, 0, NONE);
      if (waiting.async) await waiting.value;
    }
  }

  /** Takes the event away, before the machine runs again. */
  clear(): void {
    Atomics.store(this.#word, 0, NONE);
  }
}
