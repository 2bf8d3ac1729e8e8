/**
 * One virtual machine, built from its description: guest memory and engine, microkernel, chipset, one thread per
 * virtual processor. This side is the VM worker's main thread: it loads the kernel, carries the console, and acts on
 * what the guest asks of the machine as a whole (off, reset, crash).
 */

import { availableParallelism } from 'node:os';
import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { Chipset } from '../chipset/chipset.ts';
import { DeviceTimers } from '../chipset/device-timers.ts';
import { SerialConsole } from '../chipset/serial/console.ts';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import { instructionTrace } from '../engine/instruction-trace.ts';
import { ProcessorRequests } from '../engine/processor-requests.ts';
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { Partition } from '../hypervisor/partition.ts';
import { HostClock } from '../kit/clock.ts';
import { OperatingError } from '../kit/errors.ts';
import { HostRandom } from '../kit/random.ts';
import type { HeartbeatHealth } from '../vsp/heartbeat/device.ts';
import type { KeyValueExchange } from '../vsp/kvp/device.ts';
import type {
  MachineDescription, MachineEnd, MachinePorts, RestoreRequest, RunnableMachine,
} from './description.ts';
import { Determinism } from './deterministic/determinism.ts';
import { Debugger } from './gdb/debugger.ts';
import { GdbServer } from './gdb/server.ts';
import { GuestEvents } from './guest-events.ts';
import { engineMemoryFor, loadGuest } from './guest-image.ts';
import { ProcessorThreads } from './processor-threads.ts';
import { MachineNetwork } from './network.ts';
import { type AttachedMemory, attachMemory } from './saved-state/attach-memory.ts';
import { type MachineParts, restoredDescription } from './saved-state/parts.ts';
import { StateFile } from './saved-state/read.ts';
import { readRest, restoreMachine } from './saved-state/restore-machine.ts';
import { saveMachine } from './saved-state/save-machine.ts';
import type { MachineStorage } from './storage.ts';
import { VmbusHost } from './vmbus-host.ts';

/** Entries of the trace ring, always there so that a crash can be explained. */
const TRACE_ENTRIES = 4096;
/** How long input waits for a guest that takes none. */
const TYPING_MS = 10;
/** A processor answers within one slice; this is for one that doesn't. */
const STOP_DEADLINE_MS = 1000;

