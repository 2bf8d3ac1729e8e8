/**
 * A processor's local APIC: the registers, reached as the xAPIC page, as x2APIC MSRs or as the Hyper-V APIC MSRs, its
 * priorities, and what the processor's loop asks it [Intel SDM 3A, chapter 11]. Interrupts arrive through
 * InterruptRouter, from any thread; everything here runs on the processor's own.
 *
 * Not here: TSC-deadline mode, LINT pins (nothing is wired to them), suppression of EOI broadcasts, CMCI.
 */
import { DeliveryMode, type IoIntercepts } from './device-port.ts';
import { ApicTimer } from './apic-timer.ts';
import type { ControlBuffer } from './control-buffer.ts';
import { highestVector, inServiceClass, type InterruptRouter } from './interrupt-router.ts';
import {
  APIC_VERSION, ApicBase, ApicError, ApicRegister, LOWEST_VECTOR, LVT_MASKED, LVT_WRITABLE, Shorthand, SPURIOUS_ENABLE,
} from './local-apic-layout.ts';
import { VpRegisters } from './partition-layout.ts';
import { resetLocalApic } from './processor-reset.ts';
import type { ReferenceTime } from './reference-time.ts';

const IRR = VpRegisters.irr.offset >> 2;
const ISR = VpRegisters.isr.offset >> 2;
const TMR = VpRegisters.tmr.offset >> 2;
const AUTO_EOI = VpRegisters.autoEoi.offset >> 2;
const APIC_BASE = VpRegisters.apicBase.offset >> 2;
const TASK_PRIORITY = VpRegisters.taskPriority.offset >> 2;
const LOGICAL_DESTINATION = VpRegisters.logicalDestination.offset >> 2;
const DESTINATION_FORMAT = VpRegisters.destinationFormat.offset >> 2;
const SPURIOUS_VECTOR = VpRegisters.spuriousVector.offset >> 2;
const ERROR_STATUS = VpRegisters.errorStatus.offset >> 2;
const ERROR_PENDING = VpRegisters.errorPending.offset >> 2;
const COMMAND_LOW = VpRegisters.interruptCommandLow.offset >> 2;
const COMMAND_HIGH = VpRegisters.interruptCommandHigh.offset >> 2;
const LVT = VpRegisters.localVectors.offset >> 2;

const COMMAND_WRITABLE = 0x000c_cfff;
/** High bits of IA32_APIC_BASE beyond the 40 bits of physical address. */
const APIC_BASE_HIGH_RESERVED = 0xffff_ff00;

/** Delivery modes of an interrupt command that an interrupt message doesn't have [Intel SDM 3A, 11.6.1]. */
const COMMAND_START_UP = 6;

export class LocalApic {
  readonly timer: ApicTimer;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #index: number;
  readonly #control: ControlBuffer;
  readonly #router: InterruptRouter;
  readonly #io: Pick<IoIntercepts, 'endOfInterrupt'>;

  constructor(options: {
    control: ControlBuffer; index: number; time: ReferenceTime; router: InterruptRouter;
    io: Pick<IoIntercepts, 'endOfInterrupt'>;
  }) {
    this.#control = options.control;
    this.#words = options.control.words;
    this.#at = options.control.vpRegistersWord(options.index);
    this.#index = options.index;
    this.#router = options.router;
    this.#io = options.io;
    this.timer = new ApicTimer(options);
  }

