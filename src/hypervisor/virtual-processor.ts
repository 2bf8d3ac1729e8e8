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
import { NEVER_NS, VpActivity, VpControl, VpRegisters, VpSignal } from './partition-layout.ts';
import { PartitionMsrs } from './partition-msrs.ts';
import { ProcessorCommand, ProcessorRequests } from './processor-requests.ts';
import { resetLocalApic } from './processor-reset.ts';
import { ReferenceTime } from './reference-time.ts';
import { SyntheticInterruptController } from './synic.ts';
import { SyntheticTimers } from './synthetic-timers.ts';
import { TraceKind, TraceRing } from './trace-ring.ts';

const WAKE = VpControl.wake.offset >> 2;
const WAITING = VpControl.waiting.offset >> 2;
const RUNNING = VpControl.running.offset >> 2;
const PROGRESS = VpControl.progress.offset >> 2;
const SIGNALS = VpRegisters.signals.offset >> 2;
const ACTIVITY = VpRegisters.activity.offset >> 2;
const IDLE = VpRegisters.idle.offset >> 2;
const RUNTIME = VpRegisters.runtimeNs.offset >> 3;

/** The longest single wait; a later deadline is waited for again. */
const MAX_WAIT_MS = 3_600_000;

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
  readonly #control: ControlBuffer;
  readonly #time: ReferenceTime;
  readonly #synic: SyntheticInterruptController;
  readonly #timers: SyntheticTimers;
  readonly #events: PartitionEvents;
  readonly #requests: ProcessorRequests;
  readonly #trace: TraceRing;
  readonly #pace: Pace | undefined;
  #handled: number;
  #paused = true;
  /** With a pace: a kick has cut a slice short, which is no place to look at the time. */
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
    const definitions = [...messagingHypercalls(new Connections(control)), ...options.hypercalls ?? []];
    intercepts.connect(this.engine, new HypercallDispatcher({ engine: this.engine, memory, index, definitions }));
    this.apic = apic;
    this.router = router;
    this.#index = index;
    this.#control = control;
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
      this.#isMidSlice = false;
      if (this.#synic.hasPending) this.#synic.deliverPending();
      if (Atomics.load(this.#words, this.#at + SIGNALS) !== 0) this.#takeSignals();
      if (!this.#canRun()) {
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
    const milliseconds = Math.min((deadline - now) / 1e6, MAX_WAIT_MS);
    Atomics.store(this.#words, this.#controlAt + WAITING, 1);
    Atomics.wait(this.#words, this.#controlAt + WAKE, seen, milliseconds);
    Atomics.store(this.#words, this.#controlAt + WAITING, 0);
  }

  #nextDeadlineNs(): number {
    return Math.min(this.apic.timer.deadlineNs, this.#timers.deadlineNs, NEVER_NS);
  }

  /** NMI, INIT and start-up IPIs [Intel SDM 3A, 9.4.3]. */
  #takeSignals(): void {
    const words = this.#words;
    const signals = Atomics.exchange(words, this.#at + SIGNALS, 0);
    if ((signals & VpSignal.Init) !== 0) this.#init();
    const activity = words[this.#at + ACTIVITY] as VpActivity;
    if ((signals & VpSignal.Sipi) !== 0 && activity === VpActivity.WaitForSipi) {
      this.#startUp((signals & VpSignal.SipiVectorMask) >> VpSignal.SipiVectorShift);
    }
    if ((signals & VpSignal.Nmi) === 0 || activity === VpActivity.WaitForSipi) return;
    if (activity === VpActivity.Halted) words[this.#at + ACTIVITY] = VpActivity.Running;
    words[this.#at + IDLE] = 0;
    this.engine.nmi();
    if (this.#trace.on) this.#trace.add(TraceKind.Nmi, this.#time.nowNs(), 0, 0, 0, 0);
  }

  /** The boot processor would start over at the reset vector, in firmware: that is a reset of the partition. */
  #init(): void {
    if (this.#index === 0) {
      this.#shutDown(PartitionEventKind.Reset);
      return;
    }
    resetLocalApic(this.#control, this.#index);
    this.engine.reset();
    this.#words[this.#at + ACTIVITY] = VpActivity.WaitForSipi;
  }

  #startUp(vector: number): void {
    const state = this.engine.saveState();
    state.segments.cs = { ...state.segments.cs, selector: vector << 8, base: BigInt(vector << 12) };
    state.rip = 0n;
    state.halted = false;
    this.engine.restoreState(state);
    this.#words[this.#at + ACTIVITY] = VpActivity.Running;
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
        if (command === ProcessorCommand.Stop) return false;
      }
      if (!this.#paused) return true;
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
