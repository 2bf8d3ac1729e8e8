/**
 * The local APIC's timer: counts APIC_HZ through a divider, once or periodically [Intel SDM 3A, 11.5.4]. It keeps no
 * count, only when it was started and when it ends, in virtual nanoseconds; TSC-deadline mode is not offered.
 */
import type { ControlBuffer } from './control-buffer.ts';
import { LVT_TIMER_PERIODIC } from './local-apic-layout.ts';
import { NEVER_NS, VpRegisters } from './partition-layout.ts';
import { APIC_HZ, type ReferenceTime } from './reference-time.ts';

const NS_PER_COUNT = 1_000_000_000 / APIC_HZ;
const INITIAL_COUNT = VpRegisters.timerInitialCount.offset >> 2;
const DIVIDE = VpRegisters.timerDivide.offset >> 2;
const LVT_TIMER = VpRegisters.localVectors.offset >> 2;
const DEADLINE = VpRegisters.timerDeadlineNs.offset >> 3;

/** The divider that a divide configuration stands for: bits 3, 1, 0 are log2 - 1, and 0b111 divides by one. */
export function dividerOf(configuration: number): number {
  const code = (configuration & 3) | ((configuration & 8) >> 1);
  return 1 << ((code + 1) & 7);
}

export class ApicTimer {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #at: number;
  readonly #floatAt: number;
  readonly #time: ReferenceTime;

  constructor(options: { control: ControlBuffer; index: number; time: ReferenceTime }) {
    this.#words = options.control.words;
    this.#floats = options.control.floats;
    this.#at = options.control.vpRegistersWord(options.index);
    this.#floatAt = this.#at >> 1;
    this.#time = options.time;
  }

  /** Virtual time of the next expiry, NEVER_NS when there is none. */
  get deadlineNs(): number {
    return this.#floats[this.#floatAt + DEADLINE] as number;
  }

  get initialCount(): number {
    return (this.#words[this.#at + INITIAL_COUNT] as number) >>> 0;
  }

  get divideConfiguration(): number {
    return this.#words[this.#at + DIVIDE] as number;
  }

  /** Starts counting down from `count`; 0 stops the timer. */
  start(count: number): void {
    this.#words[this.#at + INITIAL_COUNT] = count;
    if (count === 0) return this.stop();
    const now = this.#time.nowNs();
    this.#floats[this.#floatAt + DEADLINE] = now + (count >>> 0) * this.#nsPerCount();
  }

  stop(): void {
    this.#floats[this.#floatAt + DEADLINE] = NEVER_NS;
  }

  /** Changes the divider. What is left of the count goes on at the new pace. */
  setDivide(configuration: number): void {
    const left = this.currentCount();
    this.#words[this.#at + DIVIDE] = configuration & 0xb;
    if (this.deadlineNs !== NEVER_NS) {
      this.#floats[this.#floatAt + DEADLINE] = this.#time.nowNs() + left * this.#nsPerCount();
    }
  }

  currentCount(): number {
    const deadline = this.deadlineNs;
    if (deadline === NEVER_NS) return 0;
    const left = Math.ceil((deadline - this.#time.nowNs()) / this.#nsPerCount());
    return left > 0 ? left : 0;
  }

  /**
   * True when the timer has expired by `now`: once for all periods that went by, because a second request for a vector
   * that is already requested would be lost anyway.
   */
  expire(now: number): boolean {
    const deadline = this.deadlineNs;
    if (now < deadline) return false;
    if (((this.#words[this.#at + LVT_TIMER] as number) & LVT_TIMER_PERIODIC) === 0) {
      this.stop();
      return true;
    }
    const period = this.initialCount * this.#nsPerCount();
    const passed = Math.floor((now - deadline) / period) + 1;
    this.#floats[this.#floatAt + DEADLINE] = deadline + passed * period;
    return true;
  }

  #nsPerCount(): number {
    return NS_PER_COUNT * dividerOf(this.divideConfiguration);
  }
}
