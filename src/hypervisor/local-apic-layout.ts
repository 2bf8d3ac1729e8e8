/**
 * The local APIC's registers by number: the x2APIC MSR less 0x800, which is the xAPIC offset by 16 [Intel SDM 3A,
 * tables 11-1 and 11-6].
 */

export const ApicRegister = {
  Id: 0x02,
  Version: 0x03,
  TaskPriority: 0x08,
  ArbitrationPriority: 0x09,
  ProcessorPriority: 0x0a,
  EndOfInterrupt: 0x0b,
  LogicalDestination: 0x0d,
  DestinationFormat: 0x0e,
  SpuriousVector: 0x0f,
  InService: 0x10, // to 0x17
  TriggerMode: 0x18, // to 0x1f
  InterruptRequest: 0x20, // to 0x27
  ErrorStatus: 0x28,
  InterruptCommandLow: 0x30,
  InterruptCommandHigh: 0x31,
  LvtTimer: 0x32,
  LvtThermal: 0x33,
  LvtPerformance: 0x34,
  LvtLint0: 0x35,
  LvtLint1: 0x36,
  LvtError: 0x37,
  TimerInitialCount: 0x38,
  TimerCurrentCount: 0x39,
  TimerDivide: 0x3e,
  SelfIpi: 0x3f,
} as const;

/** Integrated APIC, version 0x14, six local vectors. */
export const APIC_VERSION = 0x0005_0014;

export const SPURIOUS_ENABLE = 1 << 8;
export const LVT_MASKED = 1 << 16;
export const LVT_TIMER_PERIODIC = 1 << 17;

/** Bits that software can write in each local vector, timer first. Delivery status and remote IRR read as 0. */
export const LVT_WRITABLE = [0x0003_00ff, 0x0001_07ff, 0x0001_07ff, 0x0001_a7ff, 0x0001_a7ff, 0x0001_00ff] as const;

export const ApicError = { SendIllegalVector: 1 << 5, ReceiveIllegalVector: 1 << 6, IllegalRegister: 1 << 7 } as const;

/** IA32_APIC_BASE, low word. */
export const ApicBase = { BootProcessor: 1 << 8, X2Apic: 1 << 10, Enable: 1 << 11, Address: 0xffff_f000 } as const;
export const APIC_DEFAULT_ADDRESS = 0xfee0_0000;

/** Shorthands in bits 19:18 of the interrupt command. */
export const Shorthand = { None: 0, Self: 1, All: 2, AllButSelf: 3 } as const;

/** Vectors below 16 are illegal in an interrupt message. */
export const LOWEST_VECTOR = 16;
