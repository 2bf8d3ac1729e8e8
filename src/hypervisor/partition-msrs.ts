/**
 * The partition's synthetic registers: guest identity, hypercall page, reference TSC page, crash registers and the
 * clock-change controls [TLFS 3.13, 12.7, 12.8]. Every processor reaches them, so changes happen under the partition
 * lock; pages in guest memory are written after it is released.
 */
import { CrashControlHigh, HvMsr, HypercallMsr, PAGE_ENABLE } from '../protocols/tlfs/msrs.ts';
import type { ControlBuffer } from './control-buffer.ts';
import type { GuestMemory } from './guest-memory.ts';
import { HYPERCALL_PAGE_SIZE, writeHypercallPage } from './hypercall-page.ts';
import { PartitionControl, PartitionRegisters } from './partition-layout.ts';
import { type PartitionEvents, PartitionEventKind } from './partition-events.ts';
import { writeReferenceTscPage } from './reference-time.ts';
import { SharedLock } from './shared-lock.ts';

const LOCK = PartitionControl.lock.offset >> 2;
const GUEST_OS_ID = PartitionRegisters.guestOsId.offset >> 2;
const HYPERCALL = PartitionRegisters.hypercall.offset >> 2;
const REFERENCE_TSC = PartitionRegisters.referenceTsc.offset >> 2;
const SEQUENCE = PartitionRegisters.referenceTscSequence.offset >> 2;
const CRASH_PARAMETERS = PartitionRegisters.crashParameters.offset >> 2;
const CRASH_CONTROL = PartitionRegisters.crashControl.offset >> 2;

/** Registers that keep what is written: no processor here changes its frequency under the guest. */
const KEPT: ReadonlyMap<number, number> = new Map([
  [HvMsr.HV_X64_MSR_REENLIGHTENMENT_CONTROL, PartitionRegisters.reenlightenmentControl.offset >> 2],
  [HvMsr.HV_X64_MSR_TSC_EMULATION_CONTROL, PartitionRegisters.tscEmulationControl.offset >> 2],
  [HvMsr.HV_X64_MSR_TSC_EMULATION_STATUS, PartitionRegisters.tscEmulationStatus.offset >> 2],
]);

export class PartitionMsrs {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #lock: SharedLock;
  readonly #memory: GuestMemory;
  readonly #events: PartitionEvents;
  readonly #index: number;
  readonly #invariantTsc: boolean;
  readonly #memoryChanged: (gpa: number, length: number) => void;

  constructor(options: {
    control: ControlBuffer; index: number; memory: GuestMemory; events: PartitionEvents; invariantTsc: boolean;
    memoryChanged: (gpa: number, length: number) => void;
  }) {
    this.#words = options.control.words;
    this.#at = options.control.partitionRegistersWord;
    this.#lock = new SharedLock(options.control.words, LOCK);
    this.#memory = options.memory;
    this.#events = options.events;
    this.#index = options.index;
    this.#invariantTsc = options.invariantTsc;
    this.#memoryChanged = options.memoryChanged;
  }

  read(index: number, data: Int32Array): boolean {
    const word = this.#wordOf(index);
    if (word < 0) return false;
    this.#lock.acquire();
    data[0] = this.#words[word] as number;
    data[1] = this.#words[word + 1] as number;
    this.#lock.release();
    return true;
  }

