/** One instruction of a region: its operands from locals and memory, and its semantic between them. */

import { OP_SYSTEM, OP_VECTOR, OP_VECTOR_LOAD, OP_VECTOR_STORE, RAX, RDX, RSP } from '../core/layout.ts';
import { SEMANTICS, type Semantic, type Size } from '../isa/semantics.ts';
import type { Decoded, Operation } from './decoded.ts';
import { FlagsWriter, maskTo, signExtend } from './flags-writer.ts';
import { type FunctionWriter, LOCAL_ADDRESS, LOCAL_CODE_BASE } from './function-writer.ts';
import { MemoryWriter } from './memory-writer.ts';
import { I64_ADD, I64_EQ, I64_NE, I64_SHL, I64_SHR_S, I64_SUB } from './opcodes.ts';
import { isProduct, ProductWriter } from './product-writer.ts';
import { RegionEmitter } from './region-emitter.ts';
import { binaryOf, comparison, constantOf, localOf, smallConstant, type Value } from './value.ts';
import type { VectorOperation } from './vector-operations.ts';
import { VectorWriter } from './vector-writer.ts';

/** Families that are no semantics and go on to the next instruction. */
const PLAIN = new Set(['NOP', 'NOPE', 'LEA', 'XCHG', 'CBW', 'CWD', 'PUSH', 'PUSHI', 'POP']);
const EIGHT = smallConstant(8);

/** An instruction with a handler in the core, after which a region goes on. */
export function hasHandler({ op }: Decoded): boolean {
  return op === OP_SYSTEM || op === OP_VECTOR || op === OP_VECTOR_LOAD || op === OP_VECTOR_STORE;
}

/** One that the core does for a region, which does some of them itself. */
export function isStep(record: Decoded): boolean {
  return hasHandler(record) && vectorOperationOf(record) === undefined && !isProduct(record);
}

/** What a region does for a vector instruction; undefined: the core does it. */
export function vectorOperationOf({ op, vector, addressKind }: Decoded): VectorOperation | undefined {
  return op === OP_VECTOR || addressKind === 1 ? vector : undefined;
}

/** An instruction that a region can do and go on behind. */
export function isTranslatable(record: Decoded): boolean {
  const { operation } = record;
  if (hasHandler(record)) return true;
  if (!operation || operation.size === 16 && /^(PUSH|PUSHI|POP)$/.test(operation.family)) return false;
  const { family, form, size } = operation;
  if (!PLAIN.has(family) && SEMANTICS[family] === undefined) return false;
  if (family === 'LEA') return record.addressKind === 1 || record.addressKind === 2;
  // An address that is masked or checked; and results that are bytes out of order.
  if (form.includes('m') && record.addressKind !== 1) return false;
  return !(family === 'XCHG' && form === 'mr') && !(family === 'BSWAP' && size === 16);
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
  constructor({ writer, processor, leaveIf, unless }: {
    writer: FunctionWriter; processor: number; leaveIf: (depth: number) => void;
    unless: (record: Decoded, quickly: () => void) => void;
  }) {
    this.#writer = writer;
    const flags = new FlagsWriter(writer);
    const memory = new MemoryWriter(writer, processor, leaveIf);
    this.flags = flags;
    this.memory = memory;
    this.#emitter = new RegionEmitter(writer, flags);
    this.#products = new ProductWriter({ writer, memory, flags, unless });
    this.#vectors = new VectorWriter({ writer, memory, flags, processor, leaveIf, unless });
  }

  /** `live`: somebody may look at the flags that it sets. */
  write(record: Decoded, live: boolean): void {
    const vector = vectorOperationOf(record);
    if (vector) return this.#vectors.write(record, vector);
    if (isProduct(record)) return this.#products.write(record);
    const operation = record.operation as Operation;
    if (PLAIN.has(operation.family)) this.#plain(record, operation);
    else this.#semantic(record, operation, SEMANTICS[operation.family] as Semantic, live);
    this.#writer.endInstruction();
  }

  #semantic(record: Decoded, { form, size }: Operation, semantic: Semantic, live: boolean): void {
    const { memory } = this;
    const sourceSize = Math.min(semantic.sourceSize ?? (semantic.form === 'shift' ? 8 : size), size) as Size;
    const inMemory = form.startsWith('m');
    const modifies = ['binary', 'unary', 'shift', 'compare'].includes(semantic.form);
    const writes = semantic.form !== 'compare' && semantic.form !== 'none';
    if (form.includes('m'))
      memory.find(memory.address(record), (inMemory ? size : sourceSize) / 8, inMemory && writes);
    let destination: Value = smallConstant(0);
    if (semantic.form === 'second') destination = memory.register(record.third, size);
    else if (modifies) destination = inMemory ? memory.load(size) : memory.register(record.target, size);
    const immediate = (): Value => maskTo(constantOf(record.immediateLow, record.immediateHigh), size);
    let source: Value = destination;
    if (/^(rr|mr|rri|rrr)$/.test(form)) source = memory.register(record.operand, sourceSize);
    else if (form === 'rm' || form === 'rmi' || form === 'rrm') source = memory.load(sourceSize);
    else if (form === 'ri' || form === 'mi') source = this.#cut(immediate(), size);
    this.#emitter.begin(size, live, !inMemory, inMemory
      ? (value) => memory.store(size, value)
      : (value) => memory.writeRegister(record.target, size, value));
    if (semantic.form === 'three') semantic.emit(this.#emitter, size, source, this.#cut(immediate(), size));
    else semantic.emit(this.#emitter, size, destination, source);
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
        this.push(form === 'm' ? memory.read(memory.address(record), 64) : memory.register(record.target, 64));
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
    const pointer = this.#writer.register(RSP >> 3);
    this.#writer.setTo(LOCAL_ADDRESS, binaryOf(I64_SUB, localOf(pointer), EIGHT));
    this.memory.find(localOf(LOCAL_ADDRESS), 8, true);
    this.memory.store(64, value);
    this.#writer.setRegister(RSP >> 3, localOf(LOCAL_ADDRESS));
  }

  /** The value on top of the stack, which then is 8 and `more` bytes shorter. */
  pop(more: number): Value {
    const value = this.peek();
    this.drop(8 + more);
    return value;
  }

  peek(): Value {
    return this.memory.read(localOf(this.#writer.register(RSP >> 3)), 64);
  }

  drop(bytes: number): void {
    const pointer = this.#writer.register(RSP >> 3);
    this.#writer.setRegister(RSP >> 3, binaryOf(I64_ADD, localOf(pointer), smallConstant(bytes)));
  }

  /** The target of an indirect branch, kept. */
  indirectTarget(record: Decoded, { form }: Operation): Value {
    const { memory } = this;
    return this.#writer.keep(
      form === 'm' ? memory.read(memory.address(record), 64) : memory.register(record.target, 64));
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
