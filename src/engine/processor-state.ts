/** Architectural state ↔ the processor's block in engine memory. */

import { ENGINE_MSRS, type ProcessorState, type SegmentState } from '../hypervisor/engine-port.ts';
import {
  ATTRIBUTES, BASE, CPL, CR0, CR2, CR3, CR4, CSTAR, DR0, DR6, DR7, EFER, FMASK, FS_BASE, GDTR_BASE, GDTR_LIMIT, GPR,
  GS_BASE, HALTED, DESTINATION, IDTR_BASE, IDTR_LIMIT, INSTRUCTION, KERNEL_GS_BASE, LIMIT, LSTAR, MODE, MODE_64, MXCSR,
  NMI_BLOCKED, NMI_PENDING, PENDING_DEBUG, RANDOM, RIP, SEGMENT_SIZE, SEGMENTS, SELECTOR, SHADOW, SOURCE, STAR,
  SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TSC_AUX, XCR0, XMM,
} from './core/layout.ts';
import type { CoreExports } from './wasm-engine.ts';

const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
/** With x87 and SSE, and with AVX too. */
const XSAVE_BYTES = 576;
const XSAVE_ALL_BYTES = 832;
const ALL_COMPONENTS = 7;
const LEGACY_COMPONENTS = 3;
const AVX_COMPONENT = 4n;
/** Offset of the area's byte that says which components it holds. */
const XSTATE_BV = 512;

const MSR_PLACES: readonly (readonly [index: number, place: number])[] = [
  [ENGINE_MSRS.IA32_SYSENTER_CS, SYSENTER_CS], [ENGINE_MSRS.IA32_SYSENTER_ESP, SYSENTER_ESP],
    [ENGINE_MSRS.IA32_SYSENTER_EIP, SYSENTER_EIP],
  [ENGINE_MSRS.IA32_EFER, EFER], [ENGINE_MSRS.IA32_STAR, STAR], [ENGINE_MSRS.IA32_LSTAR, LSTAR],
    [ENGINE_MSRS.IA32_CSTAR, CSTAR],
  [ENGINE_MSRS.IA32_FMASK, FMASK], [ENGINE_MSRS.IA32_FS_BASE, FS_BASE], [ENGINE_MSRS.IA32_GS_BASE, GS_BASE],
  [ENGINE_MSRS.IA32_KERNEL_GS_BASE, KERNEL_GS_BASE], [ENGINE_MSRS.IA32_TSC_AUX, TSC_AUX],
];

export function saveProcessorState(view: DataView, at: number, core: CoreExports): ProcessorState {
  const u64 = (offset: number): bigint => view.getBigUint64(at + offset, true);
  const u32 = (offset: number): number => view.getUint32(at + offset, true);
  const segments = Object.fromEntries(SEGMENT_NAMES.map((name, n): [string, SegmentState] => {
    const base = SEGMENTS + n * SEGMENT_SIZE;
    return [name,
      { selector: u32(base + SELECTOR), base: u64(base + BASE), limit: u32(base + LIMIT),
        attributes: u32(base + ATTRIBUTES) }];
  })) as ProcessorState['segments'];
  const image = new Uint8Array(view.buffer, at + DESTINATION, XSAVE_ALL_BYTES);
  image.fill(0);
  withAllState(view, at, () => core.saveExtendedState(at + DESTINATION, ALL_COMPONENTS));
  const hasAvx = (u64(XCR0) & AVX_COMPONENT) !== 0n;
  if (!hasAvx) image[XSTATE_BV] = LEGACY_COMPONENTS;
  return {
    version: 1,
    gpr: Array.from({ length: 16 }, (_, n) => u64(GPR + n * 8)),
    rip: u64(RIP),
    rflags: BigInt(core.readFlags() >>> 0),
    segments,
    gdtr: { base: u64(GDTR_BASE), limit: u32(GDTR_LIMIT) },
    idtr: { base: u64(IDTR_BASE), limit: u32(IDTR_LIMIT) },
    cr0: u64(CR0), cr2: u64(CR2), cr3: u64(CR3), cr4: u64(CR4), xcr0: u64(XCR0),
    dr: [DR0, DR0 + 8, DR0 + 16, DR0 + 24, DR6, DR7].map(u64),
    msrs: MSR_PLACES.map(([index, place]) => [index, u64(place)]),
    xsave: image.slice(0, hasAvx ? XSAVE_ALL_BYTES : XSAVE_BYTES),
    halted: u32(HALTED) !== 0,
    interruptShadow: u32(SHADOW) !== 0,
    nmiBlocked: u32(NMI_BLOCKED) !== 0,
    nmiPending: u32(NMI_PENDING) !== 0,
    pendingDebug: u32(PENDING_DEBUG),
  };
}

