/**
 * Runs records on an engine: in user mode of the guest that guest-tables.ts lays out, until an exception stops at its
 * handler's HLT. The outcome has the layout of what the native runner gives.
 */

import {
  type ProcessorEngine, type ProcessorState, type SegmentState, StopReason,
} from '../../src/hypervisor/engine-port.ts';
import {
  CODE_PAGES, DATA_PAGES, GDT, GDT_LIMIT, HANDLERS, IDT, PAGE_TABLES, STACK_TOP, SUPERVISOR, TSS, TSS_LIMIT,
  TSS_SELECTOR, writeTables,
} from './guest-tables.ts';
import {
  ADDRESS, BYTES, BYTES_SIZE, CODE, CODE_SIZE, DATA, DATA_SIZE, ERROR, FLAGS, FS_BASE, FXSAVE, FXSAVE_SIZE, GPR,
  GS_BASE, READ_ONLY_SIZE, RECORD_SIZE, RIP, SampleRecord, SELECTORS, SIGNAL, UPPER_HALVES, UPPER_HALVES_SIZE,
  USER_CODE_32, USER_CODE_64, VECTOR, WINDOW_LIST,
} from './record.ts';

/** Slices after which an instruction counts as one that never ends. */
const SLICES = 64;
const INT3 = 0xcc;
/** As the native runner reports it. */
const HANG_SIGNAL = 26;
/** An XSAVE area with AVX, and where in it that is. */
const XSAVE_BYTES = 832;
const XSAVE_UPPER_HALVES = 576;
const UNUSABLE = 0x1_0000;
const CR0 = 0x8005_0033n; // PG AM WP NE ET MP PE
const CR4 = 0x5_0620n; // OSXSAVE FSGSBASE OSXMMEXCPT OSFXSR PAE MCE
const EFER = 0xd01n; // NXE LMA LME SCE
const IA32_EFER = 0xc000_0080;
/** Exceptions that push an error code. */
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17];

export interface EngineUnderTest {
  readonly engine: ProcessorEngine;
  /** Guest RAM from guest-physical address 0, at least RAM_SIZE. */
  readonly ram: Uint8Array;
}

export class EngineRunner {
  readonly #engine: ProcessorEngine;
  readonly #ram: Uint8Array;
  readonly #view: DataView;
  readonly #state: ProcessorState;

  constructor({ engine, ram }: EngineUnderTest) {
    this.#engine = engine;
    this.#ram = ram;
    this.#view = new DataView(ram.buffer, ram.byteOffset, ram.length);
    writeTables(ram);
    ram.fill(INT3, CODE_PAGES, CODE_PAGES + CODE_SIZE);
    this.#state = initialState(engine.saveState());
  }

  /** The records after their instructions, in the order and layout of `records`. */
  run(records: Uint8Array): Uint8Array {
    const after = records.slice();
    // What lies outside the windows starts as in a fresh native runner.
    this.#ram.fill(0, DATA_PAGES, DATA_PAGES + DATA_SIZE + READ_ONLY_SIZE);
    for (let at = 0; at < records.length; at += RECORD_SIZE) {
      this.#runOne(new SampleRecord(after.subarray(at, at + RECORD_SIZE)));
    }
    return after;
  }

