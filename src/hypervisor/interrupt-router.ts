/**
 * Interrupt messages on their way to local APICs, from any thread: a device's MSI, an IO-APIC pin, another processor's
 * IPI, a synthetic interrupt. Accepting one is a bit set with `Atomics.or` in the target's request register, then a
 * wake-up of its thread. [Intel SDM 3A, 11.6 and 11.8]
 *
 * SMI and ExtINT messages vanish: there is neither system management mode nor an 8259. A local APIC's id is its
 * processor's index in both modes and cannot be written.
 */
import type { ControlBuffer } from './control-buffer.ts';
import { DeliveryMode, type InterruptSink } from './device-port.ts';
import { ApicBase, ApicError, LOWEST_VECTOR, LVT_MASKED, SPURIOUS_ENABLE } from './local-apic-layout.ts';
import { VpActivity, VpControl, VpRegisters, VpSignal } from './partition-layout.ts';

const WAKE = VpControl.wake.offset >> 2;
const WAITING = VpControl.waiting.offset >> 2;
const RUNNING = VpControl.running.offset >> 2;
const IRR = VpRegisters.irr.offset >> 2;
const ISR = VpRegisters.isr.offset >> 2;
const TMR = VpRegisters.tmr.offset >> 2;
const APIC_BASE = VpRegisters.apicBase.offset >> 2;
const TASK_PRIORITY = VpRegisters.taskPriority.offset >> 2;
const LOGICAL_DESTINATION = VpRegisters.logicalDestination.offset >> 2;
const DESTINATION_FORMAT = VpRegisters.destinationFormat.offset >> 2;
const SPURIOUS_VECTOR = VpRegisters.spuriousVector.offset >> 2;
const ERROR_PENDING = VpRegisters.errorPending.offset >> 2;
const LVT_ERROR = (VpRegisters.localVectors.offset >> 2) + 5;
const SIGNALS = VpRegisters.signals.offset >> 2;
const ACTIVITY = VpRegisters.activity.offset >> 2;

const BROADCAST = 0xffff_ffff;
const XAPIC_BROADCAST = 0xff;

/** Highest vector of a 256-bit register at word `at`, or -1. */
export function highestVector(words: Int32Array, at: number): number {
  for (let i = 7; i >= 0; i--) {
    const word = words[at + i] as number;
    if (word !== 0) return i * 32 + 31 - Math.clz32(word);
  }
  return -1;
}

/** The priority class, in bits 7:4, of the highest vector in service; 0 when nothing is. */
export function inServiceClass(words: Int32Array, at: number): number {
  const vector = highestVector(words, at);
  return vector < 0 ? 0 : vector & 0xf0;
}

export class InterruptRouter implements InterruptSink {
  readonly #control: ControlBuffer;
  readonly #words: Int32Array;
  readonly #kick: ((index: number) => void) | undefined;

  /**
   * @param options.kick makes the engine of processor `index` return, from this thread; without it a processor that
   *   runs guest code notices an interrupt from another thread at the end of its slice.
   */
  constructor(options: { control: ControlBuffer; kick?: ((index: number) => void) | undefined }) {
    this.#control = options.control;
    this.#words = options.control.words;
    this.#kick = options.kick;
  }

  // Hot path: one IPI or device interrupt. No allocation.
  sendInterrupt(
    destination: number, logical: boolean, mode: DeliveryMode, vector: number, levelTriggered: boolean,
  ): void {
    const count = this.#control.processorCount;
    if (mode === DeliveryMode.LowestPriority) {
      const target = this.#lowestPriority(destination >>> 0, logical);
      if (target >= 0) this.deliver(target, DeliveryMode.Fixed, vector, levelTriggered);
      return;
    }
    for (let i = 0; i < count; i++) {
      if (this.matches(i, destination >>> 0, logical)) this.deliver(i, mode, vector, levelTriggered);
    }
  }

