/**
 * An engine without a processor, for tests of everything around engines: each call of `run` executes the next step of
 * a script, which may call the intercepts as guest code would, and returns the step's reason. It keeps the rules of
 * the port: a kick is sticky, an interrupt is refused unless the processor can take it.
 */
import assert from 'node:assert/strict';
import {
  type ProcessorEngine, type ProcessorIntercepts, type ProcessorState, type SegmentState, StopReason,
} from '../engine-port.ts';

export type ScriptStep = (engine: ScriptedEngine) => StopReason;

const FLAT: SegmentState = { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 };

/** A state that is complete and means nothing in particular. */
export function emptyProcessorState(): ProcessorState {
  const segment = () => ({ ...FLAT });
  return {
    version: 1, gpr: new Array<bigint>(16).fill(0n), rip: 0xfff0n, rflags: 2n,
    segments: { es: segment(), cs: segment(), ss: segment(), ds: segment(), fs: segment(), gs: segment(),
      ldtr: segment(), tr: segment() },
    gdtr: { base: 0n, limit: 0xffff }, idtr: { base: 0n, limit: 0xffff },
    cr0: 0x10n, cr2: 0n, cr3: 0n, cr4: 0n, xcr0: 1n, dr: [0n, 0n, 0n, 0n, 0n, 0n], msrs: [],
    xsave: new Uint8Array(576), halted: false, interruptShadow: false, nmiBlocked: false,
  };
}

export class ScriptedEngine implements ProcessorEngine {
  readonly data = new Int32Array(4);
  readonly intercepts: ProcessorIntercepts;
  readonly script: ScriptStep[];
  /** Vectors delivered, -2 for an NMI, -1 for a reset, in order. */
  readonly log: number[] = [];
  readonly changed: { gpa: number; length: number }[] = [];
  readonly flushes: { low: number; high: number; pages: bigint[] }[] = [];
  interruptsEnabled = true;
  windowRequested = false;
  state = emptyProcessorState();
  #kicked = false;

  constructor(intercepts: ProcessorIntercepts, script: ScriptStep[]) {
    this.intercepts = intercepts;
    this.script = script;
  }

  run(): StopReason {
    if (this.#kicked) {
      this.#kicked = false;
      return StopReason.Kick;
    }
    if (this.windowRequested && this.interruptsEnabled) return StopReason.InterruptWindow;
    const step = this.script.shift();
    assert.ok(step !== undefined, 'the processor ran on after the end of its script');
    return step(this);
  }

  /** One step of the script too. */
  step(): StopReason {
    return this.run();
  }

  kick(): void {
    this.#kicked = true;
  }

  canInterrupt(): boolean {
    return this.interruptsEnabled;
  }

  interrupt(vector: number): void {
    assert.ok(this.interruptsEnabled, 'an interrupt was delivered while the processor cannot take one');
    this.log.push(vector);
  }

  nmi(): void {
    this.log.push(-2);
  }

  requestInterruptWindow(on: boolean): void {
    this.windowRequested = on;
  }

  readRegister(index: number): { low: number; high: number } {
    const value = this.state.gpr[index] as bigint;
    return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) };
  }

  writeRegister(index: number, low: number, high: number): void {
    this.state.gpr[index] = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  }

  saveState(): ProcessorState {
    return structuredClone(this.state);
  }

  restoreState(state: ProcessorState): void {
    this.state = structuredClone(state);
  }

  reset(): void {
    this.state = emptyProcessorState();
    this.log.push(-1);
  }

  flushTranslations(low: number, high: number, ranges: DataView, at: number, count: number): void {
    const pages = Array.from({ length: count }, (_, n) => ranges.getBigUint64(at + n * 8, true));
    this.flushes.push({ low: low >>> 0, high: high >>> 0, pages });
  }

  memoryChanged(gpa: number, length: number): void {
    this.changed.push({ gpa, length });
  }

  /** RDMSR as guest code would; undefined when it faults. */
  readMsr(index: number): bigint | undefined {
    if (!this.intercepts.readMsr(index)) return undefined;
    const [low, high] = this.data as unknown as [number, number];
    return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  }

  /** WRMSR as guest code would; false when it faults. */
  writeMsr(index: number, value: bigint): boolean {
    this.data[0] = Number(BigInt.asIntN(32, value));
    this.data[1] = Number(BigInt.asIntN(32, value >> 32n));
    return this.intercepts.writeMsr(index);
  }
}
