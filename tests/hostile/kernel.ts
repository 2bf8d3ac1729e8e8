/**
 * A kernel that carries out lists of operations, one for each of two processors, for ever. What the operations are is
 * decided where the kernel is made (program.ts); here is the machine code that knows how: it enters long mode with the
 * first 4 GiB mapped to themselves, takes every interrupt, and goes on with the next operation after every exception.
 *
 *     0x100020  entry, handlers of 64 bytes each        0x104000  page tables
 *     0x102000  GDT, GDTR, IDTR, start of processor 1   0x106000  operations of both processors, then their data
 *     0x103000  IDT
 */

import { HvStatus } from '../../src/protocols/tlfs/hypercalls.ts';
import { multibootKernel } from '../multiboot-kernel.ts';

const BASE = 0x100020;
const HANDLERS = 0x100400;
const HANDLER_BYTES = 64;
const GDT = 0x102000;
const GDTR = 0x102040;
const IDTR = 0x102050;
export const SECOND_START = 0x102100;
export const SECOND_START_BYTES = 0x100;
const IDT = 0x103000;
const PML4 = 0x104000;
const PDPT = 0x105000;
const OPERATIONS = 0x106000;
const STACKS = [0x9000, 0xa000];
/** Where the second processor begins, in real mode: vector 8 of the start-up interrupt. */
export const SECOND_AT = 0x8000;
export const SECOND_VECTOR = SECOND_AT >> 12;
/** Where hypercalls put their output. */
const OUTPUT = 0xb000;

/** Kinds of operation; each has three operands of 32 bits. */
export const Op = {
  /** Begin the list again, and say so on the console. */
  Again: 0, AgainQuietly: 1, WriteMsr: 2, ReadMsr: 3, Hypercall: 4, Out8: 5, Out32: 6, In8: 7, In32: 8, Store: 9,
  Load: 10, Copy: 11, Scribble: 12, StoreRandom: 13, Wait: 14, Acknowledge: 15, Enable: 16, Disable: 17, Cpuid: 18,
} as const;
export type Operation = readonly [kind: number, first?: number, second?: number, third?: number];
export const OPERATION_BYTES = 16;

export const word = (value: number): number[] =>
  [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];

/** R14 = the next number of xorshift64. */
const NEXT_RANDOM = [[0xe0, 13], [0xe8, 7], [0xe0, 17]].flatMap(([direction = 0, by = 0]) =>
  [0x4c, 0x89, 0xf0, 0x48, 0xc1, direction, by, 0x49, 0x31, 0xc6]); // mov rax, r14; shl/shr rax, by; xor r14, rax
const RESTART = [0x4d, 0x89, 0xe5]; // mov r13, r12
const PRINT_DOT = [0xb0, 0x2e, 0x66, 0xba, 0xf8, 0x03, 0xee]; // mov al, '.'; mov dx, 0x3f8; out dx, al
const EOM = 0x4000_0084;
const EOI = 0x4000_0070;
const WRITE_ZERO = [0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30]; // xor eax, eax; xor edx, edx; wrmsr

function scribble(): number[] {
  // ecx: base, edx: mask of the offset, ebx: how many words
  const body = [
    ...NEXT_RANDOM, 0x44, 0x89, 0xf0, 0x21, 0xd0, // mov eax, r14d; and eax, edx
    0x01, 0xc8, 0x4d, 0x89, 0xf1, 0x49, 0xc1, 0xe9, 0x20, // add eax, ecx; mov r9, r14; shr r9, 32
    0x44, 0x89, 0x08, 0xff, 0xcb, // mov [rax], r9d; dec ebx
  ];
  return [...body, 0x75, -(body.length + 2) & 0xff];
}

