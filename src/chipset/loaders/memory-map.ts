/** The guest's physical memory map, as every boot protocol passes it on (the e820 map of a PC). */
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { E820Type } from '../../protocols/linux-boot.ts';
import { ACPI_AREA_START, ISA_HOLE_END, ISA_HOLE_START } from './low-memory.ts';

export interface MemoryRange {
  readonly gpa: number;
  readonly sizeBytes: number;
  /** An `E820Type`. */
  readonly type: number;
}

/** RAM is what the slots say, less the ISA hole, whose upper part holds the ACPI tables. Ascending, no overlaps. */
export function memoryMap(memory: GuestMemory): MemoryRange[] {
  const ranges: MemoryRange[] = [
    { gpa: ISA_HOLE_START, sizeBytes: ACPI_AREA_START - ISA_HOLE_START, type: E820Type.Reserved },
    { gpa: ACPI_AREA_START, sizeBytes: ISA_HOLE_END - ACPI_AREA_START, type: E820Type.Acpi },
  ];
  const addRam = (start: number, end: number): void => {
    if (start < end) ranges.push({ gpa: start, sizeBytes: end - start, type: E820Type.Ram });
  };
  for (const slot of memory.slots) {
    const end = slot.gpa + slot.sizeBytes;
    addRam(slot.gpa, Math.min(end, ISA_HOLE_START));
    addRam(Math.max(slot.gpa, ISA_HOLE_END), end);
  }
  return ranges.sort((left, right) => left.gpa - right.gpa);
}