/** XSAVE covers what XCR0 names, and in 64-bit code all vector registers: both are made so while `body` runs. */
function withAllState(view: DataView, at: number, body: () => void): void {
  const enabled = view.getBigUint64(at + XCR0, true);
  const mode = view.getUint32(at + MODE, true);
  view.setBigUint64(at + XCR0, BigInt(ALL_COMPONENTS), true);
  view.setUint32(at + MODE, MODE_64, true);
  body();
  view.setBigUint64(at + XCR0, enabled, true);
  view.setUint32(at + MODE, mode, true);
}

export function loadProcessorState(view: DataView, at: number, core: CoreExports, state: ProcessorState): void {
  const put64 = (offset: number, value: bigint): void =>
    view.setBigUint64(at + offset, BigInt.asUintN(64, value), true);
  const put32 = (offset: number, value: number): void => view.setUint32(at + offset, value, true);
  state.gpr.forEach((value, n) => put64(GPR + n * 8, value));
  put64(RIP, state.rip);
  core.writeFlags(Number(state.rflags & 0xffff_ffffn));
  SEGMENT_NAMES.forEach((name, n) => {
    const base = SEGMENTS + n * SEGMENT_SIZE;
    const segment = state.segments[name];
    put32(base + SELECTOR, segment.selector);
    put64(base + BASE, segment.base);
    put32(base + LIMIT, segment.limit);
    put32(base + ATTRIBUTES, segment.attributes);
  });
  put64(GDTR_BASE, state.gdtr.base);
  put32(GDTR_LIMIT, state.gdtr.limit);
  put64(IDTR_BASE, state.idtr.base);
  put32(IDTR_LIMIT, state.idtr.limit);
  [[CR0, state.cr0], [CR2, state.cr2], [CR3, state.cr3], [CR4, state.cr4]].forEach(([place, value]) =>
    put64(Number(place), BigInt(value as bigint)));
  [DR0, DR0 + 8, DR0 + 16, DR0 + 24, DR6, DR7].forEach((place, n) => put64(place, state.dr[n] ?? 0n));
  const places = new Map(MSR_PLACES);
  for (const [index, value] of state.msrs) {
    const place = places.get(index);
    // FS and GS bases are the segments' own.
    if (place !== undefined && place !== FS_BASE && place !== GS_BASE) put64(place, value);
  }
  put32(CPL, (state.segments.ss.attributes >> 5) & 3);
  put32(HALTED, state.halted ? 1 : 0);
  put32(SHADOW, state.interruptShadow ? 1 : 0);
  put32(NMI_BLOCKED, state.nmiBlocked ? 1 : 0);
  put32(NMI_PENDING, state.nmiPending === true ? 1 : 0);
  put32(PENDING_DEBUG, state.pendingDebug ?? 0);
  put32(INSTRUCTION, 0);
  core.initializeX87();
  put64(XCR0, state.xcr0);
  if (state.xsave.length >= XSAVE_BYTES) {
    // A shorter image has no upper halves: they become zero.
    new Uint8Array(view.buffer).set(state.xsave.subarray(0, XSAVE_ALL_BYTES), at + SOURCE);
    if (state.xsave.length < XSAVE_ALL_BYTES) view.setUint8(at + SOURCE + XSTATE_BV, LEGACY_COMPONENTS);
    withAllState(view, at, () => core.loadExtendedState(at + SOURCE, ALL_COMPONENTS));
  }
  core.updateDerived();
}

/** After RESET [Intel SDM 3A, table 10-1]. */
export function resetProcessorState(view: DataView, at: number, core: CoreExports): void {
  const random = view.getBigUint64(at + RANDOM, true);
  const data = { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 };
  const system = (type: number): SegmentState => ({ selector: 0, base: 0n, limit: 0xffff, attributes: 0x80 | type });
  const state: ProcessorState = {
    version: 1,
    gpr: Array.from({ length: 16 }, (_, n) => (n === 2 ? 0x800f12n : 0n)),
    rip: 0xfff0n,
    rflags: 2n,
    segments: {
      es: data, ss: data, ds: data, fs: data, gs: data,
      cs: { selector: 0xf000, base: 0xffff0000n, limit: 0xffff, attributes: 0x9b },
      ldtr: system(2), tr: system(11),
    },
    gdtr: { base: 0n, limit: 0xffff },
    idtr: { base: 0n, limit: 0xffff },
    cr0: 0x60000010n, cr2: 0n, cr3: 0n, cr4: 0n, xcr0: 1n,
    dr: [0n, 0n, 0n, 0n, 0xffff0ff0n, 0x400n],
    msrs: MSR_PLACES.map(([index]) => [index, 0n]),
    xsave: new Uint8Array(0),
    halted: false, interruptShadow: false, nmiBlocked: false,
  };
  loadProcessorState(view, at, core, state);
  new Uint8Array(view.buffer).fill(0, at + XMM, at + XMM + 0x200);
  view.setUint32(at + MXCSR, 0x1f80, true);
  view.setBigUint64(at + RANDOM, random, true);
}
