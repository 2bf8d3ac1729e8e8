/**
 * Reads an ELF kernel's program headers and notes, and copies its segments to guest memory [System V ABI, "Program
 * Loading"]. Segments go to their physical addresses; nothing is relocated.
 */
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { viewOf } from '../../kit/view.ts';
import * as layout from '../../protocols/elf.ts';
import { ISA_HOLE_END, ISA_HOLE_START, mib, refuse, type Refusal } from './low-memory.ts';

/** No kernel has a tenth of these; a file that claims more is not worth reading. */
const SEGMENTS_MAX = 128;
const NOTE_BYTES_MAX = 0x1_0000;

export interface ElfSegment {
  readonly offset: number;
  readonly physicalAddress: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface ElfFile {
  readonly kind: 'elf';
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  readonly notes: readonly ElfSegment[];
}

export function isElf(file: Uint8Array): boolean {
  return file.length >= layout.ElfIdent.$size && layout.ElfIdent.magic.get(viewOf(file), 0) === layout.ELF_MAGIC;
}

/** Reads the headers of a file for which `isElf` holds. */
export function parseElf(file: Uint8Array): ElfFile | Refusal {
  const view = viewOf(file);
  const is64 = layout.ElfIdent.class.get(view, 0) === layout.ElfClass.Elf64;
  const header = is64 ? layout.Elf64Header : layout.Elf32Header;
  const program = is64 ? layout.Elf64Program : layout.Elf32Program;
  if (file.length < header.$size) return refuse('the kernel file is truncated: it ends inside its ELF header');
  const machine = header.machine.get(view, 0);
  if (layout.ElfIdent.data.get(view, 0) !== layout.ELF_DATA_LITTLE_ENDIAN ||
    (machine !== layout.ElfMachine.X86_64 && machine !== layout.ElfMachine.I386)) {
    return refuse('the kernel is an ELF file for another processor; one for x86-64 would be right');
  }
  const count = header.programCount.get(view, 0);
  const entrySize = header.programEntrySize.get(view, 0);
  const tableOffset = header.programOffset.get(view, 0);
  if (count > SEGMENTS_MAX || entrySize < program.$size) {
    return refuse('the kernel file is damaged: its ELF program headers make no sense');
  }
  if (tableOffset + count * entrySize > file.length) {
    return refuse('the kernel file is truncated: its ELF program headers lie beyond its end');
  }
  const segments: ElfSegment[] = [];
  const notes: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = tableOffset + index * entrySize;
    const type = program.type.get(view, at);
    if (type !== layout.SegmentType.Load && type !== layout.SegmentType.Note) continue;
    const segment = {
      offset: program.offset.get(view, at),
      physicalAddress: program.physicalAddress.get(view, at),
      fileSize: program.fileSize.get(view, at),
      memorySize: program.memorySize.get(view, at),
    };
    if (segment.offset + segment.fileSize > file.length) {
      return refuse('the kernel file is truncated: an ELF segment lies beyond its end');
    }
    if (type === layout.SegmentType.Note) notes.push(segment);
    else if (segment.memorySize > 0) segments.push(segment);
  }
  return { kind: 'elf', entry: header.entry.get(view, 0), segments, notes };
}

/** The description of the first note of this owner and type, or undefined. */
export function findNote(file: Uint8Array, elf: ElfFile, owner: string, type: number): Uint8Array | undefined {
  const view = viewOf(file);
  for (const note of elf.notes) {
    const end = note.offset + Math.min(note.fileSize, NOTE_BYTES_MAX);
    let at = note.offset;
    while (at + layout.ElfNote.$size <= end) {
      const nameSize = layout.ElfNote.nameSize.get(view, at);
      const descriptionSize = layout.ElfNote.descriptionSize.get(view, at);
      const name = at + layout.ElfNote.$size;
      const description = name + alignUp4(nameSize);
      if (description + descriptionSize > end) break;
      if (layout.ElfNote.type.get(view, at) === type && isName(file, name, nameSize, owner)) {
        return file.subarray(description, description + descriptionSize);
      }
      at = description + alignUp4(descriptionSize);
    }
  }
  return undefined;
}

/**
 * Copies the segments, at `lowest` or above but not into the ISA hole; the answer is the first address above them all.
 */
export function placeSegments(
  file: Uint8Array, segments: readonly ElfSegment[], memory: GuestMemory, lowest: number = ISA_HOLE_END,
): { kind: 'placed'; end: number } | Refusal {
  if (segments.length === 0) return refuse('the kernel file is damaged: there is nothing in it to load');
  let end = 0;
  let total = 0;
  for (const segment of segments) {
    const { physicalAddress, memorySize, fileSize } = segment;
    const conventional = physicalAddress >= lowest && physicalAddress + memorySize <= ISA_HOLE_START;
    if (memorySize < fileSize || (physicalAddress < ISA_HOLE_END && !conventional)) {
      return refuse('the kernel file is damaged: one of its segments has an impossible size or place');
    }
    end = Math.max(end, physicalAddress + memorySize);
    total += memorySize;
    if (memory.offsetOf(physicalAddress, memorySize) < 0 || total > memory.sizeBytes) {
      return refuse(`the kernel wants to be loaded up to ${mib(end)}, ` +
        `the guest has ${mib(memory.sizeBytes)} of memory`);
    }
  }
  for (const { offset, physicalAddress, fileSize, memorySize } of segments) {
    memory.write(physicalAddress, file.subarray(offset, offset + fileSize));
    memory.fill(physicalAddress + fileSize, memorySize - fileSize, 0);
  }
  return { kind: 'placed', end };
}

function isName(file: Uint8Array, at: number, size: number, owner: string): boolean {
  if (size !== owner.length + 1 || file[at + owner.length] !== 0) return false;
  for (let index = 0; index < owner.length; index++) {
    if (file[at + index] !== owner.charCodeAt(index)) return false;
  }
  return true;
}

function alignUp4(value: number): number {
  return Math.ceil(value / 4) * 4;
}
