import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENGINE_MSRS } from '../../hypervisor/engine-port.ts';
import { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { BootParams, E820_TABLE_OFFSET, E820Entry, SetupData } from '../../protocols/linux-boot.ts';
import { InfoFlag, MultibootInfo, MultibootMemory, MultibootModule } from '../../protocols/multiboot.ts';
import { MemoryMapEntry, ModuleEntry, START_INFO_MAGIC, StartInfo } from '../../protocols/pvh.ts';
import { BZIMAGE_SETUP_BYTES, bzImageFile, elf64File, KERNEL_GPA, multibootElf32File, multibootFlatFile }
  from '../testing/kernel-files.ts';
import { type LoadOptions, loadKernel, type LoadResult } from './kernel.ts';
import { memoryMap } from './memory-map.ts';

const MIB = 0x10_0000;
const CODE = Uint8Array.from({ length: 100 }, (_, index) => index + 1);
const OPTIONS: LoadOptions = { commandLine: 'console=ttyS0 quiet', rsdp: 0xe_0000, entropySeed: new Uint8Array() };

function memoryOf(sizeMib: number, fill = 0): GuestMemory {
  const sizeBytes = sizeMib * MIB;
  const memory = new GuestMemory(new SharedArrayBuffer(sizeBytes), [{ gpa: 0, sizeBytes, offset: 0 }]);
  memory.fill(0, sizeMib * MIB, fill);
  return memory;
}

function loaded(result: LoadResult): Extract<LoadResult, { kind: 'loaded' }>['state'] {
  assert.equal(result.kind, 'loaded', result.kind === 'refused' ? result.reason : '');
  return result.kind === 'loaded' ? result.state : assert.fail();
}

function refused(result: LoadResult, pattern: RegExp): void {
  assert.equal(result.kind, 'refused');
  if (result.kind === 'refused') assert.match(result.reason, pattern);
}

/** The NUL-terminated text at `gpa`. */
function textAt(memory: GuestMemory, gpa: number): string {
  const bytes = memory.read(gpa, 256) ?? assert.fail('not memory');
  return Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString();
}

test('a bzImage is entered in long mode 0x200 bytes into its image, with RSI at its parameters', () => {
  const memory = memoryOf(16);
  const state = loaded(loadKernel(bzImageFile(), memory, OPTIONS));
  assert.equal(state.rip, BigInt(KERNEL_GPA + 0x200));
  assert.equal(state.cr0 & 0x8000_0001n, 0x8000_0001n);
  assert.equal(state.cr4, 0x20n);
  assert.deepEqual(state.msrs.find(([index]) => index === ENGINE_MSRS.IA32_EFER), [0xc000_0080, 0x500n]);
  assert.equal(state.segments.cs.selector, 0x10);
  assert.equal(state.segments.cs.attributes & 0x6000, 0x2000, 'L set, D clear');
  assert.equal(state.rflags, 2n);
  assert.equal(memory.view.getUint8(KERNEL_GPA), 0xa5);
  const commandLine = BootParams.commandLineAddress.get(memory.view, Number(state.gpr[6]));
  assert.equal(textAt(memory, commandLine), 'console=ttyS0 quiet');
});

test('the page tables map the first 4 GiB to themselves', () => {
  const memory = memoryOf(16);
  const state = loaded(loadKernel(bzImageFile(), memory, OPTIONS));
  for (const address of [0, 0x1234_5678, 0x7fff_ffff, 0xffff_ffff]) {
    const entry = (table: number, index: number): number => {
      const value = memory.view.getBigUint64(table + index * 8, true);
      assert.equal(value & 3n, 3n);
      return Number(value & ~0xfffn);
    };
    const pointers = entry(Number(state.cr3), 0);
    const directory = entry(pointers, Math.floor(address / 2 ** 30));
    const page = entry(directory, Math.floor(address / 2 ** 21) % 512);
    assert.equal(page, Math.floor(address / 2 ** 21) * 2 ** 21);
  }
});

test('the zero page takes the set-up header of the file and nothing before or after it', () => {
  const memory = memoryOf(16, 0xee);
  const state = loaded(loadKernel(bzImageFile(), memory, OPTIONS));
  const at = Number(state.gpr[6]);
  assert.equal(memory.view.getUint8(at + 0x1ef), 0, 'the sentinel');
  assert.equal(BootParams.setupSectors.get(memory.view, at), 2);
  assert.equal(BootParams.preferredAddress.get(memory.view, at), KERNEL_GPA);
  assert.equal(BootParams.typeOfLoader.get(memory.view, at), 0xff);
  assert.equal(BootParams.acpiRsdpAddress.get(memory.view, at), 0xe_0000);
  assert.equal(BootParams.ramdiskSize.get(memory.view, at), 0);
  assert.equal(memory.view.getUint32(at + 0x26c, true), 0);
});

test('the memory map has RAM, the ISA hole with its ACPI part, and memory above 4 GiB', () => {
  const memory = new GuestMemory(new SharedArrayBuffer(24 * MIB), [
    { gpa: 0, sizeBytes: 16 * MIB, offset: 0 }, { gpa: 0x1_0000_0000, sizeBytes: 8 * MIB, offset: 16 * MIB }]);
  assert.deepEqual(memoryMap(memory), [
    { gpa: 0, sizeBytes: 0xa_0000, type: 1 },
    { gpa: 0xa_0000, sizeBytes: 0x4_0000, type: 2 },
    { gpa: 0xe_0000, sizeBytes: 0x2_0000, type: 3 },
    { gpa: 0x10_0000, sizeBytes: 15 * MIB, type: 1 },
    { gpa: 0x1_0000_0000, sizeBytes: 8 * MIB, type: 1 },
  ]);
  const state = loaded(loadKernel(bzImageFile(), memory, OPTIONS));
  const at = Number(state.gpr[6]);
  assert.equal(BootParams.e820Entries.get(memory.view, at), 5);
  const last = E820Entry.decode(memory.view, at + E820_TABLE_OFFSET + 4 * E820Entry.$size);
  assert.deepEqual(last, { address: 0x1_0000_0000, size: 8 * MIB, type: 1 });
});

test('the initial RAM disk lies at the top of what the kernel can reach, whole pages', () => {
  const initrd = new Uint8Array(5000).fill(0x42);
  const memory = memoryOf(16);
  const state = loaded(loadKernel(bzImageFile({ initrdAddressMax: 8 * MIB - 1 }), memory, { ...OPTIONS, initrd }));
  const gpa = BootParams.ramdiskImage.get(memory.view, Number(state.gpr[6]));
  assert.equal(gpa, 8 * MIB - 8192);
  assert.equal(BootParams.ramdiskSize.get(memory.view, Number(state.gpr[6])), 5000);
  assert.deepEqual(memory.read(gpa, 5000), initrd);
});

test('a seed goes to the kernel as set-up data of type 9', () => {
  const entropySeed = new Uint8Array(32).fill(7);
  const memory = memoryOf(16);
  const state = loaded(loadKernel(bzImageFile(), memory, { ...OPTIONS, entropySeed }));
  const at = BootParams.setupData.get(memory.view, Number(state.gpr[6]));
  assert.deepEqual(SetupData.decode(memory.view, at), { next: 0, type: 9, length: 32 });
  assert.deepEqual(memory.read(at + SetupData.$size, 32), entropySeed);
});

test('what a bzImage cannot be started with is refused in a sentence', () => {
  const memory = memoryOf(16);
  const load = (file: Uint8Array, options = OPTIONS, into = memory): LoadResult => loadKernel(file, into, options);
  refused(load(bzImageFile({ xLoadFlags: 0 })), /no 64-bit entry/);
  refused(load(bzImageFile({ version: 0x20b })), /no 64-bit entry/);
  refused(load(bzImageFile().subarray(0, BZIMAGE_SETUP_BYTES + 100)), /truncated/);
  refused(load(bzImageFile().subarray(0, 0x220)), /truncated/);
  refused(load(bzImageFile({ initSize: 64 * MIB })), /at least 66 MiB .* the guest has 16 MiB/);
  refused(load(bzImageFile({ preferredAddress: 0x8000 })), /damaged/);
  refused(load(bzImageFile(), { ...OPTIONS, initrd: new Uint8Array(14 * MIB) }), /initial RAM disk of 14 MiB/);
  refused(load(bzImageFile({ commandLineSize: 10 })), /command line takes 19 bytes, the kernel reads at most 10/);
  assert.equal(load(bzImageFile({ commandLineSize: 19 })).kind, 'loaded');
  refused(load(bzImageFile(), OPTIONS, memoryOf(1)), /more than 1 MiB/);
  refused(load(new Uint8Array()), /empty/);
  refused(load(new TextEncoder().encode('#!/bin/sh\n')), /not a kernel/);
});

test('an ELF kernel with a PVH note is entered in protected mode with the start information in EBX', () => {
  const memory = memoryOf(16, 0xee);
  const initrd = new Uint8Array(100).fill(0x42);
  const state = loaded(loadKernel(elf64File(CODE, KERNEL_GPA + 16), memory, { ...OPTIONS, initrd }));
  assert.equal(state.rip, BigInt(KERNEL_GPA + 16));
  assert.equal(state.cr0, 0x11n);
  assert.equal(state.segments.cs.attributes & 0x6000, 0x4000, 'D set, L clear');
  assert.deepEqual(memory.read(KERNEL_GPA, 100), CODE);
  assert.deepEqual(memory.read(KERNEL_GPA + 100, 4096), new Uint8Array(4096));
  const info = StartInfo.decode(memory.view, Number(state.gpr[3]));
  assert.equal(info.magic, START_INFO_MAGIC);
  assert.equal(info.version, 1);
  assert.equal(info.rsdp, 0xe_0000);
  assert.equal(textAt(memory, info.commandLine), 'console=ttyS0 quiet');
  assert.equal(info.moduleCount, 1);
  const module = ModuleEntry.decode(memory.view, info.moduleList);
  assert.deepEqual(memory.read(module.address, module.size), initrd);
  assert.equal(info.memoryMapEntries, 4);
  const ram = MemoryMapEntry.decode(memory.view, info.memoryMap + 3 * MemoryMapEntry.$size);
  assert.deepEqual(ram, { address: MIB, size: 15 * MIB, type: 1, reserved: 0 });
});

test('an ELF kernel without a way in, or for another place or processor, is refused in a sentence', () => {
  const memory = memoryOf(16);
  const load = (file: Uint8Array): LoadResult => loadKernel(file, memory, OPTIONS);
  refused(load(elf64File(CODE)), /neither a PVH note nor a multiboot header/);
  refused(load(elf64File(CODE, 0x4000_0000)), /entry point is not in memory/);
  const truncated = elf64File(CODE, KERNEL_GPA);
  refused(load(truncated.subarray(0, truncated.length - 1)), /truncated/);
  refused(load(truncated.subarray(0, 40)), /truncated/);
  const foreign = elf64File(CODE, KERNEL_GPA);
  new DataView(foreign.buffer).setUint16(18, 0xb7, true);
  refused(load(foreign), /another processor/);
  refused(loadKernel(elf64File(CODE, KERNEL_GPA), memoryOf(2), OPTIONS), /up to 3 MiB, the guest has 2 MiB/);
});

for (const [name, file, entry] of [
  ['an ELF file of 32 bits', multibootElf32File(CODE), KERNEL_GPA + 12],
  ['a flat file with addresses', multibootFlatFile(CODE), KERNEL_GPA + 32],
] as const) {
  test(`multiboot: ${name} is entered with the magic in EAX and the information in EBX`, () => {
    const memory = memoryOf(16, 0xee);
    const initrd = new Uint8Array(100).fill(0x42);
    const state = loaded(loadKernel(file, memory, { ...OPTIONS, initrd }));
    assert.equal(state.rip, BigInt(entry));
    assert.equal(state.gpr[0], 0x2bad_b002n);
    assert.deepEqual(memory.read(entry, 100), CODE);
    assert.deepEqual(memory.read(entry + 100, 64), new Uint8Array(64));
    const info = MultibootInfo.decode(memory.view, Number(state.gpr[3]));
    assert.equal(info.flags & (InfoFlag.Memory | InfoFlag.CommandLine | InfoFlag.Modules | InfoFlag.MemoryMap), 0x4d);
    assert.deepEqual([info.memoryLower, info.memoryUpper], [640, 15 * 1024]);
    assert.equal(textAt(memory, info.commandLine), 'console=ttyS0 quiet');
    const module = MultibootModule.decode(memory.view, info.moduleAddress);
    assert.deepEqual(memory.read(module.start, module.end - module.start), initrd);
    assert.equal(textAt(memory, module.string), '');
    assert.equal(textAt(memory, info.bootLoaderName), 'Partout');
    const first = MultibootMemory.decode(memory.view, info.memoryMapAddress);
    assert.deepEqual(first, { size: 20, address: 0, length: 0xa_0000, type: 1 });
    assert.equal(info.memoryMapLength, 4 * MultibootMemory.$size);
  });
}

test('a multiboot kernel that requires what is not offered is refused', () => {
  refused(loadKernel(multibootElf32File(CODE, 4), memoryOf(16), OPTIONS), /requires something/);
});
