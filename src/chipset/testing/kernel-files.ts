/** Small kernel files of every kind that the loaders take, for tests and as seeds for fuzzing. None of them runs. */
import { viewOf } from '../../kit/view.ts';
import * as elf from '../../protocols/elf.ts';
import * as boot from '../../protocols/linux-boot.ts';
import * as multiboot from '../../protocols/multiboot.ts';
import { PVH_NOTE_OWNER, PVH_NOTE_TYPE } from '../../protocols/pvh.ts';

const SETUP_SECTORS = 2;
export const BZIMAGE_SETUP_BYTES = (SETUP_SECTORS + 1) * 512;
/** Where the compressed payload of `bzImageFile` begins in its image. */
const PAYLOAD_OFFSET = 0x280;
export const KERNEL_GPA = 0x20_0000;

/** A bzImage that wants 1 MiB at 2 MiB; its image is filled with 0xA5 but for `payload`. */
export function bzImageFile(
  fields: Parameters<typeof boot.BootParams.encode>[2] = {}, payload: Uint8Array = new Uint8Array(16),
): Uint8Array {
  const imageBytes = Math.ceil((PAYLOAD_OFFSET + payload.length) / 16) * 16;
  const file = new Uint8Array(BZIMAGE_SETUP_BYTES + imageBytes);
  // What lies before the header must not reach the zero page: 0x1EF there would mean a careless loader.
  file.fill(0xcc, 0, boot.HEADER_START);
  file.fill(0xa5, BZIMAGE_SETUP_BYTES);
  file.set(payload, BZIMAGE_SETUP_BYTES + PAYLOAD_OFFSET);
  boot.BootParams.encode(viewOf(file), 0, {
    setupSectors: SETUP_SECTORS, systemSize: imageBytes / 16, bootFlag: boot.BOOT_FLAG, jump: 0xeb, jumpOffset: 0x6a,
    magic: boot.HEADER_MAGIC, version: 0x20f, loadFlags: boot.LOADED_HIGH, initrdAddressMax: 0x7fff_ffff,
    kernelAlignment: 0x20_0000, relocatable: 1, xLoadFlags: boot.XLF_KERNEL_64, commandLineSize: 2047,
    payloadOffset: PAYLOAD_OFFSET, payloadLength: payload.length, preferredAddress: KERNEL_GPA, initSize: 0x10_0000,
    ...fields,
  });
  return file;
}

/** A 64-bit ELF file with one segment of `code` and 4 KiB of zeros at 2 MiB, and a PVH note naming `pvhEntry`. */
export function elf64File(code: Uint8Array, pvhEntry?: number): Uint8Array {
  const note = pvhNote(pvhEntry ?? 0, pvhEntry === undefined ? 'Linux' : PVH_NOTE_OWNER);
  const programs = elf.Elf64Header.$size;
  const notes = programs + 2 * elf.Elf64Program.$size;
  const start = notes + note.length;
  const file = new Uint8Array(start + code.length);
  const view = viewOf(file);
  writeIdent(view, elf.ElfClass.Elf64);
  elf.Elf64Header.machine.set(view, 0, elf.ElfMachine.X86_64);
  elf.Elf64Header.entry.set(view, 0, KERNEL_GPA);
  elf.Elf64Header.programOffset.set(view, 0, programs);
  elf.Elf64Header.programEntrySize.set(view, 0, elf.Elf64Program.$size);
  elf.Elf64Header.programCount.set(view, 0, 2);
  elf.Elf64Program.encode(view, programs, {
    type: elf.SegmentType.Load, offset: start, physicalAddress: KERNEL_GPA, fileSize: code.length,
    memorySize: code.length + 4096,
  });
  elf.Elf64Program.encode(view, programs + elf.Elf64Program.$size, {
    type: elf.SegmentType.Note, offset: notes, fileSize: note.length,
  });
  file.set(note, notes);
  file.set(code, start);
  return file;
}

/** A 32-bit ELF file whose one segment at 2 MiB holds a multiboot header and `code`. */
export function multibootElf32File(code: Uint8Array, flags = 0): Uint8Array {
  const start = elf.Elf32Header.$size + elf.Elf32Program.$size;
  const file = new Uint8Array(start + multiboot.SHORT_HEADER_BYTES + code.length);
  const view = viewOf(file);
  writeIdent(view, elf.ElfClass.Elf32);
  elf.Elf32Header.machine.set(view, 0, elf.ElfMachine.I386);
  elf.Elf32Header.entry.set(view, 0, KERNEL_GPA + multiboot.SHORT_HEADER_BYTES);
  elf.Elf32Header.programOffset.set(view, 0, elf.Elf32Header.$size);
  elf.Elf32Header.programEntrySize.set(view, 0, elf.Elf32Program.$size);
  elf.Elf32Header.programCount.set(view, 0, 1);
  elf.Elf32Program.encode(view, elf.Elf32Header.$size, {
    type: elf.SegmentType.Load, offset: start, physicalAddress: KERNEL_GPA, fileSize: file.length - start,
    memorySize: file.length - start + 64,
  });
  writeMultibootHeader(view, start, flags);
  file.set(code, start + multiboot.SHORT_HEADER_BYTES);
  return file;
}

/** A flat multiboot file: the header with addresses, then `code`, loaded at 2 MiB with 64 bytes of zeros behind it. */
export function multibootFlatFile(code: Uint8Array): Uint8Array {
  const file = new Uint8Array(multiboot.MultibootHeader.$size + code.length);
  const view = viewOf(file);
  writeMultibootHeader(view, 0, multiboot.HEADER_HAS_ADDRESSES);
  multiboot.MultibootHeader.headerAddress.set(view, 0, KERNEL_GPA);
  multiboot.MultibootHeader.loadAddress.set(view, 0, KERNEL_GPA);
  multiboot.MultibootHeader.bssEndAddress.set(view, 0, KERNEL_GPA + file.length + 64);
  multiboot.MultibootHeader.entryAddress.set(view, 0, KERNEL_GPA + multiboot.MultibootHeader.$size);
  file.set(code, multiboot.MultibootHeader.$size);
  return file;
}

function writeMultibootHeader(view: DataView, at: number, flags: number): void {
  multiboot.MultibootHeader.magic.set(view, at, multiboot.MULTIBOOT_HEADER_MAGIC);
  multiboot.MultibootHeader.flags.set(view, at, flags);
  multiboot.MultibootHeader.checksum.set(view, at, -(multiboot.MULTIBOOT_HEADER_MAGIC + flags));
}

function writeIdent(view: DataView, elfClass: number): void {
  elf.ElfIdent.magic.set(view, 0, elf.ELF_MAGIC);
  elf.ElfIdent.class.set(view, 0, elfClass);
  elf.ElfIdent.data.set(view, 0, elf.ELF_DATA_LITTLE_ENDIAN);
}

function pvhNote(entry: number, owner: string): Uint8Array {
  const nameBytes = Math.ceil((owner.length + 1) / 4) * 4;
  const note = new Uint8Array(elf.ElfNote.$size + nameBytes + 8);
  const view = viewOf(note);
  elf.ElfNote.encode(view, 0, { nameSize: owner.length + 1, descriptionSize: 8, type: PVH_NOTE_TYPE });
  note.set(new TextEncoder().encode(owner), elf.ElfNote.$size);
  view.setUint32(elf.ElfNote.$size + nameBytes, entry, true);
  return note;
}