export class Machine implements RunnableMachine {
  readonly description: MachineDescription;
  readonly #engine: EngineMemoryHandle;
  readonly #memory: GuestMemory;
  readonly #attached: AttachedMemory;
  /** While its memory is still being read. */
  #saved: StateFile | undefined;
  readonly #chipsetBuffer = new SharedArrayBuffer(Chipset.sharedBytes);
  readonly #partition: Partition;
  readonly #chipset: Chipset;
  readonly #deviceTimers: DeviceTimers;
  readonly #console: SerialConsole;
  readonly #restarted: () => void;
  /** The guest's synthetic devices and what they tell and do. */
  readonly vmbus: VmbusHost;
  readonly storage: MachineStorage;
  readonly network: MachineNetwork;
  /** Of a run that can be had twice: what takes the place of the host's. */
  readonly #determinism: Determinism | undefined;
  readonly #debugger: Debugger;
  #gdb: GdbServer | undefined;
  readonly #threads: ProcessorThreads;
  readonly #events: GuestEvents;
  readonly #started = performance.now();
  #reboots = 0;
  #stopping: Promise<void> | undefined;
  #filling: Promise<void> | undefined;
  #changes: Promise<unknown> = Promise.resolve();
  #end!: (end: MachineEnd) => void;
  readonly #ended = new Promise<MachineEnd>((resolve) => {
    this.#end = resolve;
  });

  /** As `CreateMachine` says. */
  static async create(description: MachineDescription, ports: MachinePorts): Promise<Machine> {
    if (ports.connectNetwork === undefined) MachineNetwork.check(description.nics ?? []);
    const machine = new Machine(description, ports);
    try {
      await machine.#partition.create();
      await machine.storage.start(description.disks ?? []);
      await machine.#load();
      await machine.#listen();
    } catch (error) {
      await machine.stop(STOP_DEADLINE_MS);
      throw error;
    }
    return machine;
  }

  /** As `RestoreMachine` says. */
  static async restore(request: RestoreRequest, ports: MachinePorts): Promise<Machine> {
    const file = new StateFile(request.file);
    let machine: Machine | undefined;
    try {
      machine = new Machine(restoredDescription(file, request), ports, file);
      await restoreMachine(file, machine.#parts, machine.#attached);
      await machine.#listen();
      return machine;
    } catch (error) {
      await machine?.stop(STOP_DEADLINE_MS);
      file[Symbol.dispose]();
      if (error instanceof OperatingError) throw error;
      throw new OperatingError('bad-input', `cannot go on from ${file.path}: ${(error as Error).message}`,
        { cause: error });
    }
  }

  private constructor(description: MachineDescription, ports: MachinePorts, saved?: StateFile) {
    this.description = description;
    this.#engine = engineMemoryFor(description);
    this.#saved = saved;
    this.#attached = attachMemory(this.#engine, saved?.memory);
    this.#memory = this.#attached.memory;
    for (const { chunk } of this.#attached.source?.chunks ?? []) this.#attached.absent?.markAbsent(chunk);
    const { deterministic } = description;
    this.#determinism = deterministic && new Determinism(deterministic, this.#engine);
    const clock = this.#determinism?.clock ?? new HostClock();
    const requests = new ProcessorRequests(this.#engine);
    this.#threads = new ProcessorThreads({
      dataOf: (index) => ({
        index, engine: this.#engine, control: this.#partition.control, chipset: this.#chipsetBuffer,
        model: description.model, debugExit: description.debugExit,
        traceInstructions: description.trace === 'instructions', memory: saved?.memory,
        ...(this.#determinism && { determinism: this.#determinism.data }),
      }),
      onFailure: (index, error) => {
        this.#partition.processorFailed(index, error);
        this.#fail(error);
      },
      onInput: (input) => this.#determinism?.record(input), spare: ports.processorThread,
    });
    this.#partition = new Partition({
      processorCount: description.processors, cores: availableParallelism(),
      clock, traceEntries: TRACE_ENTRIES,
      threads: this.#threads,
      onEvent: (event) => this.#events.onPartition(event),
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
    this.#events = new GuestEvents({
      powerEvents: this.#chipset.powerEvents, traceOf: (processor) => this.traceLines(processor),
      end: this.#end, reset: (end) => this.#reboot(end), fail: (error) => this.#fail(error),
      stopped: (processor) => this.#debugger.stoppedByItself(processor),
      identified: () => this.#partition.identified, notice: ports.notice ?? ((): void => {}),
    });
    this.#deviceTimers = new DeviceTimers({ devices: deterministic ? [] : this.#chipset.timedDevices });
    this.vmbus = new VmbusHost({
      partition: this.#partition, memory: this.#memory, clock: ports.clock ?? clock,
      onFailure: (error) => this.#fail(error), onHeartbeat: ports.heartbeatChanged,
    });
    this.#restarted = ports.restarted ?? ((): void => {});
    this.storage = this.vmbus.connectStorage({
      engine: this.#engine, memory: saved?.memory, description, partition: this.#partition, notice: ports.notice,
    });
    this.network = this.vmbus.connectNetwork({
      engine: this.#engine, memory: saved?.memory, nics: description.nics ?? [], processors: description.processors,
      ports, natSubnet: saved?.state.configuration.natSubnet,
    });
    this.#console = new SerialConsole({ port: this.#chipset.serial, onData: (bytes) => ports.console.output(bytes) });
  }

  start(): Promise<MachineEnd> {
    void this.#events.watchPower();
    const started = this.description.gdb?.wait === true ? this.#debugger.stop() : this.#partition.start();
    void started.catch((error: unknown) => this.#fail(error));
    this.#filling = readRest(this.#saved, this.#attached, () => this.#stopping === undefined)
      .catch((error: unknown) => this.#fail(error));
    return this.#ended;
  }

  save(path: string): Promise<void> {
    return this.#exclusive(async () => {
      try {
        const release = (): Promise<void> => this.#release(STOP_DEADLINE_MS);
        await saveMachine(path, { parts: this.#parts, engine: this.#engine, absent: this.#attached.absent, release });
      } catch (error) {
        if (this.#stopping !== undefined) this.#end({ kind: 'failed', message: (error as Error).message });
        throw error;
      }
      this.#end({ kind: 'off' });
    });
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
  socket(port: number, timeoutMs?: number): Promise<Duplex> {
    return this.vmbus.sockets.connect(port, timeoutMs);
  }

  async stop(deadlineMs: number): Promise<void> {
    await this.#release(deadlineMs);
    this.#end({ kind: 'off' });
  }

  statistics(): object {
    return {
      engine: 'wasm',
      wallSeconds: (performance.now() - this.#started) / 1000,
      guestInstructions: this.#threads.instructions,
      exceptions: this.#threads.exceptions,
      reboots: this.#reboots,
      ...(this.#threads.traceHash && { traceHash: this.#threads.traceHash }),
      ...(this.#threads.lockstep && { lockstep: this.#threads.lockstep }),
      disks: this.storage.statistics(),
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    };
  }

  inspect(): object {
    return {
      description: this.description,
      partition: {
        phase: this.#partition.phase,
        processors: Array.from({ length: this.#threads.count }, (_, index) => ({
          activity: this.#partition.activity(index), progress: this.#partition.progress(index),
        })),
      },
      vmbus: this.vmbus.inspect(),
      network: this.network.inspect(), statistics: this.statistics(),
    };
  }

  /**
   * The trace of a processor's exits or instructions as text, oldest first; empty unless the description asks for it.
   */
  traceLines(index: number): string[] {
    if (this.description.trace === 'instructions') return instructionTrace(this.#engine, index);
    const exits = this.#partition.traceLines(index);
    return exits.length === 0 ? exits : [...this.vmbus.traceLines(), ...exits];
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#end({ kind: 'failed', message });
  }

  /** Reads the files afresh and puts the kernel into guest memory. The partition is paused. */
  async #load(): Promise<void> {
    const random = this.#determinism?.random ?? new HostRandom();
    // Disks have come and gone, or are others, since the machine was described.
    const description = { ...this.description, disks: this.storage.descriptions };
    await this.#partition.loadProcessor(0, await loadGuest(description, this.#memory, random));
  }

  /** For a debugger, if the description wants one. */
  async #listen(): Promise<void> {
    await this.network.listen();
    const { gdb } = this.description;
    if (gdb === undefined) return;
    this.#gdb = await GdbServer.listen(gdb.port, { debugger: this.#debugger, kill: () => this.#end({ kind: 'off' }) });
  }

  get #parts(): MachineParts {
    const [description, partition, chipset] = [this.description, this.#partition, this.#chipset];
    return { description, partition, chipset, vmbus: this.vmbus, network: this.network };
  }

  /** One change of what runs at a time: a restart of the guest, or a save. */
  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(change);
    this.#changes = result.catch(() => undefined);
    return result;
  }

  /** Starts the guest again in place, or ends the run with `end` when that is not wanted. */
  #reboot(end: MachineEnd): Promise<boolean> {
    return this.#exclusive(async () => {
      if (!this.description.rebootInPlace) this.#end(end);
      if (!this.description.rebootInPlace || this.#stopping !== undefined) return false;
      await this.#startAgain();
      return true;
    });
  }

  async #startAgain(): Promise<void> {
    await this.#partition.reset();
    this.#chipset.reset();
    this.vmbus.reset();
    for (const slot of this.#memory.slots) this.#memory.fill(slot.gpa, slot.sizeBytes, 0);
    await this.#load();
    this.#reboots++;
    this.#restarted();
    await this.#partition.start();
  }

  /** Gives back every thread and buffer. */
  #release(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#close(deadlineMs);
    return this.#stopping;
  }

  async #close(deadlineMs: number): Promise<void> {
    const threads = this.#threads.ended();
    const closing = this.vmbus.close();
    await this.#partition.stop(deadlineMs);
    await threads;
    await closing.then(() => this.network.close());
    this.#gdb?.exited();
    await this.#gdb?.close();
    await this.#deviceTimers.close();
    await this.#console.close();
    await this.#filling;
    this.#events.close();
  }
}
