/**
 * The engine port on our own x86-64 interpreter: one instance of the AssemblyScript core per processor, over the VM's
 * shared memory. An exception unwinds the core by a JavaScript throw; it is delivered here and execution goes on.
 */

import { readFileSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';
import {
  type ProcessorEngine, type ProcessorIntercepts, type ProcessorState, StopReason,
} from '../hypervisor/engine-port.ts';
import {
  BUDGET, DATA, EVENTS, EXIT_REQUEST, GPR, IF, INSTRUCTIONS, NMI_PENDING, RANDOM, REQUEST_KICK, RFLAGS, SHADOW,
  SLICE_START, SPINS_LONG, STOP, TRACING, WINDOW,
} from './core/layout.ts';
import type { AbsentMemory } from './absent-memory.ts';
import { configurationAddress, type EngineMemoryHandle, processorAddress } from './memory-handle.ts';
import { Lockstep, type LockstepCore } from './lockstep/lockstep.ts';
import { RecordedImports } from './lockstep/recorded-imports.ts';
import { ProcessorRequests } from './processor-requests.ts';
import { importsOf } from './core-imports.ts';
import { chainOf } from './translator/chain.ts';
import { POLICIES, Translator, type TranslatorOptions } from './translator/translator.ts';
import { loadProcessorState, resetProcessorState, saveProcessorState } from './processor-state.ts';

/** Instructions of one slice: a bit less than a millisecond of interpretation. */
const SLICE_INSTRUCTIONS = 100_000;

/** Ranges of pages that are forgotten one by one; of more than these, everything. */
const MOST_FLUSHED_RANGES = 16;

export interface CoreExports {
  enterGuest(): void;
  leaveGuest(): void;
  initialize(processor: number, configuration: number): void;
  run(): number;
  deliverFault(): void;
  settleFault(): void;
  interrupt(vector: number): void;
  nonMaskableInterrupt(): void;
  readFlags(): number;
  writeFlags(flags: number): void;
  updateDerived(): void;
  flushBlocks(): void;
  initializeX87(): void;
  askFlush(processor: number, low: number, high: number, more: number): void;
  awaitFlush(processor: number): void;
  saveExtendedState(target: number, components: number): void;
  armStep(): void;
  updateDebugger(): void;
  loadExtendedState(source: number, components: number): void;
}

/** What the core throws through its own frames. */
const UNWIND = Object.freeze({ unwinding: true });

let compiled: WebAssembly.Module | undefined;

/** The core's module; compiled once per thread. */
export function coreModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./core.wasm', import.meta.url)));
  return compiled;
}

export interface WasmEngineOptions {
  readonly handle: EngineMemoryHandle;
  readonly index: number;
  readonly intercepts: ProcessorIntercepts;
  /** Eight bytes from which RDRAND and RDSEED begin; without them random ones. */
  readonly randomSeed?: Uint8Array;
  /** A kick does not begin a new slice, so that slices end where they end whoever kicks. */
  readonly keepsSlices?: boolean;
  /** Memory that arrives as it is needed; without it, all is there. */
  readonly absent?: AbsentMemory | undefined;
  /** When blocks are translated; usually as they get hot. */
  readonly translate?: keyof typeof POLICIES;
  /** Each region is also interpreted, and the first difference thrown (lockstep/lockstep.ts). */
  readonly lockstep?: boolean;
}

export class WasmEngine implements ProcessorEngine {
  readonly data: Int32Array;
  readonly #core: CoreExports;
  readonly #handle: EngineMemoryHandle;
  readonly #index: number;
  readonly #requests: ProcessorRequests;
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #at: number;
  readonly #translator: Translator;
  readonly #lockstep: Lockstep | undefined;
  readonly #keepsSlices: boolean;
  /** Instructions that a kick has left of a slice. */
  #left = 0;
  #faulted = false;

