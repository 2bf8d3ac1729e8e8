/** What a guest asks of its machine as a whole, or brings upon it: off, a reset, a crash. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type PowerEvent, PowerEventKind, type PowerEvents } from '../chipset/power/events.ts';
import { type PartitionEvent, PartitionEventKind } from '../hypervisor/partition-events.ts';
import { unreachable } from '../kit/assert.ts';
import type { MachineEnd } from './description.ts';

/** How long a guest that has told of its crash may take to hand over to its crash kernel. */
const HAND_OVER_MS = 2000;
const LOOK_MS = 20;

type Crash = MachineEnd & { readonly kind: 'crash' };

export interface GuestEventsOptions {
  readonly powerEvents: PowerEvents;
  /** Whether the guest is known to the hypervisor: a kernel that hands over to a crash kernel takes its leave. */
  readonly identified: () => boolean;
  readonly notice: (line: string) => void;
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
  /** Told by the guest's kernel, until the machine starts anew. */
  #crash: Crash | undefined;
  /** The crashed kernel's crash kernel runs. */
  #handedOver = false;

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
    const { stopped, fail, traceOf } = this.#options;
    switch (event.kind) {
      case PartitionEventKind.Debug:
        void stopped(event.processor).catch(fail);
        return;
      case PartitionEventKind.Crash: {
        const parameters = event.crashParameters.map((value) => `0x${value.toString(16)}`);
        void this.#onCrash({ kind: 'crash', parameters, trace: traceOf(event.processor) }, event.identified);
        return;
      }
      case PartitionEventKind.Reset:
        void this.#reset({ kind: 'reset' }).catch(fail);
        return;
      case PartitionEventKind.TripleFault:
        void this.#reset({ kind: 'triple-fault', trace: traceOf(event.processor) }).catch(fail);
        return;
      default:
        event.kind satisfies never;
    }
  }

  /**
   * A crash is the end, unless a crash kernel takes over: the crashed kernel then clears its identity before it jumps,
   * as its hypercall page would be gone under the next one. The run still ends as crashed when that one powers off.
   */
  async #onCrash(crash: Crash, identified: boolean): Promise<void> {
    if (this.#crash !== undefined) return;
    this.#crash = crash;
    const { notice, end } = this.#options;
    if (!identified) return end(crash);
    const deadline = performance.now() + HAND_OVER_MS;
    while (this.#options.identified()) {
      if (performance.now() > deadline) return end(crash);
      await sleep(LOOK_MS);
    }
    this.#handedOver = true;
    notice(`the guest crashed: ${crash.parameters.join(' ')}; its crash kernel goes on`);
  }

  /** A guest that restarts instead of handing over has crashed; after its crash kernel's work it may start again. */
  async #reset(how: MachineEnd): Promise<boolean> {
    const crash = this.#crash;
    if (crash !== undefined && !this.#handedOver) {
      this.#options.end(crash);
      return false;
    }
    const restarted = await this.#options.reset(crash ?? how);
    this.#crash = undefined;
    this.#handedOver = false;
    return restarted;
  }

  /** Whether the guest goes on. */
  async #onPower(event: PowerEvent): Promise<boolean> {
    const { end } = this.#options;
    switch (event.kind) {
      case PowerEventKind.Off:
        end(this.#crash ?? { kind: 'off' });
        return false;
      case PowerEventKind.DebugExit:
        end({ kind: 'debug-exit', status: event.status });
        return false;
      case PowerEventKind.Reset:
        return this.#reset({ kind: 'reset' });
      default:
        return unreachable(event.kind);
    }
  }
}
