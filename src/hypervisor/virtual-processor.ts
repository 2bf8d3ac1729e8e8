/**
 * A virtual processor: the loop of its thread. Due timers fire, a pending NMI or the highest deliverable interrupt
 * goes in, the engine runs guest code for a slice, and what it stopped for is acted on. A halted processor waits on
 * its wake word until the next timer, with no use of the host's processor. Commands of the partition's owner are
 * answered between slices.
 */
import type { Clock } from '../kit/clock.ts';
import { ArchitecturalMsrs } from './architectural-msrs.ts';
import { Connections } from './connections.ts';
import { ControlBuffer } from './control-buffer.ts';
import { CpuidPolicy } from './cpuid.ts';
import type { IoIntercepts } from './device-port.ts';
import { type ProcessorEngine, type ProcessorIntercepts, StopReason } from './engine-port.ts';
import { GuestIntercepts } from './guest-intercepts.ts';
import type { GuestMemory } from './guest-memory.ts';
import { type HypercallDefinition, HypercallDispatcher } from './hypercalls.ts';
import { HypervMsrs } from './hyperv-msrs.ts';
import { InterruptRouter } from './interrupt-router.ts';
import { LocalApic } from './local-apic.ts';
import { messagingHypercalls } from './messaging-hypercalls.ts';
import { Msrs } from './msrs.ts';
import type { Pace } from './pace.ts';
import { PartitionEventKind, PartitionEvents } from './partition-events.ts';
import { NEVER_NS, VpActivity, VpControl, VpRegisters } from './partition-layout.ts';
import { PartitionMsrs } from './partition-msrs.ts';
import { ProcessorCommand, ProcessorRequests } from './processor-requests.ts';
import { ProcessorHypercalls } from './processor-hypercalls.ts';
import { ProcessorSignals } from './processor-signals.ts';
import type { ProcessorModel } from './processor-model.ts';
import { ReferenceTime } from './reference-time.ts';
import { RunTurns } from './run-turns.ts';
import { SyntheticInterruptController } from './synic.ts';
import { SyntheticTimers } from './synthetic-timers.ts';
import { TraceKind, TraceRing } from './trace-ring.ts';

const WAKE = VpControl.wake.offset >> 2;
const WAITING = VpControl.waiting.offset >> 2;
const RUNNING = VpControl.running.offset >> 2;
const PROGRESS = VpControl.progress.offset >> 2;
const ACTIVITY = VpRegisters.activity.offset >> 2;
const IDLE = VpRegisters.idle.offset >> 2;
const RUNTIME = VpRegisters.runtimeNs.offset >> 3;

/** The longest single wait; a later deadline is waited for again. */
const MAX_WAIT_MS = 3_600_000;
/** A processor that spins sleeps so long when nobody wants its turn: whom it waits for may need the host's core. */
const SPIN_WAIT_MS = 0.05;

export interface VirtualProcessorOptions {
  /** The partition's control buffer, as `Partition` made it. */
  readonly control: SharedArrayBuffer;
  readonly index: number;
  readonly memory: GuestMemory;
  readonly io: IoIntercepts;
  readonly clock: Clock;
  /** Makes the engine that this processor drives; it must not call its intercepts before it returns. */
  readonly engineFactory: (intercepts: ProcessorIntercepts) => ProcessorEngine;
  /** Calls beyond those of the microkernel itself. */
  readonly hypercalls?: readonly HypercallDefinition[];
  readonly model?: ProcessorModel | undefined;
  readonly invariantTsc?: boolean;
  /** Makes another processor's engine return, from this thread; see InterruptRouter. */
  readonly kick?: (index: number) => void;
  /** Without one, time is the clock's affair and the processor sleeps while it is halted. */
  readonly pace?: Pace;
}

export class VirtualProcessor {
  readonly engine: ProcessorEngine;
  readonly apic: LocalApic;
  readonly router: InterruptRouter;
  readonly #index: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #floats: Float64Array;
  readonly #controlAt: number;
  readonly #at: number;
  readonly #time: ReferenceTime;
  readonly #synic: SyntheticInterruptController;
  readonly #timers: SyntheticTimers;
  readonly #events: PartitionEvents;
  readonly #requests: ProcessorRequests;
  readonly #trace: TraceRing;
  readonly #pace: Pace | undefined;
  readonly #turns: RunTurns;
  readonly #signals: ProcessorSignals;
  #yields = false;
  #handled: number;
  #paused = true;
  /** With a pace: a kick has cut a slice short, which is no place to look at the time; so until guest code has run. */
  #isMidSlice = false;

