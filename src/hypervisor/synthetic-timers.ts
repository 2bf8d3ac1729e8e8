/**
 * A processor's four synthetic timers: against reference time, once or periodically, ending in an interrupt (direct
 * mode) or a message [TLFS 12.3]. All of it runs on the processor's own thread.
 *
 * Lazy timers are served like others, which the specification allows. Periods that went by unnoticed end in one expiry.
 */
import { StimerConfig } from '../protocols/tlfs/msrs.ts';
import { MessageType, SYNTHETIC_TIMER_COUNT, TimerMessagePayload } from '../protocols/tlfs/synic.ts';
import type { ControlBuffer } from './control-buffer.ts';
import { DeliveryMode } from './device-port.ts';
import type { InterruptRouter } from './interrupt-router.ts';
import { NEVER_NS, VpRegisters } from './partition-layout.ts';
import { NS_PER_REFERENCE_UNIT, type ReferenceTime } from './reference-time.ts';
import { MessageDelivery, type SyntheticInterruptController } from './synic.ts';

const CONFIG = VpRegisters.stimerConfig.offset >> 2;
const COUNT = VpRegisters.stimerCount.offset >> 2;
const DEADLINE = VpRegisters.stimerDeadlineNs.offset >> 3;
const PENDING = VpRegisters.stimerMessagePending.offset >> 2;

const CONFIG_WRITABLE = 0x000f_1fff;

export class SyntheticTimers {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #at: number;
  readonly #floatAt: number;
  readonly #index: number;
  readonly #time: ReferenceTime;
  readonly #router: InterruptRouter;
  readonly #synic: SyntheticInterruptController;
  readonly #payload = new Uint8Array(TimerMessagePayload.$size);

  constructor(options: {
    control: ControlBuffer; index: number; time: ReferenceTime; router: InterruptRouter;
    synic: SyntheticInterruptController;
  }) {
    this.#words = options.control.words;
    this.#floats = options.control.floats;
    this.#at = options.control.vpRegistersWord(options.index);
    this.#floatAt = this.#at >> 1;
    this.#index = options.index;
    this.#time = options.time;
    this.#router = options.router;
    this.#synic = options.synic;
  }

  /** Virtual time of the next expiry, NEVER_NS when there is none. */
  get deadlineNs(): number {
    let next = NEVER_NS;
    for (let i = 0; i < SYNTHETIC_TIMER_COUNT; i++) {
      const deadline = this.#floats[this.#floatAt + DEADLINE + i] as number;
      if (deadline < next) next = deadline;
    }
    return next;
  }

  // Hot path: a guest that keeps time writes a count per tick. No allocation in these four.

  readConfig(timer: number, data: Int32Array): void {
    data[0] = this.#words[this.#at + CONFIG + timer * 2] as number;
    data[1] = this.#words[this.#at + CONFIG + timer * 2 + 1] as number;
  }

  readCount(timer: number, data: Int32Array): void {
    data[0] = this.#words[this.#at + COUNT + timer * 2] as number;
    data[1] = this.#words[this.#at + COUNT + timer * 2 + 1] as number;
  }

  /** A timer that ends in a message needs a SINT other than 0 to be enabled. */
  writeConfig(timer: number, low: number, high: number): void {
    const config = this.#at + CONFIG + timer * 2;
    const sint = (low >> StimerConfig.SintShift) & StimerConfig.SintMask;
    const mute = (low & StimerConfig.DirectMode) === 0 && sint === 0;
    this.#words[config] = mute ? low & CONFIG_WRITABLE & ~StimerConfig.Enable : low & CONFIG_WRITABLE;
    this.#words[config + 1] = high;
    this.#forget(timer);
    this.#arm(timer);
  }

  /** A count of 0 stops the timer; another starts one whose configuration says so, or that is enabled already. */
  writeCount(timer: number, low: number, high: number): void {
    const config = this.#at + CONFIG + timer * 2;
    this.#words[this.#at + COUNT + timer * 2] = low;
    this.#words[this.#at + COUNT + timer * 2 + 1] = high;
    const value = this.#words[config] as number;
    if ((low | high) === 0) this.#words[config] = value & ~StimerConfig.Enable;
    else if ((value & StimerConfig.AutoEnable) !== 0) this.#words[config] = value | StimerConfig.Enable;
    this.#forget(timer);
    this.#arm(timer);
  }

