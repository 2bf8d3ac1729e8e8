/**
 * Loads an ELF kernel with a PVH note and enters it in 32-bit protected mode with the start information in EBX
 * [Xen, docs/misc/pvh.pandoc].
 */
import type { ProcessorState } from '../../hypervisor/engine-port.ts';
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import * as layout from '../../protocols/pvh.ts';
import { type ElfFile, findNote, placeSegments } from './elf.ts';
import { protectedModeState } from './initial-state.ts';
import { type LoadOptions, LowMemory, lowMemoryTop, placeCommandLine, placeInitrd, refuse, type Refusal }
  from './low-memory.ts';
import { memoryMap } from './memory-map.ts';

/** The physical entry point that the PVH note names, or undefined without one. */
export function pvhEntry(file: Uint8Array, elf: ElfFile): number | undefined {
  const description = findNote(file, elf, layout.PVH_NOTE_OWNER, layout.PVH_NOTE_TYPE);
  if (description === undefined || description.length < 4) return undefined;
  return new DataView(description.buffer, description.byteOffset, 4).getUint32(0, true);
}

export function loadPvh(
  file: Uint8Array, elf: ElfFile, entry: number, memory: GuestMemory, options: LoadOptions,
): { kind: 'loaded'; state: ProcessorState } | Refusal {
  const placed = placeSegments(file, elf.segments, memory);
  if (placed.kind === 'refused') return placed;
  if (memory.offsetOf(entry, 1) < 0) return refuse('the kernel file is damaged: its PVH entry point is not in memory');
  const commandLine = placeCommandLine(memory, options.commandLine);
  if (commandLine !== undefined) return commandLine;
  const initrd = placeInitrd(memory, options.initrd, placed.end, lowMemoryTop(memory));
  if (initrd.kind === 'refused') return initrd;
  const map = memoryMap(memory);
  const lists = new Uint8Array(layout.ModuleEntry.$size + map.length * layout.MemoryMapEntry.$size);
  const view = new DataView(lists.buffer);
  layout.ModuleEntry.encode(view, 0, { address: initrd.gpa, size: initrd.sizeBytes });
  map.forEach((range, index) => {
    const values = { address: range.gpa, size: range.sizeBytes, type: range.type };
    layout.MemoryMapEntry.encode(view, layout.ModuleEntry.$size + index * layout.MemoryMapEntry.$size, values);
  });
  memory.write(LowMemory.Lists, lists);
  const info = new Uint8Array(layout.StartInfo.$size);
  layout.StartInfo.encode(new DataView(info.buffer), 0, {
    magic: layout.START_INFO_MAGIC, version: 1, commandLine: LowMemory.CommandLine, rsdp: options.rsdp,
    moduleCount: initrd.sizeBytes > 0 ? 1 : 0, moduleList: LowMemory.Lists,
    memoryMap: LowMemory.Lists + layout.ModuleEntry.$size, memoryMapEntries: map.length,
  });
  memory.write(LowMemory.StartInfo, info);
  return { kind: 'loaded', state: protectedModeState(memory, entry, 0, LowMemory.StartInfo) };
}
