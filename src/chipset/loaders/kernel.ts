/**
 * Loads a kernel of any kind that we start directly, told apart by what the file holds: a Linux bzImage, an ELF file
 * with a PVH note, or a multiboot 1 kernel. A hostile file is refused; it cannot make this throw or run away.
 */
import type { ProcessorState } from '../../hypervisor/engine-port.ts';
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { isBzImage, loadBzImage } from './bzimage.ts';
import { isElf, parseElf } from './elf.ts';
import { ISA_HOLE_END, type LoadOptions, lowMemoryTop, mib, refuse, type Refusal } from './low-memory.ts';
import { findMultibootHeader, loadMultiboot } from './multiboot.ts';
import { loadPvh, pvhEntry } from './pvh.ts';

export type { LoadOptions, Refusal } from './low-memory.ts';

export type LoadResult = { readonly kind: 'loaded'; readonly state: ProcessorState } | Refusal;

/**
 * Writes kernel, initial RAM disk, command line and what the boot protocol asks for to guest memory, and answers the
 * boot processor's first state, or why that cannot be.
 */
export function loadKernel(file: Uint8Array, memory: GuestMemory, options: LoadOptions): LoadResult {
  if (lowMemoryTop(memory) <= ISA_HOLE_END) {
    return refuse(`the guest has ${mib(memory.sizeBytes)} of memory; a kernel needs more than 1 MiB`);
  }
  if (file.length === 0) return refuse('the kernel file is empty');
  if (isBzImage(file)) return loadBzImage(file, memory, options);
  const multiboot = findMultibootHeader(file);
  if (isElf(file)) {
    const elf = parseElf(file);
    if (elf.kind === 'refused') return elf;
    const entry = pvhEntry(file, elf);
    if (entry !== undefined) return loadPvh(file, elf, entry, memory, options);
    if (multiboot < 0) {
      return refuse('the kernel is an ELF file with neither a PVH note nor a multiboot header; ' +
        'a bzImage, or a kernel built with CONFIG_PVH, would be right');
    }
  }
  if (multiboot >= 0) return loadMultiboot(file, multiboot, memory, options);
  return refuse('the file is not a kernel that can be started here: neither a bzImage, ' +
    'nor an ELF file with a PVH note, nor a multiboot 1 kernel');
}
