/**
 * Guest memory and registers in a region. An access looks its page up in the software TLB; when that does not hold it
 * and can't be made to, the region is left at this instruction, before it has changed anything, and the interpreter
 * does it. Where others follow in the same page, that is looked up once for all of them: a window (pointers.ts).
 */

import {
  ADDEND, CODE_BASE, FS_BASE, GS_BASE, RSP, TAG_READ, TAG_WRITE, TLB_ENTRIES, ZERO,
} from '../core/layout.ts';
import type { Size } from '../isa/semantics.ts';
import type { Decoded } from './decoded.ts';
import { maskTo } from './flags-writer.ts';
import {
  CALL_REACH, type FunctionWriter, LOCAL_ADDRESS, LOCAL_CODE_BASE, LOCAL_ENTRY, LOCAL_HOST, LOCAL_TLB,
} from './function-writer.ts';
import {
  CALL, ELSE, END, I32_ADD, I32_AND, I32_EQZ, I32_LOAD, I32_SHR_U, I32_SUB, I32_WRAP, I64_ADD, I64_AND, I64_LOAD,
  I64_LOAD16_U, I64_LOAD32_U, I64_LOAD8_U, I64_NE, I64_OR, I64_SHL, I64_SHR_U, I64_STORE, I64_STORE16, I64_STORE32,
  I64_STORE8, LOCAL_TEE,
} from './opcodes.ts';
import type { Lookahead, Surroundings } from './lookahead.ts';
import { SLOT } from './movement.ts';
import type { Pointer, Window } from './pointers.ts';
import { binaryOf, constantOf, localOf, smallConstant, type Value } from './value.ts';

const LOADS: Readonly<Record<Size, number>> = { 8: I64_LOAD8_U, 16: I64_LOAD16_U, 32: I64_LOAD32_U, 64: I64_LOAD };
const STORES: Readonly<Record<Size, number>> = { 8: I64_STORE8, 16: I64_STORE16, 32: I64_STORE32, 64: I64_STORE };
/** Of an address shifted right by 7: its TLB entry's offset, 32 bytes each. */
const ENTRY_MASK = (TLB_ENTRIES - 1) << 5;


interface Access {
  readonly pointer: Pointer;
  readonly bytes: number;
  readonly write: boolean;
  /** What is accessed around it later, too. */
  readonly around: () => Surroundings | undefined;
  /** Linear address of what lies so many bytes behind it. */
  readonly address: (more: number) => Value;
}

export class MemoryWriter {
  readonly #writer: FunctionWriter;
  readonly #lookahead: Lookahead;
  /** What was found last lies so far behind LOCAL_HOST. */
  #offset = 0;
  readonly #processor: number;
  /** Leaves the region for the interpreter when the i32 on the stack is not 0. */
  readonly #leaveIf: (depth: number) => void;

  constructor({ writer, processor, lookahead, leaveIf }: {
    writer: FunctionWriter; processor: number; lookahead: Lookahead; leaveIf: (depth: number) => void;
  }) {
    this.#writer = writer;
    this.#lookahead = lookahead;
    this.#processor = processor;
    this.#leaveIf = leaveIf;
  }

  /** A field of the processor. */
  field(offset: number): Value {
    this.#writer.code.loadFrom(this.#processor + offset, I64_LOAD);
    const local = this.#writer.temporary(false);
    this.#writer.set(local);
    return localOf(local);
  }

