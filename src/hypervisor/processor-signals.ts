/**
 * What reaches a processor beside interrupts with a vector: NMI, INIT and start-up IPIs [Intel SDM 3A, 9.4.3]. Taken on
 * the processor's own thread, between two slices of guest code.
 */
import type { ControlBuffer } from './control-buffer.ts';
import type { ProcessorEngine } from './engine-port.ts';
import { VpActivity, VpRegisters, VpSignal } from './partition-layout.ts';
import { resetLocalApic } from './processor-reset.ts';
import type { ReferenceTime } from './reference-time.ts';
import { TraceKind, type TraceRing } from './trace-ring.ts';

const SIGNALS = VpRegisters.signals.offset >> 2;
const ACTIVITY = VpRegisters.activity.offset >> 2;
const IDLE = VpRegisters.idle.offset >> 2;

export class ProcessorSignals {
  readonly #control: ControlBuffer;
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #at: number;
  readonly #engine: ProcessorEngine;
  readonly #time: ReferenceTime;
  readonly #trace: TraceRing;
  readonly #reset: () => void;

  /** @param options.reset the partition is to be reset. */
  constructor(options: {
    control: ControlBuffer; index: number; engine: ProcessorEngine; time: ReferenceTime; trace: TraceRing;
    reset: () => void;
  }) {
    this.#control = options.control;
    this.#words = options.control.words;
    this.#index = options.index;
    this.#at = options.control.vpRegistersWord(options.index);
    this.#engine = options.engine;
    this.#time = options.time;
    this.#trace = options.trace;
    this.#reset = options.reset;
  }

  /** Acts on what has come. */
  take(): void {
    const words = this.#words;
    const seen = Atomics.load(words, this.#at + SIGNALS);
    if (seen === 0) return;
    // A start-up IPI that comes while INIT is carried out must find that it is awaited.
    if ((seen & VpSignal.Init) !== 0 && this.#index !== 0) {
      Atomics.store(words, this.#at + ACTIVITY, VpActivity.WaitForSipi);
    }
    const signals = Atomics.exchange(words, this.#at + SIGNALS, 0);
    if ((signals & VpSignal.Init) !== 0) this.#init();
    const activity = words[this.#at + ACTIVITY] as VpActivity;
    if ((signals & VpSignal.Sipi) !== 0 && activity === VpActivity.WaitForSipi) {
      this.#startUp((signals & VpSignal.SipiVectorMask) >> VpSignal.SipiVectorShift);
    }
    if ((signals & VpSignal.Nmi) === 0 || activity === VpActivity.WaitForSipi) return;
    if (activity === VpActivity.Halted) words[this.#at + ACTIVITY] = VpActivity.Running;
    words[this.#at + IDLE] = 0;
    this.#engine.nmi();
    if (this.#trace.on) this.#trace.add(TraceKind.Nmi, this.#time.nowNs(), 0, 0, 0, 0);
  }

  /** The boot processor would start over at the reset vector, in firmware: that is a reset of the partition. */
  #init(): void {
    if (this.#index === 0) {
      this.#reset();
      return;
    }
    resetLocalApic(this.#control, this.#index);
    this.#engine.reset();
    Atomics.store(this.#words, this.#at + ACTIVITY, VpActivity.WaitForSipi);
  }

  #startUp(vector: number): void {
    const state = this.#engine.saveState();
    state.segments.cs = { ...state.segments.cs, selector: vector << 8, base: BigInt(vector << 12) };
    state.rip = 0n;
    state.halted = false;
    this.#engine.restoreState(state);
    this.#words[this.#at + ACTIVITY] = VpActivity.Running;
  }
}
