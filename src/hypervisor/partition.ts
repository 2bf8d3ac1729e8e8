/**
 * A partition as its owner sees it, on the VM worker's main thread: makes the control buffer, commands the processors'
 * threads, keeps the clock's state, hears what happened, saves and restores. It never runs guest code itself.
 *
 *     const partition = new Partition({ processorCount: 1, clock, threads, onEvent });
 *     await partition.create();                       // threads started, processors paused in their reset state
 *     await partition.loadProcessor(0, bootState);
 *     await partition.start();
 */
import type { Clock } from '../kit/clock.ts';
import { ControlBuffer } from './control-buffer.ts';
import type { ProcessorState } from './engine-port.ts';
import { InterruptRouter } from './interrupt-router.ts';
import { type PartitionEvent, PartitionEvents } from './partition-events.ts';
import { type VpActivity, VpControl, VpRegisters } from './partition-layout.ts';
import {
  PARTITION_STATE_VERSION, type PartitionState, readControlState, writeControlState,
} from './partition-state.ts';
import { ProcessorCommand, ProcessorRequests } from './processor-requests.ts';
import { resetPartition, resetProcessor } from './processor-reset.ts';
import { ReferenceTime } from './reference-time.ts';
import { limitTurns } from './run-turns.ts';
import { waitForChange } from './shared-wait.ts';
import { setTracing, traceLines } from './trace-ring.ts';

const PROGRESS = VpControl.progress.offset >> 2;
const ACTIVITY = VpRegisters.activity.offset >> 2;

/** How often a wait for a processor looks whether it is still worth waiting. */
const LIVENESS_MS = 10;

/** Waiting for events is by notification; the limit only bounds one wait. */
const EVENT_WAIT_MS = 60_000;

/** Starts and ends the threads that run `VirtualProcessor.run`. */
export interface ProcessorThread {
  /** Starts processor `index`'s thread. Failing, now or later, is told by `Partition.processorFailed`. */
  start(index: number): void;
  /** Ends the thread without its help. */
  terminate(index: number): void | Promise<void>;
}

export interface PartitionOptions {
  readonly processorCount: number;
  readonly clock: Clock;
  readonly threads: ProcessorThread;
  readonly onEvent: (event: PartitionEvent) => void;
  /** How many processors run guest code at once: the host's cores. Without it, all. */
  readonly cores?: number;
  /** Entries of each processor's trace ring, a power of two; 0, the default, leaves no room to trace. */
  readonly traceEntries?: number;
  /** Makes a processor's engine return, from this thread; see InterruptRouter. */
  readonly kick?: (index: number) => void;
}

type PartitionPhase = 'new' | 'paused' | 'running' | 'stopped';

