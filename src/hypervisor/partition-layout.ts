/**
 * The control buffer: everything that the microkernel keeps for a partition, as memory that no thread owns. It is a
 * SharedArrayBuffer apart from guest memory, so that nothing a guest (or code translated for it) does can reach it.
 *
 *     0x0000  PartitionControl      how the threads talk; not part of a saved state
 *     0x0100  PartitionRegisters    what belongs to the partition; saved
 *     0x0200  events                EVENT_COUNT entries of EVENT_SIZE bytes, from the processors to the owner
 *     0x0a00  turns                 a word for each processor that waits for its turn
 *     0x1000  processor blocks      PROCESSOR_STRIDE bytes each:
 *               +0x0000  VpControl      how the owner talks with the processor's thread; not saved
 *               +0x0080  VpRegisters    local APIC, SynIC, timers, MSRs; saved
 *               +0x1000  mailbox        MAILBOX_SIZE bytes: the engine's state on its way in or out
 *     then    trace rings           one a processor, `traceEntries` × TRACE_ENTRY_SIZE
 *     then    messaging             doorbells, connections and message queues: messaging-layout.ts; queues are saved
 *
 * Who guards what is said at each field: "atomic" fields are changed with `Atomics` by any thread; "lock" fields under
 * the partition lock; "own" fields only by the processor's own thread, or by the owner while that thread is paused or
 * not started; "owner" fields only by the partition's owner, while every processor is paused.
 */
import { bytes, struct, u32, type Codec } from '../wire/struct.ts';
import { messagingSize } from './messaging-layout.ts';

/** A 64-bit value as a bigint, for saving and restoring; running code reads its two words at `offset` and the next. */
const u64: Codec<bigint> = {
  size: 8,
  get: (view, at) => view.getBigUint64(at, true),
  set: (view, at, value) => view.setBigUint64(at, value, true),
};

const f64: Codec<number> = {
  size: 8,
  get: (view, at) => view.getFloat64(at, true),
  set: (view, at, value) => view.setFloat64(at, value, true),
};

export const CONTROL_MAGIC = 0x7061_7274;
export const MAX_PROCESSORS = 64;

/** A deadline that never comes. Finite, so that it survives every way of writing a state down. */
export const NEVER_NS = Number.MAX_SAFE_INTEGER;

export const PartitionControl = struct('partition_control', 256, {
  magic: u32, // constant
  processorCount: u32, // constant
  traceEntries: u32, // constant; a power of two, or 0
  lock: u32, // atomic: the partition lock (SharedLock)
  eventsWritten: u32, // atomic; producers hold the lock, the owner waits on it
  eventsRead: u32, // atomic; only the owner advances it
  eventsDropped: u32, // lock
  traceOn: u32, // atomic
  timeFrozen: u32, // owner
  reserved: u32,
  timeOriginNs: f64, // owner: host clock at virtual time 0
  timeFrozenAtNs: f64, // owner: virtual time while frozen
  turnLimit: u32, // constant: how many processors run guest code at once, 0: all (RunTurns)
  turnTickets: u32, // atomic: turns ever asked for
  turnsGranted: u32, // atomic: turns ever given, those at the start included
  spare: bytes(188),
});

export const PartitionRegisters = struct('partition_registers', 256, {
  guestOsId: u64, // lock, as all below
  hypercall: u64,
  referenceTsc: u64,
  reenlightenmentControl: u64,
  tscEmulationControl: u64,
  tscEmulationStatus: u64,
  tscInvariantControl: u64,
  crashParameters: bytes(40), // five of 64 bits
  crashControl: u64,
  referenceTscSequence: u32,
  reserved: u32,
  spare: bytes(144),
});

export const VpControl = struct('vp_control', 128, {
  request: u32, // atomic: sequence << 8 | ProcessorCommand, written by the owner
  answer: u32, // atomic: the last request carried out, written by the processor; the owner waits on it
  wake: u32, // atomic: goes up with every reason to look again; a halted processor waits on it
  waiting: u32, // atomic: 1 while the processor may be in Atomics.wait on `wake`
  running: u32, // atomic: 1 while the engine executes guest code
  progress: u32, // atomic: goes up with every return of the engine, for the watchdog
  mailboxLength: u32, // owner before a request, own before its answer
  queuedSints: u32, // atomic: bit n = messages for SINT n may wait; senders set, own clears
  flaggedSints: u32, // atomic: bit n = event flags of SINT n are on their way; senders set, own clears
  spare: bytes(92),
});

