/**
 * One virtual machine, built from its description: guest memory and engine, microkernel, chipset, one thread per
 * virtual processor. This side is the VM worker's main thread: it loads the kernel, carries the console, and acts on
 * what the guest asks of the machine as a whole (off, reset, crash).
 */

import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { Chipset } from '../chipset/chipset.ts';
import { DeviceTimers } from '../chipset/device-timers.ts';
import { type PowerEvent, PowerEventKind } from '../chipset/power/events.ts';
import { SerialConsole } from '../chipset/serial/console.ts';
import { guestMemoryOf } from '../engine/engine-memory.ts';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import { instructionTrace } from '../engine/instruction-trace.ts';
import { ProcessorRequests } from '../engine/processor-requests.ts';
import type { ProcessorState } from '../hypervisor/engine-port.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { Partition } from '../hypervisor/partition.ts';
import { type PartitionEvent, PartitionEventKind } from '../hypervisor/partition-events.ts';
import { HostClock } from '../kit/clock.ts';
import { HostRandom } from '../kit/random.ts';
import type { HeartbeatHealth } from '../vsp/heartbeat/device.ts';
import type { KeyValueExchange } from '../vsp/kvp/device.ts';
import type { MachineDescription, MachineEnd, MachinePorts, RunnableMachine } from './description.ts';
import { Determinism } from './deterministic/determinism.ts';
import { Debugger } from './gdb/debugger.ts';
import { GdbServer } from './gdb/server.ts';
import { engineMemoryFor, loadGuest } from './guest-image.ts';
import { MachineNetwork } from './network.ts';
import { ProcessorThreads } from './processor-threads.ts';
import { VmbusHost } from './vmbus-host.ts';

/** Entries of the trace ring, always there so that a crash can be explained. */
const TRACE_ENTRIES = 4096;
/** How long input waits for a guest that takes none. */
const TYPING_MS = 10;
/** A processor answers within one slice; this is for one that doesn't. */
const STOP_DEADLINE_MS = 1000;

