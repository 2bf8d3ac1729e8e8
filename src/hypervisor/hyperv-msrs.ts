/**
 * The hypervisor's registers of one processor: clocks, local APIC access, SynIC, synthetic timers, idle and reset
 * [TLFS appendix B]. What the whole partition shares is in partition-msrs.ts. Whether a guest was told of a register
 * plays no part: Linux writes some without looking.
 */
import { HvMsr, SYNIC_VERSION } from '../protocols/tlfs/msrs.ts';
import type { ControlBuffer } from './control-buffer.ts';
import type { LocalApic } from './local-apic.ts';
import { VpRegisters } from './partition-layout.ts';
import type { PartitionMsrs } from './partition-msrs.ts';
import { APIC_HZ, NS_PER_REFERENCE_UNIT, type ReferenceTime, TSC_HZ } from './reference-time.ts';
import type { SyntheticInterruptController } from './synic.ts';
import type { SyntheticTimers } from './synthetic-timers.ts';

const TWO_TO_32 = 0x1_0000_0000;
const IDLE = VpRegisters.idle.offset >> 2;
const RUNTIME = VpRegisters.runtimeNs.offset >> 3;
const SINTS = VpRegisters.sints.offset >> 2;
const VP_ASSIST_PAGE = VpRegisters.vpAssistPage.offset >> 2;
const VP_ASSIST_RESERVED = 0xffe;

/** Registers that keep what is written. */
const KEPT: ReadonlyMap<number, number> = new Map([
  [HvMsr.HV_X64_MSR_VP_ASSIST_PAGE, VP_ASSIST_PAGE],
  [HvMsr.HV_X64_MSR_SCONTROL, VpRegisters.sControl.offset >> 2],
  [HvMsr.HV_X64_MSR_SIEFP, VpRegisters.siefp.offset >> 2],
  [HvMsr.HV_X64_MSR_SIMP, VpRegisters.simp.offset >> 2],
]);

const TIMERS = HvMsr.HV_X64_MSR_STIMER0_CONFIG;
const LAST_TIMER = HvMsr.HV_X64_MSR_STIMER3_COUNT;
const SINT0 = HvMsr.HV_X64_MSR_SINT0;
const SINT15 = HvMsr.HV_X64_MSR_SINT15;
const TIME_REF_COUNT = HvMsr.HV_X64_MSR_TIME_REF_COUNT;

export class HypervMsrs {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #at: number;
  readonly #index: number;
  readonly #time: ReferenceTime;
  readonly #apic: LocalApic;
  readonly #synic: SyntheticInterruptController;
  readonly #timers: SyntheticTimers;
  readonly #partition: PartitionMsrs;
  readonly #idle: () => void;
  readonly #reset: () => void;

  /**
   * @param options.idle the guest read GUEST_IDLE: the processor should return from guest code and wait.
   * @param options.reset the guest wrote RESET: the processor should stop.
   */
  constructor(options: {
    control: ControlBuffer; index: number; time: ReferenceTime; apic: LocalApic; synic: SyntheticInterruptController;
    timers: SyntheticTimers; partition: PartitionMsrs; idle: () => void; reset: () => void;
  }) {
    this.#words = options.control.words;
    this.#floats = options.control.floats;
    this.#at = options.control.vpRegistersWord(options.index);
    this.#index = options.index;
    this.#time = options.time;
    this.#apic = options.apic;
    this.#synic = options.synic;
    this.#timers = options.timers;
    this.#partition = options.partition;
    this.#idle = options.idle;
    this.#reset = options.reset;
  }

  // Hot path: TIME_REF_COUNT, timers. No allocation.
  read(index: number, data: Int32Array): boolean {
    if (index === TIME_REF_COUNT) return put(data, this.#time.now100ns());
    if (index >= TIMERS && index <= LAST_TIMER) {
      const timer = (index - TIMERS) >> 1;
      if (((index - TIMERS) & 1) === 0) this.#timers.readConfig(timer, data);
      else this.#timers.readCount(timer, data);
      return true;
    }
    if (index >= SINT0 && index <= SINT15) return this.#readWords(SINTS + (index - SINT0) * 2, data);
    const kept = KEPT.get(index);
    if (kept !== undefined) return this.#readWords(kept, data);
    switch (index) {
      case HvMsr.HV_X64_MSR_VP_INDEX: return put(data, this.#index);
      case HvMsr.HV_X64_MSR_RESET: return put(data, 0);
      case HvMsr.HV_X64_MSR_VP_RUNTIME: {
        const runtime = this.#floats[(this.#at >> 1) + RUNTIME] as number;
        return put(data, Math.floor(runtime / NS_PER_REFERENCE_UNIT));
      }
      case HvMsr.HV_X64_MSR_TSC_FREQUENCY: return put(data, TSC_HZ);
      case HvMsr.HV_X64_MSR_APIC_FREQUENCY: return put(data, APIC_HZ);
      case HvMsr.HV_X64_MSR_ICR: return this.#readWords(VpRegisters.interruptCommandLow.offset >> 2, data);
      case HvMsr.HV_X64_MSR_TPR: return put(data, this.#apic.taskPriority);
      case HvMsr.HV_X64_MSR_SVERSION: return put(data, SYNIC_VERSION);
      case HvMsr.HV_X64_MSR_EOM: return put(data, 0);
      case HvMsr.HV_X64_MSR_GUEST_IDLE:
        this.#words[this.#at + IDLE] = 1;
        this.#idle();
        return put(data, 0);
      default: return this.#partition.read(index, data);
    }
  }

  // Hot path: timers, EOI. No allocation.
  write(index: number, data: Int32Array): boolean {
    const low = data[0] as number;
    const high = data[1] as number;
    if (index >= TIMERS && index <= LAST_TIMER) {
      const timer = (index - TIMERS) >> 1;
      if (((index - TIMERS) & 1) === 0) this.#timers.writeConfig(timer, low, high);
      else this.#timers.writeCount(timer, low, high);
      return true;
    }
    if (index >= SINT0 && index <= SINT15) return this.#synic.writeSint(index - SINT0, low, high);
    const kept = KEPT.get(index);
    if (kept !== undefined) {
      if (kept === VP_ASSIST_PAGE && (low & VP_ASSIST_RESERVED) !== 0) return false;
      this.#words[this.#at + kept] = low;
      this.#words[this.#at + kept + 1] = high;
      return true;
    }
    switch (index) {
      case HvMsr.HV_X64_MSR_EOI: this.#apic.endOfInterrupt(); return true;
      case HvMsr.HV_X64_MSR_ICR: this.#apic.writeCommand(low, high); return true;
      case HvMsr.HV_X64_MSR_TPR:
        if ((low & ~0xff) !== 0 || high !== 0) return false;
        this.#apic.taskPriority = low;
        return true;
      case HvMsr.HV_X64_MSR_EOM:
        this.#timers.retryMessages();
        this.#synic.deliverQueued();
        return true;
      case HvMsr.HV_X64_MSR_RESET:
        if ((low & 1) !== 0) this.#reset();
        return true;
      default: return this.#partition.write(index, low, high);
    }
  }

  #readWords(word: number, data: Int32Array): boolean {
    data[0] = this.#words[this.#at + word] as number;
    data[1] = this.#words[this.#at + word + 1] as number;
    return true;
  }
}

/** Leaves a safe integer in data[0..1]. */
function put(data: Int32Array, value: number): true {
  data[0] = value >>> 0;
  data[1] = Math.floor(value / TWO_TO_32);
  return true;
}
