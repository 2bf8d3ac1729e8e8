/**
 * A processor's trace: a ring in the control buffer of exits, hypercalls, MSR accesses, interrupts and whatever else
 * is worth a line, written without allocation and only while tracing is on. One ring a processor, so nobody locks;
 * a reader on another thread may see the entry that is being written half old and half new.
 */
import { hvMsrName } from '../protocols/tlfs/msrs.ts';
import { hypercallName } from '../protocols/tlfs/hypercalls.ts';
import { Msr } from './architectural-msrs.ts';
import type { ControlBuffer } from './control-buffer.ts';
import { ENGINE_MSRS, StopReason } from './engine-port.ts';
import { PartitionControl, TRACE_ENTRY_SIZE, traceOffset } from './partition-layout.ts';

export const TraceKind = {
  None: 0,
  Stop: 1, // why the engine returned
  Interrupt: 2, // vector delivered
  Nmi: 3,
  Hypercall: 4, // code, status
  MsrRead: 5, // index, low, high; the last word is 1 if it faulted
  MsrWrite: 6,
  PortRead: 7, // port, size, value, how many in a row
  PortWrite: 8,
  MmioRead: 9, // address low, address high, value low, size
  MmioWrite: 10,
  Cpuid: 11, // leaf, subleaf, EAX, EBX
  Exception: 12, // vector, error code, RIP low, RIP high: for engines that report them
  Command: 13, // ProcessorCommand carried out
} as const;
export type TraceKind = (typeof TraceKind)[keyof typeof TraceKind];

const ON = PartitionControl.traceOn.offset >> 2;
const ENTRY_WORDS = TRACE_ENTRY_SIZE >> 2;

// An entry: kind, sequence, time in virtual nanoseconds (a double), four words.
const SEQUENCE = 1;
const TIME = 1; // in doubles
const DATA = 4;

/** Port accesses in a row that each get an entry. A console's thousands would push out everything else. */
const SINGLE_PORT_ACCESSES = 16;
/** Behind those, as many different accesses are told apart: a console is written to, and asked whether it is ready. */
const PORT_ACCESS_KINDS = 4;

export class TraceRing {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #at: number;
  readonly #mask: number;
  #next = 1;
  #portAccesses = 0;

  constructor(options: { control: ControlBuffer; index: number }) {
    const { control, index } = options;
    this.#words = control.words;
    this.#floats = control.floats;
    this.#at = traceOffset(index, control.processorCount, control.traceEntries) >> 2;
    this.#mask = control.traceEntries - 1;
  }

  /** Whether to trace at all; ask before computing what to trace. */
  get on(): boolean {
    return this.#mask >= 0 && this.#words[ON] !== 0;
  }

  /** Of many port accesses in a row, those of one kind to one port share an entry: the last value, and how many. */
  addPortAccess(
    kind: typeof TraceKind.PortRead | typeof TraceKind.PortWrite, timeNs: number,
    port: number, size: number, value: number,
  ): void {
    if (this.#portAccesses >= SINGLE_PORT_ACCESSES) {
      for (let back = 1; back <= PORT_ACCESS_KINDS; back++) {
        if (this.#repeat(back, kind, timeNs, port, size, value)) return;
      }
    }
    const accesses = this.#portAccesses + 1;
    this.add(kind, timeNs, port, size, value, 1);
    this.#portAccesses = accesses;
  }

  /** Counts an access in an earlier entry, if that is of its kind. */
  #repeat(back: number, kind: TraceKind, timeNs: number, port: number, size: number, value: number): boolean {
    const words = this.#words;
    const at = this.#at + ((this.#next - back) & this.#mask) * ENTRY_WORDS;
    const same = words[at] === kind && words[at + DATA] === port && words[at + DATA + 1] === size;
    if (!same) return false;
    this.#floats[(at >> 1) + TIME] = timeNs;
    words[at + DATA + 2] = value;
    words[at + DATA + 3] = (words[at + DATA + 3] as number) + 1;
    return true;
  }