  /** Whether the local APIC of processor `index` is named by a destination. */
  matches(index: number, destination: number, logical: boolean): boolean {
    const at = this.#control.vpRegistersWord(index);
    const base = this.#words[at + APIC_BASE] as number;
    if ((base & ApicBase.Enable) === 0) return false;
    if (!logical) return destination === index || destination === BROADCAST || destination === XAPIC_BROADCAST;
    if (destination === BROADCAST) return true;
    if ((base & ApicBase.X2Apic) !== 0) {
      return destination >>> 16 === index >>> 4 && (destination & (1 << (index & 15))) !== 0;
    }
    const own = (this.#words[at + LOGICAL_DESTINATION] as number) >>> 24;
    if ((this.#words[at + DESTINATION_FORMAT] as number) >>> 28 === 0xf) return (own & destination & 0xff) !== 0;
    if ((destination & 0xff) === XAPIC_BROADCAST) return true;
    return own >>> 4 === (destination & 0xff) >>> 4 && (own & destination & 0xf) !== 0;
  }

  /** Delivers to one processor whatever the destination rules say. */
  deliver(index: number, mode: DeliveryMode, vector: number, levelTriggered: boolean): void {
    switch (mode) {
      case DeliveryMode.Fixed:
      case DeliveryMode.LowestPriority:
        this.#accept(index, vector & 0xff, levelTriggered);
        return;
      case DeliveryMode.Nmi:
        this.signal(index, VpSignal.Nmi);
        return;
      case DeliveryMode.Init:
        this.signal(index, VpSignal.Init);
        return;
      case DeliveryMode.Smi:
      case DeliveryMode.ExtInt:
        return;
      default:
        mode satisfies never;
    }
  }

  /** A start-up IPI; it counts only for a processor that waits for one, or is about to after INIT. */
  startUp(index: number, vector: number): void {
    const at = this.#control.vpRegistersWord(index);
    const initPending = (Atomics.load(this.#words, at + SIGNALS) & VpSignal.Init) !== 0;
    if (!initPending && Atomics.load(this.#words, at + ACTIVITY) !== VpActivity.WaitForSipi) return;
    Atomics.and(this.#words, at + SIGNALS, ~VpSignal.SipiVectorMask);
    this.signal(index, VpSignal.Sipi | ((vector & 0xff) << VpSignal.SipiVectorShift));
  }

  signal(index: number, bits: number): void {
    Atomics.or(this.#words, this.#control.vpRegistersWord(index) + SIGNALS, bits);
    this.wake(index);
  }

  /** Makes the processor's thread look again: out of its wait, or out of guest code. */
  wake(index: number): void {
    const at = this.#control.vpControlWord(index);
    Atomics.add(this.#words, at + WAKE, 1);
    if (Atomics.load(this.#words, at + WAITING) !== 0) Atomics.notify(this.#words, at + WAKE, 1);
    else if (this.#kick !== undefined && Atomics.load(this.#words, at + RUNNING) !== 0) this.#kick(index);
  }

  /** Records an APIC error and raises the error vector if software wants to hear of it. */
  raiseError(index: number, error: number): void {
    const at = this.#control.vpRegistersWord(index);
    Atomics.or(this.#words, at + ERROR_PENDING, error);
    const local = this.#words[at + LVT_ERROR] as number;
    if ((local & LVT_MASKED) === 0 && (local & 0xff) >= LOWEST_VECTOR) this.#accept(index, local & 0xff, false);
  }

  #accept(index: number, vector: number, levelTriggered: boolean): void {
    const at = this.#control.vpRegistersWord(index);
    const words = this.#words;
    if (((words[at + APIC_BASE] as number) & ApicBase.Enable) === 0) return;
    if (((words[at + SPURIOUS_VECTOR] as number) & SPURIOUS_ENABLE) === 0) return;
    if (vector < LOWEST_VECTOR) {
      this.raiseError(index, ApicError.ReceiveIllegalVector);
      return;
    }
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    if (levelTriggered) Atomics.or(words, at + TMR + word, bit);
    else Atomics.and(words, at + TMR + word, ~bit);
    Atomics.or(words, at + IRR + word, bit);
    this.wake(index);
  }

  /** The named processor with the lowest priority class in force; the first of several. */
  #lowestPriority(destination: number, logical: boolean): number {
    let best = -1;
    let bestPriority = 256;
    for (let i = 0; i < this.#control.processorCount; i++) {
      if (!this.matches(i, destination, logical)) continue;
      const at = this.#control.vpRegistersWord(i);
      const task = this.#words[at + TASK_PRIORITY] as number;
      const priority = Math.max(task, inServiceClass(this.#words, at + ISR));
      if (priority < bestPriority) {
        best = i;
        bestPriority = priority;
      }
    }
    return best;
  }
}
