/**
 * The Linux/x86 boot protocol: the fields of `boot_params` (the zero page) that a boot loader reads in a bzImage or
 * fills in [Linux, Documentation/arch/x86/boot.rst and zero-page.rst]. Offsets are those of the zero page; the set-up
 * header lies at the same offsets in the file.
 */
import { bytes, struct, u16, u32, u53, u8 } from '../wire/struct.ts';

export const BootParams = struct('boot_params', 0x2d0, {
  screenInfo: bytes(0x70),
  acpiRsdpAddress: u53, // 0x70, protocol 2.14
  unused78: bytes(0xc0 - 0x78),
  extendedRamdiskImage: u32, // 0xc0
  extendedRamdiskSize: u32,
  extendedCommandLine: u32,
  unusedCc: bytes(0x1e8 - 0xcc),
  e820Entries: u8, // 0x1e8
  unused1e9: bytes(0x1f1 - 0x1e9),
  // The set-up header.
  setupSectors: u8, // 0x1f1
  rootFlags: u16,
  systemSize: u32,
  ramSize: u16,
  videoMode: u16,
  rootDevice: u16,
  bootFlag: u16, // 0x1fe
  jump: u8, // 0x200, a short jump over the header …
  jumpOffset: u8, // … so that 0x202 + this is where it ends
  magic: u32, // 0x202
  version: u16,
  realModeSwitch: u32,
  startSystemSegment: u16,
  kernelVersion: u16,
  typeOfLoader: u8, // 0x210
  loadFlags: u8,
  setupMoveSize: u16,
  code32Start: u32,
  ramdiskImage: u32, // 0x218
  ramdiskSize: u32,
  bootSectorKludge: u32,
  heapEnd: u16,
  extendedLoaderVersion: u8,
  extendedLoaderType: u8,
  commandLineAddress: u32, // 0x228
  initrdAddressMax: u32,
  kernelAlignment: u32, // 0x230
  relocatable: u8,
  minimumAlignment: u8,
  xLoadFlags: u16, // 0x236
  commandLineSize: u32,
  hardwareSubarchitecture: u32,
  hardwareSubarchitectureData: u53,
  payloadOffset: u32, // 0x248
  payloadLength: u32,
  setupData: u53, // 0x250
  preferredAddress: u53,
  initSize: u32, // 0x260
  handoverOffset: u32,
  kernelInfoOffset: u32,
  unused26c: bytes(0x2d0 - 0x26c),
});

export const BOOT_PARAMS_BYTES = 4096;
export const BOOT_FLAG = 0xaa55;
/** 'HdrS'. */
export const HEADER_MAGIC = 0x5372_6448;
/** The first version with `xloadflags`. */
export const PROTOCOL_2_12 = 0x20c;
/** Where the header begins, and where the zero page stops belonging to it. */
export const HEADER_START = 0x1f1;
export const HEADER_LIMIT = 0x290;
export const LOADED_HIGH = 0x01;
/** The kernel has the 64-bit entry point, 0x200 bytes into the protected-mode image. */
export const XLF_KERNEL_64 = 0x0001;
export const ENTRY_64_OFFSET = 0x200;
export const LOADER_UNREGISTERED = 0xff;

export const E820Entry = struct('boot_e820_entry', 20, { address: u53, size: u53, type: u32 });
export const E820_TABLE_OFFSET = 0x2d0;
export const E820_ENTRIES_MAX = 128;
export const E820Type = { Ram: 1, Reserved: 2, Acpi: 3 } as const;

export const SetupData = struct('setup_data', 16, { next: u53, type: u32, length: u32 });
export const SETUP_RNG_SEED = 9;