/** Code of each kind. ECX, EDX and EBX hold the operands. */
const CODE: Readonly<Record<number, readonly number[]>> = {
  [Op.Again]: [...RESTART, ...PRINT_DOT],
  [Op.AgainQuietly]: RESTART,
  [Op.WriteMsr]: [0x89, 0xd0, 0x89, 0xda, 0x0f, 0x30], // mov eax, edx; mov edx, ebx; wrmsr
  [Op.ReadMsr]: [0x0f, 0x32],
  // shl rdx, 32; or rcx, rdx; mov edx, ebx; mov r8, OUTPUT; vmcall; again while the host has no buffers
  [Op.Hypercall]: [0x48, 0xc1, 0xe2, 32, 0x48, 0x09, 0xd1, 0x89, 0xda, 0x49, 0xc7, 0xc0, ...word(OUTPUT), 0x0f, 0x01,
    0xc1, 0x66, 0x83, 0xf8, HvStatus.InsufficientBuffers, 0x74, 0xf7],
  [Op.Out8]: [0x89, 0xd0, 0x89, 0xca, 0xee], // mov eax, edx; mov edx, ecx; out dx, al
  [Op.Out32]: [0x89, 0xd0, 0x89, 0xca, 0xef],
  [Op.In8]: [0x89, 0xca, 0xec],
  [Op.In32]: [0x89, 0xca, 0xed],
  [Op.Store]: [0x89, 0x11], // mov [rcx], edx
  [Op.Load]: [0x8b, 0x01],
  [Op.Copy]: [0x89, 0xce, 0x89, 0xd7, 0x89, 0xd9, 0xf3, 0xa4], // mov esi, ecx; mov edi, edx; mov ecx, ebx; rep movsb
  [Op.Scribble]: scribble(),
  // …; mov eax, r14d; and eax, edx; mov [rcx], eax
  [Op.StoreRandom]: [...NEXT_RANDOM, 0x44, 0x89, 0xf0, 0x21, 0xd0, 0x89, 0x01],
  [Op.Wait]: [0xf3, 0x90, 0xff, 0xc9, 0x75, 0xfa], // pause; dec ecx; jnz
  [Op.Acknowledge]: [0xc7, 0x01, 0, 0, 0, 0, 0xb9, ...word(EOM), ...WRITE_ZERO], // mov dword [rcx], 0; …
  [Op.Enable]: [0xfb],
  [Op.Disable]: [0xfa],
  [Op.Cpuid]: [0x89, 0xc8, 0x89, 0xd1, 0x0f, 0xa2], // mov eax, ecx; mov ecx, edx; cpuid
};
const KINDS = 32;
const NEXT = HANDLERS + KINDS * HANDLER_BYTES;
const FAULT = NEXT + HANDLER_BYTES;
const INTERRUPT = FAULT + HANDLER_BYTES;
const LONG = INTERRUPT + HANDLER_BYTES;

const jumpTo = (from: number, target: number): number[] => [0xe9, ...word(target - (from + 5))];

/** Takes the next operation: its kind in EAX, its operands in ECX, EDX and EBX. */
const NEXT_CODE = [
  // mov eax, [r13]; mov ecx, [r13 + 4]; mov edx, [r13 + 8]; mov ebx, [r13 + 12]; add r13, 16
  0x41, 0x8b, 0x45, 0, 0x41, 0x8b, 0x4d, 4, 0x41, 0x8b, 0x55, 8, 0x41, 0x8b, 0x5d, 12,
  0x49, 0x83, 0xc5, OPERATION_BYTES,
  // and eax, 31; shl eax, 6; add rax, HANDLERS; jmp rax
  0x83, 0xe0, KINDS - 1, 0xc1, 0xe0, 6, 0x48, 0x05, ...word(HANDLERS), 0xff, 0xe0,
];
const INTERRUPT_CODE = [
  0x50, 0x51, 0x52, 0xb9, ...word(EOI), ...WRITE_ZERO, 0x5a, 0x59, 0x58, 0x48, 0xcf, // push …; wrmsr; pop …; iretq
];

/** Page tables, long mode and paging; each move in the operand size of the mode. */
function enterLongMode(prefix: readonly number[]): number[] {
  const move = (register: number, value: number): number[] => [...prefix, 0xb8 | register, ...word(value)];
  return [
    ...move(0, PML4), 0x0f, 0x22, 0xd8, ...move(0, 0x620), 0x0f, 0x22, 0xe0, // cr3; cr4: PAE, SSE
    ...move(1, 0xc000_0080), 0x0f, 0x32, ...prefix, 0x0d, ...word(0x100), 0x0f, 0x30, // EFER.LME
    ...move(0, 0x8000_0011), 0x0f, 0x22, 0xc0, // cr0: PG, ET, PE
  ];
}

/** The first instructions in long mode: R15 the stack, R12 and R13 the operations, R14 the seed. */
function longStart(processor: number, operations: number, seed: number): number[] {
  return [
    0x0f, 0x01, 0x1c, 0x25, ...word(IDTR), 0x66, 0xb8, 0x10, 0, 0x8e, 0xd0, // lidt; mov ax, 16; mov ss, ax
    0x49, 0xc7, 0xc7, ...word(STACKS[processor] as number), 0x4c, 0x89, 0xfc, // mov r15, …; mov rsp, r15
    0x49, 0xc7, 0xc4, ...word(operations), 0x4d, 0x89, 0xe5, 0x49, 0xc7, 0xc6, ...word(seed | 1),
  ];
}

