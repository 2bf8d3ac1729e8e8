/**
 * One sample: the state before an instruction (what the generator makes) and, in the same layout, the state after it
 * (what the host's processor or the engine makes of it). native/runner.asm declares the same offsets.
 *
 * Memory that an instruction sees: two code pages, of which only the instruction's own bytes differ from int3; two
 * data pages; a read-only page; nothing before and after the data. Four windows of these pages hold the record's data.
 */

export const CODE = 0x1000_0000;
export const CODE_SIZE = 0x2000;
export const DATA = 0x2000_0000;
export const DATA_SIZE = 0x2000;
export const READ_ONLY = DATA + DATA_SIZE;
export const READ_ONLY_SIZE = 0x1000;
export const AFTER = READ_ONLY + READ_ONLY_SIZE;

export const RECORD_SIZE = 0xe00;
export const GPR = 0x000;
export const FLAGS = 0x080;
export const RIP = 0x088;
export const FS_BASE = 0x090;
export const GS_BASE = 0x098;
export const SELECTORS = { cs: 0x0a0, ss: 0x0a2, ds: 0x0a4, es: 0x0a6, fs: 0x0a8, gs: 0x0aa } as const;
export const BYTES = 0x0b0;
export const BYTES_SIZE = 16;
/** After: the signal's number on the host; 0 from the engine. */
export const SIGNAL = 0x0c0;
/** After: the exception's vector, its error code and, for page faults, its address. */
export const VECTOR = 0x0c4;
export const ERROR = 0x0c8;
export const ADDRESS = 0x0d0;
/** The linear address of the memory operand, before; nobody changes it. */
export const OPERAND = 0x0d8;
/** An FXSAVE64 image. */
export const FXSAVE = 0x100;
export const FXSAVE_SIZE = 416;
export const WINDOWS = 0x300;
/** The upper halves of YMM0 … YMM15. */
export const UPPER_HALVES = 0xd00;
export const UPPER_HALVES_SIZE = 0x100;

/** A piece of the data pages whose contents belong to the record: its linear address, length, place in the record. */
export interface Window {
  readonly address: number;
  readonly size: number;
  readonly offset: number;
}

export const WINDOW_LIST: readonly Window[] = [
  { address: DATA, size: 0x100, offset: WINDOWS },
  { address: DATA + 0x0e00, size: 0x400, offset: WINDOWS + 0x100 },
  { address: DATA + 0x1e00, size: 0x400, offset: WINDOWS + 0x500 },
  { address: AFTER - 0x100, size: 0x100, offset: WINDOWS + 0x900 },
];

/** Selectors of Linux's descriptor table, which the engine's is made to match. */
export const USER_CODE_64 = 0x33;
export const USER_CODE_32 = 0x23;
export const USER_DATA = 0x2b;

export const REGISTER_NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi',
  'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;

/** Reads and writes one record in place. */
export class SampleRecord {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array = new Uint8Array(RECORD_SIZE)) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_SIZE);
  }

  gpr(index: number): bigint {
    return this.view.getBigUint64(GPR + index * 8, true);
  }

  setGpr(index: number, value: bigint): void {
    this.view.setBigUint64(GPR + index * 8, BigInt.asUintN(64, value), true);
  }

  get rip(): bigint {
    return this.view.getBigUint64(RIP, true);
  }

  get flags(): number {
    return this.view.getUint32(FLAGS, true);
  }

  get vector(): number {
    return this.view.getUint32(VECTOR, true);
  }

  selector(name: keyof typeof SELECTORS): number {
    return this.view.getUint16(SELECTORS[name], true);
  }

  setSelector(name: keyof typeof SELECTORS, value: number): void {
    this.view.setUint16(SELECTORS[name], value, true);
  }
}

/** The record's offset of the byte at linear `address`, when a window holds it. */
export function windowOffset(address: number): number | undefined {
  for (const window of WINDOW_LIST) {
    const into = address - window.address;
    if (into >= 0 && into < window.size) return window.offset + into;
  }
  return undefined;
}