  constructor({
    handle, index, intercepts, randomSeed, keepsSlices, absent, translate = 'hot', lockstep = false,
  }: WasmEngineOptions) {
    this.#keepsSlices = keepsSlices ?? false;
    this.#handle = handle;
    this.#index = index;
    this.#requests = new ProcessorRequests(handle);
    this.#at = processorAddress(index);
    const buffer = handle.memory.buffer;
    this.#words = new Int32Array(buffer);
    this.#view = new DataView(buffer);
    this.data = new Int32Array(buffer, this.#at + DATA, 8);
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 });
    const recorded = lockstep ? new RecordedImports(importsOf(intercepts), this.data) : undefined;
    // A region whose run is compared comes back each time.
    const chain = chainOf({ memory: handle.memory, table, processor: this.#at, jumps: !lockstep });
    const instance = new WebAssembly.Instance(coreModule(), {
      env: {
        memory: handle.memory, chain, translate: (record: number) => this.#translator.translate(record),
        unwind: () => { throw UNWIND; },
        fetchMemory: (host: number) => absent?.ensure(host >>> 0, 1),
        journalPage: (host: number) => this.#lockstep?.notePage(host),
        ...(recorded?.imports ?? importsOf(intercepts)),
      },
    });
    const core = instance.exports as unknown as CoreExports & LockstepCore & TranslatorOptions['core'];
    this.#core = core;
    this.#lockstep = recorded && new Lockstep({
      handle, index, core, imports: recorded, isUnwinding: (thrown) => thrown === UNWIND,
    });
    const wrap = this.#lockstep?.wrap.bind(this.#lockstep);
    this.#translator = new Translator({ handle, index, table, core, policy: POLICIES[translate], wrap });
    this.#core.initialize(this.#at, configurationAddress(handle, index));
    const seed = randomSeed?.slice() ?? randomFillSync(new Uint8Array(8));
    seed[0] = (seed[0] as number) | 1; // xorshift must not start at 0
    new Uint8Array(buffer).set(seed, this.#at + RANDOM);
    this.reset();
  }