  /** Serves the timers that are due at virtual time `now`. */
  expire(now: number): void {
    for (let i = 0; i < SYNTHETIC_TIMER_COUNT; i++) {
      const deadline = this.#floats[this.#floatAt + DEADLINE + i] as number;
      if (now >= deadline) this.#expire(i, deadline, now);
    }
  }

  /** After EOM: messages that found their slot full are tried again. */
  retryMessages(): void {
    const pending = this.#words[this.#at + PENDING] as number;
    for (let i = 0; i < SYNTHETIC_TIMER_COUNT; i++) if ((pending & (1 << i)) !== 0) this.#send(i);
  }

  #expire(timer: number, deadline: number, now: number): void {
    const config = this.#words[this.#at + CONFIG + timer * 2] as number;
    if ((config & StimerConfig.Periodic) !== 0) {
      const period = this.#countNs(timer);
      const passed = Math.floor((now - deadline) / period) + 1;
      this.#floats[this.#floatAt + DEADLINE + timer] = Math.min(deadline + passed * period, NEVER_NS);
    } else {
      this.#floats[this.#floatAt + DEADLINE + timer] = NEVER_NS;
      this.#words[this.#at + CONFIG + timer * 2] = config & ~StimerConfig.Enable;
    }
    if ((config & StimerConfig.DirectMode) === 0) return this.#send(timer);
    const vector = (config >> StimerConfig.ApicVectorShift) & StimerConfig.ApicVectorMask;
    this.#router.deliver(this.#index, DeliveryMode.Fixed, vector, false);
  }

  #arm(timer: number): void {
    const enabled = ((this.#words[this.#at + CONFIG + timer * 2] as number) & StimerConfig.Enable) !== 0;
    const count = this.#countNs(timer);
    let deadline = NEVER_NS;
    if (enabled && count !== 0) {
      const periodic = ((this.#words[this.#at + CONFIG + timer * 2] as number) & StimerConfig.Periodic) !== 0;
      deadline = periodic ? this.#time.nowNs() + count : count;
    }
    this.#floats[this.#floatAt + DEADLINE + timer] = Math.min(deadline, NEVER_NS);
    const now = this.#time.nowNs();
    if (now >= deadline) this.#expire(timer, deadline, now);
  }

  /** Drops a message of the timer's earlier life that still waits for its slot. */
  #forget(timer: number): void {
    this.#words[this.#at + PENDING] = (this.#words[this.#at + PENDING] as number) & ~(1 << timer);
  }

  #countNs(timer: number): number {
    const low = this.#words[this.#at + COUNT + timer * 2] as number;
    const high = this.#words[this.#at + COUNT + timer * 2 + 1] as number;
    return ((high >>> 0) * 0x1_0000_0000 + (low >>> 0)) * NS_PER_REFERENCE_UNIT;
  }

  #send(timer: number): void {
    const now = this.#time.now100ns();
    const view = new DataView(this.#payload.buffer);
    const counts = this.#at + COUNT + timer * 2;
    const config = this.#words[this.#at + CONFIG + timer * 2] as number;
    const periodic = (config & StimerConfig.Periodic) !== 0;
    const high = Math.floor(now / 0x1_0000_0000);
    TimerMessagePayload.encode(view, 0, {
      timerIndex: timer,
      expirationTimeLow: periodic ? now >>> 0 : this.#words[counts] as number,
      expirationTimeHigh: periodic ? high : this.#words[counts + 1] as number,
      deliveryTimeLow: now >>> 0,
      deliveryTimeHigh: high,
    });
    const sint = (config >> StimerConfig.SintShift) & StimerConfig.SintMask;
    const busy = this.#synic.deliver(sint, MessageType.TimerExpired, this.#payload) === MessageDelivery.SlotBusy;
    const pending = this.#words[this.#at + PENDING] as number;
    this.#words[this.#at + PENDING] = busy ? pending | (1 << timer) : pending & ~(1 << timer);
  }
}
