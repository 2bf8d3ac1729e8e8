/**
 * The modules of a kernel package: found by name, with what they depend on. A package brings no `modules.dep` (depmod
 * makes it on the installed system), so dependencies are read from the modules themselves: the `depends=` string of
 * their ELF section `.modinfo` (Linux include/linux/moduleparam.h, scripts/mod/modpost.c).
 */

import { badArchive } from './bad-archive.ts';
import { decompress } from './compression.ts';
import type { FileTree } from './file-tree.ts';

const MAX_MODULE_BYTES = 256 * 2 ** 20;
const MODULE_PATH = /(?:^|\/)lib\/modules\/([^/]+)\/(?:kernel|updates)\/(?:.*\/)?([^/]+)\.ko(?:\.(?:xz|zst|gz))?$/;
const SECTION_HEADER_BYTES = 64;

export interface KernelModule {
  /** With underscores, as the kernel says it. */
  readonly name: string;
  /** Decompressed: an ELF relocatable file. */
  readonly data: Uint8Array;
  readonly dependencies: readonly string[];
}

export class KernelModules {
  readonly kernelVersion: string;
  readonly #files = new Map<string, Uint8Array>();
  readonly #modules = new Map<string, KernelModule>();

  constructor(tree: FileTree) {
    let kernelVersion: string | undefined;
    for (const [path, node] of tree.entries()) {
      const match = MODULE_PATH.exec(path);
      if (match === null || node.kind !== 'file') continue;
      kernelVersion ??= match[1];
      this.#files.set(canonicalName(match[2]!), node.data);
    }
    if (kernelVersion === undefined) throw badArchive('the kernel package holds no modules');
    this.kernelVersion = kernelVersion;
  }

  /** The named modules and what they need, each after what it needs; those that the kernel has not are left out. */
  async inLoadingOrder(names: readonly string[]): Promise<KernelModule[]> {
    const ordered = new Map<string, KernelModule>();
    const entered = new Set<string>();
    const visit = async (name: string): Promise<void> => {
      if (entered.has(name)) return;
      entered.add(name);
      const module = await this.#open(name);
      if (module === undefined) return;
      for (const dependency of module.dependencies) await visit(dependency);
      ordered.set(name, module);
    };
    for (const name of names) await visit(canonicalName(name));
    return [...ordered.values()];
  }

  async #open(name: string): Promise<KernelModule | undefined> {
    const file = this.#files.get(name);
    const opened = this.#modules.get(name);
    if (file === undefined || opened !== undefined) return opened;
    const data = await decompress(file, MAX_MODULE_BYTES, `the kernel module ${name}`);
    const module = { name, data, dependencies: readDependencies(data, name) };
    this.#modules.set(name, module);
    return module;
  }
}

function canonicalName(name: string): string {
  return name.replaceAll('-', '_');
}

function readDependencies(module: Uint8Array, name: string): string[] {
  const text = readSection(Buffer.from(module.buffer, module.byteOffset, module.length), '.modinfo');
  if (text === undefined) throw badArchive(`the kernel module ${name} is no ELF file with a .modinfo section`);
  const depends = text.toString('latin1').split('\0').find((entry) => entry.startsWith('depends='));
  return (depends ?? 'depends=').slice('depends='.length).split(',').filter((each) => each !== '').map(canonicalName);
}

/** A section of a 64-bit little-endian ELF file, by name. */
function readSection(elf: Buffer, wanted: string): Buffer | undefined {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1) return undefined;
  const tableOffset = Number(elf.readBigUInt64LE(0x28));
  const count = elf.readUInt16LE(0x3c);
  if (tableOffset + count * SECTION_HEADER_BYTES > elf.length) return undefined;
  const section = (index: number): { nameOffset: number; data: Buffer } | undefined => {
    if (index >= count) return undefined;
    const header = tableOffset + index * SECTION_HEADER_BYTES;
    const start = Number(elf.readBigUInt64LE(header + 0x18));
    const end = start + Number(elf.readBigUInt64LE(header + 0x20));
    return { nameOffset: elf.readUInt32LE(header), data: elf.subarray(start, end) };
  };
  const names = section(elf.readUInt16LE(0x3e))?.data;
  if (names === undefined) return undefined;
  for (let index = 0; index < count; index++) {
    const { nameOffset, data } = section(index)!;
    if (names.toString('latin1', nameOffset, nameOffset + wanted.length + 1) === `${wanted}\0`) return data;
  }
  return undefined;
}
