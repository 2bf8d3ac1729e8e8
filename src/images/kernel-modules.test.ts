/** Modules are found under any spelling and come after what they depend on; what is no module is refused. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { OperatingError } from '../kit/errors.ts';
import { FileTree } from './file-tree.ts';
import { KernelModules } from './kernel-modules.ts';

const NAMES = '\0.shstrtab\0.modinfo\0';

/** An ELF relocatable file with two sections: .shstrtab and .modinfo. */
function module(depends: string): Buffer {
  const information = `license=GPL\0depends=${depends}\0name=x\0`;
  const elf = Buffer.alloc(64 + 3 * 64 + NAMES.length + information.length);
  elf.write('\x7fELF\x02\x01\x01', 'latin1');
  elf.writeBigUInt64LE(64n, 0x28);
  elf.writeUInt16LE(3, 0x3c);
  elf.writeUInt16LE(1, 0x3e);
  const section = (index: number, nameOffset: number, start: number, size: number): void => {
    const header = 64 + 64 * index;
    elf.writeUInt32LE(nameOffset, header);
    elf.writeBigUInt64LE(BigInt(start), header + 0x18);
    elf.writeBigUInt64LE(BigInt(size), header + 0x20);
  };
  section(1, 1, 256, NAMES.length);
  section(2, 11, 256 + NAMES.length, information.length);
  elf.write(NAMES + information, 256, 'latin1');
  return elf;
}

function modulesOf(files: Readonly<Record<string, Uint8Array>>): KernelModules {
  const tree = new FileTree();
  for (const [path, data] of Object.entries(files)) tree.addFile(path, data);
  return new KernelModules(tree);
}

const DRIVERS = 'usr/lib/modules/6.1-x/kernel/drivers';

test('a module comes after what it depends on, once, whatever dashes and compression it has', async () => {
  const modules = modulesOf({
    [`${DRIVERS}/net/hv-net.ko`]: module('hv_bus,lib-one'),
    [`${DRIVERS}/hv/hv_bus.ko.gz`]: gzipSync(module('lib_one')),
    [`${DRIVERS}/lib/lib-one.ko`]: module(''),
    [`${DRIVERS}/other.ko`]: module(''),
  });
  assert.equal(modules.kernelVersion, '6.1-x');
  const ordered = await modules.inLoadingOrder(['hv_net', 'not-in-this-kernel', 'hv-bus']);
  assert.deepEqual(ordered.map(({ name }) => name), ['lib_one', 'hv_bus', 'hv_net']);
  assert.deepEqual(Buffer.from(ordered[1]!.data), module('lib_one'));
});

test('modules that need each other end', async () => {
  const modules = modulesOf({ [`${DRIVERS}/a.ko`]: module('b'), [`${DRIVERS}/b.ko`]: module('a') });
  assert.deepEqual((await modules.inLoadingOrder(['a'])).map(({ name }) => name), ['b', 'a']);
});

for (const [what, data] of [
  ['a text', Buffer.from('no module')],
  ['a module cut short', module('').subarray(0, 100)],
  ['a section table beyond the end', Buffer.concat([module('').subarray(0, 0x28), Buffer.alloc(100, 0xff)])],
] as const) {
  test(`refuses ${what}`, async () => {
    const isRefusal = (error: unknown): boolean =>
      error instanceof OperatingError && error.message.includes('is no ELF file');
    await assert.rejects(modulesOf({ [`${DRIVERS}/a.ko`]: data }).inLoadingOrder(['a']), isRefusal);
  });
}

test('a package without modules is refused', () => {
  assert.throws(() => modulesOf({ 'boot/vmlinuz': Buffer.alloc(1) }), /holds no modules/);
});
