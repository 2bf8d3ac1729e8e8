/** One instruction of a region: its operands from locals and memory, and its semantic between them. */

import { RAX, RDX, RSP } from '../core/layout.ts';
import type { Semantic, Size } from '../isa/semantics.ts';
import type { Decoded } from './decoded.ts';
import { FlagsWriter, maskTo, signExtend } from './flags-writer.ts';
import { type FunctionWriter, LOCAL_CODE_BASE } from './function-writer.ts';
import type { Lookahead } from './lookahead.ts';
import { MemoryWriter } from './memory-writer.ts';
import { I64_ADD, I64_EQ, I64_NE, I64_SHL, I64_SHR_S, I64_SUB } from './opcodes.ts';
import type { Operation } from './operation.ts';
import { ProductWriter } from './product-writer.ts';
import { RegionEmitter } from './region-emitter.ts';
import { binaryOf, comparison, constantOf, localOf, smallConstant, type Value } from './value.ts';
import { VectorWriter } from './vector-writer.ts';

const EIGHT = smallConstant(8);
const NOTHING = smallConstant(0);

/** It starts from what its destination is. */
function modifies({ form }: Semantic): boolean {
  return form === 'binary' || form === 'unary' || form === 'shift' || form === 'compare';
}

export class InstructionWriter {
  readonly flags: FlagsWriter;
  readonly memory: MemoryWriter;
  readonly #writer: FunctionWriter;
  readonly #emitter: RegionEmitter;
  readonly #vectors: VectorWriter;
  readonly #products: ProductWriter;

  /**
   * `leaveIf` leaves the region at this instruction; `unless` leaves it to the core when the i32 on the stack is not 0.
   */
  constructor({ writer, processor, lookahead, leaveIf, unless }: {
    writer: FunctionWriter; processor: number; lookahead: Lookahead; leaveIf: (depth: number) => void;
    unless: (record: Decoded, quickly: () => void) => void;
  }) {
    this.#writer = writer;
    const flags = new FlagsWriter(writer);
    const memory = new MemoryWriter({ writer, processor, lookahead, leaveIf });
    this.flags = flags;
    this.memory = memory;
    this.#emitter = new RegionEmitter({ writer, flags, memory });
    this.#products = new ProductWriter({ writer, memory, flags, unless });
    this.#vectors = new VectorWriter({ writer, memory, flags, processor, leaveIf, unless });
  }

  write(record: Decoded): void {
    const { operation, vector } = record;
    if (operation === undefined) {
      if (vector === undefined) this.#products.write(record);
      else this.#vectors.write(record, vector);
      return;
    }
    if (operation.semantic === undefined) this.#plain(record, operation);
    else this.#semantic(record, operation, operation.semantic);
    this.#writer.endInstruction();
  }

  #semantic(record: Decoded, operation: Operation, semantic: Semantic): void {
    const { memory } = this;
    const { form, size } = operation;
    const sourceSize = Math.min(semantic.sourceSize ?? (semantic.form === 'shift' ? 8 : size), size) as Size;
    const toMemory = operation.inMemory && !operation.usesTarget;
    const writes = semantic.form !== 'compare' && semantic.form !== 'none';
    if (operation.inMemory)
      memory.findOperand(record, (toMemory ? size : sourceSize) / 8, toMemory && writes);
    let destination = NOTHING;
    if (semantic.form === 'second') destination = memory.register(record.third, size);
    else if (modifies(semantic)) destination = toMemory ? memory.load(size) : memory.register(record.target, size);
    let source = destination;
    if (operation.usesOperand) source = memory.register(record.operand, sourceSize);
    else if (operation.inMemory && !toMemory) source = memory.load(sourceSize);
    else if (form === 'ri' || form === 'mi') source = this.#immediate(record, size);
    this.#emitter.begin(record, operation, toMemory);
    if (semantic.form === 'three') semantic.emit(this.#emitter, size, source, this.#immediate(record, size));
    else semantic.emit(this.#emitter, size, destination, source);
  }

  #immediate({ immediateLow, immediateHigh }: Decoded, size: Size): Value {
    return this.#cut(maskTo(constantOf(immediateLow, immediateHigh), size), size);
  }

  /** A constant without what lies above its size. */
  #cut(value: Value, size: Size): Value {
    if (value.kind !== 'binary' || value.a.kind !== 'constant') return value;
    return size === 32 ? constantOf(value.a.low, 0) : smallConstant(value.a.low & (2 ** size - 1));
  }

  #plain(record: Decoded, { family, form, size }: Operation): void {
    const { memory } = this;
    switch (family) {
      case 'LEA':
        memory.writeRegister(record.target, size,
          maskTo(memory.effectiveAddress(record), record.addressSize === 1 ? 32 : 64));
        return;
      case 'XCHG': {
        const first = this.#writer.keep(memory.register(record.target, size));
        const second = this.#writer.keep(memory.register(record.operand, size));
        memory.writeRegister(record.operand, size, first);
        memory.writeRegister(record.target, size, second);
        return;
      }
      case 'CBW': {
        const half = (size / 2) as Size;
        memory.writeRegister(RAX, size, signExtend(memory.register(RAX, half), half));
        return;
      }
      case 'CWD': {
        const value = signExtend(memory.register(RAX, size), size);
        memory.writeRegister(RDX, size, binaryOf(I64_SHR_S, value, smallConstant(63)));
        return;
      }
      case 'PUSH':
        this.push(form === 'm' ? memory.readOperand(record, 64) : memory.register(record.target, 64));
        return;
      case 'PUSHI':
        this.push(constantOf(record.immediateLow, record.immediateHigh));
        return;
      case 'POP': {
        const value = this.pop(0);
        memory.writeRegister(record.target, 64, value);
        return;
      }
      default:
    }
  }

  push(value: Value): void {
    const { memory } = this;
    const pointer = this.#writer.register(RSP >> 3);
    memory.findSlot(true);
    memory.store(64, value);
    this.#writer.setRegister(RSP >> 3, binaryOf(I64_SUB, localOf(pointer), EIGHT));
  }

  /** The value on top of the stack, which then is 8 and `more` bytes shorter. */
  pop(more: number): Value {
    const value = this.peek();
    this.drop(8 + more);
    return value;
  }

  peek(): Value {
    this.memory.findSlot(false);
    return this.memory.load(64);
  }

  drop(bytes: number): void {
    const pointer = this.#writer.register(RSP >> 3);
    this.#writer.setRegister(RSP >> 3, binaryOf(I64_ADD, localOf(pointer), smallConstant(bytes)));
  }

  /** The target of an indirect branch, kept. */
  indirectTarget(record: Decoded, { form }: Operation): Value {
    const { memory } = this;
    return this.#writer.keep(
      form === 'm' ? memory.readOperand(record, 64) : memory.register(record.target, 64));
  }

  /** 1 when the address is not canonical. */
  notCanonical(address: Value): Value {
    const extended = binaryOf(I64_SHR_S, binaryOf(I64_SHL, address, smallConstant(16)), smallConstant(16));
    return comparison(I64_NE, extended, address);
  }

  /** Instruction pointer `offset` behind the beginning of the region's page. */
  pointer(offset: number): Value {
    return binaryOf(I64_ADD, localOf(LOCAL_CODE_BASE), smallConstant(offset));
  }

  /** 1 when two values are the same. */
  same(a: Value, b: Value): Value {
    return comparison(I64_EQ, a, b);
  }
}