  get x2Apic(): boolean {
    return ((this.#words[this.#at + APIC_BASE] as number) & ApicBase.X2Apic) !== 0;
  }

  /** Whether IA32_APIC_BASE has it on at all. */
  get globallyEnabled(): boolean {
    return ((this.#words[this.#at + APIC_BASE] as number) & ApicBase.Enable) !== 0;
  }

  /** Whether `gpa` lies in the register page: xAPIC mode only. */
  covers(gpa: number): boolean {
    const low = this.#words[this.#at + APIC_BASE] as number;
    if ((low & (ApicBase.Enable | ApicBase.X2Apic)) !== ApicBase.Enable) return false;
    const high = this.#words[this.#at + APIC_BASE + 1] as number;
    const base = high * 0x1_0000_0000 + ((low & ApicBase.Address) >>> 0);
    return gpa >= base && gpa < base + 0x1000;
  }

  // Hot path: a load or store in the register page. No allocation.
  mmioRead(gpa: number, size: number, data: Int32Array): void {
    const offset = gpa & 0xfff;
    const aligned = size >= 4 ? 0 : offset & 3;
    const value = (offset & 0xc) === 0 ? this.readRegister(offset >> 4) : 0;
    data[0] = size >= 4 ? value : (value >>> (aligned * 8)) & (size === 1 ? 0xff : 0xffff);
    data[1] = 0;
  }

  /** Only whole registers can be written; other stores vanish. */
  mmioWrite(gpa: number, size: number, data: Int32Array): void {
    const offset = gpa & 0xfff;
    if ((offset & 0xf) !== 0 || size < 4) return;
    const register = offset >> 4;
    const value = data[0] as number;
    if (register === ApicRegister.InterruptCommandHigh) this.#words[this.#at + COMMAND_HIGH] = value;
    else if (register === ApicRegister.LogicalDestination) {
      this.#words[this.#at + LOGICAL_DESTINATION] = value & 0xff00_0000;
    } else if (register === ApicRegister.DestinationFormat) {
      this.#words[this.#at + DESTINATION_FORMAT] = value | 0x0fff_ffff;
    } else if (register === ApicRegister.InterruptCommandLow) {
      this.#command(value, (this.#words[this.#at + COMMAND_HIGH] as number) >>> 24);
    } else if (!this.writeRegister(register, value) && !isReadOnly(register)) {
      this.#router.raiseError(this.#index, ApicError.IllegalRegister);
    }
  }

  /** MSR 0x800 + register: false means #GP. */
  readMsr(register: number, data: Int32Array): boolean {
    if (!this.x2Apic || !isX2Readable(register)) return false;
    data[0] = this.readRegister(register);
    data[1] = register === ApicRegister.InterruptCommandLow ? (this.#words[this.#at + COMMAND_HIGH] as number) : 0;
    return true;
  }

  // Hot path: EOI, ICR and self IPI. No allocation.
  writeMsr(register: number, data: Int32Array): boolean {
    if (!this.x2Apic) return false;
    const low = data[0] as number;
    const high = data[1] as number;
    if (register === ApicRegister.InterruptCommandLow) {
      this.#words[this.#at + COMMAND_HIGH] = high;
      this.#command(low, high);
      return true;
    }
    if (high !== 0) return false;
    if (register === ApicRegister.SelfIpi) {
      if ((low & ~0xff) !== 0) return false;
      this.#send(DeliveryMode.Fixed, low & 0xff, Shorthand.Self, 0, false);
      return true;
    }
    if ((register === ApicRegister.EndOfInterrupt || register === ApicRegister.ErrorStatus) && low !== 0) return false;
    if (register === ApicRegister.TaskPriority && (low & ~0xff) !== 0) return false;
    return this.writeRegister(register, low);
  }

  /** A register's value; what isn't there reads as 0. */
  readRegister(register: number): number {
    const words = this.#words;
    const at = this.#at;
    if (register >= ApicRegister.InService && register < ApicRegister.ErrorStatus) {
      // IRR, ISR and TMR are three runs of eight words, in the order of the register numbers but not of ours.
      const word = register & 7;
      if (register < ApicRegister.TriggerMode) return words[at + ISR + word] as number;
      return Atomics.load(words, at + (register < ApicRegister.InterruptRequest ? TMR : IRR) + word);
    }
    if (register >= ApicRegister.LvtTimer && register <= ApicRegister.LvtError) {
      return words[at + LVT + register - ApicRegister.LvtTimer] as number;
    }
    switch (register) {
      case ApicRegister.Id: return this.x2Apic ? this.#index : this.#index << 24;
      case ApicRegister.Version: return APIC_VERSION;
      case ApicRegister.TaskPriority: return this.taskPriority;
      case ApicRegister.ProcessorPriority: return this.processorPriority();
      case ApicRegister.LogicalDestination: return this.logicalDestination();
      case ApicRegister.DestinationFormat: return words[at + DESTINATION_FORMAT] as number;
      case ApicRegister.SpuriousVector: return words[at + SPURIOUS_VECTOR] as number;
      case ApicRegister.ErrorStatus: return words[at + ERROR_STATUS] as number;
      case ApicRegister.InterruptCommandLow: return words[at + COMMAND_LOW] as number;
      case ApicRegister.InterruptCommandHigh: return words[at + COMMAND_HIGH] as number;
      case ApicRegister.TimerInitialCount: return this.timer.initialCount | 0;
      case ApicRegister.TimerCurrentCount: return this.timer.currentCount() | 0;
      case ApicRegister.TimerDivide: return this.timer.divideConfiguration;
      default: return 0;
    }
  }

  /** Writes a register that is the same in both modes; false when there is no such register to write. */
  writeRegister(register: number, value: number): boolean {
    const words = this.#words;
    const at = this.#at;
    if (register >= ApicRegister.LvtTimer && register <= ApicRegister.LvtError) {
      const local = register - ApicRegister.LvtTimer;
      const enabled = ((words[at + SPURIOUS_VECTOR] as number) & SPURIOUS_ENABLE) !== 0;
      words[at + LVT + local] = (value & (LVT_WRITABLE[local] as number)) | (enabled ? 0 : LVT_MASKED);
      return true;
    }
    switch (register) {
      case ApicRegister.TaskPriority: this.taskPriority = value & 0xff; return true;
      case ApicRegister.EndOfInterrupt: this.endOfInterrupt(); return true;
      case ApicRegister.SpuriousVector: this.#writeSpuriousVector(value); return true;
      case ApicRegister.ErrorStatus:
        words[at + ERROR_STATUS] = Atomics.exchange(words, at + ERROR_PENDING, 0);
        return true;
      case ApicRegister.TimerInitialCount: this.timer.start(value); return true;
      case ApicRegister.TimerDivide: this.timer.setDivide(value); return true;
      default: return false;
    }
  }

  get taskPriority(): number {
    return this.#words[this.#at + TASK_PRIORITY] as number;
  }

  set taskPriority(value: number) {
    this.#words[this.#at + TASK_PRIORITY] = value;
  }

  /** The priority below or at whose class no interrupt is delivered. */
  processorPriority(): number {
    const task = this.taskPriority;
    const inService = inServiceClass(this.#words, this.#at + ISR);
    return inService > (task & 0xf0) ? inService : task;
  }

  /** The vector to deliver next, or -1. */
  deliverable(): number {
    const vector = highestVector(this.#words, this.#at + IRR);
    if (vector < 0 || (vector & 0xf0) <= (this.processorPriority() & 0xf0)) return -1;
    return ((this.#words[this.#at + SPURIOUS_VECTOR] as number) & SPURIOUS_ENABLE) === 0 ? -1 : vector;
  }

  /** The processor takes `vector`: from requested to in service, unless its SINT ends interrupts by itself. */
  acknowledge(vector: number): void {
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    Atomics.and(this.#words, this.#at + IRR + word, ~bit);
    if (((this.#words[this.#at + AUTO_EOI + word] as number) & bit) !== 0) return;
    this.#words[this.#at + ISR + word] = (this.#words[this.#at + ISR + word] as number) | bit;
  }

  // Hot path: once an interrupt.
  endOfInterrupt(): void {
    const vector = highestVector(this.#words, this.#at + ISR);
    if (vector < 0) return;
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    this.#words[this.#at + ISR + word] = (this.#words[this.#at + ISR + word] as number) & ~bit;
    if ((Atomics.load(this.#words, this.#at + TMR + word) & bit) !== 0) this.#io.endOfInterrupt(vector);
  }

  /** The Hyper-V ICR MSR: the destination lies in the high word as the mode in force has it. [TLFS 10.2.3] */
  writeCommand(low: number, high: number): void {
    this.#words[this.#at + COMMAND_HIGH] = high;
    this.#command(low, this.x2Apic ? high : high >>> 24);
  }

  logicalDestination(): number {
    if (!this.x2Apic) return this.#words[this.#at + LOGICAL_DESTINATION] as number;
    return ((this.#index >> 4) << 16) | (1 << (this.#index & 15));
  }

  readBase(data: Int32Array): void {
    data[0] = this.#words[this.#at + APIC_BASE] as number;
    data[1] = this.#words[this.#at + APIC_BASE + 1] as number;
  }

  /** IA32_APIC_BASE; false for the transitions that don't exist [Intel SDM 3A, figure 11-27] and reserved bits. */
  writeBase(low: number, high: number): boolean {
    const modes = ApicBase.Enable | ApicBase.X2Apic;
    const reserved = ~(ApicBase.Address | ApicBase.BootProcessor | modes);
    if ((low & reserved) !== 0 || (high & APIC_BASE_HIGH_RESERVED) !== 0) return false;
    const old = this.#words[this.#at + APIC_BASE] as number;
    const mode = low & modes;
    if (mode === ApicBase.X2Apic) return false;
    if ((old & modes) === 0 && mode === modes) return false;
    if ((old & modes) === modes && mode === ApicBase.Enable) return false;
    if (mode === 0 && (old & modes) !== 0) resetLocalApic(this.#control, this.#index);
    this.#words[this.#at + APIC_BASE] = (low & ~ApicBase.BootProcessor) | (old & ApicBase.BootProcessor);
    this.#words[this.#at + APIC_BASE + 1] = high;
    return true;
  }

  /** Requests the timer's interrupt if it has expired by virtual time `now`. */
  expireTimer(now: number): void {
    if (now < this.timer.deadlineNs || !this.timer.expire(now)) return;
    const local = this.#words[this.#at + LVT] as number;
    if ((local & LVT_MASKED) === 0) this.#router.deliver(this.#index, DeliveryMode.Fixed, local & 0xff, false);
  }

  #writeSpuriousVector(value: number): void {
    this.#words[this.#at + SPURIOUS_VECTOR] = value & 0x3ff;
    if ((value & SPURIOUS_ENABLE) !== 0) return;
    for (let i = 0; i < LVT_WRITABLE.length; i++) {
      this.#words[this.#at + LVT + i] = (this.#words[this.#at + LVT + i] as number) | LVT_MASKED;
    }
  }

  #command(low: number, destination: number): void {
    this.#words[this.#at + COMMAND_LOW] = low & COMMAND_WRITABLE;
    const mode = (low >> 8) & 7;
    const level = (low & (1 << 15)) !== 0;
    // INIT level de-assert only synchronised arbitration ids, on processors long gone.
    if (mode === DeliveryMode.Init && level && (low & (1 << 14)) === 0) return;
    this.#send(mode, low & 0xff, (low >> 18) & 3, destination, (low & (1 << 11)) !== 0);
  }

  #send(mode: number, vector: number, shorthand: number, destination: number, logical: boolean): void {
    const isVector = mode === DeliveryMode.Fixed || mode === DeliveryMode.LowestPriority;
    if (isVector && vector < LOWEST_VECTOR) {
      this.#router.raiseError(this.#index, ApicError.SendIllegalVector);
      return;
    }
    if (shorthand === Shorthand.None && mode === DeliveryMode.LowestPriority) {
      this.#router.sendInterrupt(destination, logical, mode, vector, false);
      return;
    }
    for (let i = 0; i < this.#control.processorCount; i++) {
      const named = shorthand === Shorthand.None ? this.#router.matches(i, destination >>> 0, logical)
        : shorthand === Shorthand.Self ? i === this.#index
        : shorthand === Shorthand.All || i !== this.#index;
      if (!named) continue;
      if (mode === COMMAND_START_UP) this.#router.startUp(i, vector);
      else if (isVector || mode === DeliveryMode.Nmi || mode === DeliveryMode.Init) {
        this.#router.deliver(i, mode as DeliveryMode, vector, false);
      }
    }
  }
}

function isReadOnly(register: number): boolean {
  return register === ApicRegister.Id || register === ApicRegister.Version ||
    register === ApicRegister.ArbitrationPriority || register === ApicRegister.ProcessorPriority ||
    register === ApicRegister.TimerCurrentCount ||
    (register >= ApicRegister.InService && register < ApicRegister.ErrorStatus);
}

/** The registers that RDMSR can read in x2APIC mode [Intel SDM 3A, table 11-6]. */
function isX2Readable(register: number): boolean {
  return register === ApicRegister.Id || register === ApicRegister.Version ||
    register === ApicRegister.TaskPriority || register === ApicRegister.ProcessorPriority ||
    register === ApicRegister.LogicalDestination || register === ApicRegister.SpuriousVector ||
    (register >= ApicRegister.InService && register <= ApicRegister.ErrorStatus) ||
    register === ApicRegister.InterruptCommandLow ||
    (register >= ApicRegister.LvtTimer && register <= ApicRegister.TimerCurrentCount) ||
    register === ApicRegister.TimerDivide;
}