export class Machine implements RunnableMachine {
  readonly #description: MachineDescription;
  readonly #engine: EngineMemoryHandle;
  readonly #memory: GuestMemory;
  readonly #chipsetBuffer = new SharedArrayBuffer(Chipset.sharedBytes);
  readonly #partition: Partition;
  readonly #chipset: Chipset;
  readonly #deviceTimers: DeviceTimers;
  readonly #console: SerialConsole;
  readonly #restarted: () => void;
  /** The guest's synthetic devices and what they tell and do. */
  readonly vmbus: VmbusHost;
  readonly network: MachineNetwork;
  /** Of a run that can be had twice: what takes the place of the host's. */
  readonly #determinism: Determinism | undefined;
  readonly #debugger: Debugger;
  #gdb: GdbServer | undefined;
  readonly #threads: ProcessorThreads;
  readonly #started = performance.now();
  #reboots = 0;
  #stopping: Promise<void> | undefined;
  #end!: (end: MachineEnd) => void;
  readonly #ended = new Promise<MachineEnd>((resolve) => {
    this.#end = resolve;
  });

  /** As `CreateMachine` says. */
  static async create(description: MachineDescription, ports: MachinePorts): Promise<Machine> {
    const machine = new Machine(description, ports);
    try {
      await machine.#partition.create();
      if (description.disks !== undefined && description.disks.length > 0) {
        await machine.vmbus.addDisks(description.disks, machine.#engine);
      }
      await machine.#load();
      if (description.gdb !== undefined) {
        machine.#gdb = await GdbServer.listen(description.gdb.port, {
          debugger: machine.#debugger, kill: () => machine.#end({ kind: 'off' }),
        });
      }
    } catch (error) {
      await machine.stop(STOP_DEADLINE_MS);
      throw error;
    }
    return machine;
  }

  private constructor(description: MachineDescription, ports: MachinePorts) {
    this.#description = description;
    this.#engine = engineMemoryFor(description);
    this.#memory = guestMemoryOf(this.#engine);
    const { deterministic } = description;
    this.#determinism = deterministic && new Determinism(deterministic, this.#engine);
    const clock = this.#determinism?.clock ?? new HostClock();
    const requests = new ProcessorRequests(this.#engine);
    this.#threads = new ProcessorThreads({
      dataOf: (index) => ({
        index, engine: this.#engine, control: this.#partition.control, chipset: this.#chipsetBuffer,
        debugExit: description.debugExit, traceInstructions: description.trace === 'instructions',
        ...(this.#determinism && { determinism: this.#determinism.data }),
      }),
      onFailure: (index, error) => {
        this.#partition.processorFailed(index, error);
        this.#fail(error);
      },
      onInput: (input) => this.#determinism?.record(input),
    });
    this.#partition = new Partition({
      processorCount: description.processors,
      clock,
      traceEntries: TRACE_ENTRIES,
      threads: this.#threads,
      onEvent: (event) => this.#onPartitionEvent(event),
      kick: (index) => requests.kick(index),
    });
    this.#partition.setTracing(description.trace === 'exits');
    this.#debugger = new Debugger({
      partition: this.#partition, engine: this.#engine, memory: this.#memory, processors: description.processors,
    });
    this.#chipset = new Chipset({
      shared: this.#chipsetBuffer, sink: this.#partition.interrupts, clock, debugExit: description.debugExit,
    });
    this.#chipset.reset();
    this.#deviceTimers = new DeviceTimers({ devices: deterministic ? [] : this.#chipset.timedDevices });
    this.vmbus = new VmbusHost({
      partition: this.#partition, memory: this.#memory, clock: ports.clock ?? clock,
      onFailure: (error) => this.#fail(error), onHeartbeat: ports.heartbeatChanged,
    });
    this.#restarted = ports.restarted ?? ((): void => {});
    this.network = new MachineNetwork({
      bus: this.vmbus.bus, memory: this.#memory, nics: description.nics ?? [],
      connect: ports.connectNetwork,
    });
    this.#console = new SerialConsole({ port: this.#chipset.serial, onData: (bytes) => ports.console.output(bytes) });
  }

  start(): Promise<MachineEnd> {
    void this.#watchPower();
    const started = this.#description.gdb?.wait === true ? this.#debugger.stop() : this.#partition.start();
    void started.catch((error: unknown) => this.#fail(error));
    return this.#ended;
  }

  /** The port where a debugger may connect. */
  get gdbPort(): number | undefined {
    return this.#gdb?.port;
  }

  async input(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0 && this.#stopping === undefined) {
      rest = rest.subarray(this.#determinism?.type(rest) ?? this.#console.write(rest));
      if (this.#determinism !== undefined) this.#partition.interrupts.wake(0);
      if (rest.length > 0) await (this.#determinism === undefined ? this.#console.writable() : setTimeout(TYPING_MS));
    }
  }

  /** Asks the guest to switch itself off; the run ends when it has. OperatingError when it will not or cannot. */
  shutdown(): Promise<void> {
    return this.vmbus.shutdown.request({});
  }

  /** Asks the guest to restart. */
  reboot(): Promise<void> {
    return this.vmbus.shutdown.request({ restart: true });
  }

  get heartbeat(): HeartbeatHealth {
    return this.vmbus.heartbeat.health;
  }

  get kvp(): KeyValueExchange {
    return this.vmbus.kvp;
  }

  /** A stream to a program of the guest that listens on an AF_VSOCK port. */
  socket(port: number): Promise<Duplex> {
    return this.vmbus.sockets.connect(port);
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs);
    return this.#stopping;
  }

  statistics(): object {
    return {
      engine: 'wasm',
      wallSeconds: (performance.now() - this.#started) / 1000,
      guestInstructions: this.#threads.instructions,
      exceptions: this.#threads.exceptions,
      reboots: this.#reboots,
      ...(this.#threads.traceHash && { traceHash: this.#threads.traceHash }),
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    };
  }

  inspect(): object {
    return {
      description: this.#description,
      partition: {
        phase: this.#partition.phase,
        processors: Array.from({ length: this.#threads.count }, (_, index) => ({
          activity: this.#partition.activity(index), progress: this.#partition.progress(index),
        })),
      },
      vmbus: this.vmbus.inspect(),
      network: this.network.inspect(),
      statistics: this.statistics(),
    };
  }

  /**
   * The trace of a processor's exits or instructions as text, oldest first; empty unless the description asks for it.
   */
  traceLines(index: number): string[] {
    if (this.#description.trace === 'instructions') return instructionTrace(this.#engine, index);
    return this.#partition.traceLines(index);
  }

  /** Architectural state of a processor: pauses the partition, captures, and lets it run again. */
  async captureProcessor(index: number): Promise<ProcessorState> {
    await this.#partition.pause();
    const state = await this.#partition.captureProcessor(index);
    await this.#partition.resume();
    return state;
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#end({ kind: 'failed', message });
  }

  /** Reads the files afresh and puts the kernel into guest memory. The partition is paused. */
  async #load(): Promise<void> {
    const random = this.#determinism?.random ?? new HostRandom();
    await this.#partition.loadProcessor(0, await loadGuest(this.#description, this.#memory, random));
  }

  async #watchPower(): Promise<void> {
    for (;;) {
      const event = await this.#chipset.powerEvents.wait();
      if (this.#stopping !== undefined) return;
      try {
        await this.#onPowerEvent(event);
      } catch (error) {
        this.#fail(error);
        return;
      }
      if (event.kind !== PowerEventKind.Reset) return;
    }
  }

  async #onPowerEvent(event: PowerEvent): Promise<void> {
    switch (event.kind) {
      case PowerEventKind.Off:
        this.#end({ kind: 'off' });
        return;
      case PowerEventKind.DebugExit:
        this.#end({ kind: 'debug-exit', status: event.status });
        return;
      case PowerEventKind.Reset:
        await this.#reboot({ kind: 'reset' });
        return;
      default:
        event.kind satisfies never;
    }
  }

  #onPartitionEvent(event: PartitionEvent): void {
    if (event.kind === PartitionEventKind.Debug) {
      void this.#debugger.stoppedByItself(event.processor).catch((error: unknown) => this.#fail(error));
      return;
    }
    const trace = this.traceLines(event.processor);
    switch (event.kind) {
      case PartitionEventKind.Crash:
        this.#end({ kind: 'crash', parameters: event.crashParameters.map((value) => `0x${value.toString(16)}`),
          trace });
        return;
      case PartitionEventKind.Reset:
        void this.#reboot({ kind: 'reset' }).catch((error: unknown) => this.#fail(error));
        return;
      case PartitionEventKind.TripleFault:
        void this.#reboot({ kind: 'triple-fault', trace }).catch((error: unknown) => this.#fail(error));
        return;
      default:
        event.kind satisfies never;
    }
  }

  /** Starts the guest again in place, or ends the run with `end` when that is not wanted. */
  async #reboot(end: MachineEnd): Promise<void> {
    if (!this.#description.rebootInPlace) {
      this.#end(end);
      return;
    }
    await this.#partition.reset();
    this.#chipset.reset();
    this.vmbus.reset();
    for (const slot of this.#memory.slots) this.#memory.fill(slot.gpa, slot.sizeBytes, 0);
    await this.#load();
    this.#reboots++;
    this.#restarted();
    await this.#partition.start();
  }

  async #stop(deadlineMs: number): Promise<void> {
    const threads = this.#threads.ended();
    const closing = this.vmbus.close();
    await this.#partition.stop(deadlineMs);
    await threads;
    await closing;
    this.#gdb?.exited();
    await this.#gdb?.close();
    await this.#deviceTimers.close();
    await this.#console.close();
    this.#end({ kind: 'off' });
  }
}
