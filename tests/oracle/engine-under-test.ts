/** The engine that the oracles judge: the WebAssembly interpreter, with nothing around it. */

import { fileURLToPath } from 'node:url';
import { createEngineMemory } from '../../src/engine/engine-memory.ts';
import { WasmEngine } from '../../src/engine/wasm-engine.ts';
import type { ProcessorLevel } from '../../src/hypervisor/processor-model.ts';
import { NO_INTERCEPTS } from '../no-intercepts.ts';
import type { EngineUnderTest } from './engine-runner.ts';
import { RAM_SIZE } from './guest-tables.ts';

/** The engine's machine code: results hold for it alone. */
export const CORE_FILE = fileURLToPath(new URL('../../src/engine/core.wasm', import.meta.url));

/** `translated`: no instruction is interpreted that the translator knows. */
export function createEngine(translated = false, level: ProcessorLevel = 'v3'): EngineUnderTest {
  const handle = createEngineMemory(RAM_SIZE, 1, level);
  const [slot] = handle.slots;
  if (slot === undefined) throw new Error('the engine has no memory');
  return {
    // User-mode instructions reach no intercepts save CPUID and RDTSC, which have no native oracle.
    engine: new WasmEngine({
      handle, index: 0, intercepts: NO_INTERCEPTS, translate: translated ? 'at once' : 'never',
    }),
    ram: new Uint8Array(handle.memory.buffer, slot.offset, slot.sizeBytes),
  };
}
