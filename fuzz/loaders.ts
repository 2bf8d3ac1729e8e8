/**
 * Kernel files of every kind, damaged at random: the loaders either load them or refuse them in a sentence. They never
 * throw, never write outside memory, and take no more memory for it than the guest has.
 */
import { gzipSync } from 'node:zlib';
import { loadKernel } from '../src/chipset/loaders/kernel.ts';
import { extractVmlinux } from '../src/chipset/loaders/vmlinux.ts';
import { bzImageFile, elf64File, KERNEL_GPA, multibootElf32File, multibootFlatFile }
  from '../src/chipset/testing/kernel-files.ts';
import { seededNumbers } from '../src/chipset/testing/seeded-numbers.ts';
import { GuestMemory } from '../src/hypervisor/guest-memory.ts';
import type { Tally } from '../tools/fuzz-target.ts';

const MEMORY_BYTES = 4 * 2 ** 20;
const CODE = new Uint8Array(300).fill(0x90);
/** Values at which sizes and addresses go wrong. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0xf_ffff, 0x10_0000, 0x20_0000, 0x3f_ffff, 0x40_0000,
  0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_fffe, 0xffff_ffff];

const SEEDS = [
  bzImageFile(), bzImageFile({}, gzipSync(elf64File(CODE, KERNEL_GPA))), bzImageFile({}, lz4OfZeros()),
  elf64File(CODE, KERNEL_GPA), elf64File(CODE), multibootElf32File(CODE), multibootFlatFile(CODE),
];

export const target = {
  name: 'loaders',
  covers: ['src/chipset/loaders/'],
  run(seed: number, iterations: number, tally: Tally): void {
    const next = seededNumbers(seed);
    const slots = [{ gpa: 0, sizeBytes: MEMORY_BYTES, offset: 0 }];
    const memory = new GuestMemory(new SharedArrayBuffer(MEMORY_BYTES), slots);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const file = damaged(SEEDS[next(SEEDS.length)] as Uint8Array, next);
      const options = {
        commandLine: 'x'.repeat(next(4) === 0 ? next(5000) : next(100)), rsdp: 0xe_0000,
        entropySeed: new Uint8Array(next(64)), initrd: new Uint8Array(next(3) === 0 ? next(MEMORY_BYTES) : next(8192)),
      };
      const result = loadKernel(file, memory, options);
      tally.input(result.kind !== 'refused');
      check(result);
      check(extractVmlinux(file));
    }
  },
};

function check(result: { kind: string; reason?: string }): void {
  if (result.kind !== 'refused') return;
  const { reason = '' } = result;
  if (reason.length < 10 || reason.includes('NaN') || reason.includes('Infinity') || reason.includes('undefined')) {
    throw new Error(`not a sentence: ${reason}`);
  }
}

/** A copy with a few bytes or words changed, sometimes cut short. */
function damaged(seed: Uint8Array, next: (limit: number) => number): Uint8Array {
  const file = seed.slice();
  const view = new DataView(file.buffer);
  for (let count = next(6); count > 0; count--) {
    // Headers are where it hurts: most changes go to the first bytes.
    const at = next(4) === 0 ? next(file.length) : next(Math.min(file.length, 0x300));
    if (next(2) === 0) file[at] = next(256);
    else if (at + 4 <= file.length) view.setUint32(at, EDGES[next(EDGES.length)] as number, true);
  }
  return next(8) === 0 ? file.subarray(0, next(file.length + 1)) : file;
}

/** A legacy LZ4 frame whose one block holds literals and a match that runs on. */
function lz4OfZeros(): Uint8Array {
  const block = [0x1f, 0x00, 1, 0, 255, 255, 10, 0x00];
  return Uint8Array.from([0x02, 0x21, 0x4c, 0x18, block.length, 0, 0, 0, ...block, 0, 0, 0, 0]);
}
