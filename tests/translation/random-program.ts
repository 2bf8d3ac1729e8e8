/**
 * Random 64-bit programs that end in HLT: straight code, branches over a few instructions, loops, calls into other
 * pages, stores into their own code, over a few pages of data. Each runs many times around, so that a translator meets
 * its blocks cold, warm and hot.
 */

import type { Random } from '../oracle/random.ts';

export const CODE = 0x10000;
export const DATA = 0x400000;
export const DATA_BYTES = 0x4000;
export const STACK = 0x7ff00;
/** Where there is no RAM. */
const DEVICE = 0x1000_0000;
const SUBROUTINES = [0x12000, 0x13f80, 0x16000];
const ROUNDS = 40;

const COUNTER = 15;
const LOOP_COUNTER = 14;
/** What instructions use: not the stack pointer, not RSI, which points to the data, not the counters. */
const REGISTERS = [0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13];

/** MOVDQA, MOVDQU, PXOR, PADDD, MOVDQU to memory, UCOMISD. */
const VECTORS = [[0x66, 0x6f], [0xf3, 0x6f], [0x66, 0xef], [0x66, 0xfe], [0xf3, 0x7f], [0x66, 0x2e]] as const;

const word = (value: number): number[] =>
  [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];

interface Chunk { readonly address: number; readonly bytes: number[] }

export class RandomProgram {
  readonly #random: Random;
  #bytes: number[] = [];
  /** Addresses of immediate operands that the program may overwrite. */
  readonly #patches: number[] = [];
  #base = CODE;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The pieces of the program; execution begins at CODE. */
  make(): Chunk[] {
    const chunks: Chunk[] = [];
    for (const address of SUBROUTINES) {
      this.#begin(address);
      this.#items(this.#random.between(2, 12), 1, false);
      this.#emit(0xc3);
      chunks.push({ address, bytes: this.#bytes });
    }
    this.#begin(CODE);
    for (const register of REGISTERS) this.#moveImmediate(register, this.#random.u32());
    this.#emit(0xbe, ...word(DATA)); // mov esi, DATA
    this.#moveImmediate(COUNTER, ROUNDS);
    const top = this.#bytes.length;
    this.#items(this.#random.between(10, 60), 2, true);
    this.#countDown(COUNTER, top);
    this.#emit(0xf4);
    chunks.push({ address: CODE, bytes: this.#bytes });
    return chunks;
  }

  #begin(address: number): void {
    this.#bytes = [];
    this.#base = address;
  }

  #emit(...bytes: number[]): void { this.#bytes.push(...bytes); }

  #register(): number { return REGISTERS[this.#random.below(REGISTERS.length)] as number; }

  #moveImmediate(register: number, value: number): void {
    if (register > 7) this.#emit(0x41);
    this.#emit(0xb8 | (register & 7));
    if (register !== COUNTER && register !== LOOP_COUNTER) this.#patches.push(this.#base + this.#bytes.length);
    this.#emit(...word(value));
  }

  /** dec register; jnz to the offset. */
  #countDown(register: number, to: number): void {
    this.#emit(0x41, 0xff, 0xc8 | (register & 7), 0x0f, 0x85);
    this.#emit(...word(to - (this.#bytes.length + 4)));
  }

  #items(count: number, depth: number, calls: boolean): void {
    for (let n = 0; n < count; n++) this.#item(depth, calls);
  }

  #item(depth: number, calls: boolean): void {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 62) this.#operation();
    else if (kind < 72) this.#branch(depth, calls);
    else if (kind < 78 && depth > 0) this.#loop(depth, calls);
    else if (kind < 86 && calls) this.#call();
    else if (kind < 90) this.#emit(0x9c, ...this.#pop()); // pushf; pop
    else if (kind < 94) this.#push();
    else if (kind < 97) this.#vector();
    else if (kind < 98 && this.#patches.length > 0) this.#patch();
    else this.#moveImmediate(this.#register(), random.u32());
  }