  constructor(options: VirtualProcessorOptions) {
    const { index, memory, io } = options;
    const control = new ControlBuffer(options.control);
    const time = new ReferenceTime({ control, clock: options.clock });
    const router = new InterruptRouter({ control, kick: options.kick });
    const apic = new LocalApic({ control, index, time, router, io });
    const synic = new SyntheticInterruptController({ control, index, memory, router });
    const timers = new SyntheticTimers({ control, index, time, router, synic });
    const events = new PartitionEvents(control);
    const trace = new TraceRing({ control, index });
    const cpuid = new CpuidPolicy({
      processorCount: control.processorCount, invariantTsc: options.invariantTsc ?? false,
      ...(options.model && { model: options.model }),
    });
    const partition = new PartitionMsrs({
      control, index, memory, events, invariantTsc: cpuid.invariantTsc,
      memoryChanged: (gpa, length) => this.engine.memoryChanged(gpa, length),
    });
    const hyperv = new HypervMsrs({
      control, index, time, apic, synic, timers, partition,
      idle: () => this.engine.kick(), reset: () => this.#shutDown(PartitionEventKind.Reset),
    });
    const architectural = new ArchitecturalMsrs({ control, index, time, apic });
    const msrs = new Msrs({ apic, hyperv, architectural });
    const intercepts = new GuestIntercepts({ control, index, apic, msrs, architectural, cpuid, io, time, trace });
    this.engine = options.engineFactory(intercepts);
    const processors = new ProcessorHypercalls({
      processorCount: control.processorCount, engine: () => this.engine, router, yieldProcessor: () => this.#yield(),
    });
    const definitions =
      [...messagingHypercalls(new Connections(control)), ...processors.definitions, ...options.hypercalls ?? []];
    intercepts.connect(this.engine, new HypercallDispatcher({ engine: this.engine, memory, index, definitions }));
    this.apic = apic;
    this.router = router;
    this.#index = index;
    this.#words = control.words;
    this.#floats = control.floats;
    this.#controlAt = control.vpControlWord(index);
    this.#at = control.vpRegistersWord(index);
    this.#time = time;
    this.#synic = synic;
    this.#timers = timers;
    this.#events = events;
    this.#trace = trace;
    this.#pace = options.pace;
    this.#requests = new ProcessorRequests({ control, index });
    this.#turns = new RunTurns({ control, time });
    this.#signals = new ProcessorSignals({
      control, index, engine: this.engine, time, trace, reset: () => this.#shutDown(PartitionEventKind.Reset),
    });
    this.#handled = this.#requests.answered;
  }

  /** The thread's loop. Starts paused, and returns when the owner says stop. */
  run(): void {
    for (;;) {
      const seen = Atomics.load(this.#words, this.#controlAt + WAKE);
      if (!this.#attend()) return;
      const now = this.#time.nowNs();
      if (!this.#isMidSlice) {
        this.apic.expireTimer(now);
        this.#timers.expire(now);
        this.#pace?.expire(now);
      }
      if (this.#synic.hasPending) this.#synic.deliverPending();
      this.#signals.take();
      if (!this.#canRun()) {
        this.#isMidSlice = false;
        this.#wait(seen);
        continue;
      }
      this.#runSlice(now, seen);
    }
  }

  /**
   * Stops this processor at the end of the present instruction, until the owner resets or restores it. On this
   * processor's own thread: for devices through which a guest resets itself or switches itself off.
   */
  park(): void {
    this.#words[this.#at + ACTIVITY] = VpActivity.ShutDown;
    this.engine.kick();
  }

  /** The guest waits for another processor: the present slice ends, and this one goes behind the others. */
  #yield(): void {
    this.#yields = true;
    this.engine.kick();
  }

  #shutDown(kind: PartitionEventKind): void {
    this.park();
    this.#events.post(kind, this.#index);
  }

  /** Delivers the next interrupt if the guest can take it; true when there is guest code to run. */
  #canRun(): boolean {
    const words = this.#words;
    const activity = words[this.#at + ACTIVITY] as VpActivity;
    if (activity === VpActivity.WaitForSipi || activity === VpActivity.ShutDown) return false;
    const vector = this.apic.deliverable();
    if (words[this.#at + IDLE] !== 0) {
      if (vector < 0) return false;
      words[this.#at + IDLE] = 0;
    }
    if (vector < 0) {
      this.engine.requestInterruptWindow(false);
      return activity === VpActivity.Running;
    }
    if (!this.engine.canInterrupt()) {
      this.engine.requestInterruptWindow(true);
      return activity === VpActivity.Running;
    }
    this.apic.acknowledge(vector);
    this.engine.interrupt(vector);
    words[this.#at + ACTIVITY] = VpActivity.Running;
    if (this.#trace.on) this.#trace.add(TraceKind.Interrupt, this.#time.nowNs(), vector, 0, 0, 0);
    this.engine.requestInterruptWindow(this.apic.deliverable() >= 0);
    return true;
  }

  /** Runs guest code, unless something changed after `seen`: who wakes us kicks the engine only while it runs. */
  #runSlice(started: number, seen: number): void {
    const words = this.#words;
    // Waiting for a turn may take a while: timers are looked at again.
    if (this.#turns.take()) return;
    Atomics.store(words, this.#controlAt + RUNNING, 1);
    if (Atomics.load(words, this.#controlAt + WAKE) !== seen) {
      Atomics.store(words, this.#controlAt + RUNNING, 0);
      return;
    }
    const reason = this.engine.run();
    Atomics.store(words, this.#controlAt + RUNNING, 0);
    this.#isMidSlice = this.#pace !== undefined && reason === StopReason.Kick;
    Atomics.add(words, this.#controlAt + PROGRESS, 1);
    const ended = this.#time.nowNs();
    const runtime = (this.#at >> 1) + RUNTIME;
    this.#floats[runtime] = (this.#floats[runtime] as number) + ended - started;
    if (this.#turns.share(this.#yields || reason === StopReason.Spin)) this.#sleep(seen, SPIN_WAIT_MS);
    this.#yields = false;
    if (this.#trace.on && reason !== StopReason.Slice) this.#trace.add(TraceKind.Stop, ended, reason, 0, 0, 0);
    this.#actOn(reason);
  }

  #actOn(reason: StopReason): void {
    switch (reason) {
      case StopReason.Halt:
        if (this.#words[this.#at + ACTIVITY] === VpActivity.Running) {
          this.#words[this.#at + ACTIVITY] = VpActivity.Halted;
        }
        return;
      case StopReason.TripleFault:
        this.#shutDown(PartitionEventKind.TripleFault);
        return;
      case StopReason.Debug:
        this.#paused = true;
        this.#events.post(PartitionEventKind.Debug, this.#index);
        return;
      case StopReason.Slice:
      case StopReason.Kick:
      case StopReason.InterruptWindow:
      case StopReason.Spin:
        return;
      default:
        reason satisfies never;
    }
  }

  /** One instruction with no interrupt before it. Paused before and after. */
  #step(): void {
    if (this.#words[this.#at + ACTIVITY] !== VpActivity.Running) return;
    const reason = this.engine.step();
    if (reason !== StopReason.Debug) this.#actOn(reason);
  }

  /** Sleeps until something changed after `seen`, or the next timer is due. */
  #wait(seen: number): void {
    const deadline = this.#nextDeadlineNs();
    const now = this.#time.nowNs();
    if (deadline <= now) return;
    const isOver = this.#words[this.#at + ACTIVITY] === VpActivity.ShutDown;
    if (!isOver && this.#pace?.skip(now, deadline) === true) return;
    this.#turns.giveUp();
    this.#sleep(seen, Math.min((deadline - now) / 1e6, MAX_WAIT_MS));
  }

  #sleep(seen: number, milliseconds: number): void {
    Atomics.store(this.#words, this.#controlAt + WAITING, 1);
    Atomics.wait(this.#words, this.#controlAt + WAKE, seen, milliseconds);
    Atomics.store(this.#words, this.#controlAt + WAITING, 0);
  }

  #nextDeadlineNs(): number {
    return Math.min(this.apic.timer.deadlineNs, this.#timers.deadlineNs, NEVER_NS);
  }

  /** Carries out the owner's commands; waits while paused. False: the loop ends. */
  #attend(): boolean {
    for (;;) {
      const request = this.#requests.latest;
      if (request !== this.#handled) {
        const command = this.#requests.commandOf(request);
        this.#carryOut(command);
        this.#handled = request;
        this.#requests.answer(request);
        if (command === ProcessorCommand.Stop) {
          this.#turns.giveUp();
          return false;
        }
      }
      if (!this.#paused) return true;
      this.#turns.giveUp();
      this.#requests.waitForOther(this.#handled);
    }
  }

  #carryOut(command: ProcessorCommand): void {
    if (this.#trace.on) this.#trace.add(TraceKind.Command, this.#time.nowNs(), command, 0, 0, 0);
    switch (command) {
      case ProcessorCommand.Run:
        this.#paused = false;
        return;
      case ProcessorCommand.Pause:
      case ProcessorCommand.Stop:
        this.#paused = true;
        return;
      case ProcessorCommand.Capture:
        this.#requests.putState(this.engine.saveState());
        return;
      case ProcessorCommand.Load:
        this.#time.forget();
        this.engine.restoreState(this.#requests.takeState());
        return;
      case ProcessorCommand.Reset:
        this.engine.reset();
        return;
      case ProcessorCommand.Step:
        this.#step();
        return;
      case ProcessorCommand.None:
        return;
      default:
        command satisfies never;
    }
  }
}