export class Partition {
  /** The control buffer, for the processors' threads and whoever sends interrupts from another thread. */
  readonly control: SharedArrayBuffer;
  /** Interrupts from this thread. Other threads make an `InterruptRouter` of their own over the control buffer. */
  readonly interrupts: InterruptRouter;
  readonly time: ReferenceTime;
  readonly #control: ControlBuffer;
  readonly #threads: ProcessorThread;
  readonly #requests: ProcessorRequests[] = [];
  readonly #events: PartitionEvents;
  readonly #onEvent: (event: PartitionEvent) => void;
  readonly #failures = new Map<number, Error>();
  #phase: PartitionPhase = 'new';
  #stopping = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: PartitionOptions) {
    const control = ControlBuffer.create(options.processorCount, options.traceEntries ?? 0);
    this.#control = control;
    this.control = control.buffer;
    this.#threads = options.threads;
    this.#onEvent = options.onEvent;
    this.#events = new PartitionEvents(control);
    this.interrupts = new InterruptRouter({ control, kick: options.kick });
    this.time = new ReferenceTime({ control, clock: options.clock });
    const cores = options.cores ?? options.processorCount;
    limitTurns(control, cores < options.processorCount ? cores : 0);
    resetPartition(control);
    for (let i = 0; i < options.processorCount; i++) {
      resetProcessor(control, i);
      this.#requests.push(new ProcessorRequests({ control, index: i }));
    }
    this.time.freezeAt(0);
  }

  get phase(): PartitionPhase {
    return this.#phase;
  }

  /** Starts the processors' threads; resolves when all are there, paused. */
  create(): Promise<void> {
    return this.#exclusive(async () => {
      this.#expect('create', 'new');
      for (let i = 0; i < this.#requests.length; i++) this.#threads.start(i);
      this.#phase = 'paused';
      void this.#watchEvents();
      await this.#commandAll(ProcessorCommand.Pause);
    });
  }

  /** Lets the processors run; virtual time goes on. */
  start(): Promise<void> {
    return this.#exclusive(async () => {
      this.#expect('start', 'paused');
      this.time.thaw();
      this.#phase = 'running';
      await this.#commandAll(ProcessorCommand.Run);
    });
  }

  resume(): Promise<void> {
    return this.start();
  }

  /** Stops the processors between two slices; virtual time stands still. Nothing to do when paused already. */
  pause(): Promise<void> {
    return this.#exclusive(() => this.#pause());
  }

  /**
   * Brings the microkernel's registers and the engines to their state after RESET; the partition is paused then, for
   * its owner to load a kernel again.
   */
  reset(): Promise<void> {
    return this.#exclusive(async () => {
      await this.#pause();
      resetPartition(this.#control);
      for (let i = 0; i < this.#requests.length; i++) resetProcessor(this.#control, i);
      await this.#commandAll(ProcessorCommand.Reset);
    });
  }

  /**
   * Ends the processors' threads: by their own doing within `deadlineMs`, or terminated. An operation that still waits
   * for a processor is given up.
   */
  stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    return this.#exclusive(async () => {
      if (this.#phase === 'stopped') return;
      const started = this.#phase !== 'new';
      this.#phase = 'stopped';
      this.#events.wakeOwner();
      if (!started) return;
      const end = performance.now() + deadlineMs;
      await Promise.all(this.#requests.map(async (_, index) => {
        const request = this.#give(index, ProcessorCommand.Stop);
        if (!await this.#answered(index, request, () => performance.now() < end)) await this.#threads.terminate(index);
      }));
    });
  }

  /** The machine layer saw a processor's thread fail or end by itself: whoever waits for it is told. */
  processorFailed(index: number, error: Error): void {
    this.#failures.set(index, error);
  }

  /** Architectural state of a paused processor. */
  captureProcessor(index: number): Promise<ProcessorState> {
    return this.#exclusive(async () => {
      this.#expect('capture a processor', 'paused');
      return this.#capture(index);
    });
  }

  /** Gives a paused processor its architectural state, for a boot. */
  loadProcessor(index: number, state: ProcessorState): Promise<void> {
    return this.#exclusive(async () => {
      this.#expect('load a processor', 'paused');
      await this.#load(index, state);
    });
  }

  /**
   * Executes one instruction of a paused processor, for a debugger; the others, if `others` says so, run meanwhile.
   * Paused again afterwards.
   */
  stepProcessor(index: number, others: boolean): Promise<void> {
    return this.#exclusive(async () => {
      this.#expect('step a processor', 'paused');
      const running = others ? this.#requests.map((_, other) => other).filter((other) => other !== index) : [];
      if (running.length > 0) {
        this.time.thaw();
        this.#phase = 'running';
        await Promise.all(running.map((other) => this.#command(other, ProcessorCommand.Run)));
      }
      await this.#command(index, ProcessorCommand.Step);
      await this.#pause();
    });
  }

  /** The state of a paused partition, but for guest memory. */
  async saveState(): Promise<PartitionState> {
    return this.stateWith(await this.captureProcessors());
  }

  /** Architectural state of every processor of a paused partition. */
  captureProcessors(): Promise<ProcessorState[]> {
    return this.#exclusive(async () => {
      this.#expect('save', 'paused');
      const states: ProcessorState[] = [];
      for (let i = 0; i < this.#requests.length; i++) states.push(await this.#capture(i));
      return states;
    });
  }

  /**
   * The state of a partition that is still paused since its processors were captured. At once: messages and interrupts
   * may come for a paused guest, and nothing gets between this and what its caller reads next.
   */
  stateWith(engines: readonly ProcessorState[]): PartitionState {
    this.#expect('save', 'paused');
    const { partition, processors, messages } = readControlState(this.#control);
    return {
      version: PARTITION_STATE_VERSION, timeNs: this.time.nowNs(), partition, messages,
      processors: engines.map((engine, i) => ({ registers: processors[i] as (typeof processors)[number], engine })),
    };
  }

  /** Puts a saved state into a paused partition. */
  restoreState(state: PartitionState): Promise<void> {
    return this.#exclusive(async () => {
      this.#expect('restore', 'paused');
      writeControlState(this.#control, state);
      this.time.freezeAt(state.timeNs);
      for (let i = 0; i < state.processors.length; i++) {
        await this.#load(i, (state.processors[i] as PartitionState['processors'][number]).engine);
      }
    });
  }

  /** A count that goes up with every return of the processor's engine: for a watchdog. */
  progress(index: number): number {
    return Atomics.load(this.#control.words, this.#control.vpControlWord(index) + PROGRESS) >>> 0;
  }

  activity(index: number): VpActivity {
    return Atomics.load(this.#control.words, this.#control.vpRegistersWord(index) + ACTIVITY) as VpActivity;
  }

  /** Whether the guest has told what it is. */
  get identified(): boolean {
    return this.#control.isIdentified;
  }

  setTracing(on: boolean): void {
    setTracing(this.#control, on);
  }

  /** Processor `index`'s trace as text, oldest line first. */
  traceLines(index: number): string[] {
    return traceLines(this.#control, index);
  }

  async #pause(): Promise<void> {
    if (this.#phase === 'paused') return;
    this.#expect('pause', 'running');
    await this.#commandAll(ProcessorCommand.Pause);
    this.time.freeze();
    this.#phase = 'paused';
  }

  async #capture(index: number): Promise<ProcessorState> {
    await this.#command(index, ProcessorCommand.Capture);
    return (this.#requests[index] as ProcessorRequests).takeState();
  }

  async #load(index: number, state: ProcessorState): Promise<void> {
    (this.#requests[index] as ProcessorRequests).putState(state);
    await this.#command(index, ProcessorCommand.Load);
  }

  async #commandAll(command: ProcessorCommand): Promise<void> {
    await Promise.all(this.#requests.map((_, index) => this.#command(index, command)));
  }

  async #command(index: number, command: ProcessorCommand): Promise<void> {
    const request = this.#give(index, command);
    if (await this.#answered(index, request, () => !this.#stopping)) return;
    throw this.#failures.get(index) ?? new Error('the partition was stopped meanwhile');
  }

  #give(index: number, command: ProcessorCommand): number {
    const request = (this.#requests[index] as ProcessorRequests).give(command);
    this.interrupts.wake(index);
    return request;
  }

  /** Whether the processor has answered `request` while that was `wanted` and before its thread failed. */
  async #answered(index: number, request: number, wanted: () => boolean): Promise<boolean> {
    const requests = this.#requests[index] as ProcessorRequests;
    for (;;) {
      const answered = requests.answered;
      if (answered === request) return true;
      if (!wanted() || this.#failures.has(index)) return false;
      await waitForChange(this.#control.words, requests.answerWord, answered, LIVENESS_MS);
    }
  }

  async #watchEvents(): Promise<void> {
    const words = this.#control.words;
    while (this.#phase !== 'stopped') {
      const written = Atomics.load(words, this.#events.writtenWord);
      for (let event = this.#events.take(); event !== undefined; event = this.#events.take()) this.#onEvent(event);
      await waitForChange(words, this.#events.writtenWord, written, EVENT_WAIT_MS);
    }
  }

  #expect(what: string, phase: PartitionPhase): void {
    if (this.#phase === phase) return;
    throw new Error(`cannot ${what}: the partition is ${this.#phase}, and must be ${phase}`);
  }

  /** One operation at a time, in the order in which they were asked for. */
  #exclusive<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation, operation);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}
