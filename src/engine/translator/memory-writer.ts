/**
 * Guest memory and registers in a region. An access looks its page up in the software TLB; when that does not hold it
 * and can't be made to, the region is left at this instruction, before it has changed anything,
  and the interpreter does it. */

import {
  ADDEND, CODE_BASE, FS_BASE, GS_BASE, TAG_READ, TAG_WRITE, TLB_ENTRIES, ZERO,
} from '../core/layout.ts';
import type { Size } from '../isa/semantics.ts';
import type { Decoded } from './decoded.ts';
import { maskTo } from './flags-writer.ts';
import {
  CALL_REACH, type FunctionWriter, LOCAL_ADDRESS, LOCAL_CODE_BASE, LOCAL_ENTRY, LOCAL_HOST, LOCAL_TLB,
} from './function-writer.ts';
import {
  CALL, END, I32_ADD, I32_AND, I32_EQZ, I32_LOAD, I32_SHR_U, I32_WRAP, I64_ADD, I64_AND, I64_LOAD, I64_LOAD16_U,
  I64_LOAD32_U,
  I64_LOAD8_U, I64_NE, I64_OR, I64_SHL, I64_SHR_U, I64_STORE, I64_STORE16, I64_STORE32, I64_STORE8, LOCAL_TEE,
} from './opcodes.ts';
import { binaryOf, constantOf, localOf, smallConstant, type Value } from './value.ts';

const LOADS: Readonly<Record<Size, number>> = { 8: I64_LOAD8_U, 16: I64_LOAD16_U, 32: I64_LOAD32_U, 64: I64_LOAD };
const STORES: Readonly<Record<Size, number>> = { 8: I64_STORE8, 16: I64_STORE16, 32: I64_STORE32, 64: I64_STORE };
/** Of an address shifted right by 7: its TLB entry's offset, 32 bytes each. */
const ENTRY_MASK = (TLB_ENTRIES - 1) << 5;

export class MemoryWriter {
  readonly #writer: FunctionWriter;
  readonly #processor: number;
  /** Leaves the region for the interpreter when the i32 on the stack is not 0. */
  readonly #leaveIf: (depth: number) => void;

  constructor(writer: FunctionWriter, processor: number, leaveIf: (depth: number) => void) {
    this.#writer = writer;
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

  /** Offset of a memory operand in its segment. */
  effectiveAddress(record: Decoded): Value {
    let sum = this.#base(record.base);
    if (record.index !== ZERO) {
      const index = localOf(this.#writer.register(record.index >> 3));
      sum = binaryOf(I64_ADD, sum, binaryOf(I64_SHL, index, smallConstant(record.scale)));
    }
    return binaryOf(I64_ADD, sum, smallConstant(record.displacement));
  }

  #base(base: number): Value {
    if (base === ZERO) return smallConstant(0);
    return localOf(base === CODE_BASE ? LOCAL_CODE_BASE : this.#writer.register(base >> 3));
  }

  /** Linear address of a memory operand; only of plain 64-bit addresses. */
  address(record: Decoded): Value {
    const offset = this.effectiveAddress(record);
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

  /** Looks `bytes` at an address up; LOCAL_HOST is where they are. */
  find(address: Value, bytes: number, write: boolean): void {
    const { code, values } = this.#writer;
    let local = LOCAL_ADDRESS;
    if (address.kind === 'local') local = address.local;
    else this.#writer.setTo(LOCAL_ADDRESS, address);
    const at = localOf(local);
    this.findEntry(at);
    this.#writer.memory(I64_LOAD, write ? TAG_WRITE : TAG_READ);
    values.wide(binaryOf(I64_AND, binaryOf(I64_ADD, at, smallConstant(bytes - 1)), constantOf(-4096, -1)));
    code.byte(I64_NE);
    this.#writer.ifUnlikely();
    values.wide(at);
    code.constant32(bytes);
    code.constant32(write ? 1 : 0);
    code.byte(CALL);
    code.unsigned(CALL_REACH);
    code.byte(I32_EQZ);
    this.#leaveIf(1);
    code.byte(END);
    values.wide(at);
    code.byte(I32_WRAP);
    this.#writer.get(LOCAL_ENTRY);
    this.#writer.memory(I32_LOAD, ADDEND);
    code.byte(I32_ADD);
    this.#writer.set(LOCAL_HOST);
  }

  /** What lies at LOCAL_HOST. */
  load(size: Size): Value {
    this.#writer.get(LOCAL_HOST);
    this.#writer.memory(LOADS[size], 0);
    const local = this.#writer.temporary(false);
    this.#writer.set(local);
    return localOf(local, size);
  }

  /** Stores to LOCAL_HOST. */
  store(size: Size, value: Value): void {
    this.#writer.get(LOCAL_HOST);
    this.#writer.values.wide(value);
    this.#writer.memory(STORES[size], 0);
  }

  read(address: Value, size: Size): Value {
    this.find(address, size / 8, false);
    return this.load(size);
  }
}
