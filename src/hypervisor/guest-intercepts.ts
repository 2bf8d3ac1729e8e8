/**
 * What a processor's engine asks in the middle of an instruction, and who answers: the local APIC, the MSRs, CPUID and
 * hypercalls here in the microkernel, ports and other addresses out in user mode. A write that may have made an
 * interrupt deliverable asks the engine for an interrupt window, so that it arrives as soon as the guest can take it.
 */
import type { ArchitecturalMsrs } from './architectural-msrs.ts';
import type { ControlBuffer } from './control-buffer.ts';
import type { CpuidPolicy } from './cpuid.ts';
import type { IoIntercepts } from './device-port.ts';
import type { ProcessorEngine, ProcessorIntercepts } from './engine-port.ts';
import type { HypercallDispatcher } from './hypercalls.ts';
import type { LocalApic } from './local-apic.ts';
import type { Msrs } from './msrs.ts';
import { VpControl, VpRegisters } from './partition-layout.ts';
import type { ReferenceTime } from './reference-time.ts';
import { TraceKind, type TraceRing } from './trace-ring.ts';

const WAKE = VpControl.wake.offset >> 2;
const SIGNALS = VpRegisters.signals.offset >> 2;
const CPUID_1_EDX_APIC = 1 << 9;
const TWO_TO_32 = 0x1_0000_0000;

export interface GuestInterceptParts {
  readonly control: ControlBuffer;
  readonly index: number;
  readonly apic: LocalApic;
  readonly msrs: Msrs;
  readonly architectural: ArchitecturalMsrs;
  readonly cpuid: CpuidPolicy;
  readonly io: IoIntercepts;
  readonly time: ReferenceTime;
  readonly trace: TraceRing;
}

export class GuestIntercepts implements ProcessorIntercepts {
  readonly #parts: GuestInterceptParts;
  readonly #words: Int32Array;
  readonly #wakeAt: number;
  readonly #signalsAt: number;
  readonly #apic: LocalApic;
  readonly #io: IoIntercepts;
  readonly #trace: TraceRing;
  #engine: ProcessorEngine | undefined;
  #hypercalls: HypercallDispatcher | undefined;
  #data: Int32Array = new Int32Array(4);
  #seenWake = 0;

  constructor(parts: GuestInterceptParts) {
    this.#parts = parts;
    this.#words = parts.control.words;
    this.#wakeAt = parts.control.vpControlWord(parts.index) + WAKE;
    this.#signalsAt = parts.control.vpRegistersWord(parts.index) + SIGNALS;
    this.#apic = parts.apic;
    this.#io = parts.io;
    this.#trace = parts.trace;
  }

  /** The engine exists only after its intercepts do. */
  connect(engine: ProcessorEngine, hypercalls: HypercallDispatcher): void {
    this.#engine = engine;
    this.#hypercalls = hypercalls;
    this.#data = engine.data;
  }

  portRead(port: number, size: number): number {
    const value = this.#io.portRead(port, size);
    if (this.#trace.on) this.#trace.addPortAccess(TraceKind.PortRead, this.#parts.time.nowNs(), port, size, value);
    this.#lookIfWoken();
    return value;
  }

  portWrite(port: number, size: number, value: number): void {
    if (this.#trace.on) this.#trace.addPortAccess(TraceKind.PortWrite, this.#parts.time.nowNs(), port, size, value);
    this.#io.portWrite(port, size, value);
    this.#lookIfWoken();
  }

  mmioRead(gpa: number, size: number): void {
    const data = this.#data;
    if (this.#apic.covers(gpa)) this.#apic.mmioRead(gpa, size, data);
    else this.#io.mmioRead(gpa, size, data);
    if (this.#trace.on) this.#traceAddress(TraceKind.MmioRead, gpa, data[0] as number, size);
    this.#lookIfWoken();
  }

  // Hot path: EOI and ICR in xAPIC mode. No allocation.
  mmioWrite(gpa: number, size: number): void {
    const data = this.#data;
    if (this.#trace.on) this.#traceAddress(TraceKind.MmioWrite, gpa, data[0] as number, size);
    if (this.#apic.covers(gpa)) {
      this.#apic.mmioWrite(gpa, size, data);
      this.#look();
    } else {
      this.#io.mmioWrite(gpa, size, data);
      this.#lookIfWoken();
    }
  }

  cpuid(leaf: number, subleaf: number): void {
    const data = this.#data;
    this.#parts.cpuid.query(leaf, subleaf, this.#parts.index, data);
    if (leaf === 1 && !this.#apic.globallyEnabled) data[3] = (data[3] as number) & ~CPUID_1_EDX_APIC;
    if (this.#trace.on) this.#traceLine(TraceKind.Cpuid, leaf, subleaf, data[0] as number, data[1] as number);
  }

  readMsr(index: number): boolean {
    const data = this.#data;
    const ok = this.#parts.msrs.read(index, data);
    if (this.#trace.on) this.#traceLine(TraceKind.MsrRead, index, data[0] as number, data[1] as number, ok ? 0 : 1);
    return ok;
  }

  // Hot path: EOI, ICR, timers. No allocation.
  writeMsr(index: number): boolean {
    const data = this.#data;
    const ok = this.#parts.msrs.write(index, data);
    if (this.#trace.on) this.#traceLine(TraceKind.MsrWrite, index, data[0] as number, data[1] as number, ok ? 0 : 1);
    this.#look();
    return ok;
  }

  hypercall(): boolean {
    const hypercalls = this.#hypercalls as HypercallDispatcher;
    const code = hypercalls.dispatch();
    if (this.#trace.on) this.#traceLine(TraceKind.Hypercall, code, hypercalls.lastStatus, 0, 0);
    this.#lookIfWoken();
    return true;
  }

  readCr8(): number {
    return this.#apic.taskPriority >> 4;
  }

  writeCr8(value: number): void {
    this.#apic.taskPriority = (value & 0xf) << 4;
    this.#look();
  }

  timeStampCounter(): number {
    return this.#parts.architectural.timeStampCounter();
  }

  /** Any reason to look goes through this word, so an unchanged one means nothing new. */
  #lookIfWoken(): void {
    if (Atomics.load(this.#words, this.#wakeAt) !== this.#seenWake) this.#look();
  }

  #look(): void {
    const engine = this.#engine as ProcessorEngine;
    this.#seenWake = Atomics.load(this.#words, this.#wakeAt);
    if (Atomics.load(this.#words, this.#signalsAt) !== 0) engine.kick();
    if (this.#apic.deliverable() >= 0) engine.requestInterruptWindow(true);
  }

  #traceLine(kind: TraceKind, a: number, b: number, c: number, d: number): void {
    this.#trace.add(kind, this.#parts.time.nowNs(), a, b, c, d);
  }

  #traceAddress(kind: TraceKind, gpa: number, value: number, size: number): void {
    this.#trace.add(kind, this.#parts.time.nowNs(), gpa >>> 0, Math.floor(gpa / TWO_TO_32), value, size);
  }
}