  /** The register at `offset` of the processor, zero-extended from `size`. */
  register(offset: number, size: Size): Value {
    const number = offset >> 3;
    const local = this.#writer.register(number);
    if ((offset & 7) !== 0)
      return binaryOf(I64_AND, binaryOf(I64_SHR_U, localOf(local), smallConstant(8)), smallConstant(0xff));
    const known = (this.#writer.knowledge.upperZero & (1 << number)) !== 0;
    return maskTo(localOf(local, known ? 32 : 64), size);
  }

  writeRegister(offset: number, size: Size, value: Value): void {
    const number = offset >> 3;
    if (size >= 32) return this.#writer.setRegister(number, maskTo(value, size));
    const local = this.#writer.register(number);
    const known = (this.#writer.knowledge.upperZero & (1 << number)) !== 0;
    const shift = smallConstant((offset & 7) * 8);
    const mask = (offset & 7) !== 0 ? -0xff01 : size === 8 ? -0x100 : -0x10000;
    const kept = binaryOf(I64_AND, localOf(local, known ? 32 : 64), smallConstant(mask));
    this.#writer.setRegister(number, binaryOf(I64_OR, kept, binaryOf(I64_SHL, maskTo(value, size), shift)));
  }

  /** Offset of a memory operand in its segment, or `more` bytes behind it. */
  effectiveAddress(record: Decoded, more = 0): Value {
    let sum = this.#base(record.base);
    if (record.index !== ZERO) {
      const index = localOf(this.#writer.register(record.index >> 3));
      sum = binaryOf(I64_ADD, sum, binaryOf(I64_SHL, index, smallConstant(record.scale)));
    }
    return binaryOf(I64_ADD, sum, smallConstant(record.displacement + more));
  }

  #base(base: number): Value {
    if (base === ZERO) return smallConstant(0);
    return localOf(base === CODE_BASE ? LOCAL_CODE_BASE : this.#writer.register(base >> 3));
  }

  /** Linear address of a memory operand, or `more` bytes behind it; only of plain 64-bit addresses. */
  address(record: Decoded, more = 0): Value {
    const offset = this.effectiveAddress(record, more);
    const segment = record.segmentBase;
    return segment === FS_BASE || segment === GS_BASE ? binaryOf(I64_ADD, offset, this.field(segment)) : offset;
  }

  /** Leaves the address of the TLB entry of a linear address on the stack and in LOCAL_ENTRY. */
  findEntry(address: Value): void {
    const { code, values } = this.#writer;
    values.wide(address);
    code.byte(I32_WRAP);
    code.constant32(7);
    code.byte(I32_SHR_U);
    code.constant32(ENTRY_MASK);
    code.byte(I32_AND);
    this.#writer.get(LOCAL_TLB);
    code.byte(I32_ADD);
    code.byte(LOCAL_TEE);
    code.unsigned(LOCAL_ENTRY);
  }

  /** Looks `bytes` of a memory operand up. */
  findOperand(record: Decoded, bytes: number, write: boolean): void {
    const { knowledge, origins } = this.#writer;
    this.#find({
      pointer: knowledge.pointers.operand(record, origins), bytes, write,
      around: () => this.#lookahead.operand(record, bytes), address: (more) => this.address(record, more),
    });
  }

  /** Looks the slot up that is to be pushed, or is to be popped. */
  findSlot(pushes: boolean): void {
    const { knowledge, origins } = this.#writer;
    const { origin, delta } = knowledge.pointers.register(RSP >> 3, origins);
    const register = localOf(this.#writer.register(RSP >> 3));
    const first = pushes ? -SLOT : 0;
    this.#find({
      pointer: { origin, delta: delta + first }, bytes: SLOT, write: pushes,
      around: () => this.#lookahead.stack(pushes),
      address: (more) => binaryOf(I64_ADD, register, smallConstant(first + more)),
    });
  }

