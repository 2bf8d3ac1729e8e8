/** What a run that can be had twice puts in place of the host's on its processor's thread. */

import type { Chipset } from '../../chipset/chipset.ts';
import { InstructionClock } from '../../engine/instruction-clock.ts';
import type { EngineMemoryHandle } from '../../engine/memory-handle.ts';
import { HashedEngine, hashedIntercepts, TraceHash } from '../../engine/trace-hash.ts';
import type { WasmEngine, WasmEngineOptions } from '../../engine/wasm-engine.ts';
import type { ProcessorIntercepts } from '../../hypervisor/engine-port.ts';
import { type DeterminismData, typedRing } from './determinism.ts';
import type { InputEntry } from './input-record.ts';
import { Pacemaker } from './pacemaker.ts';

export class DeterministicThread {
  readonly clock: InstructionClock;
  readonly hash = new TraceHash();
  readonly #handle: EngineMemoryHandle;
  readonly #data: DeterminismData;

  constructor(handle: EngineMemoryHandle, data: DeterminismData) {
    this.#handle = handle;
    this.#data = data;
    this.clock = new InstructionClock({ handle, shared: data.clock, startMs: data.startMs });
  }

  pace(chipset: Chipset, onInput: (entry: InputEntry) => void): Pacemaker {
    const { played, typed } = this.#data;
    return new Pacemaker({
      clock: this.clock, devices: chipset.timedDevices, typed: typedRing(typed), onInput,
      receive: (bytes) => chipset.serial.receive(bytes), ...(played === undefined ? {} : { played }),
    });
  }

  engineOptions(intercepts: ProcessorIntercepts): Partial<WasmEngineOptions> {
    // Where a slice ends depends on what was translated; that must not depend on where a run began.
    return {
      ...(this.#data.lockstep ? { lockstep: true } : { translate: 'never' }),
      intercepts: hashedIntercepts(intercepts, this.hash), randomSeed: this.#data.engineSeed, keepsSlices: true,
    };
  }

  hashed(engine: WasmEngine): HashedEngine {
    return new HashedEngine({ engine, hash: this.hash, handle: this.#handle });
  }
}