export const VpRegisters = struct('vp_registers', 1280, {
  // Local APIC [Intel SDM 3A, chapter 11]. irr, tmr, errorPending and signals are atomic; the rest is own.
  irr: bytes(32),
  isr: bytes(32),
  tmr: bytes(32),
  autoEoi: bytes(32), // own: vectors of SINTs with AutoEOI, never left in service
  apicBase: u64,
  timerDeadlineNs: f64,
  taskPriority: u32,
  logicalDestination: u32,
  destinationFormat: u32,
  spuriousVector: u32,
  errorStatus: u32,
  errorPending: u32,
  interruptCommandLow: u32,
  interruptCommandHigh: u32,
  localVectors: bytes(24), // timer, thermal, performance, LINT0, LINT1, error
  timerInitialCount: u32,
  timerDivide: u32,
  signals: u32, // VpSignal bits and the SIPI vector
  activity: u32, // own: VpActivity
  // Architectural MSRs: own.
  tscOffsetNs: f64,
  runtimeNs: f64,
  pat: u64,
  miscEnable: u64,
  mtrrDefaultType: u64,
  mtrrFixed: bytes(88), // 64K_00000, 16K_80000, 16K_A0000, 4K_C0000 … 4K_F8000
  mtrrVariable: bytes(128), // base and mask of eight
  amdSyscfg: u64,
  amdHwcr: u64,
  amdNbCfg: u64,
  amdDeCfg: u64,
  mcgStatus: u64,
  // Synthetic interrupt controller and timers: own (SINT, SIMP and SIEFP are read by every thread that posts).
  vpAssistPage: u64,
  sControl: u64,
  siefp: u64,
  simp: u64,
  sints: bytes(128),
  stimerConfig: bytes(32),
  stimerCount: bytes(32),
  stimerDeadlineNs: bytes(32), // f64 each
  stimerMessagePending: u32, // own: bit n = timer n's message waits for its slot
  idle: u32, // own: GUEST_IDLE was read, wait whatever RFLAGS.IF says
  spare: bytes(504),
});

/** Bits of `VpRegisters.signals`, which are not interrupts with a vector; the SIPI's vector lies in bits 15:8. */
export const VpSignal = { Nmi: 1, Init: 2, Sipi: 4, SipiVectorShift: 8, SipiVectorMask: 0xff00 } as const;

/** What a processor does when nobody asks it for anything. */
export const VpActivity = { Running: 0, Halted: 1, WaitForSipi: 2, ShutDown: 3 } as const;
export type VpActivity = (typeof VpActivity)[keyof typeof VpActivity];

export const PARTITION_REGISTERS_OFFSET = 0x100;
export const EVENTS_OFFSET = 0x200;
export const EVENT_COUNT = 32;
export const EVENT_SIZE = 64;
export const TURNS_OFFSET = 0xa00;
export const PROCESSORS_OFFSET = 0x1000;
export const VP_REGISTERS_OFFSET = 0x80;
export const MAILBOX_OFFSET = 0x1000;
export const MAILBOX_SIZE = 0x4000;
export const PROCESSOR_STRIDE = MAILBOX_OFFSET + MAILBOX_SIZE;
export const TRACE_ENTRY_SIZE = 32;

/** Byte offset of processor `index`'s trace ring. */
export function traceOffset(index: number, processorCount: number, traceEntries: number): number {
  return PROCESSORS_OFFSET + processorCount * PROCESSOR_STRIDE + index * traceEntries * TRACE_ENTRY_SIZE;
}

/** Byte offset of the messaging area, in a cache line of its own. */
export function messagingOffset(processorCount: number, traceEntries: number): number {
  return Math.ceil(traceOffset(processorCount, processorCount, traceEntries) / 64) * 64;
}

export function controlBufferSize(processorCount: number, traceEntries: number): number {
  return messagingOffset(processorCount, traceEntries) + messagingSize(processorCount);
}
