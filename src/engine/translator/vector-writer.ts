/** SSE in a region, by what vector-operations.ts says of each instruction. */

import {
  AVX_BLOCKED, FPU_BLOCKED, OP_VECTOR, OP_VECTOR_LOAD, OP_VECTOR_STORE, WIDE_SHIFT, XMM, XMM_STRIDE, ZERO,
} from '../core/layout.ts';
import { CORE_CALLS, type CoreCall } from './core-calls.ts';
import type { Decoded } from './decoded.ts';
import type { FlagsWriter } from './flags-writer.ts';
import { FloatWriter } from './float-writer.ts';
import { type FunctionWriter, LOCAL_HOST } from './function-writer.ts';
import type { MemoryWriter } from './memory-writer.ts';
import {
  I32X4_BITMASK, I32X4_REPLACE_LANE, I32_AND, I32_LOAD, I32_OR, I32_SHL, I32_STORE, I32_WRAP, I64X2_EXTRACT_LANE,
  I64X2_REPLACE_LANE, I64_STORE, I8X16_BITMASK, I8X16_SHUFFLE, I8X16_SWIZZLE, V128_AND, V128_CONST, V128_STORE,
} from './opcodes.ts';
import { localOf } from './value.ts';
import { VectorOperands } from './vector-operands.ts';
import type { VectorOperation } from './vector-operations.ts';

const LANE_BYTES = 16;
const VECTORS = 16;
const SSE_BLOCKED = 4;
/** Of what is known of vector instructions. */
const SSE_ENABLED = 1;
const AVX_ENABLED = 2;
/** Of a byte of PSHUFB's source: what is looked at. */
const CHOICE = 0x8f;

export class VectorWriter {
  readonly #writer: FunctionWriter;
  readonly #memory: MemoryWriter;
  readonly #processor: number;
  readonly #operands: VectorOperands;
  readonly #floats: FloatWriter;
  readonly #leaveIf: (depth: number) => void;

  /**
   * `leaveIf` leaves the region at this instruction; `unless` leaves it to the core when the i32 on the stack is not 0.
   */
  constructor({ writer, memory, flags, processor, leaveIf, unless }: {
    writer: FunctionWriter; memory: MemoryWriter; flags: FlagsWriter; processor: number;
    leaveIf: (depth: number) => void; unless: (record: Decoded, quickly: () => void) => void;
  }) {
    this.#writer = writer;
    this.#memory = memory;
    this.#processor = processor;
    this.#operands = new VectorOperands(writer, processor);
    this.#floats = new FloatWriter({ writer, operands: this.#operands, flags, unless });
    this.#leaveIf = leaveIf;
  }

  write(record: Decoded, operation: VectorOperation): void {
    if (operation.kind === 'zeroUpper') return this.#zeroUpper();
    this.#mayRun(record.wide !== 0);
    if (record.op !== OP_VECTOR) this.#find(record);
    switch (operation.kind) {
      case 'copy': this.#copy(record, operation); break;
      case 'whole': this.#whole(record); break;
      case 'call':
        this.#call(record, operation.name);
        this.#operands.setTarget(record);
        break;
      case 'splat': this.#splat(record, operation); break;
      case 'mask': this.#mask(record, operation.opcode); break;
      case 'scalar': this.#floats.scalar(record, operation); break;
      case 'order': this.#floats.order(record, operation.double); break;
      case 'fromInteger': this.#floats.fromInteger(record, operation.wide); break;
      case 'toInteger': this.#floats.toInteger(record, operation.wide); break;
      default:
        this.#lanes(record, operation);
        this.#operands.setTarget(record);
    }
    if (record.wide !== 0 && record.target >= XMM && operation.kind !== 'order') this.#upperLane(record, operation);
    this.#writer.endInstruction();
  }

