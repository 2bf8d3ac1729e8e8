/**
 * The PVH boot ABI: an ELF kernel with a note that names its 32-bit physical entry point, started with the address of
 * `hvm_start_info` in EBX [Xen, docs/misc/pvh.pandoc and include/public/arch-x86/hvm/start_info.h].
 */
import { struct, u32, u53 } from '../wire/struct.ts';

/** The note: owner and type (XEN_ELFNOTE_PHYS32_ENTRY). */
export const PVH_NOTE_OWNER = 'Xen';
export const PVH_NOTE_TYPE = 18;

export const StartInfo = struct('hvm_start_info', 56, {
  magic: u32, version: u32, flags: u32, moduleCount: u32, moduleList: u53, commandLine: u53, rsdp: u53,
  memoryMap: u53, memoryMapEntries: u32, reserved: u32,
});
export const START_INFO_MAGIC = 0x336e_c578;

export const ModuleEntry = struct('hvm_modlist_entry', 32, {
  address: u53, size: u53, commandLine: u53, reserved: u53,
});

/** `type` is that of an e820 entry. */
export const MemoryMapEntry = struct('hvm_memmap_table_entry', 24, {
  address: u53, size: u53, type: u32, reserved: u32,
});
