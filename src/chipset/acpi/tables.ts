/**
 * The ACPI tables of the virtual PC, written to the firmware's part of the ISA hole [ACPI 6.4, section 5.2]. The
 * hardware model is the classic one (PM1a registers, not "hardware reduced"), because only then does Linux keep the ISA
 * interrupts that the serial port needs.
 */
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import * as layout from '../../protocols/acpi.ts';
import { ACPI_AREA_START, ISA_HOLE_END } from '../loaders/low-memory.ts';
import * as platform from '../platform.ts';
import { dsdtTerms } from './dsdt.ts';

const { Fadt, GenericAddress, Rsdp, TableHeader } = layout;
/** Limits that Linux sets for the bytes of the OEM0 table. */
const ENTROPY_BYTES = { min: 8, max: 4096 } as const;
const OEM = { oemId: 'PRTOUT', oemTableId: 'PARTOUT', creatorId: 'PRTO' } as const;
const TABLE_ALIGNMENT = 64;
const GIB = 0x4000_0000;

export interface AcpiOptions {
  /** Virtual processors; the APIC id of each is its index, and processor 0 boots. */
  readonly processorCount: number;
  /** Random bytes for the guest's entropy pool, 8 … 4096. Empty: no such table. */
  readonly entropySeed: Uint8Array;
  /** There is a VMBus; by default there is. */
  readonly vmbus?: boolean;
  /** GENERATION_ID_BYTES random ones by which a guest knows that it was restored; without them it does not. */
  readonly generationId?: Uint8Array;
}

/**
 * Writes the tables and answers the guest-physical address of the root pointer.
 * @throws RangeError when they do not fit: far more processors than a partition may have, or no memory below 1 MiB.
 */
export function writeAcpiTables(memory: GuestMemory, options: AcpiOptions): number {
  const area = new TableArea();
  const facs = area.place(facsTable());
  const { generationId, vmbus = true } = options;
  const terms = dsdtTerms(highMmioGpa(memory), { vmbus, generation: generationId !== undefined });
  const dsdt = area.place(table('DSDT', 2, terms));
  const roots = [area.place(fadtTable(facs, dsdt)), area.place(madtTable(options.processorCount))];
  if (options.entropySeed.length > 0) roots.push(area.place(entropyTable(options.entropySeed)));
  const rsdt = area.place(table('RSDT', 1, new Uint8Array(Uint32Array.from(roots).buffer)));
  const xsdt = area.place(table('XSDT', 1, new Uint8Array(BigUint64Array.from(roots, BigInt).buffer)));
  area.fill(0, rootPointer(rsdt, xsdt));
  if (generationId !== undefined) area.fill(platform.GENERATION_ID_GPA - ACPI_AREA_START, generationId);
  if (!memory.write(ACPI_AREA_START, area.bytes)) throw new RangeError('guest memory must cover the first MiB');
  return ACPI_AREA_START;
}

/** Collects tables one after the other, behind the room for the root pointer. */
class TableArea {
  readonly bytes = new Uint8Array(ISA_HOLE_END - ACPI_AREA_START);
  #next: number = TABLE_ALIGNMENT;

  /** Answers the guest-physical address of the table. */
  place(content: Uint8Array): number {
    const at = this.#next;
    this.fill(at, content);
    this.#next = at + Math.ceil(content.length / TABLE_ALIGNMENT) * TABLE_ALIGNMENT;
    return ACPI_AREA_START + at;
  }

  /** @throws RangeError when the area is too small. */
  fill(at: number, content: Uint8Array): void {
    this.bytes.set(content, at);
  }
}

/** The first GiB boundary above all RAM and 4 GiB. */
function highMmioGpa(memory: GuestMemory): number {
  const top = memory.slots.reduce((end, slot) => Math.max(end, slot.gpa + slot.sizeBytes), 4 * GIB);
  return Math.ceil(top / GIB) * GIB;
}

function rootPointer(rsdt: number, xsdt: number): Uint8Array {
  const bytes = new Uint8Array(Rsdp.$size);
  const view = new DataView(bytes.buffer);
  Rsdp.encode(view, 0, {
    signature: 'RSD PTR ', oemId: OEM.oemId, revision: 2, rsdtAddress: rsdt, length: Rsdp.$size, xsdtAddress: xsdt,
  });
  Rsdp.checksum.set(view, 0, checksum(bytes.subarray(0, layout.RSDP_V1_BYTES)));
  Rsdp.extendedChecksum.set(view, 0, checksum(bytes));
  return bytes;
}

