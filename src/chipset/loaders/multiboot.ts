/**
 * Loads a multiboot 1 kernel, by the addresses in its header or by its ELF program headers, and enters it in 32-bit
 * protected mode [Multiboot 0.6.96, section 3]. The initial RAM disk becomes the one module. ELF files of 64 bits are
 * taken as well: their entry point is run in 32 bits all the same.
 */
import type { ProcessorState } from '../../hypervisor/engine-port.ts';
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { viewOf } from '../../kit/view.ts';
import { E820Type } from '../../protocols/linux-boot.ts';
import * as layout from '../../protocols/multiboot.ts';
import { type ElfSegment, isElf, parseElf, placeSegments } from './elf.ts';
import { protectedModeState } from './initial-state.ts';
import { type LoadOptions, ISA_HOLE_END, ISA_HOLE_START, LowMemory, lowMemoryTop, placeCommandLine, placeInitrd, refuse,
  type Refusal } from './low-memory.ts';
import { memoryMap } from './memory-map.ts';

const { MultibootHeader, MultibootInfo, MultibootMemory, MultibootModule } = layout;
const LOADER_NAME = 'Partout\0';

/** Offset of the multiboot header in the file, or -1. */
export function findMultibootHeader(file: Uint8Array): number {
  const view = viewOf(file);
  const end = Math.min(file.length, layout.HEADER_SEARCH_BYTES) - layout.SHORT_HEADER_BYTES;
  for (let at = 0; at <= end; at += 4) {
    if (MultibootHeader.magic.get(view, at) !== layout.MULTIBOOT_HEADER_MAGIC) continue;
    const rest = MultibootHeader.flags.get(view, at) + MultibootHeader.checksum.get(view, at);
    if ((layout.MULTIBOOT_HEADER_MAGIC + rest) >>> 0 === 0) return at;
  }
  return -1;
}

/**
 * There is no paging yet, so the lists lie where page tables would, and what is above is the kernel's, as low as this.
 */
const LISTS = LowMemory.PageTables;
const LOWEST_SEGMENT = 0x8000;

/** `headerOffset` is what `findMultibootHeader` found. */
export function loadMultiboot(
  file: Uint8Array, headerOffset: number, memory: GuestMemory, options: LoadOptions,
): { kind: 'loaded'; state: ProcessorState } | Refusal {
  const flags = MultibootHeader.flags.get(viewOf(file), headerOffset);
  if ((flags & 0xffff & ~layout.REQUIREMENTS_MET) !== 0) {
    return refuse('the multiboot kernel requires something that is not offered here (a video mode, for example)');
  }
  const plan = (flags & layout.HEADER_HAS_ADDRESSES) === 0 ? elfPlan(file) : addressPlan(file, headerOffset);
  if (plan.kind === 'refused') return plan;
  const placed = placeSegments(file, plan.segments, memory, LOWEST_SEGMENT);
  if (placed.kind === 'refused') return placed;
  if (memory.offsetOf(plan.entry, 1) < 0) return refuse('the kernel file is damaged: its entry point is not in memory');
  const commandLine = placeCommandLine(memory, options.commandLine);
  if (commandLine !== undefined) return commandLine;
  const initrd = placeInitrd(memory, options.initrd, Math.max(placed.end, ISA_HOLE_END), lowMemoryTop(memory));
  if (initrd.kind === 'refused') return initrd;
  writeInformation(memory, initrd.gpa, initrd.sizeBytes);
  return {
    kind: 'loaded',
    state: protectedModeState(memory, plan.entry, layout.MULTIBOOT_LOADER_MAGIC, LowMemory.StartInfo),
  };
}

interface Plan {
  readonly kind: 'plan';
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
}

function elfPlan(file: Uint8Array): Plan | Refusal {
  if (!isElf(file)) return refuse('the multiboot kernel neither is an ELF file nor says where it is to be loaded');
  const elf = parseElf(file);
  return elf.kind === 'refused' ? elf : { kind: 'plan', entry: elf.entry, segments: elf.segments };
}

/** The "a.out kludge": one segment, described by the header itself. */
function addressPlan(file: Uint8Array, headerOffset: number): Plan | Refusal {
  if (headerOffset + MultibootHeader.$size > file.length) {
    return refuse('the kernel file is truncated: it ends inside its multiboot header');
  }
  const header = MultibootHeader.decode(viewOf(file), headerOffset);
  const offset = headerOffset - (header.headerAddress - header.loadAddress);
  const fileSize = header.loadEndAddress === 0 ? file.length - offset : header.loadEndAddress - header.loadAddress;
  if (offset < 0 || fileSize < 0 || offset + fileSize > file.length) {
    return refuse('the kernel file is truncated or damaged: its multiboot header names bytes that it has not');
  }
  const memorySize = header.bssEndAddress === 0 ? fileSize : header.bssEndAddress - header.loadAddress;
  const segment = { offset, physicalAddress: header.loadAddress, fileSize, memorySize };
  return { kind: 'plan', entry: header.entryAddress, segments: [segment] };
}

/** The information structure at `LowMemory.StartInfo`; the module, the memory map and the name in `LISTS`. */
function writeInformation(memory: GuestMemory, initrdGpa: number, initrdBytes: number): void {
  const map = memoryMap(memory);
  const mapGpa = LISTS + MultibootModule.$size;
  const nameOffset = MultibootModule.$size + map.length * MultibootMemory.$size;
  const lists = new Uint8Array(nameOffset + LOADER_NAME.length);
  const view = viewOf(lists);
  // The module's string is the empty one at the end of the loader's name.
  const emptyString = LISTS + nameOffset + LOADER_NAME.length - 1;
  MultibootModule.encode(view, 0, { start: initrdGpa, end: initrdGpa + initrdBytes, string: emptyString });
  map.forEach((range, index) => {
    // Type 1 is memory, 2 reserved, 3 ACPI: the numbers of e820.
    MultibootMemory.encode(view, MultibootModule.$size + index * MultibootMemory.$size, {
      size: MultibootMemory.$size - 4, address: range.gpa, length: range.sizeBytes, type: range.type,
    });
  });
  lists.set(new TextEncoder().encode(LOADER_NAME), nameOffset);
  memory.write(LISTS, lists);
  const upper = map.find((range) => range.gpa === ISA_HOLE_END && range.type === E820Type.Ram)?.sizeBytes ?? 0;
  const { InfoFlag } = layout;
  const modules = initrdBytes > 0 ? InfoFlag.Modules : 0;
  const info = new Uint8Array(MultibootInfo.$size);
  MultibootInfo.encode(viewOf(info), 0, {
    flags: InfoFlag.Memory | InfoFlag.CommandLine | InfoFlag.MemoryMap | InfoFlag.BootLoaderName | modules,
    memoryLower: ISA_HOLE_START / 1024, memoryUpper: Math.floor(upper / 1024),
    commandLine: LowMemory.CommandLine, moduleCount: initrdBytes > 0 ? 1 : 0, moduleAddress: LISTS,
    memoryMapAddress: mapGpa, memoryMapLength: map.length * MultibootMemory.$size,
    bootLoaderName: LISTS + nameOffset,
  });
  memory.write(LowMemory.StartInfo, info);
}
