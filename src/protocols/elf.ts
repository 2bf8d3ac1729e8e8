/**
 * ELF headers, 32 and 64 bits, little-endian: what a kernel loader reads of them [System V ABI, "Object Files" and
 * "Program Loading"]. 64-bit addresses are read as doubles: one above 2^53 loses its low bits, but stays far above any
 * memory that a guest has, so that a range check refuses it all the same.
 */
import { bytes, struct, u16, u32, u53, u8 } from '../wire/struct.ts';

export const ElfIdent = struct('e_ident', 16, {
  magic: u32, class: u8, data: u8, version: u8, osAbi: u8, abiVersion: u8, padding: bytes(7),
});

/** 0x7F 'E' 'L' 'F', read as a little-endian word. */
export const ELF_MAGIC = 0x464c_457f;
export const ElfClass = { Elf32: 1, Elf64: 2 } as const;
export const ELF_DATA_LITTLE_ENDIAN = 1;
export const ElfMachine = { I386: 3, X86_64: 62 } as const;
export const SegmentType = { Load: 1, Note: 4 } as const;

export const Elf32Header = struct('Elf32_Ehdr', 52, {
  ident: bytes(16), type: u16, machine: u16, version: u32, entry: u32, programOffset: u32, sectionOffset: u32,
  flags: u32, headerSize: u16, programEntrySize: u16, programCount: u16, sectionEntrySize: u16, sectionCount: u16,
  nameSection: u16,
});

export const Elf64Header = struct('Elf64_Ehdr', 64, {
  ident: bytes(16), type: u16, machine: u16, version: u32, entry: u53, programOffset: u53, sectionOffset: u53,
  flags: u32, headerSize: u16, programEntrySize: u16, programCount: u16, sectionEntrySize: u16, sectionCount: u16,
  nameSection: u16,
});

export const Elf32Program = struct('Elf32_Phdr', 32, {
  type: u32, offset: u32, virtualAddress: u32, physicalAddress: u32, fileSize: u32, memorySize: u32, flags: u32,
  alignment: u32,
});

export const Elf64Program = struct('Elf64_Phdr', 56, {
  type: u32, flags: u32, offset: u53, virtualAddress: u53, physicalAddress: u53, fileSize: u53, memorySize: u53,
  alignment: u53,
});

/** A note's header; the name and the description follow, each padded to 4 bytes. */
export const ElfNote = struct('Elf_Nhdr', 12, { nameSize: u32, descriptionSize: u32, type: u32 });