  add(kind: TraceKind, timeNs: number, a: number, b: number, c: number, d: number): void {
    const words = this.#words;
    const at = this.#at + (this.#next & this.#mask) * ENTRY_WORDS;
    words[at] = kind;
    words[at + SEQUENCE] = this.#next;
    this.#floats[(at >> 1) + TIME] = timeNs;
    words[at + DATA] = a;
    words[at + DATA + 1] = b;
    words[at + DATA + 2] = c;
    words[at + DATA + 3] = d;
    this.#next = (this.#next + 1) | 0;
    this.#portAccesses = 0;
  }
}

/** Turns tracing on or off for a whole partition. */
export function setTracing(control: ControlBuffer, on: boolean): void {
  Atomics.store(control.words, ON, on ? 1 : 0);
}

/** The trace of processor `index` as text, oldest line first. */
export function traceLines(control: ControlBuffer, index: number): string[] {
  const start = traceOffset(index, control.processorCount, control.traceEntries) >> 2;
  const entries: { sequence: number; line: string }[] = [];
  for (let i = 0; i < control.traceEntries; i++) {
    const at = start + i * ENTRY_WORDS;
    const kind = control.words[at] as number;
    if (kind === TraceKind.None) continue;
    const time = ((control.floats[(at >> 1) + TIME] as number) / 1000).toFixed(3).padStart(14);
    const data = Array.from(control.words.subarray(at + DATA, at + DATA + 4), (word) => word >>> 0);
    const sequence = control.words[at + SEQUENCE] as number;
    entries.push({ sequence, line: `${time} us vp${index} ${describe(kind as TraceKind, data)}` });
  }
  entries.sort((a, b) => (a.sequence - b.sequence) | 0);
  return entries.map((entry) => entry.line);
}

function describe(kind: TraceKind, data: readonly number[]): string {
  const [a, b, c, d] = data as [number, number, number, number];
  switch (kind) {
    case TraceKind.None: return '';
    case TraceKind.Stop: return `stop ${nameOf(StopReason, a)}`;
    case TraceKind.Interrupt: return `interrupt ${hex(a)}`;
    case TraceKind.Nmi: return 'nmi';
    case TraceKind.Hypercall: return `${hypercallName(a)} -> status ${hex(b)}`;
    case TraceKind.MsrRead: return d === 0 ? `rdmsr ${msrName(a)} = ${wide(b, c)}` : `rdmsr ${msrName(a)} #GP`;
    case TraceKind.MsrWrite: return `wrmsr ${msrName(a)} = ${wide(b, c)}${d === 0 ? '' : ' #GP'}`;
    case TraceKind.PortRead: return `in${b} ${hex(a)} = ${hex(c)}${times(d)}`;
    case TraceKind.PortWrite: return `out${b} ${hex(a)} = ${hex(c)}${times(d)}`;
    case TraceKind.MmioRead: return `load${d} ${wide(a, b)} = ${hex(c)}`;
    case TraceKind.MmioWrite: return `store${d} ${wide(a, b)} = ${hex(c)}`;
    case TraceKind.Cpuid: return `cpuid ${hex(a)}.${hex(b)} = eax ${hex(c)} ebx ${hex(d)}`;
    case TraceKind.Exception: return `exception ${a} error ${hex(b)} at ${wide(c, d)}`;
    case TraceKind.Command: return `command ${a}`;
    default:
      kind satisfies never;
      return `kind ${String(kind)}`;
  }
}

function times(count: number): string {
  return count > 1 ? ` (the last of ${count})` : '';
}

function msrName(index: number): string {
  if (index >= 0x800 && index <= 0x83f) return `X2APIC_${hex(index - 0x800)}`;
  return hvMsrName(index) ?? nameOf({ ...Msr, ...ENGINE_MSRS }, index);
}

function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  for (const [name, number] of Object.entries(table)) if (number === value) return name;
  return hex(value);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function wide(low: number, high: number): string {
  return high === 0 ? hex(low) : `0x${high.toString(16)}${low.toString(16).padStart(8, '0')}`;
}
