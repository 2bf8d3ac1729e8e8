/**
 * Several processors with nothing around them: each an engine in a thread of its own, in 64-bit mode with memory mapped
 * one to one, all starting at once in machine code of their own and running until each has halted.
 */

import { Worker } from 'node:worker_threads';
import { createEngineMemory, guestMemoryOf } from '../../src/engine/engine-memory.ts';
import type { GuestMemory } from '../../src/hypervisor/guest-memory.ts';
import type { ProcessorData } from './processor.ts';

/** Where things lie. What tests use begins at DATA. */
const PML4 = 0x1000;
export const PDPT = 0x2000;
const CODE = 0x10000;
const CODE_STRIDE = 0x1000;
export const STACKS = 0x40000;
export const STACK_STRIDE = 0x1000;
export const DATA = 0x400000;
const PRESENT_WRITABLE_LARGE = 0x83;
const PRESENT_WRITABLE = 3;

export class LitmusGuest {
  readonly memory: GuestMemory;
  readonly #handle;
  readonly #count: number;

  constructor(programs: readonly (readonly number[])[], ramBytes = 64 * 2 ** 20) {
    this.#count = programs.length;
    this.#handle = createEngineMemory(ramBytes, programs.length);
    this.memory = guestMemoryOf(this.#handle);
    this.set(PML4, PDPT | PRESENT_WRITABLE);
    this.set(PDPT, PRESENT_WRITABLE_LARGE);
    programs.forEach((code, index) => this.memory.write(CODE + index * CODE_STRIDE, Uint8Array.from(code)));
  }

  get(gpa: number): number {
    return this.memory.view.getUint32(this.memory.offsetOf(gpa, 4), true);
  }

  set(gpa: number, value: number): void {
    this.memory.view.setUint32(this.memory.offsetOf(gpa, 4), value, true);
  }

  /** Runs every processor until it has halted. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#count }, (_, index) => new Promise<void>((resolve, reject) => {
      const data: ProcessorData = {
        handle: this.#handle, index, pageTable: PML4,
        instruction: CODE + index * CODE_STRIDE, stack: STACKS + index * STACK_STRIDE,
      };
      const worker = new Worker(new URL('./processor.js', import.meta.url), { workerData: data });
      worker.once('error', reject);
      worker.once('exit', (status) => {
        if (status === 0) resolve();
        else reject(new Error(`processor ${index} ended with ${status}`));
      });
    })));
  }
}
