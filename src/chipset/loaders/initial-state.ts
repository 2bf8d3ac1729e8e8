/**
 * The boot processor's state at a kernel's entry: flat segments, interrupts off, everything else as after RESET and
 * FNINIT [Intel SDM 3A, table 10-1]. The GDT and the page tables that the state names are written to guest memory.
 */
import type { GuestMemory } from '../../hypervisor/guest-memory.ts';
import { ENGINE_MSRS, type ProcessorState, type SegmentState } from '../../hypervisor/engine-port.ts';
import { LowMemory } from './low-memory.ts';

/** Selectors that the Linux boot protocol asks for (__BOOT_CS, __BOOT_DS); the other protocols leave them open. */
const CODE_SELECTOR = 0x10;
const DATA_SELECTOR = 0x18;
const FLAT_CODE_64 = 0x00af_9b00_0000_ffffn;
const FLAT_CODE_32 = 0x00cf_9b00_0000_ffffn;
const FLAT_DATA = 0x00cf_9300_0000_ffffn;
const GDT_ENTRIES = 4;
const CR0_PE_ET = 0x11n;
const CR0_PG = 0x8000_0000n;
const CR4_PAE = 0x20n;
const EFER_LME_LMA = 0x500n;
const PAGE_BYTES = 4096;
/** Entry flags: present, writable, and for a page directory entry a 2 MiB page. */
const TABLE_ENTRY = 0x03;
const LARGE_PAGE_ENTRY = 0x83;
const LARGE_PAGE_BYTES = 0x20_0000;
const IDENTITY_MAP_GIB = 4;

/** Long mode with the first 4 GiB mapped to themselves [Linux, Documentation/arch/x86/boot.rst, "64-bit boot"]. */
export function longModeState(memory: GuestMemory, entry: number, bootParams: number): ProcessorState {
  writeGdt(memory, FLAT_CODE_64);
  writeIdentityMap(memory);
  const state = flatState(entry, 0xa09b);
  state.cr0 = CR0_PE_ET | CR0_PG;
  state.cr3 = BigInt(LowMemory.PageTables);
  state.cr4 = CR4_PAE;
  state.msrs = state.msrs.map(([index, value]) => [index, index === ENGINE_MSRS.IA32_EFER ? EFER_LME_LMA : value]);
  state.gpr[Register.Rsi] = BigInt(bootParams);
  return state;
}

/** 32-bit protected mode without paging; PVH and multiboot pass their structure in EBX, multiboot a magic in EAX. */
export function protectedModeState(memory: GuestMemory, entry: number, rax: number, rbx: number): ProcessorState {
  writeGdt(memory, FLAT_CODE_32);
  const state = flatState(entry, 0xc09b);
  state.gpr[Register.Rax] = BigInt(rax);
  state.gpr[Register.Rbx] = BigInt(rbx);
  return state;
}

const Register = { Rax: 0, Rbx: 3, Rsi: 6 } as const;

function flatState(entry: number, codeAttributes: number): ProcessorState {
  const data = (): SegmentState => ({ selector: DATA_SELECTOR, base: 0n, limit: 0xffff_ffff, attributes: 0xc093 });
  return {
    version: 1,
    gpr: new Array<bigint>(16).fill(0n),
    rip: BigInt(entry),
    rflags: 2n,
    segments: {
      es: data(), ss: data(), ds: data(), fs: data(), gs: data(),
      cs: { selector: CODE_SELECTOR, base: 0n, limit: 0xffff_ffff, attributes: codeAttributes },
      ldtr: { selector: 0, base: 0n, limit: 0xffff, attributes: 0x1_0082 },
      tr: { selector: 0, base: 0n, limit: 0xffff, attributes: 0x8b },
    },
    gdtr: { base: BigInt(LowMemory.Gdt), limit: GDT_ENTRIES * 8 - 1 },
    idtr: { base: 0n, limit: 0 },
    cr0: CR0_PE_ET, cr2: 0n, cr3: 0n, cr4: 0n, xcr0: 1n,
    dr: [0n, 0n, 0n, 0n, 0xffff_0ff0n, 0x400n],
    msrs: Object.values(ENGINE_MSRS).map((index) => [index, 0n]),
    xsave: initialXsave(),
    halted: false,
    interruptShadow: false,
    nmiBlocked: false,
  };
}

/** The legacy area and header of XSAVE with x87 as FNINIT leaves it [Intel SDM 1, 13.4]. */
function initialXsave(): Uint8Array {
  const area = new Uint8Array(576);
  const view = new DataView(area.buffer);
  view.setUint16(0, 0x37f, true); // FCW
  view.setUint32(24, 0x1f80, true); // MXCSR
  view.setUint32(28, 0xffff, true); // MXCSR_MASK
  view.setUint32(512, 1, true); // XSTATE_BV: x87
  return area;
}

function writeGdt(memory: GuestMemory, code: bigint): void {
  memory.write(LowMemory.Gdt, new Uint8Array(new BigUint64Array([0n, 0n, code, FLAT_DATA]).buffer));
}

/** One PML4 entry, four page directories of 2 MiB pages. */
function writeIdentityMap(memory: GuestMemory): void {
  const tables = new Uint8Array((2 + IDENTITY_MAP_GIB) * PAGE_BYTES);
  const view = new DataView(tables.buffer);
  const pointers = LowMemory.PageTables + PAGE_BYTES;
  view.setUint32(0, pointers | TABLE_ENTRY, true);
  for (let gib = 0; gib < IDENTITY_MAP_GIB; gib++) {
    const directory = pointers + PAGE_BYTES * (1 + gib);
    view.setUint32(PAGE_BYTES + gib * 8, directory | TABLE_ENTRY, true);
    for (let index = 0; index < 512; index++) {
      const at = directory - LowMemory.PageTables + index * 8;
      view.setUint32(at, (gib * 512 + index) * LARGE_PAGE_BYTES + LARGE_PAGE_ENTRY, true);
    }
  }
  memory.write(LowMemory.PageTables, tables);
}
