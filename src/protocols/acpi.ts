/** ACPI table layouts [ACPI 6.4, section 5.2]. Checksums make each table's bytes sum to zero. */
import { ascii, bytes, struct, u16, u32, u53, u8 } from '../wire/struct.ts';

export const Rsdp = struct('RSDP', 36, {
  signature: ascii(8), checksum: u8, oemId: ascii(6, ' '), revision: u8, rsdtAddress: u32, length: u32,
  xsdtAddress: u53, extendedChecksum: u8, reserved: bytes(3),
});
/** The bytes that the first checksum covers: the structure of ACPI 1.0. */
export const RSDP_V1_BYTES = 20;

export const TableHeader = struct('ACPI table header', 36, {
  signature: ascii(4), length: u32, revision: u8, checksum: u8, oemId: ascii(6, ' '), oemTableId: ascii(8, ' '),
  oemRevision: u32, creatorId: ascii(4, ' '), creatorRevision: u32,
});

/** Generic address structure [ACPI 6.4, table 5.1]. */
export const GenericAddress = struct('Generic Address Structure', 12, {
  space: u8, bitWidth: u8, bitOffset: u8, accessSize: u8, address: u53,
});
export const ADDRESS_SPACE_IO = 1;

export const Fadt = struct('FADT', 276, {
  header: bytes(TableHeader.$size),
  firmwareControl: u32, dsdt: u32, reserved44: u8, preferredProfile: u8, sciInterrupt: u16, smiCommand: u32,
  acpiEnable: u8, acpiDisable: u8, s4BiosRequest: u8, pstateControl: u8, pm1aEventBlock: u32, pm1bEventBlock: u32,
  pm1aControlBlock: u32, pm1bControlBlock: u32, pm2ControlBlock: u32, pmTimerBlock: u32, gpe0Block: u32,
  gpe1Block: u32, pm1EventLength: u8, pm1ControlLength: u8, pm2ControlLength: u8, pmTimerLength: u8,
  gpe0Length: u8, gpe1Length: u8, gpe1Base: u8, cstControl: u8, c2LatencyUs: u16, c3LatencyUs: u16, flushSize: u16,
  flushStride: u16, dutyOffset: u8, dutyWidth: u8, dayAlarm: u8, monthAlarm: u8, century: u8, bootArchitecture: u16,
  reserved111: u8, flags: u32, resetRegister: bytes(GenericAddress.$size), resetValue: u8, armBootArchitecture: u16,
  minorVersion: u8, xFirmwareControl: u53, xDsdt: u53, xPm1aEventBlock: bytes(GenericAddress.$size),
  xPm1bEventBlock: bytes(GenericAddress.$size), xPm1aControlBlock: bytes(GenericAddress.$size),
  xPm1bControlBlock: bytes(GenericAddress.$size), xPm2ControlBlock: bytes(GenericAddress.$size),
  xPmTimerBlock: bytes(GenericAddress.$size), xGpe0Block: bytes(GenericAddress.$size),
  xGpe1Block: bytes(GenericAddress.$size), sleepControl: bytes(GenericAddress.$size),
  sleepStatus: bytes(GenericAddress.$size),
  hypervisorVendor: ascii(8),
});
/** FADT flags [ACPI 6.4, table 5.10]. */
export const FadtFlag = {
  Wbinvd: 1 << 0, ProcessorC1: 1 << 2, NoFixedSleepButton: 1 << 5, RtcNotFixed: 1 << 6, TimerIs32Bits: 1 << 8,
  ResetRegister: 1 << 10,
} as const;
/** IA-PC boot architecture flags [ACPI 6.4, table 5.11]. */
export const BOOT_NO_VGA = 1 << 2;

export const Facs = struct('FACS', 64, {
  signature: ascii(4), length: u32, hardwareSignature: u32, wakingVector: u32, globalLock: u32, flags: u32,
  xWakingVector: u53, version: u8, reserved: bytes(31),
});

/** MADT [ACPI 6.4, 5.2.12]: this after the header, then the entries. */
export const MadtBody = struct('MADT body', 8, { localApicAddress: u32, flags: u32 });
export const MADT_PCAT_COMPAT = 1;
export const LocalApicEntry = struct('Processor Local APIC', 8, {
  type: u8, length: u8, processorUid: u8, apicId: u8, flags: u32,
});
export const IoApicEntry = struct('I/O APIC', 12, {
  type: u8, length: u8, id: u8, reserved: u8, address: u32, interruptBase: u32,
});
export const InterruptOverrideEntry = struct('Interrupt Source Override', 10, {
  type: u8, length: u8, bus: u8, source: u8, interrupt: u32, flags: u16,
});
export const LocalApicNmiEntry = struct('Local APIC NMI', 6, {
  type: u8, length: u8, processorUid: u8, flagsLow: u8, flagsHigh: u8, lint: u8,
});
export const LocalX2ApicEntry = struct('Processor Local x2APIC', 16, {
  type: u8, length: u8, reserved: u16, apicId: u32, flags: u32, processorUid: u32,
});
export const MadtType = {
  LocalApic: 0, IoApic: 1, InterruptOverride: 2, LocalApicNmi: 4, LocalX2Apic: 9,
} as const;
/** MPS INTI flags: active high, level-triggered. */
export const INTI_ACTIVE_HIGH = 1;
export const INTI_LEVEL = 3 << 2;
