/** The thread of one processor of a `LitmusGuest`: runs the engine until the guest halts. */

import { workerData } from 'node:worker_threads';
import type { EngineMemoryHandle } from '../../src/engine/memory-handle.ts';
import { WasmEngine } from '../../src/engine/wasm-engine.ts';
import { type ProcessorState, StopReason } from '../../src/hypervisor/engine-port.ts';
import { NO_INTERCEPTS } from '../no-intercepts.ts';

export interface ProcessorData {
  readonly handle: EngineMemoryHandle;
  readonly index: number;
  readonly pageTable: number;
  readonly instruction: number;
  readonly stack: number;
}

const CR0_PROTECTED_PAGING = 0x8000_0011n;
const CR4_PAE = 0x20n;
const IA32_EFER = 0xc000_0080;
const EFER_LONG = 0x500n;
const SPIN_WAIT_MS = 0.05;
const NAP = new Int32Array(new SharedArrayBuffer(4));
const CODE_64 = 0xa09b;
const DATA_FLAT = 0xc093;

/** 64-bit mode at CPL 0. */
export function longModeState(state: ProcessorState, data: Omit<ProcessorData, 'handle' | 'index'>): ProcessorState {
  const flat = { selector: 0x10, base: 0n, limit: 0xffff_ffff, attributes: DATA_FLAT };
  return {
    ...state,
    gpr: state.gpr.map((_, index) => (index === 4 ? BigInt(data.stack) : 0n)),
    rip: BigInt(data.instruction),
    segments: {
      ...state.segments, es: flat, ss: flat, ds: flat, fs: flat, gs: flat,
      cs: { selector: 8, base: 0n, limit: 0xffff_ffff, attributes: CODE_64 },
    },
    cr0: CR0_PROTECTED_PAGING, cr3: BigInt(data.pageTable), cr4: CR4_PAE,
    msrs: state.msrs.map(([index, value]) => [index, index === IA32_EFER ? EFER_LONG : value]),
  };
}

/**
 * VMCALL forgets translations on the first two processors: everything for RCX = 0, FLUSHED_PAGE for 1. The page shares
 * no place in the TLB with what else the programs touch.
 */
export const FLUSHED_PAGE = 0x4000_5000;
const RCX = 1;
const FLUSHED = 3;

export function makeEngine(data: ProcessorData): WasmEngine {
  const ranges = new DataView(BigUint64Array.of(BigInt(FLUSHED_PAGE)).buffer);
  const hypercall = (): boolean => {
    engine.flushTranslations(FLUSHED, 0, ranges, 0, engine.readRegister(RCX).low);
    return true;
  };
  const engine =
    new WasmEngine({ handle: data.handle, index: data.index, intercepts: { ...NO_INTERCEPTS, hypercall } });
  engine.restoreState(longModeState(engine.saveState(), data));
  return engine;
}

if (workerData !== null) {
  const engine = makeEngine(workerData as ProcessorData);
  for (let reason = engine.run(); reason !== StopReason.Halt; reason = engine.run()) {
    if (reason === StopReason.TripleFault) throw new Error('triple fault');
    // Whom it waits for may need the host's core.
    if (reason === StopReason.Spin) Atomics.wait(NAP, 0, 0, SPIN_WAIT_MS);
  }
}
