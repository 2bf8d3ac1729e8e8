/** What a guest asks of its machine as a whole, or brings upon it: off, a reset, a crash. */

import { type PowerEvent, PowerEventKind, type PowerEvents } from '../chipset/power/events.ts';
import { type PartitionEvent, PartitionEventKind } from '../hypervisor/partition-events.ts';
import { unreachable } from '../kit/assert.ts';
import type { MachineEnd } from './description.ts';

export interface GuestEventsOptions {
  readonly powerEvents: PowerEvents;
  readonly traceOf: (processor: number) => readonly string[];
  readonly end: (end: MachineEnd) => void;
  /** The guest is to start again, or, where that is not wanted, the run to end like this. True: it has started. */
  readonly reset: (end: MachineEnd) => Promise<boolean>;
  /** A processor came to what its debugger waits for. */
  readonly stopped: (processor: number) => Promise<void>;
  readonly fail: (error: unknown) => void;
}

export class GuestEvents {
  readonly #options: GuestEventsOptions;

  constructor(options: GuestEventsOptions) {
    this.#options = options;
  }

  /** Until the guest is off. */
  async watchPower(): Promise<void> {
    try {
      while (await this.#onPower(await this.#options.powerEvents.wait()));
    } catch (error) {
      this.#options.fail(error);
    }
  }

  /** Ends `watchPower`, which would keep the machine in memory for ever. */
  close(): void {
    this.#options.powerEvents.raise(PowerEventKind.Off);
  }

  onPartition(event: PartitionEvent): void {
    const { end, reset, stopped, fail, traceOf } = this.#options;
    switch (event.kind) {
      case PartitionEventKind.Debug:
        void stopped(event.processor).catch(fail);
        return;
      case PartitionEventKind.Crash: {
        const parameters = event.crashParameters.map((value) => `0x${value.toString(16)}`);
        end({ kind: 'crash', parameters, trace: traceOf(event.processor) });
        return;
      }
      case PartitionEventKind.Reset:
        void reset({ kind: 'reset' }).catch(fail);
        return;
      case PartitionEventKind.TripleFault:
        void reset({ kind: 'triple-fault', trace: traceOf(event.processor) }).catch(fail);
        return;
      default:
        event.kind satisfies never;
    }
  }

  /** Whether the guest goes on. */
  async #onPower(event: PowerEvent): Promise<boolean> {
    const { end, reset } = this.#options;
    switch (event.kind) {
      case PowerEventKind.Off:
        end({ kind: 'off' });
        return false;
      case PowerEventKind.DebugExit:
        end({ kind: 'debug-exit', status: event.status });
        return false;
      case PowerEventKind.Reset:
        return reset({ kind: 'reset' });
      default:
        return unreachable(event.kind);
    }
  }
}
