/** Multiboot, version 1: the header in a kernel file and what the loader hands over [Multiboot 0.6.96, section 3]. */
import { bytes, struct, u32, u53 } from '../wire/struct.ts';

export const MultibootHeader = struct('multiboot_header', 32, {
  magic: u32, flags: u32, checksum: u32,
  // Only with HEADER_HAS_ADDRESSES.
  headerAddress: u32, loadAddress: u32, loadEndAddress: u32, bssEndAddress: u32, entryAddress: u32,
});
export const MULTIBOOT_HEADER_MAGIC = 0x1bad_b002;
export const MULTIBOOT_LOADER_MAGIC = 0x2bad_b002;
/** The header lies, 4-byte aligned, in so many first bytes of the file. */
export const HEADER_SEARCH_BYTES = 8192;
/** Without the address fields a header is as long as this. */
export const SHORT_HEADER_BYTES = 12;
export const HEADER_HAS_ADDRESSES = 1 << 16;
/** The header's requirements (bits 0…15) that this loader meets: page-aligned modules, memory information. */
export const REQUIREMENTS_MET = 0x0003;

export const MultibootInfo = struct('multiboot_info', 88, {
  flags: u32, memoryLower: u32, memoryUpper: u32, bootDevice: u32, commandLine: u32, moduleCount: u32,
  moduleAddress: u32, symbols: bytes(16), memoryMapLength: u32, memoryMapAddress: u32, drivesLength: u32,
  drivesAddress: u32, configurationTable: u32, bootLoaderName: u32, apmTable: u32, vbe: bytes(16),
});
export const InfoFlag = {
  Memory: 1 << 0, CommandLine: 1 << 2, Modules: 1 << 3, MemoryMap: 1 << 6, BootLoaderName: 1 << 9,
} as const;

export const MultibootModule = struct('multiboot_mod', 16, { start: u32, end: u32, string: u32, reserved: u32 });

/** `size` counts the bytes after itself; `type` is that of an e820 entry. */
export const MultibootMemory = struct('multiboot_mmap_entry', 24, { size: u32, address: u53, length: u53, type: u32 });
