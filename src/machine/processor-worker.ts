/**
 * The thread of one virtual processor: the engine, the microkernel's part of that processor, and the chipset as this
 * processor's accesses meet it, all over the VM's shared buffers.
 */

import { parentPort } from 'node:worker_threads';
import { Chipset } from '../chipset/chipset.ts';
import type { EngineMemoryHandle } from '../engine/memory-handle.ts';
import { ProcessorRequests } from '../engine/processor-requests.ts';
import { WasmEngine, coreModule } from '../engine/wasm-engine.ts';
import { ControlBuffer } from '../hypervisor/control-buffer.ts';
import { InterruptRouter } from '../hypervisor/interrupt-router.ts';
import type { ProcessorModel } from '../hypervisor/processor-model.ts';
import { VirtualProcessor } from '../hypervisor/virtual-processor.ts';
import { HostClock } from '../kit/clock.ts';
import type { DeterminismData } from './deterministic/determinism.ts';
import { DeterministicThread } from './deterministic/deterministic-thread.ts';
import type { InputEntry } from './deterministic/input-record.ts';
import { attachMemory } from './saved-state/attach-memory.ts';
import type { SavedMemory } from './saved-state/memory-source.ts';

/** What the machine gives a processor's thread. */
export interface ProcessorWorkerData {
  readonly index: number;
  readonly engine: EngineMemoryHandle;
  readonly control: SharedArrayBuffer;
  readonly chipset: SharedArrayBuffer;
  readonly model: ProcessorModel | undefined;
  readonly debugExit: boolean;
  readonly traceInstructions: boolean;
  /** Time, randomness and input of a run that can be had twice. */
  readonly determinism?: DeterminismData;
  /** Guest memory that arrives as it is needed, of a guest that is being restored. */
  readonly memory: SavedMemory | undefined;
}

/** What the thread tells when it ends. */
export interface ProcessorReport {
  readonly instructions: number;
  readonly exceptions: number;
  /** Of a run that can be had twice. */
  readonly traceHash?: string;
  /** Of a run in lockstep: entries of regions, those that were compared, and their instructions. */
  readonly lockstep?: { readonly entries: number; readonly compared: number; readonly instructions: number };
}

/** What was typed, and when: told as soon as the guest has it. */
export interface InputReport {
  readonly input: InputEntry;
}

function runProcessor(data: ProcessorWorkerData): void {
  const requests = new ProcessorRequests(data.engine);
  const kick = (index: number): void => requests.kick(index);
  const router = new InterruptRouter({ control: new ControlBuffer(data.control), kick });
  const twice = data.determinism === undefined ? undefined : new DeterministicThread(data.engine, data.determinism);
  const clock = twice?.clock ?? new HostClock();
  const chipset = new Chipset({
    shared: data.chipset, sink: router, clock, debugExit: data.debugExit, consoleWaitsForHost: twice !== undefined,
    onPowerEvent: () => { if (twice !== undefined) processor.park(); },
  });
  const pace = twice?.pace(chipset, (input) => parentPort?.postMessage({ input } satisfies InputReport));
  const { memory, absent } = attachMemory(data.engine, data.memory);
  let engine: WasmEngine | undefined;
  const processor = new VirtualProcessor({
    control: data.control,
    index: data.index,
    model: data.model,
    memory,
    io: chipset.io,
    clock,
    kick,
    engineFactory: (intercepts) => {
      const options = { handle: data.engine, index: data.index, intercepts, absent };
      if (twice === undefined) return (engine = new WasmEngine(options));
      engine = new WasmEngine({ ...options, ...twice.engineOptions(intercepts) });
      return twice.hashed(engine);
    },
    ...(pace === undefined ? {} : { pace }),
  });
  if (data.traceInstructions) engine?.traceInstructions();
  processor.run();
  const counters = engine?.counters() ?? { instructions: 0, events: 0 };
  const lockstep = engine?.compared();
  parentPort?.postMessage({
    instructions: counters.instructions, exceptions: counters.events,
    ...(twice === undefined ? {} : { traceHash: twice.hash.text }), ...(lockstep && { lockstep }),
  } satisfies ProcessorReport);
}

// Compiled while the machine is still being made.
coreModule();
parentPort?.once('message', runProcessor);