/** What the data of operations is put into, behind them; it gives each piece an address. */
export class KernelData {
  readonly #pieces: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #next: number;

  constructor(start: number) {
    this.#next = start;
  }

  /** Pieces of up to a page do not cross pages, as hypercalls want it. */
  add(bytes: Uint8Array): number {
    const left = 4096 - (this.#next % 4096);
    if (bytes.length > left && bytes.length <= 4096) this.#next += left;
    const at = this.#next;
    this.#pieces.push({ at, bytes });
    this.#next = Math.ceil((at + bytes.length) / 8) * 8;
    return at;
  }

  get end(): number {
    return this.#next;
  }

  writeTo(image: Buffer): void {
    for (const { at, bytes } of this.#pieces) image.set(bytes, at - BASE);
  }
}

/** The most operations of each processor. */
export const MOST_OPERATIONS = 16_384;
export const DATA_START = OPERATIONS + 2 * MOST_OPERATIONS * OPERATION_BYTES;

export function hostileKernel(programs: readonly (readonly Operation[])[], data: KernelData, seed: number): Buffer {
  const image = Buffer.alloc(data.end - BASE);
  const put = (at: number, bytes: readonly number[]): void => { image.set(bytes, at - BASE); };
  put(BASE, [0xfa, 0x0f, 0x01, 0x15, ...word(GDTR), ...enterLongMode([]), 0xea, ...word(LONG), 8, 0]);
  for (let kind = 0; kind < KINDS; kind++) {
    const [code, at] = [CODE[kind] ?? [], HANDLERS + kind * HANDLER_BYTES];
    if (code.length + 5 > HANDLER_BYTES) throw new Error(`operation ${kind} has ${code.length} bytes of code`);
    put(at, [...code, ...jumpTo(at + code.length, NEXT)]);
  }
  put(NEXT, NEXT_CODE);
  put(FAULT, [0x4c, 0x89, 0xfc, ...jumpTo(FAULT + 3, NEXT)]); // mov rsp, r15
  put(INTERRUPT, INTERRUPT_CODE);
  const places = programs.map((_, n) => OPERATIONS + n * MOST_OPERATIONS * OPERATION_BYTES);
  const starts = places.map((place, n) => longStart(n, place, seed + n));
  starts.forEach((start, n) => put(LONG + n * 128, [...start, ...jumpTo(LONG + n * 128 + start.length, NEXT)]));
  putTables(image);
  // Real mode, at SECOND_AT: the GDTR lies behind the code.
  const second = [0xfa, 0x66, 0x0f, 0x01, 0x16, 0x80, SECOND_AT >> 8, ...enterLongMode([0x66]), 0x66, 0xea,
    ...word(LONG + 128), 8, 0];
  put(SECOND_START, second);
  put(SECOND_START + 0x80, [0x17, 0, ...word(GDT)]);
  programs.forEach((program, n) => {
    if (program.length > MOST_OPERATIONS) throw new Error(`${program.length} operations are too many`);
    program.forEach((operation, index) => {
      const at = (places[n] as number) + index * OPERATION_BYTES - BASE;
      for (let part = 0; part < 4; part++) image.writeUInt32LE((operation[part] ?? 0) >>> 0, at + part * 4);
    });
  });
  data.writeTo(image);
  return multibootKernel([...image]);
}

function putTables(image: Buffer): void {
  const put64 = (at: number, value: bigint): void => { image.writeBigUInt64LE(value, at - BASE); };
  put64(GDT + 8, 0x00af_9a00_0000_ffffn);
  put64(GDT + 16, 0x00cf_9200_0000_ffffn);
  image.writeUInt16LE(0x17, GDTR - BASE);
  image.writeUInt32LE(GDT, GDTR + 2 - BASE);
  image.writeUInt16LE(0xfff, IDTR - BASE);
  image.writeUInt32LE(IDT, IDTR + 2 - BASE);
  for (let vector = 0; vector < 256; vector++) {
    const target = BigInt(vector < 32 ? FAULT : INTERRUPT);
    put64(IDT + vector * 16, (target & 0xffffn) | (8n << 16n) | (0x8e00n << 32n) | ((target >> 16n) << 48n));
    put64(IDT + vector * 16 + 8, 0n);
  }
  put64(PML4, BigInt(PDPT) | 3n);
  for (let gib = 0n; gib < 4n; gib++) put64(PDPT + Number(gib) * 8, (gib << 30n) | 0x83n);
}
