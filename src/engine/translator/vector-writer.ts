/** SSE in a region, by what vector-operations.ts says of each instruction. */

import { FPU_BLOCKED, OP_VECTOR, OP_VECTOR_STORE, XMM, ZERO } from '../core/layout.ts';
import { CORE_CALLS, type CoreCall } from './core-calls.ts';
import type { Decoded } from './decoded.ts';
import type { FlagsWriter } from './flags-writer.ts';
import { FloatWriter } from './float-writer.ts';
import { type FunctionWriter, LOCAL_ADDRESS, LOCAL_HOST } from './function-writer.ts';
import type { MemoryWriter } from './memory-writer.ts';
import {
  I32X4_REPLACE_LANE, I32_AND, I32_LOAD, I32_STORE, I32_WRAP, I64X2_EXTRACT_LANE, I64X2_REPLACE_LANE, I64_STORE,
  I8X16_SHUFFLE, I8X16_SWIZZLE, V128_AND, V128_CONST, V128_STORE,
} from './opcodes.ts';
import { localOf } from './value.ts';
import { VectorOperands } from './vector-operands.ts';
import type { VectorOperation } from './vector-operations.ts';

const ALIGNMENT = 15;
const SSE_BLOCKED = 4;
/** Of a byte of PSHUFB's source: what is looked at. */
const CHOICE = 0x8f;

export class VectorWriter {
  readonly #writer: FunctionWriter;
  readonly #memory: MemoryWriter;
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
    this.#operands = new VectorOperands(writer, processor);
    this.#floats = new FloatWriter({ writer, operands: this.#operands, flags, unless });
    this.#leaveIf = leaveIf;
  }

  write(record: Decoded, operation: VectorOperation): void {
    this.#mayRun();
    if (record.op !== OP_VECTOR) this.#find(record);
    switch (operation.kind) {
      case 'copy': this.#copy(record, operation); break;
      case 'whole': this.#whole(record); break;
      case 'call':
        this.#call(record, operation.name);
        this.#operands.setTarget(record);
        break;
      case 'mask': this.#mask(record, operation.opcode); break;
      case 'scalar': this.#floats.scalar(record, operation); break;
      case 'order': this.#floats.order(record, operation.double); break;
      case 'fromInteger': this.#floats.fromInteger(record, operation.wide); break;
      case 'toInteger': this.#floats.toInteger(record, operation.wide); break;
      default:
        this.#lanes(record, operation);
        this.#operands.setTarget(record);
    }
    this.#writer.endInstruction();
  }

  /** Leaves for the interpreter, which raises #UD or #NM, when the system has not enabled SSE. */
  #mayRun(): void {
    const { knowledge, code } = this.#writer;
    if (knowledge.vectors) return;
    this.#operands.field(I32_LOAD, FPU_BLOCKED);
    code.constant32(SSE_BLOCKED);
    code.byte(I32_AND);
    this.#leaveIf(0);
    knowledge.vectors = true;
  }

  /** Looks the operand in memory up. */
  #find(record: Decoded): void {
    const { code } = this.#writer;
    const address = this.#memory.address(record);
    if (!record.isAligned) return this.#memory.find(address, record.bytes, record.op === OP_VECTOR_STORE);
    this.#writer.setTo(LOCAL_ADDRESS, address);
    this.#writer.get(LOCAL_ADDRESS);
    code.byte(I32_WRAP);
    code.constant32(ALIGNMENT);
    code.byte(I32_AND);
    this.#leaveIf(0);
    this.#memory.find(localOf(LOCAL_ADDRESS), record.bytes, record.op === OP_VECTOR_STORE);
  }

  #pushZero(): void {
    this.#writer.code.opcode(V128_CONST);
    for (let n = 0; n < 16; n++) this.#writer.code.byte(0);
  }

  #lanes(record: Decoded, operation: VectorOperation): void {
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
        const lanes = operation.lanes(record.immediateLow & 0xff);
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
    const local = this.#writer.temporary(true);
    this.#operands.pushSource(record);
    this.#writer.code.opcode(opcode);
    this.#writer.set(local);
    this.#writer.setRegister(record.target >> 3, localOf(local, 16, true));
  }
}