  #runOne(record: SampleRecord): void {
    const codeAt = CODE_PAGES + Number(record.rip) - CODE;
    const codeLength = Math.min(BYTES_SIZE, CODE_PAGES + CODE_SIZE - codeAt);
    this.#ram.set(record.bytes.subarray(BYTES, BYTES + codeLength), codeAt);
    for (const { address, size, offset } of WINDOW_LIST) {
      this.#ram.set(record.bytes.subarray(offset, offset + size), DATA_PAGES + address - DATA);
    }
    this.#engine.memoryChanged(CODE_PAGES, CODE_SIZE);
    this.#load(record);
    let reason: StopReason = StopReason.Slice;
    for (let n = 0; n < SLICES && reason === StopReason.Slice; n++) reason = this.#engine.run();
    this.#store(record, reason);
    this.#ram.fill(INT3, codeAt, codeAt + codeLength);
  }

  #load({ view, bytes }: SampleRecord): void {
    const state = this.#state;
    for (let n = 0; n < 16; n++) state.gpr[n] = view.getBigUint64(GPR + n * 8, true);
    state.rip = view.getBigUint64(RIP, true);
    state.rflags = view.getBigUint64(FLAGS, true);
    for (const [name, at] of Object.entries(SELECTORS) as [keyof typeof SELECTORS, number][]) {
      state.segments[name] = segment(view.getUint16(at, true));
    }
    if (state.segments.fs.selector === 0) state.segments.fs.base = view.getBigUint64(FS_BASE, true);
    if (state.segments.gs.selector === 0) state.segments.gs.base = view.getBigUint64(GS_BASE, true);
    state.xsave.set(bytes.subarray(FXSAVE, FXSAVE + FXSAVE_SIZE));
    state.xsave.set(bytes.subarray(UPPER_HALVES, UPPER_HALVES + UPPER_HALVES_SIZE), XSAVE_UPPER_HALVES);
    this.#engine.restoreState(state);
  }

  #store({ view, bytes }: SampleRecord, reason: StopReason): void {
    const state = this.#engine.saveState();
    const handler = Number(state.rip - SUPERVISOR) - HANDLERS;
    const stopped = reason === StopReason.Halt && handler >= 0 && handler < 0x1000;
    const vector = stopped ? handler >> 4 : 0xff;
    const withError = WITH_ERROR_CODE.includes(vector);
    // The frame: error code, RIP, CS, RFLAGS, RSP, SS.
    const frame = STACK_TOP - 40;
    const kept = (n: number): bigint => this.#view.getBigUint64(frame + n * 8, true);
    state.gpr.forEach((value, n) => view.setBigUint64(GPR + n * 8, n === 4 && stopped ? kept(3) : value, true));
    view.setBigUint64(RIP, stopped ? kept(0) : state.rip, true);
    view.setBigUint64(FLAGS, stopped ? kept(2) : state.rflags, true);
    for (const [name, at] of Object.entries(SELECTORS) as [keyof typeof SELECTORS, number][]) {
      view.setUint16(at, state.segments[name].selector, true);
    }
    view.setUint16(SELECTORS.cs, Number(kept(1) & 0xffffn), true);
    view.setUint16(SELECTORS.ss, Number(kept(4) & 0xffffn), true);
    view.setBigUint64(FS_BASE, state.segments.fs.base, true);
    view.setBigUint64(GS_BASE, state.segments.gs.base, true);
    view.setUint32(SIGNAL, stopped ? 0 : HANG_SIGNAL, true);
    view.setUint32(VECTOR, vector, true);
    view.setBigUint64(ERROR, withError ? this.#view.getBigUint64(frame - 8, true) : 0n, true);
    view.setBigUint64(ADDRESS, vector === 14 ? state.cr2 : 0n, true);
    bytes.set(state.xsave.subarray(0, FXSAVE_SIZE), FXSAVE);
    bytes.set(state.xsave.subarray(XSAVE_UPPER_HALVES, XSAVE_BYTES), UPPER_HALVES);
    for (const { address, size, offset } of WINDOW_LIST) {
      const at = DATA_PAGES + address - DATA;
      bytes.set(this.#ram.subarray(at, at + size), offset);
    }
  }
}

function segment(selector: number): SegmentState {
  const attributes = selector === USER_CODE_64 ? 0xa0fb : selector === USER_CODE_32 ? 0xc0fb : 0xc0f3;
  if (selector === 0) return { selector, base: 0n, limit: 0, attributes: UNUSABLE };
  return { selector, base: 0n, limit: 0xffff_ffff, attributes };
}

/** User mode in 64-bit paging, from whatever state the engine starts in. */
function initialState(start: ProcessorState): ProcessorState {
  const none = segment(0);
  // XCR0 with x87, SSE and AVX; the header of the XSAVE area says that all are there.
  const xsave = new Uint8Array(Math.max(XSAVE_BYTES, start.xsave.length));
  xsave[512] = 7;
  return {
    ...start, xsave, cr0: CR0, cr2: 0n, cr3: BigInt(PAGE_TABLES), cr4: CR4, xcr0: 7n,
    segments: {
      es: none, cs: none, ss: none, ds: none, fs: none, gs: none, ldtr: { ...none, attributes: UNUSABLE },
      tr: { selector: TSS_SELECTOR, base: SUPERVISOR + BigInt(TSS), limit: TSS_LIMIT, attributes: 0x8b },
    },
    gdtr: { base: SUPERVISOR + BigInt(GDT), limit: GDT_LIMIT },
    idtr: { base: SUPERVISOR + BigInt(IDT), limit: 0xfff },
    msrs: [...start.msrs.filter(([index]) => index !== IA32_EFER), [IA32_EFER, EFER]],
    halted: false, interruptShadow: false, nmiBlocked: false,
  };
}
