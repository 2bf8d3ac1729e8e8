/** The processor's memory and a region's locals: what is read when the region begins and written when it is left. */

import {
  BUDGET, CODE_BASE, FLAGS_AUX, FLAGS_RESULT, GPR, LAZY_A, LAZY_B, LAZY_KIND, OP_SYSTEM, RAX, RDX, RSP, TLB_BASE, XMM,
  ZERO,
} from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import {
  CALL_STEP, DIRTY_FLAGS, FLAGS_RAW, type FunctionWriter, LOCAL_BUDGET, LOCAL_CODE_BASE, LOCAL_FLAGS_A, LOCAL_FLAGS_B,
  LOCAL_FLAGS_KIND, LOCAL_TLB,
} from './function-writer.ts';
import { CALL, I32_LOAD, I32_STORE, I64_LOAD, I64_LOAD32_U, I64_STORE } from './opcodes.ts';

export class StateWriter {
  readonly #writer: FunctionWriter;
  readonly #processor: number;

  constructor(writer: FunctionWriter, processor: number) {
    this.#writer = writer;
    this.#processor = processor;
  }

  /** Gives the registers of an instruction their locals, so that all are known before the first one is written. */
  allot({ operation, target, operand, base, index }: Decoded): void {
    if (operation === undefined) return;
    const { family, form } = operation;
    const use = (offset: number): void => { if (offset < ZERO) this.#writer.register(offset >> 3); };
    if (form.startsWith('r')) use(target);
    if (/^(rr|mr|rri)$/.test(form)) use(operand);
    if (form.includes('m')) {
      use(base);
      use(index);
    }
    if (/^(PUSH|PUSHI|POP|CALL|CALLE|RET|RETI)$/.test(family)) use(RSP);
    if (/^(CBW|CWD)$/.test(family)) use(RAX);
    if (family === 'CWD') use(RDX);
  }

  /**
   * The core does the instruction: the processor's memory is made current, and read again where it may change. Leaves 1
   * on the stack when the instruction has changed the code that runs, else 0.
   */
  step(record: Decoded): void {
    const { code, knowledge } = this.#writer;
    this.storeField(I32_STORE, BUDGET, LOCAL_BUDGET);
    const registers = this.#writer.registers();
    for (const { number, local } of registers)
      if ((knowledge.dirty & (1 << number)) !== 0) this.storeField(I64_STORE, GPR + number * 8, local);
    if ((knowledge.dirty & DIRTY_FLAGS) !== 0) this.#storeFlags();
    knowledge.dirty = 0;
    code.constant32(record.at);
    code.byte(CALL);
    code.unsigned(CALL_STEP);
    for (const { number, local } of registers) {
      if (!changesRegister(record, number)) continue;
      this.#loadField(I64_LOAD, GPR + number * 8, local);
      knowledge.upperZero &= ~(1 << number);
    }
    if (changesFlags(record)) {
      this.#loadFlags();
      knowledge.flags = FLAGS_RAW;
    }
  }

  #storeFlags(): void {
    this.storeField(I32_STORE, LAZY_KIND, LOCAL_FLAGS_KIND);
    this.storeField(I64_STORE, LAZY_A, LOCAL_FLAGS_A);
    this.storeField(I64_STORE, LAZY_B, LOCAL_FLAGS_B);
  }

  #loadFlags(): void {
    this.#loadField(I64_LOAD, FLAGS_RESULT, LOCAL_FLAGS_A);
    this.#loadField(I64_LOAD32_U, FLAGS_AUX, LOCAL_FLAGS_B);
    this.#writer.code.constant32(FLAGS_RAW);
    this.#writer.set(LOCAL_FLAGS_KIND);
  }

  #loadField(opcode: number, offset: number, local: number): void {
    this.#writer.code.constant32(0);
    this.#writer.memory(opcode, this.#processor + offset);
    this.#writer.set(local);
  }

  storeField(opcode: number, offset: number, local: number): void {
    this.#writer.code.constant32(0);
    this.#writer.get(local);
    this.#writer.memory(opcode, this.#processor + offset);
  }

  /** Before the region's code. */
  enter(): void {
    this.#loadField(I32_LOAD, TLB_BASE, LOCAL_TLB);
    this.#loadField(I32_LOAD, BUDGET, LOCAL_BUDGET);
    this.#loadField(I64_LOAD, CODE_BASE, LOCAL_CODE_BASE);
    this.#loadField(I32_LOAD, LAZY_KIND, LOCAL_FLAGS_KIND);
    this.#loadField(I64_LOAD, LAZY_A, LOCAL_FLAGS_A);
    this.#loadField(I64_LOAD, LAZY_B, LOCAL_FLAGS_B);
    for (const { number, local } of this.#writer.registers()) this.#loadField(I64_LOAD, GPR + number * 8, local);
  }

  /** Behind the region's code: the result lies on the stack. */
  leave(): void {
    this.storeField(I32_STORE, BUDGET, LOCAL_BUDGET);
    this.#storeFlags();
    for (const { number, local } of this.#writer.registers())
      if (this.#writer.isWritten(number)) this.storeField(I64_STORE, GPR + number * 8, local);
  }
}

/** Whether the core's doing of an instruction may change a general register. */
function changesRegister(record: Decoded, number: number): boolean {
  return record.op === OP_SYSTEM || record.comparesVectors || (record.target < ZERO && record.target >> 3 === number);
}

/** Whether it may change arithmetic flags: vector instructions are taken to when they have no vector destination. */
function changesFlags(record: Decoded): boolean {
  return record.op === OP_SYSTEM || record.target < XMM || record.comparesVectors;
}