  #pop(): number[] {
    const register = this.#register();
    return register > 7 ? [0x41, 0x58 | (register & 7)] : [0x58 | register];
  }

  #push(): void {
    const register = this.#register();
    this.#emit(...(register > 7 ? [0x41, 0x50 | (register & 7)] : [0x50 | register]), ...this.#pop());
  }

  #branch(depth: number, calls: boolean): void {
    this.#emit(0x0f, 0x80 | this.#random.below(16), 0, 0, 0, 0);
    const from = this.#bytes.length;
    this.#items(this.#random.between(1, 5), depth - 1, calls);
    this.#bytes.splice(from - 4, 4, ...word(this.#bytes.length - from));
  }

  #loop(depth: number, calls: boolean): void {
    // One counter: loops do not nest.
    if (depth < 2) return this.#operation();
    this.#moveImmediate(LOOP_COUNTER, this.#random.between(1, 20));
    const top = this.#bytes.length;
    this.#items(this.#random.between(1, 8), 0, calls);
    this.#countDown(LOOP_COUNTER, top);
  }

  #call(): void {
    const target = SUBROUTINES[this.#random.below(SUBROUTINES.length)] as number;
    if (this.#random.below(4) === 0) {
      this.#emit(0xbd, ...word(target), 0xff, 0xd5); // mov ebp, target; call rbp
      return;
    }
    this.#emit(0xe8);
    this.#emit(...word(target - (this.#base + this.#bytes.length + 4)));
  }

  /** Overwrites an immediate operand somewhere in the program with a register. */
  #patch(): void {
    const address = this.#patches[this.#random.below(this.#patches.length)] as number;
    this.#emit(0x89, 0x04 | ((this.#random.below(4)) << 3), 0x25, ...word(address)); // mov [address], e?x
  }

  #vector(): void {
    const reg = this.#random.below(8);
    const [prefix, opcode] = VECTORS[this.#random.below(VECTORS.length)] as readonly [number, number];
    const memory = this.#random.below(2) === 0;
    this.#emit(prefix, 0x0f, opcode);
    if (memory) this.#emit(0x86 | (reg << 3), ...word(this.#random.below(0x300) * 16));
    else this.#emit(0xc0 | (reg << 3) | this.#random.below(8));
  }

  /** An integer instruction between registers, or a register and memory. */
  #operation(): void {
    const random = this.#random;
    const size = random.below(5); // 0: bytes, 1: 16, 2…3: 32, 4: 64 bits
    const wide = size === 0 ? 0 : 1;
    const form = random.below(17);
    const classic = random.below(8) << 3;
    switch (form) {
      case 0: case 1: case 2: case 3: return this.#modrm(size, [classic | wide]);
      case 4: case 5: return this.#modrm(size, [classic | 2 | wide]);
      case 6: return this.#modrm(size, [0x80 | wide], classic >> 3,
        size === 0 ? [random.below(256)] : size === 1 ? [random.below(256), random.below(256)] : word(random.u32()));
      case 7: return this.#modrm(size, [0xc0 | wide], random.below(8), [random.below(70)]);
      case 8: return this.#modrm(size, [0xd2 | wide], random.below(8));
      case 9: return this.#modrm(size, [0xfe | wide], random.below(2));
      case 10: return this.#modrm(size, [0xf6 | wide], random.between(2, 5));
      case 11: return this.#modrm(size, [0x88 | wide | (random.below(2) << 1)]);
      case 12: return this.#modrm(Math.max(size, 1), [0x0f, (random.below(2) === 0 ? 0xb6 : 0xbe) | random.below(2)]);
      case 13: return this.#modrm(Math.max(size, 1), [0x0f, 0x40 | random.below(16)]);
      case 14: return this.#modrm(0, [0x0f, 0x90 | random.below(16)], 0);
      case 15: return this.#modrm(Math.max(size, 1), [0x0f, 0xaf]);
      default: return this.#rest(Math.max(size, 1));
    }
  }

  #rest(size: number): void {
    const random = this.#random;
    switch (random.below(5)) {
      case 0: return this.#modrm(size, [0x84 | random.below(2)]);
      case 1: return this.#modrm(size, [0x0f, 0xba], random.between(4, 7), [random.below(64)]);
      case 2: return this.#modrm(size, [0x0f, random.below(2) === 0 ? 0xbc : 0xb1]);
      case 3: return this.#modrm(size, [0x8d], undefined, [], true);
      default:
        this.#emit(...(size === 1 ? [0x66] : size === 4 ? [0x48] : []), random.below(2) === 0 ? 0x98 : 0x99);
    }
  }

  /** Prefixes, opcode, ModRM with a register or [RSI + displacement], `tail`. */
  #modrm(size: number, opcode: readonly number[], field?: number, tail: readonly number[] = [], address = false): void {
    const random = this.#random;
    const reg = field ?? this.#register();
    const inMemory = address || random.below(3) === 0;
    const rm = inMemory ? 6 : this.#register();
    const rex = 0x40 | (size === 4 ? 8 : 0) | (reg > 7 ? 4 : 0) | (rm > 7 ? 1 : 0);
    if (size === 1) this.#emit(0x66);
    if (rex !== 0x40 || random.below(2) === 0) this.#emit(rex);
    this.#emit(...opcode, (inMemory ? 0x80 : 0xc0) | ((reg & 7) << 3) | (rm & 7));
    if (inMemory) this.#emit(...word(random.below(60) === 0 ? DEVICE : random.below(DATA_BYTES - 16)));
    this.#emit(...tail);
  }
}
