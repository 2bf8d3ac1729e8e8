/**
 * The debug exit port of test kernels: writing a value ends the run with status (value << 1) | 1, as QEMU's
 * isa-debug-exit does. It has no state.
 */
import type { PortDevice } from './io-bus.ts';
import { PowerEventKind, type PowerEvents } from './power/events.ts';

export class DebugExit implements PortDevice {
  readonly byteWide = false;
  readonly #events: PowerEvents;

  constructor(options: { events: PowerEvents }) {
    this.#events = options.events;
  }

  portRead(): number {
    return 0;
  }

  portWrite(_port: number, _size: number, value: number): void {
    this.#events.raise(PowerEventKind.DebugExit, ((value << 1) | 1) & 0xff);
  }
}