  #find({ pointer: { origin, delta }, bytes, write, around, address }: Access): void {
    const { pointers } = this.#writer.knowledge;
    let window = pointers.window({ origin, delta }, bytes, write);
    if (window === undefined) {
      const surroundings = around();
      if (surroundings === undefined) return this.#findAlone(address(0), bytes, write);
      const { low, high } = surroundings;
      const local = this.#writer.windowLocal();
      window = { origin, low: delta + low, high: delta + high, isWritable: write, local };
      this.#openWindow(address(low), high - low, write, local);
      pointers.addWindow(window);
    }
    this.#findInWindow(window, address(0), { bytes, write, offset: delta - window.low });
  }

  /** The host address of so many bytes, or 0 when they are not in one page that can be reached at once. */
  #openWindow(address: Value, bytes: number, write: boolean, local: number): void {
    const { code, values } = this.#writer;
    const at = this.#isMissing(address, bytes, write);
    this.#writer.ifUnlikely();
    this.#reach(at, bytes, write);
    this.#writer.set(local);
    code.byte(ELSE);
    values.wide(at);
    this.#addAddend();
    this.#writer.set(local);
    code.byte(END);
  }

  /** `offset`: from the window's first byte. */
  #findInWindow({ local }: Window, address: Value, { bytes, write, offset }: {
    bytes: number; write: boolean; offset: number;
  }): void {
    const { code } = this.#writer;
    this.#offset = offset;
    this.#writer.get(local);
    code.byte(I32_EQZ);
    this.#writer.ifUnlikely();
    this.#reachOrLeave(address, bytes, write);
    // No page of the guest begins so low that this would be below 0.
    this.#writer.get(LOCAL_HOST);
    code.constant32(offset);
    code.byte(I32_SUB);
    this.#writer.set(LOCAL_HOST);
    code.byte(ELSE);
    this.#writer.get(local);
    this.#writer.set(LOCAL_HOST);
    code.byte(END);
  }

  #findAlone(address: Value, bytes: number, write: boolean): void {
    const { code, values } = this.#writer;
    this.#offset = 0;
    const at = this.#isMissing(address, bytes, write);
    this.#writer.ifUnlikely();
    this.#reachOrLeave(at, bytes, write);
    code.byte(ELSE);
    values.wide(at);
    this.#addAddend();
    this.#writer.set(LOCAL_HOST);
    code.byte(END);
  }

  /** Leaves 1 on the stack when the TLB does not have so many bytes at an address. Returns that, in a local. */
  #isMissing(address: Value, bytes: number, write: boolean): Value {
    const { code, values } = this.#writer;
    const at = address.kind === 'local' ? address : localOf(LOCAL_ADDRESS);
    if (at !== address) this.#writer.setTo(LOCAL_ADDRESS, address);
    this.findEntry(at);
    this.#writer.memory(I64_LOAD, write ? TAG_WRITE : TAG_READ);
    values.wide(binaryOf(I64_AND, binaryOf(I64_ADD, at, smallConstant(bytes - 1)), constantOf(-4096, -1)));
    code.byte(I64_NE);
    return at;
  }

  /** Leaves the host address on the stack, or 0. */
  #reach(address: Value, bytes: number, write: boolean): void {
    const { code, values } = this.#writer;
    values.wide(address);
    code.constant32(bytes);
    code.constant32(write ? 1 : 0);
    code.byte(CALL);
    code.unsigned(CALL_REACH);
  }

  /** Makes LOCAL_HOST the host address; within one block that nobody knows of. */
  #reachOrLeave(address: Value, bytes: number, write: boolean): void {
    const { code } = this.#writer;
    this.#reach(address, bytes, write);
    code.byte(LOCAL_TEE);
    code.unsigned(LOCAL_HOST);
    code.byte(I32_EQZ);
    this.#leaveIf(1);
  }

  /** Makes the address on the stack, whose entry is at hand, one of the host. */
  #addAddend(): void {
    const { code } = this.#writer;
    code.byte(I32_WRAP);
    this.#writer.get(LOCAL_ENTRY);
    this.#writer.memory(I32_LOAD, ADDEND);
    code.byte(I32_ADD);
  }

  /** Makes LOCAL_HOST the host address of what was found. */
  settle(): void {
    if (this.#offset === 0) return;
    this.#writer.get(LOCAL_HOST);
    this.#writer.code.constant32(this.#offset);
    this.#writer.code.byte(I32_ADD);
    this.#writer.set(LOCAL_HOST);
    this.#offset = 0;
  }

  /** What was found. */
  load(size: Size): Value {
    this.#writer.get(LOCAL_HOST);
    this.#writer.memory(LOADS[size], this.#offset);
    const local = this.#writer.temporary(false);
    this.#writer.set(local);
    return localOf(local, size);
  }

  /** Stores to what was found. */
  store(size: Size, value: Value): void {
    this.#writer.get(LOCAL_HOST);
    this.#writer.values.wide(value);
    this.#writer.memory(STORES[size], this.#offset);
  }

  readOperand(record: Decoded, size: Size): Value {
    this.findOperand(record, size / 8, false);
    return this.load(size);
  }
}