  /** Leaves for the interpreter, which raises #UD or #NM, when the system has not enabled SSE, or AVX. */
  #mayRun(wide: boolean): void {
    const { knowledge, code } = this.#writer;
    const needed = wide ? AVX_ENABLED : SSE_ENABLED;
    if ((knowledge.vectors & needed) !== 0) return;
    this.#operands.field(I32_LOAD, wide ? AVX_BLOCKED : FPU_BLOCKED);
    if (!wide) {
      code.constant32(SSE_BLOCKED);
      code.byte(I32_AND);
    }
    this.#leaveIf(0);
    knowledge.vectors |= needed;
  }

  /** Upper lanes lie in the processor's memory: what becomes of the destination's, of two lanes or one. */
  #upperLane(record: Decoded, operation: VectorOperation): void {
    const { code } = this.#writer;
    if (record.op === OP_VECTOR_STORE) {
      if (!record.isLong) return;
      this.#writer.get(LOCAL_HOST);
      this.#operands.inUpperLane(() => this.#operands.push(record.operand));
      return this.#writer.memory(V128_STORE, LANE_BYTES);
    }
    code.constant32(0);
    if (!record.isLong) this.#pushZero();
    else if (operation.kind === 'splat') this.#operands.push(record.target);
    else {
      this.#operands.inUpperLane(() => {
        if (operation.kind === 'whole') this.#operands.pushSource(record);
        else this.#lanes(record, operation, record.wide >> WIDE_SHIFT);
      });
    }
    this.#writer.memory(V128_STORE, this.#processor + record.target + LANE_BYTES);
  }

  #zeroUpper(): void {
    this.#mayRun(true);
    for (let n = 0; n < VECTORS; n++) {
      this.#writer.code.constant32(0);
      this.#pushZero();
      this.#writer.memory(V128_STORE, this.#processor + XMM + n * XMM_STRIDE + LANE_BYTES);
    }
  }

  #splat(record: Decoded, { bytes, load }: VectorOperation & { kind: 'splat' }): void {
    const { code } = this.#writer;
    if (record.op === OP_VECTOR_LOAD) {
      this.#writer.get(LOCAL_HOST);
      this.#writer.memory(load, 0);
    } else {
      this.#operands.push(record.operand);
      this.#operands.push(record.operand);
      code.opcode(I8X16_SHUFFLE);
      for (let n = 0; n < LANE_BYTES; n++) code.byte(n % bytes);
    }
    this.#operands.setTarget(record);
  }

  /** Looks the operand in memory up. */
  #find(record: Decoded): void {
    const { code } = this.#writer;
    const isStore = record.op === OP_VECTOR_STORE;
    if (record.isAligned) {
      this.#writer.values.wide(this.#memory.address(record));
      code.byte(I32_WRAP);
      code.constant32(Math.max(record.bytes, LANE_BYTES) - 1);
      code.byte(I32_AND);
      this.#leaveIf(0);
    }
    this.#memory.findOperand(record, record.bytes, isStore);
    this.#memory.settle();
  }

  #pushZero(): void {
    this.#writer.code.opcode(V128_CONST);
    for (let n = 0; n < 16; n++) this.#writer.code.byte(0);
  }

  /** `shift`: by how much less of the immediate a lane looks at. */
  #lanes(record: Decoded, operation: VectorOperation, shift = 0): void {
    const { code } = this.#writer;
    switch (operation.kind) {
      case 'binary':
        if (operation.swapped) this.#operands.pushSource(record);
        this.#operands.pushTarget(record);
        if (!operation.swapped) this.#operands.pushSource(record);
        code.opcode(operation.opcode);
        return;
      case 'choose':
        // Numbers beyond 15, for which WebAssembly too gives 0, are those whose bit 7 is set.
        this.#operands.pushTarget(record);
        this.#operands.pushSource(record);
        code.opcode(V128_CONST);
        for (let n = 0; n < 16; n++) code.byte(CHOICE);
        code.opcode(V128_AND);
        code.opcode(I8X16_SWIZZLE);
        return;
      case 'unary':
        this.#operands.pushSource(record);
        code.opcode(operation.opcode);
        return;
      case 'shift': {
        const count = record.immediateLow & 0xff;
        if (count > operation.most && !operation.signed) return this.#pushZero();
        this.#operands.pushTarget(record);
        code.constant32(Math.min(count, operation.most));
        code.opcode(operation.opcode);
        return;
      }
      case 'shuffle': {
        const lanes = operation.lanes((record.immediateLow & 0xff) >> shift);
        this.#operands.pushTarget(record);
        // Not all have a source: PSRLDQ and PSLLDQ take their lanes of the destination and of zero.
        if (lanes.some((lane) => lane > 15)) this.#operands.pushSource(record);
        else this.#pushZero();
        code.opcode(I8X16_SHUFFLE);
        for (const lane of lanes) code.byte(lane < 0 ? 16 : lane);
      }
    }
  }

  #call(record: Decoded, name: CoreCall): void {
    const operands = CORE_CALLS[name];
    const choice = record.immediateLow;
    if (operands === 'halves') {
      this.#operands.pushTarget(record);
      this.#operands.lane(I64X2_EXTRACT_LANE, choice & 1);
      this.#operands.pushSource(record);
      this.#operands.lane(I64X2_EXTRACT_LANE, (choice >> 4) & 1);
    } else {
      if (operands !== 'one') this.#operands.pushTarget(record);
      this.#operands.pushSource(record);
      if (operands === 'three') this.#operands.push(XMM);
      if (operands === 'immediate') this.#writer.code.constant32(choice & 0xff);
    }
    this.#writer.callCore(name);
  }

  #whole(record: Decoded): void {
    if (record.op !== OP_VECTOR_STORE) {
      this.#operands.pushSource(record);
      return this.#operands.setTarget(record);
    }
    this.#writer.get(LOCAL_HOST);
    this.#operands.push(record.operand);
    this.#writer.memory(V128_STORE, 0);
  }

  #copy(record: Decoded, { bytes, from, to, zeroes }: VectorOperation & { kind: 'copy' }): void {
    if (record.op === OP_VECTOR_STORE) {
      this.#writer.get(LOCAL_HOST);
      this.#operands.pushPart(record, bytes, from);
      this.#writer.memory(bytes === 4 ? I32_STORE : I64_STORE, 0);
    } else if (record.target < ZERO) {
      const local = this.#writer.temporary(bytes === 4);
      this.#operands.pushPart(record, bytes, from);
      this.#writer.set(local);
      this.#writer.setRegister(record.target >> 3, localOf(local, bytes * 8, bytes === 4));
    } else {
      if (zeroes) this.#pushZero();
      else this.#operands.pushTarget(record);
      this.#operands.pushPart(record, bytes, from);
      this.#operands.lane(bytes === 4 ? I32X4_REPLACE_LANE : I64X2_REPLACE_LANE, to / bytes);
      this.#operands.setTarget(record);
    }
  }

  #mask(record: Decoded, opcode: number): void {
    const { code } = this.#writer;
    const local = this.#writer.temporary(true);
    this.#operands.pushSource(record);
    code.opcode(opcode);
    if (record.isLong) {
      this.#operands.inUpperLane(() => this.#operands.pushSource(record));
      code.opcode(opcode);
      code.constant32(opcode === I8X16_BITMASK ? 16 : opcode === I32X4_BITMASK ? 4 : 2);
      code.byte(I32_SHL);
      code.byte(I32_OR);
    }
    this.#writer.set(local);
    this.#writer.setRegister(record.target >> 3, localOf(local, record.isLong ? 32 : 16, true));
  }
}
