/**
 * The engine port: how the microkernel runs one virtual processor without knowing what runs it (our own translator to
 * WebAssembly, or KVM). Both sides live on the processor's own thread, so every call here is synchronous.
 *
 * The engine executes guest instructions and owns the architectural registers. Where an instruction needs the
 * hypervisor it calls one of `ProcessorIntercepts` in the middle of that instruction and goes on with the answer;
 * `run` returns only when the processor should not go on by itself.
 *
 * 64-bit values cross as two 32-bit words in `data` (low word first): no bigint on this path.
 */

/** Why `run` returned. */
export const StopReason = {
  /** The time slice is used up; nothing else happened. */
  Slice: 0,
  /** Somebody called `kick`. */
  Kick: 1,
  /** HLT (or MWAIT): nothing to do until an interrupt. */
  Halt: 2,
  /** `requestInterruptWindow` was asked for and the processor can now take an interrupt. */
  InterruptWindow: 3,
  /** A fault while delivering a double fault: the processor has shut down. */
  TripleFault: 4,
  /** A breakpoint or single step that the debugger asked for. */
  Debug: 5,
  /** The guest has been spinning (PAUSE) for long: another processor may have better use of the host's. */
  Spin: 6,
} as const;
export type StopReason = (typeof StopReason)[keyof typeof StopReason];

/** What the microkernel answers. Implementations never throw for anything that a guest does. */
export interface ProcessorIntercepts {
  /** Reads `size` (1, 2 or 4) bytes from an I/O port; the result is zero-extended. */
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
  /** Reads `size` (1, 2, 4 or 8) bytes at a guest-physical address that is not RAM into data[0..1]. */
  mmioRead(gpa: number, size: number): void;
  /** Writes data[0..1] to a guest-physical address that is not RAM. */
  mmioWrite(gpa: number, size: number): void;
  /** Leaves EAX, EBX, ECX, EDX in data[0..3]. */
  cpuid(leaf: number, subleaf: number): void;
  /** Leaves the value in data[0..1]; false means #GP(0). The engine keeps the MSRs in `ENGINE_MSRS` itself. */
  readMsr(index: number): boolean;
  /** Takes the value from data[0..1]; false means #GP(0). */
  writeMsr(index: number): boolean;
  /** VMCALL or VMMCALL at CPL 0 (the engine raises #UD otherwise); false means #UD. */
  hypercall(): boolean;
  /** The task priority, bits 7:4 of the local APIC's TPR, as CR8 shows it. */
  readCr8(): number;
  writeCr8(value: number): void;
  /** The time-stamp counter as RDTSC shows it, IA32_TSC writes included: a whole number below 2^53. */
  timeStampCounter(): number;
}

/** One virtual processor, as the microkernel sees it. */
export interface ProcessorEngine {
  /** The words in which 64-bit values cross; see `ProcessorIntercepts`. At least 4 words. */
  readonly data: Int32Array;
  run(): StopReason;
  /**
   * Executes one instruction, or delivers the exception that it raises, whatever breakpoints a debugger has set and
   * whatever interrupts wait. Debug, Halt or TripleFault.
   */
  step(): StopReason;
  /** Makes `run` return soon, from any thread. Sticky: a kick while not running stops the next `run` at once. */
  kick(): void;
  /** RFLAGS.IF is 1 and no STI or MOV SS shadow is in force. */
  canInterrupt(): boolean;
  /** Delivers an external interrupt. Only when `canInterrupt()`. Ends a halt. */
  interrupt(vector: number): void;
  /** Delivers an NMI before the next instruction. */
  nmi(): void;
  /** While on, `run` returns `InterruptWindow` as soon as `canInterrupt()` becomes true. */
  requestInterruptWindow(on: boolean): void;
  /** General registers by encoding order (RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8…R15), as two words. */
  readRegister(index: number): { low: number; high: number };
  writeRegister(index: number, low: number, high: number): void;
  /** The whole architectural state, in one form for every engine. */
  saveState(): ProcessorState;
  restoreState(state: ProcessorState): void;
  /** The state after RESET, or after INIT (which keeps the FPU and caches). */
  reset(): void;
  /**
   * Makes processors forget translations: those of a set, processor n by bit n of two words. Of `count` entries of 8
   * bytes at `ranges[at]` each is the linear address of a page and, in its low 12 bits, how many more follow; a count
   * of 0 means everything. On return no translation that was to be forgotten is used any more.
   */
  flushTranslations(low: number, high: number, ranges: DataView, at: number, count: number): void;
  /** Tells the engine that `length` bytes of guest memory at `gpa` were changed by the hypervisor or a device. */
  memoryChanged(gpa: number, length: number): void;
}

export interface SegmentState {
  selector: number;
  base: bigint;
  limit: number;
  /** Descriptor bits 8…23 of the high word: type, S, DPL, P, AVL, L, DB, G in bits 0…7 and 12…15; bit 16 = unusable. */
  attributes: number;
}

/** Architectural state of one processor, engine-neutral and versioned; for loaders, save and restore, debuggers. */
export interface ProcessorState {
  version: 1;
  gpr: bigint[]; // 16, encoding order
  rip: bigint;
  rflags: bigint;
  segments: {
    es: SegmentState; cs: SegmentState; ss: SegmentState; ds: SegmentState; fs: SegmentState; gs: SegmentState;
    ldtr: SegmentState; tr: SegmentState;
  };
  gdtr: { base: bigint; limit: number };
  idtr: { base: bigint; limit: number };
  cr0: bigint; cr2: bigint; cr3: bigint; cr4: bigint; xcr0: bigint;
  dr: bigint[]; // DR0…DR3, DR6, DR7
  /** The MSRs that the engine keeps, by index. */
  msrs: [index: number, value: bigint][];
  /** The XSAVE area in standard form (512 bytes legacy + header), FXSAVE64 layout first. */
  xsave: Uint8Array;
  halted: boolean;
  /** An STI or MOV SS shadow is in force. */
  interruptShadow: boolean;
  /** NMIs are blocked until IRET. */
  nmiBlocked: boolean;
  /** One came while they were. */
  nmiPending?: boolean;
  /** Bits of DR6 that are reported by a #DB before the next instruction. */
  pendingDebug?: number;
}

/** MSRs that live in the engine because instructions use them; every other index reaches the microkernel. */
export const ENGINE_MSRS = {
  IA32_SYSENTER_CS: 0x174, IA32_SYSENTER_ESP: 0x175, IA32_SYSENTER_EIP: 0x176,
  IA32_EFER: 0xc000_0080, IA32_STAR: 0xc000_0081, IA32_LSTAR: 0xc000_0082, IA32_CSTAR: 0xc000_0083,
  IA32_FMASK: 0xc000_0084, IA32_FS_BASE: 0xc000_0100, IA32_GS_BASE: 0xc000_0101,
  IA32_KERNEL_GS_BASE: 0xc000_0102, IA32_TSC_AUX: 0xc000_0103,
} as const;
