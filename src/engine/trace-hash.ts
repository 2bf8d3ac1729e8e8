/**
 * A number that two runs have in common only when they were the same: everything that the processor asks of the
 * hypervisor goes into it, and its registers at the end of every slice of guest code. Two 32-bit halves, each mixed by
 * multiplication; it finds differences and keeps nobody from making them.
 */

import {
  type ProcessorEngine, type ProcessorIntercepts, type ProcessorState, StopReason,
} from '../hypervisor/engine-port.ts';
import { INSTRUCTION, INSTRUCTIONS, PAUSES, SEGMENTS, XMM, XMM_STRIDE } from './core/layout.ts';
import { type EngineMemoryHandle, processorAddress } from './memory-handle.ts';

/** What the processor may ask, as numbers that go into the hash. */
const Asked = {
  PortRead: 1, PortWrite: 2, MmioRead: 3, MmioWrite: 4, Cpuid: 5, ReadMsr: 6, WriteMsr: 7, Hypercall: 8, ReadCr8: 9,
  WriteCr8: 10, Time: 11, Stop: 12,
} as const;

export class TraceHash {
  #first = 0x811c_9dc5;
  #second = 0x9e37_79b9;

  add(value: number): void {
    this.#first = Math.imul(this.#first ^ value, 0x0100_0193);
    this.#second = Math.imul((this.#second + value) ^ (this.#second >>> 15), 0x85eb_ca6b);
  }

  /** Sixteen hexadecimal digits. */
  get text(): string {
    return [this.#first, this.#second].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

/** Intercepts that go into the hash on their way. */
export function hashedIntercepts(intercepts: ProcessorIntercepts, hash: TraceHash): ProcessorIntercepts {
  const asked = (what: number, first: number, second: number): void => {
    hash.add(what);
    hash.add(first);
    hash.add(second);
  };
  return {
    portRead: (port, size) => {
      const value = intercepts.portRead(port, size);
      asked(Asked.PortRead, port, value);
      return value;
    },
    portWrite: (port, size, value) => {
      asked(Asked.PortWrite, port, value);
      intercepts.portWrite(port, size, value);
    },
    mmioRead: (gpa, size) => {
      asked(Asked.MmioRead, gpa, size);
      intercepts.mmioRead(gpa, size);
    },
    mmioWrite: (gpa, size) => {
      asked(Asked.MmioWrite, gpa, size);
      intercepts.mmioWrite(gpa, size);
    },
    cpuid: (leaf, subleaf) => {
      asked(Asked.Cpuid, leaf, subleaf);
      intercepts.cpuid(leaf, subleaf);
    },
    readMsr: (index) => {
      const done = intercepts.readMsr(index);
      asked(Asked.ReadMsr, index, done ? 1 : 0);
      return done;
    },
    writeMsr: (index) => {
      const done = intercepts.writeMsr(index);
      asked(Asked.WriteMsr, index, done ? 1 : 0);
      return done;
    },
    hypercall: () => {
      const done = intercepts.hypercall();
      asked(Asked.Hypercall, done ? 1 : 0, 0);
      return done;
    },
    readCr8: () => {
      const value = intercepts.readCr8();
      asked(Asked.ReadCr8, value, 0);
      return value;
    },
    writeCr8: (value) => {
      asked(Asked.WriteCr8, value, 0);
      intercepts.writeCr8(value);
    },
    timeStampCounter: () => {
      const value = intercepts.timeStampCounter();
      asked(Asked.Time, value >>> 0, value / 0x1_0000_0000);
      return value;
    },
  };
}

/** An engine whose registers go into the hash whenever it stops by itself. */
export class HashedEngine implements ProcessorEngine {
  readonly data: Int32Array;
  readonly #engine: ProcessorEngine;
  readonly #hash: TraceHash;
  readonly #words: Int32Array;
  readonly #at: number;

  constructor(options: { engine: ProcessorEngine; hash: TraceHash; handle: EngineMemoryHandle }) {
    this.#engine = options.engine;
    this.data = options.engine.data;
    this.#hash = options.hash;
    this.#words = new Int32Array(options.handle.memory.buffer);
    this.#at = processorAddress(0);
  }

  run(): StopReason {
    const reason = this.#engine.run();
    // A kick comes from outside, at no place that can be found again.
    if (reason !== StopReason.Kick) this.#addRegisters(reason);
    return reason;
  }

  step(): StopReason {
    return this.#engine.step();
  }

  kick(): void {
    this.#engine.kick();
  }

  canInterrupt(): boolean {
    return this.#engine.canInterrupt();
  }

  interrupt(vector: number): void {
    this.#engine.interrupt(vector);
  }

  nmi(): void {
    this.#engine.nmi();
  }

  requestInterruptWindow(on: boolean): void {
    this.#engine.requestInterruptWindow(on);
  }

  readRegister(index: number): { low: number; high: number } {
    return this.#engine.readRegister(index);
  }

  writeRegister(index: number, low: number, high: number): void {
    this.#engine.writeRegister(index, low, high);
  }

  saveState(): ProcessorState {
    return this.#engine.saveState();
  }

  restoreState(state: ProcessorState): void {
    this.#engine.restoreState(state);
  }

  reset(): void {
    this.#engine.reset();
  }

  flushTranslations(low: number, high: number, ranges: DataView, at: number, count: number): void {
    this.#engine.flushTranslations(low, high, ranges, at, count);
  }

  memoryChanged(gpa: number, length: number): void {
    this.#engine.memoryChanged(gpa, length);
  }

  #addRegisters(reason: StopReason): void {
    this.#hash.add(Asked.Stop);
    this.#hash.add(reason);
    this.#addWords(INSTRUCTIONS, INSTRUCTIONS + 8);
    this.#addWords(0, INSTRUCTION);
    this.#addWords(SEGMENTS, PAUSES);
    this.#addWords(XMM, XMM + 16 * XMM_STRIDE);
  }

  #addWords(from: number, end: number): void {
    const last = (this.#at + end) >>> 2;
    for (let word = (this.#at + from) >>> 2; word < last; word++) this.#hash.add(this.#words[word] as number);
  }
}
