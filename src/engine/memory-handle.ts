/** What a thread needs to attach to the engine's memory, and where each processor's blocks lie in it. */

import type { MemorySlot } from '../hypervisor/guest-memory.ts';
import { CONFIGURATION_SIZE, PROCESSOR_SIZE } from './core/layout.ts';

/** Structured-cloneable. */
export interface EngineMemoryHandle {
  readonly memory: WebAssembly.Memory;
  /** Address of processor 0's configuration block. */
  readonly configuration: number;
  readonly slots: readonly MemorySlot[];
}

/** Address of processor 0's state. */
export const PROCESSORS_START = 0x100000;

/** Address of a processor's state. */
export function processorAddress(index: number): number {
  return PROCESSORS_START + index * PROCESSOR_SIZE;
}

/** Address of a processor's configuration block. */
export function configurationAddress(handle: EngineMemoryHandle, index: number): number {
  return handle.configuration + index * CONFIGURATION_SIZE;
}