/** A table with its header and checksum around `body`. */
function table(signature: string, revision: number, body: Uint8Array, oemTableId: string = OEM.oemTableId): Uint8Array {
  const bytes = new Uint8Array(TableHeader.$size + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(body, TableHeader.$size);
  TableHeader.encode(view, 0, {
    signature, length: bytes.length, revision, oemId: OEM.oemId, oemTableId, oemRevision: 1, creatorId: OEM.creatorId,
    creatorRevision: 1,
  });
  TableHeader.checksum.set(view, 0, checksum(bytes));
  return bytes;
}

function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

function facsTable(): Uint8Array {
  const bytes = new Uint8Array(layout.Facs.$size);
  layout.Facs.encode(new DataView(bytes.buffer), 0, { signature: 'FACS', length: layout.Facs.$size, version: 2 });
  return bytes;
}

function fadtTable(facs: number, dsdt: number): Uint8Array {
  const bytes = new Uint8Array(Fadt.$size);
  const { FadtFlag } = layout;
  Fadt.encode(new DataView(bytes.buffer), 0, {
    firmwareControl: facs, dsdt, sciInterrupt: platform.Gsi.Sci,
    // No SMI command port: the hardware is in ACPI mode from the start.
    pm1aEventBlock: platform.PM1A_EVENT_PORT, pm1EventLength: 4,
    pm1aControlBlock: platform.PM1A_CONTROL_PORT, pm1ControlLength: 2,
    pmTimerBlock: platform.PM_TIMER_PORT, pmTimerLength: 4,
    // Latencies above 100 and 1000 µs say that there are no C2 and C3.
    c2LatencyUs: 101, c3LatencyUs: 1001,
    bootArchitecture: layout.BOOT_NO_VGA,
    flags: FadtFlag.Wbinvd | FadtFlag.ProcessorC1 | FadtFlag.NoFixedSleepButton | FadtFlag.RtcNotFixed |
      FadtFlag.TimerIs32Bits | FadtFlag.ResetRegister,
    resetRegister: ioRegister(platform.RESET_CONTROL_PORT, 1), resetValue: platform.RESET_VALUE,
    xDsdt: dsdt,
    xPm1aEventBlock: ioRegister(platform.PM1A_EVENT_PORT, 4),
    xPm1aControlBlock: ioRegister(platform.PM1A_CONTROL_PORT, 2),
    xPmTimerBlock: ioRegister(platform.PM_TIMER_PORT, 4),
    hypervisorVendor: 'MsHyperV',
  });
  return table('FACP', 6, bytes.subarray(TableHeader.$size));
}

function ioRegister(port: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(GenericAddress.$size);
  const accessSize = Math.log2(sizeBytes) + 1;
  GenericAddress.encode(new DataView(bytes.buffer), 0, {
    space: layout.ADDRESS_SPACE_IO, bitWidth: sizeBytes * 8, bitOffset: 0, accessSize, address: port,
  });
  return bytes;
}

function madtTable(processorCount: number): Uint8Array {
  const { MadtType } = layout;
  const entries: Uint8Array[] = [];
  const add = (size: number, encode: (view: DataView) => void): void => {
    const bytes = new Uint8Array(size);
    encode(new DataView(bytes.buffer));
    entries.push(bytes);
  };
  add(layout.MadtBody.$size, (view) => layout.MadtBody.encode(view, 0, {
    // PCAT_COMPAT keeps Linux from probing for an 8259 that is not there, and with it the 16 ISA interrupts.
    localApicAddress: platform.LOCAL_APIC_GPA, flags: layout.MADT_PCAT_COMPAT,
  }));
  for (let apicId = 0; apicId < processorCount; apicId++) {
    const processorUid = apicId + 1;
    // An xAPIC id of 255 means everybody, so from there on entries are those of the x2APIC.
    if (apicId < 255) {
      add(layout.LocalApicEntry.$size, (view) => layout.LocalApicEntry.encode(view, 0, {
        type: MadtType.LocalApic, length: layout.LocalApicEntry.$size, processorUid, apicId, flags: 1,
      }));
    } else {
      add(layout.LocalX2ApicEntry.$size, (view) => layout.LocalX2ApicEntry.encode(view, 0, {
        type: MadtType.LocalX2Apic, length: layout.LocalX2ApicEntry.$size, processorUid, apicId, flags: 1,
      }));
    }
  }
  add(layout.IoApicEntry.$size, (view) => layout.IoApicEntry.encode(view, 0, {
    type: MadtType.IoApic, length: layout.IoApicEntry.$size, id: 0, address: platform.IO_APIC_GPA, interruptBase: 0,
  }));
  const { INTI_ACTIVE_HIGH, INTI_LEVEL } = layout;
  const overrides = [{ source: 0, interrupt: platform.Gsi.Timer, flags: 0 },
    { source: 9, interrupt: platform.Gsi.Sci, flags: INTI_ACTIVE_HIGH | INTI_LEVEL }];
  for (const override of overrides) {
    add(layout.InterruptOverrideEntry.$size, (view) => layout.InterruptOverrideEntry.encode(view, 0, {
      type: MadtType.InterruptOverride, length: layout.InterruptOverrideEntry.$size, bus: 0, ...override,
    }));
  }
  add(layout.LocalApicNmiEntry.$size, (view) => layout.LocalApicNmiEntry.encode(view, 0, {
    type: MadtType.LocalApicNmi, length: layout.LocalApicNmiEntry.$size, processorUid: 0xff, lint: 1,
  }));
  return table('APIC', 4, Uint8Array.from(entries.flatMap((entry) => [...entry])));
}

/**
 * Entropy in the manner of Hyper-V: a table OEM0 with this OEM table id, whose bytes Linux mixes into its random
 * numbers. It then zeroes them in place, which is why the tables must lie in memory that can be written.
 */
function entropyTable(seed: Uint8Array): Uint8Array {
  const body = new Uint8Array(Math.max(ENTROPY_BYTES.min, Math.min(seed.length, ENTROPY_BYTES.max)));
  body.set(seed.subarray(0, body.length));
  return table('OEM0', 1, body, 'MICROSFT');
}