  run(): StopReason {
    const words = this.#words;
    const budget = (this.#at + BUDGET) >> 2;
    const slice = this.#left > 0 ? this.#left : SLICE_INSTRUCTIONS;
    words[budget] = slice;
    words[(this.#at + SLICE_START) >> 2] = slice;
    words[(this.#at + SPINS_LONG) >> 2] = 0;
    this.#core.enterGuest();
    const reason = this.#runCore();
    this.#core.leaveGuest();
    this.#count(slice - (words[budget] as number));
    words[(this.#at + SLICE_START) >> 2] = 0;
    this.#left = this.#keepsSlices && reason === StopReason.Kick ? words[budget] as number : 0;
    if (reason !== StopReason.Kick) return reason;
    Atomics.and(words, (this.#at + EXIT_REQUEST) >> 2, ~REQUEST_KICK);
    return words[(this.#at + SPINS_LONG) >> 2] === 0 ? reason : StopReason.Spin;
  }

  step(): StopReason {
    const words = this.#words;
    const window = words[(this.#at + WINDOW) >> 2] as number;
    words[(this.#at + WINDOW) >> 2] = 0;
    words[(this.#at + BUDGET) >> 2] = 1;
    // It asked for what has happened: the processor is not running.
    Atomics.and(words, (this.#at + EXIT_REQUEST) >> 2, ~REQUEST_KICK);
    this.#core.enterGuest();
    this.#core.armStep();
    let reason: StopReason = StopReason.Debug;
    try {
      const stopped = this.#core.run() as StopReason;
      if (stopped === StopReason.Halt || stopped === StopReason.TripleFault) reason = stopped;
    } catch (thrown) {
      this.#catch(thrown);
    }
    while (this.#faulted) if (!this.#deliverFault()) reason = StopReason.TripleFault;
    this.#core.leaveGuest();
    this.#core.updateDebugger();
    words[(this.#at + WINDOW) >> 2] = window;
    this.#count(1);
    return reason;
  }

  /** Delivers the exception that the core was unwound for; false when the processor shuts down. */
  #deliverFault(): boolean {
    try {
      this.#core.deliverFault();
      this.#faulted = false;
      return this.#words[(this.#at + STOP) >> 2] === 0;
    } catch (thrown) {
      this.#catch(thrown);
      return true;
    }
  }

  #count(executed: number): void {
    const words = this.#words;
    const low = (this.#at + INSTRUCTIONS) >> 2;
    const sum = ((words[low] as number) >>> 0) + executed;
    words[low] = sum | 0;
    if (sum > 0xffff_ffff) words[low + 1] = (words[low + 1] as number) + 1;
  }

  /** Runs and delivers exceptions until the core has a reason to stop. */
  #runCore(): StopReason {
    while (true) {
      try {
        if (this.#faulted) {
          this.#core.deliverFault();
          this.#faulted = false;
          if (this.#words[(this.#at + STOP) >> 2] !== 0) return StopReason.TripleFault;
        }
        if (this.#words[(this.#at + NMI_PENDING) >> 2] !== 0) this.#core.nonMaskableInterrupt();
        return this.#core.run() as StopReason;
      } catch (thrown) {
        this.#catch(thrown);
      }
    }
  }

  #catch(thrown: unknown): void {
    if (thrown !== UNWIND) throw thrown;
    this.#core.settleFault();
    this.#faulted = true;
  }

  kick(): void {
    this.#requests.kick(this.#index);
  }

  canInterrupt(): boolean {
    const flags = this.#words[(this.#at + RFLAGS) >> 2] as number;
    return (flags & IF) !== 0 && this.#words[(this.#at + SHADOW) >> 2] === 0 && !this.#faulted;
  }

  interrupt(vector: number): void {
    this.#deliver(() => this.#core.interrupt(vector));
  }

  nmi(): void {
    this.#deliver(() => this.#core.nonMaskableInterrupt());
  }

  /** Delivering writes to the guest's stack. */
  #deliver(deliver: () => void): void {
    this.#core.enterGuest();
    try {
      deliver();
    } catch (thrown) {
      this.#catch(thrown);
    }
    this.#core.leaveGuest();
  }

  requestInterruptWindow(on: boolean): void {
    this.#words[(this.#at + WINDOW) >> 2] = on ? 1 : 0;
  }

  readRegister(index: number): { low: number; high: number } {
    const at = (this.#at + GPR + index * 8) >> 2;
    return { low: this.#words[at] as number, high: this.#words[at + 1] as number };
  }

  writeRegister(index: number, low: number, high: number): void {
    const at = (this.#at + GPR + index * 8) >> 2;
    this.#words[at] = low;
    this.#words[at + 1] = high;
  }

  saveState(): ProcessorState {
    // A fault that an interrupt's delivery has raised is no part of the architectural state: its own delivery is.
    this.#core.enterGuest();
    while (this.#faulted) this.#deliverFault();
    this.#core.leaveGuest();
    return saveProcessorState(this.#view, this.#at, this.#core);
  }

  restoreState(state: ProcessorState): void {
    loadProcessorState(this.#view, this.#at, this.#core, state);
    this.#faulted = false;
  }

  reset(): void {
    resetProcessorState(this.#view, this.#at, this.#core);
    this.#core.flushBlocks();
    this.#faulted = false;
  }

  memoryChanged(gpa: number, length: number): void {
    for (const slot of this.#handle.slots) {
      const at = gpa - slot.gpa;
      if (at >= 0 && at < slot.sizeBytes)
        this.#requests.memoryWritten(slot.offset + at, Math.min(length, slot.sizeBytes - at));
    }
  }

  flushTranslations(low: number, high: number, ranges: DataView, at: number, count: number): void {
    if (count === 0 || count > MOST_FLUSHED_RANGES) this.#askFlush(low, high, 0, 0, -1);
    else {
      for (let n = 0; n < count; n++) {
        const range = ranges.getUint32(at + n * 8, true);
        const above = ranges.getUint32(at + n * 8 + 4, true);
        this.#askFlush(low, high, (range >>> 12) | (above << 20), above >>> 12, range & 0xfff);
      }
    }
    // All are asked before any is waited for.
    for (let left = low; left !== 0; left &= left - 1) this.#core.awaitFlush(lowestBit(left));
    for (let left = high; left !== 0; left &= left - 1) this.#core.awaitFlush(32 + lowestBit(left));
  }

  #askFlush(low: number, high: number, page: number, pageHigh: number, more: number): void {
    for (let left = low; left !== 0; left &= left - 1) this.#core.askFlush(lowestBit(left), page, pageHigh, more);
    for (let left = high; left !== 0; left &= left - 1) this.#core.askFlush(32 + lowestBit(left), page, pageHigh, more);
  }

  /** From now on every instruction goes, one by one and slowly, into the trace (instruction-trace.ts). */
  traceInstructions(): void {
    this.#words[(this.#at + TRACING) >> 2] = 1;
    this.#core.updateDerived();
  }

  /** What has been translated. */
  translated(): Translator['counters'] {
    return this.#translator.counters;
  }

  /** What has been compared; undefined without lockstep. */
  compared(): Lockstep['counters'] | undefined {
    return this.#lockstep?.counters;
  }

  /** Counters for statistics. */
  counters(): { instructions: number; events: number } {
    const at = this.#at + INSTRUCTIONS;
    return {
      instructions: this.#view.getUint32(at + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at, true),
      events: this.#view.getUint32(this.#at + EVENTS, true),
    };
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
