/** The engine that the oracles judge: the WebAssembly interpreter, with nothing around it. */

import { fileURLToPath } from 'node:url';
import { createEngineMemory } from '../../src/engine/engine-memory.ts';
import { WasmEngine } from '../../src/engine/wasm-engine.ts';
import type { ProcessorIntercepts } from '../../src/hypervisor/engine-port.ts';
import type { EngineUnderTest } from './engine-runner.ts';
import { RAM_SIZE } from './guest-tables.ts';

/** The engine's machine code: results hold for it alone. */
export const CORE_FILE = fileURLToPath(new URL('../../src/engine/core.wasm', import.meta.url));

/** User-mode instructions reach none of these, save CPUID and RDTSC, which have no native oracle. */
const NO_INTERCEPTS: ProcessorIntercepts = {
  portRead: () => 0,
  portWrite: () => undefined,
  mmioRead: () => undefined,
  mmioWrite: () => undefined,
  cpuid: () => undefined,
  readMsr: () => false,
  writeMsr: () => false,
  hypercall: () => false,
  readCr8: () => 0,
  writeCr8: () => undefined,
  timeStampCounter: () => 0,
};

export function createEngine(): EngineUnderTest {
  const handle = createEngineMemory(RAM_SIZE, 1);
  const [slot] = handle.slots;
  if (slot === undefined) throw new Error('the engine has no memory');
  return {
    engine: new WasmEngine({ handle, index: 0, intercepts: NO_INTERCEPTS }),
    ram: new Uint8Array(handle.memory.buffer, slot.offset, slot.sizeBytes),
  };
}
