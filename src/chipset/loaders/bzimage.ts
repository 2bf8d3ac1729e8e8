/**
 * Loads a Linux bzImage and enters it at its 64-bit entry point; the kernel decompresses itself and chooses where
 * to run (KASLR) [Linux, Documentation/arch/x86/boot.rst, protocol 2.12 and later].
 */
import type { ProcessorState } from '../../hypervisor/engine-port.ts';
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { viewOf } from '../../kit/view.ts';
import * as boot from '../../protocols/linux-boot.ts';
import { longModeState } from './initial-state.ts';
import { ISA_HOLE_END, type LoadOptions, LowMemory, lowMemoryTop, mib, placeCommandLine, placeInitrd, refuse,
  type Refusal } from './low-memory.ts';
import { memoryMap } from './memory-map.ts';

const { BootParams } = boot;
const SECTOR_BYTES = 512;

/** Where the parts of a bzImage lie, all checked against the file. */
export interface BzImage {
  readonly kind: 'bzImage';
  /** The protected-mode image. */
  readonly imageOffset: number;
  readonly preferredAddress: number;
  readonly initSize: number;
  readonly initrdAddressMax: number;
  readonly commandLineSize: number;
  /** The compressed kernel within the file. */
  readonly payloadOffset: number;
  readonly payloadLength: number;
}

export function isBzImage(file: Uint8Array): boolean {
  if (file.length < BootParams.version.offset + 2) return false;
  const view = viewOf(file);
  return BootParams.magic.get(view, 0) === boot.HEADER_MAGIC && BootParams.bootFlag.get(view, 0) === boot.BOOT_FLAG;
}

/** Reads and checks the set-up header of a file for which `isBzImage` holds. */
export function parseBzImage(file: Uint8Array): BzImage | Refusal {
  if (file.length < boot.HEADER_LIMIT) return refuse('the kernel file is truncated: it ends inside its boot header');
  const view = viewOf(file);
  const xLoadFlags = BootParams.xLoadFlags.get(view, 0);
  if (BootParams.version.get(view, 0) < boot.PROTOCOL_2_12 || (xLoadFlags & boot.XLF_KERNEL_64) === 0 ||
    (BootParams.loadFlags.get(view, 0) & boot.LOADED_HIGH) === 0) {
    return refuse('the kernel has no 64-bit entry point; a bzImage of a 64-bit Linux (3.8 or later) would be right');
  }
  const imageOffset = ((BootParams.setupSectors.get(view, 0) || 4) + 1) * SECTOR_BYTES;
  const imageBytes = BootParams.systemSize.get(view, 0) * 16;
  if (imageBytes <= boot.ENTRY_64_OFFSET) return refuse('the kernel file is damaged: its header declares no image');
  if (file.length < imageOffset + imageBytes) {
    return refuse(`the kernel file is truncated: it has ${file.length} bytes of ${imageOffset + imageBytes}`);
  }
  const payloadOffset = imageOffset + BootParams.payloadOffset.get(view, 0);
  const payloadLength = BootParams.payloadLength.get(view, 0);
  if (payloadOffset + payloadLength > file.length) {
    return refuse('the kernel file is damaged: its compressed kernel lies outside the file');
  }
  return {
    kind: 'bzImage', imageOffset, payloadOffset, payloadLength,
    preferredAddress: BootParams.preferredAddress.get(view, 0),
    initSize: BootParams.initSize.get(view, 0),
    initrdAddressMax: BootParams.initrdAddressMax.get(view, 0),
    commandLineSize: BootParams.commandLineSize.get(view, 0),
  };
}

/** Writes the kernel, its parameters and the initial RAM disk; the answer is the boot processor's state. */
export function loadBzImage(
  file: Uint8Array, memory: GuestMemory, options: LoadOptions,
): { kind: 'loaded'; state: ProcessorState } | Refusal {
  const image = parseBzImage(file);
  if (image.kind === 'refused') return image;
  const load = image.preferredAddress;
  if (load < ISA_HOLE_END || load % 4096 !== 0) {
    return refuse('the kernel file is damaged: the address at which it wants to be loaded is not usable');
  }
  const end = load + Math.max(image.initSize, file.length - image.imageOffset);
  if (end > lowMemoryTop(memory)) {
    return refuse(`the kernel needs at least ${mib(end)} of memory to unpack itself, ` +
      `the guest has ${mib(memory.sizeBytes)}`);
  }
  const commandLine = placeCommandLine(memory, options.commandLine, image.commandLineSize + 1);
  if (commandLine !== undefined) return commandLine;
  const initrd = placeInitrd(memory, options.initrd, end, image.initrdAddressMax + 1);
  if (initrd.kind === 'refused') return initrd;
  memory.write(load, file.subarray(image.imageOffset));
  const params = bootParams(file, memory, options);
  const view = viewOf(params);
  BootParams.ramdiskImage.set(view, 0, initrd.gpa);
  BootParams.ramdiskSize.set(view, 0, initrd.sizeBytes);
  memory.write(LowMemory.StartInfo, params);
  return { kind: 'loaded', state: longModeState(memory, load + boot.ENTRY_64_OFFSET, LowMemory.StartInfo) };
}

/** The zero page: the file's set-up header and nothing else of the file, then what the loader adds. */
function bootParams(file: Uint8Array, memory: GuestMemory, options: LoadOptions): Uint8Array {
  const params = new Uint8Array(boot.BOOT_PARAMS_BYTES);
  const view = viewOf(params);
  const headerEnd = BootParams.magic.offset + BootParams.jumpOffset.get(viewOf(file), 0);
  params.set(file.subarray(boot.HEADER_START, Math.min(headerEnd, boot.HEADER_LIMIT)), boot.HEADER_START);
  BootParams.typeOfLoader.set(view, 0, boot.LOADER_UNREGISTERED);
  BootParams.commandLineAddress.set(view, 0, LowMemory.CommandLine);
  BootParams.acpiRsdpAddress.set(view, 0, options.rsdp);
  BootParams.setupData.set(view, 0, writeEntropy(memory, options.entropySeed));
  const map = memoryMap(memory).slice(0, boot.E820_ENTRIES_MAX);
  BootParams.e820Entries.set(view, 0, map.length);
  map.forEach((range, index) => {
    const values = { address: range.gpa, size: range.sizeBytes, type: range.type };
    boot.E820Entry.encode(view, boot.E820_TABLE_OFFSET + index * boot.E820Entry.$size, values);
  });
  return params;
}

/** A set-up data item that seeds the kernel's random numbers; the answer is its address, 0 without a seed. */
function writeEntropy(memory: GuestMemory, seed: Uint8Array): number {
  if (seed.length === 0) return 0;
  const room = LowMemory.ListsEnd - LowMemory.Lists - boot.SetupData.$size;
  const used = seed.subarray(0, room);
  const item = new Uint8Array(boot.SetupData.$size + used.length);
  boot.SetupData.encode(viewOf(item), 0, { type: boot.SETUP_RNG_SEED, length: used.length });
  item.set(used, boot.SetupData.$size);
  memory.write(LowMemory.Lists, item);
  return LowMemory.Lists;
}
