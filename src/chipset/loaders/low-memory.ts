/**
 * Where the kernel loaders put what a kernel finds below 640 KiB, and how they place an initial RAM disk. Kernels
 * themselves are loaded above 1 MiB, so nothing here meets them; the ACPI area is the firmware's part of the ISA hole.
 *
 *     0x01000 GDT   0x02000 boot_params, hvm_start_info or multiboot_info   0x03000 command line
 *     0x04000 page tables, 6 pages   0x9E000 set-up data, memory map, module list   0xE0000 ACPI tables
 *
 * Linux lists set-up data as memory of its own. It lies last, as kexec gives a crash kernel the first piece of low
 * memory only, and that must hold its real-mode trampoline.
 */
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';

export const LowMemory = {
  Gdt: 0x1000, StartInfo: 0x2000, CommandLine: 0x3000, PageTables: 0x4000, Lists: 0x9_e000, ListsEnd: 0xa_0000,
} as const;
/** Room for the command line with its NUL. */
export const COMMAND_LINE_ROOM = 0x1000;
export const ISA_HOLE_START = 0xa_0000;
export const ACPI_AREA_START = 0xe_0000;
export const ISA_HOLE_END = 0x10_0000;
const PAGE_BYTES = 4096;

/** Bytes that are put where they belong without being anywhere else before. */
export interface StoredBytes {
  readonly length: number;
  /** Fills `target`, which is as long. */
  copyTo(target: Uint8Array): void;
}

/** What the loaders are given beside the kernel's file. */
export interface LoadOptions {
  readonly commandLine: string;
  readonly initrd?: Uint8Array | StoredBytes;
  /** Guest-physical address of the ACPI root pointer. */
  readonly rsdp: number;
  /** Random bytes for the guest's entropy pool; none when empty. */
  readonly entropySeed: Uint8Array;
}

/** A user's mistake, as one sentence. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: string;
}

export function refuse(reason: string): Refusal {
  return { kind: 'refused', reason };
}

/** The end of the RAM that begins at address 0, and so the most that a loader can use below 4 GiB. */
export function lowMemoryTop(memory: GuestMemory): number {
  return memory.slots.find((slot) => slot.gpa === 0)?.sizeBytes ?? 0;
}

/** A size in whole MiB, rounded up, for sentences. */
export function mib(bytes: number): string {
  return `${Math.ceil(bytes / 0x10_0000)} MiB`;
}

/** Writes the command line with its NUL; `roomBytes` may be less than there is, where the kernel says so. */
export function placeCommandLine(
  memory: GuestMemory, text: string, roomBytes = COMMAND_LINE_ROOM,
): Refusal | undefined {
  const encoded = new TextEncoder().encode(`${text}\0`);
  const room = Math.min(roomBytes, COMMAND_LINE_ROOM);
  if (encoded.length > room) {
    return refuse(`the kernel command line takes ${encoded.length - 1} bytes, the kernel reads at most ${room - 1}`);
  }
  memory.write(LowMemory.CommandLine, encoded);
  return undefined;
}

export interface PlacedInitrd {
  readonly kind: 'placed';
  /** 0 when there is none. */
  readonly gpa: number;
  readonly sizeBytes: number;
}

function put(memory: GuestMemory, gpa: number, data: Uint8Array | StoredBytes): boolean {
  if (data instanceof Uint8Array) return memory.write(gpa, data);
  return memory.writeWith(gpa, data.length, (target) => data.copyTo(target));
}

/** Copies the initial RAM disk as high as it may lie: above `kernelEnd`, ending at or below `limit`. */
export function placeInitrd(
  memory: GuestMemory, initrd: LoadOptions['initrd'], kernelEnd: number, limit: number,
): PlacedInitrd | Refusal {
  if (initrd === undefined || initrd.length === 0) return { kind: 'placed', gpa: 0, sizeBytes: 0 };
  const top = Math.min(lowMemoryTop(memory), limit);
  const gpa = Math.floor((top - initrd.length) / PAGE_BYTES) * PAGE_BYTES;
  if (gpa < kernelEnd || !put(memory, gpa, initrd)) {
    return refuse(`the initial RAM disk of ${mib(initrd.length)} does not fit: the kernel takes the memory up to ` +
      `${mib(kernelEnd)} and what it can use ends at ${mib(Math.max(top, 0))}; more memory would be right`);
  }
  return { kind: 'placed', gpa, sizeBytes: initrd.length };
}
