/**
 * One virtual machine, built from its description: guest memory and engine, microkernel, chipset, one thread per
 * virtual processor. This side is the VM worker's main thread: it loads the kernel, carries the console, and acts on
 * what the guest asks of the machine as a whole (off, reset, crash).
 */

import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { writeAcpiTables } from '../chipset/acpi/tables.ts';
import { Chipset } from '../chipset/chipset.ts';
import { DeviceTimers } from '../chipset/device-timers.ts';
import { loadKernel } from '../chipset/loaders/kernel.ts';
import { type PowerEvent, PowerEventKind } from '../chipset/power/events.ts';
import { SerialConsole } from '../chipset/serial/console.ts';
import { createEngineMemory, guestMemoryOf, maximumRamBytes } from '../engine/engine-memory.ts';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import { instructionTrace } from '../engine/instruction-trace.ts';
import { ProcessorRequests } from '../engine/processor-requests.ts';
import type { ProcessorState } from '../hypervisor/engine-port.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { Partition } from '../hypervisor/partition.ts';
import { type PartitionEvent, PartitionEventKind } from '../hypervisor/partition-events.ts';
import { HostClock } from '../kit/clock.ts';
import { OperatingError } from '../kit/errors.ts';
import type { HeartbeatHealth } from '../vsp/heartbeat/device.ts';
import type { KeyValueExchange } from '../vsp/kvp/device.ts';
import type { MachineDescription, MachineEnd, MachinePorts, RunnableMachine } from './description.ts';
import type { ProcessorReport, ProcessorWorkerData } from './processor-worker.ts';
import { fileBytes } from './file-bytes.ts';
import { Debugger } from './gdb/debugger.ts';
import { GdbServer } from './gdb/server.ts';
import { MachineNetwork } from './network.ts';
import { VmbusHost } from './vmbus-host.ts';

/** Bytes of random seed that the guest gets with its boot data. */
const ENTROPY_BYTES = 64;
/** Entries of the trace ring, always there so that a crash can be explained. */
const TRACE_ENTRIES = 4096;
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
  readonly #debugger: Debugger;
  #gdb: GdbServer | undefined;
  readonly #workers: (Worker | undefined)[] = [];
  readonly #started = performance.now();
  #instructions = 0;
  #exceptions = 0;
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
    const mostBytes = maximumRamBytes(description.processors);
    if (description.memoryBytes > mostBytes) {
      throw new OperatingError('host', `with ${description.processors} processors a guest can have at most ` +
        `${mostBytes / 2 ** 20} MiB of memory: choose less of one of them`);
    }
    try {
      this.#engine = createEngineMemory(description.memoryBytes, description.processors);
    } catch (error) {
      throw new OperatingError(
        'host', `the host cannot give ${description.memoryBytes / 2 ** 20} MiB of memory to a guest: choose less`,
          { cause: error });
    }
    this.#memory = guestMemoryOf(this.#engine);
    const clock = new HostClock();
    const requests = new ProcessorRequests(this.#engine);
    this.#partition = new Partition({
      processorCount: description.processors,
      clock,
      traceEntries: TRACE_ENTRIES,
      threads: { start: (index) => this.#startThread(index), terminate: (index) => this.#terminateThread(index) },
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
    this.#deviceTimers = new DeviceTimers({ devices: this.#chipset.timedDevices });
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
      rest = rest.subarray(this.#console.write(rest));
      if (rest.length > 0) await this.#console.writable();
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
      guestInstructions: this.#instructions,
      exceptions: this.#exceptions,
      reboots: this.#reboots,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    };
  }

  inspect(): object {
    return {
      description: this.#description,
      partition: {
        phase: this.#partition.phase,
        processors: this.#workers.map((_, index) => ({
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

  #startThread(index: number): void {
    const data: ProcessorWorkerData = {
      index, engine: this.#engine, control: this.#partition.control, chipset: this.#chipsetBuffer,
      debugExit: this.#description.debugExit,
      traceInstructions: this.#description.trace === 'instructions',
    };
    const worker =
      new Worker(new URL('./processor-worker.js', import.meta.url), { workerData: data, name: `vp${index}` });
    this.#workers[index] = worker;
    worker.on('message', (report: ProcessorReport) => {
      this.#instructions += report.instructions;
      this.#exceptions += report.exceptions;
    });
    worker.on('error', (error) => {
      this.#partition.processorFailed(index, error as Error);
      this.#fail(error);
    });
    worker.on('exit', () => {
      this.#workers[index] = undefined;
    });
  }

  async #terminateThread(index: number): Promise<void> {
    await this.#workers[index]?.terminate();
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#end({ kind: 'failed', message });
  }

  /** Reads the files afresh and puts the kernel into guest memory. The partition is paused. */
  async #load(): Promise<void> {
    const { kernel: path, initrd: initrdPath, commandLine } = this.#description;
    const kernel = await fileBytes(path);
    const initrd = initrdPath === undefined ? undefined : await fileBytes(initrdPath);
    const entropySeed = randomBytes(ENTROPY_BYTES);
    const rsdp = writeAcpiTables(this.#memory, { processorCount: this.#description.processors, entropySeed });
    const result = loadKernel(kernel, this.#memory, { commandLine, rsdp, entropySeed, ...(initrd && { initrd }) });
    if (result.kind === 'refused') throw new OperatingError('bad-input', `cannot start ${path}: ${result.reason}`);
    await this.#partition.loadProcessor(0, result.state);
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
    const threads = this.#workers.map((worker) => worker && new Promise((resolve) => worker.once('exit', resolve)));
    const closing = this.vmbus.close();
    await this.#partition.stop(deadlineMs);
    await Promise.all(threads);
    await closing;
    this.#gdb?.exited();
    await this.#gdb?.close();
    await this.#deviceTimers.close();
    await this.#console.close();
    this.#end({ kind: 'off' });
  }
}