  write(index: number, low: number, high: number): boolean {
    switch (index) {
      case HvMsr.HV_X64_MSR_GUEST_OS_ID: return this.#writeGuestOsId(low, high);
      case HvMsr.HV_X64_MSR_HYPERCALL: return this.#writeHypercall(low, high);
      case HvMsr.HV_X64_MSR_REFERENCE_TSC: return this.#writeReferenceTsc(low, high);
      case HvMsr.HV_X64_MSR_CRASH_CTL: return this.#writeCrashControl(high);
      case HvMsr.HV_X64_MSR_TSC_INVARIANT_CONTROL:
        if (!this.#invariantTsc || (low & ~1) !== 0 || high !== 0) return false;
        break;
      default:
    }
    const word = this.#wordOf(index);
    if (word < 0) return false;
    this.#lock.acquire();
    this.#words[word] = low;
    this.#words[word + 1] = high;
    this.#lock.release();
    return true;
  }

  #wordOf(index: number): number {
    if (index >= HvMsr.HV_X64_MSR_CRASH_P0 && index <= HvMsr.HV_X64_MSR_CRASH_P4) {
      return this.#at + CRASH_PARAMETERS + (index - HvMsr.HV_X64_MSR_CRASH_P0) * 2;
    }
    switch (index) {
      case HvMsr.HV_X64_MSR_GUEST_OS_ID: return this.#at + GUEST_OS_ID;
      case HvMsr.HV_X64_MSR_HYPERCALL: return this.#at + HYPERCALL;
      case HvMsr.HV_X64_MSR_REFERENCE_TSC: return this.#at + REFERENCE_TSC;
      case HvMsr.HV_X64_MSR_CRASH_CTL: return this.#at + CRASH_CONTROL;
      case HvMsr.HV_X64_MSR_TSC_INVARIANT_CONTROL:
        return this.#invariantTsc ? this.#at + (PartitionRegisters.tscInvariantControl.offset >> 2) : -1;
      default: {
        const kept = KEPT.get(index);
        return kept === undefined ? -1 : this.#at + kept;
      }
    }
  }

  /** An operating system that withdraws its identity gives up the hypercall page too. */
  #writeGuestOsId(low: number, high: number): boolean {
    const words = this.#words;
    this.#lock.acquire();
    words[this.#at + GUEST_OS_ID] = low;
    words[this.#at + GUEST_OS_ID + 1] = high;
    if ((low | high) === 0) {
      words[this.#at + HYPERCALL] = (words[this.#at + HYPERCALL] as number) & ~HypercallMsr.Enable;
    }
    this.#lock.release();
    return true;
  }

  /** Enabling takes effect only for a guest that has said who it is; a page that is not RAM, and a lock, fault. */
  #writeHypercall(low: number, high: number): boolean {
    const words = this.#words;
    const gpa = pageAddress(low, high);
    if ((low & PAGE_ENABLE) !== 0 && this.#memory.offsetOf(gpa, HYPERCALL_PAGE_SIZE) < 0) return false;
    this.#lock.acquire();
    const locked = ((words[this.#at + HYPERCALL] as number) & HypercallMsr.Locked) !== 0;
    const osId = this.#at + GUEST_OS_ID;
    const identified = ((words[osId] as number) | (words[osId + 1] as number)) !== 0;
    const value = identified ? low : low & ~HypercallMsr.Enable;
    if (!locked) {
      words[this.#at + HYPERCALL] = value;
      words[this.#at + HYPERCALL + 1] = high;
    }
    this.#lock.release();
    if (locked) return false;
    if ((value & HypercallMsr.Enable) !== 0 && writeHypercallPage(this.#memory, gpa)) {
      this.#memoryChanged(gpa, HYPERCALL_PAGE_SIZE);
    }
    return true;
  }

  /** A page that is not RAM is not written, and the guest goes on without one. */
  #writeReferenceTsc(low: number, high: number): boolean {
    const words = this.#words;
    this.#lock.acquire();
    words[this.#at + REFERENCE_TSC] = low;
    words[this.#at + REFERENCE_TSC + 1] = high;
    // A sequence is neither 0 nor 0xFFFFFFFF, which both mean "invalid" to some guests.
    const sequence = ((words[this.#at + SEQUENCE] as number) & 0x3fff_ffff) + 1;
    words[this.#at + SEQUENCE] = sequence;
    this.#lock.release();
    if ((low & PAGE_ENABLE) === 0) return true;
    const gpa = pageAddress(low, high);
    if (writeReferenceTscPage(this.#memory, gpa, sequence)) this.#memoryChanged(gpa, 4096);
    return true;
  }

  /** The register reads back what is supported; writing the notify bit reports the crash. */
  #writeCrashControl(high: number): boolean {
    if ((high & CrashControlHigh.Notify) !== 0) {
      const message = (high & CrashControlHigh.Message) !== 0;
      this.#events.post(PartitionEventKind.Crash, this.#index, this.#at + CRASH_PARAMETERS, message);
    }
    return true;
  }
}

function pageAddress(low: number, high: number): number {
  return (high >>> 0) * 0x1_0000_0000 + ((low & ~0xfff) >>> 0);
}
