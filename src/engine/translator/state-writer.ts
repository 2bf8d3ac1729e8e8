/** The processor's memory and a region's locals: what is read when the region begins and written when it is left. */

import {
  BUDGET, CODE_BASE, FLAGS_AUX, FLAGS_RESULT, LAZY_A, LAZY_B, LAZY_KIND, OP_SYSTEM, OP_SYSTEM_END, OP_VECTOR,
  OP_VECTOR_LOAD, OP_VECTOR_STORE, RAX, RCX, RDI, RDX, RIP, RSI, TLB_BASE, XMM,
} from '../core/layout.ts';
import { CORE_CALLS } from './core-calls.ts';
import type { Decoded } from './decoded.ts';
import {
  CALL_STEP, copyOf, FIRST_VECTOR, FLAGS_RAW, type FunctionWriter, LOCAL_ADDRESS, LOCAL_BUDGET, LOCAL_CODE_BASE,
  LOCAL_FLAGS_A, LOCAL_FLAGS_B, LOCAL_FLAGS_KIND, LOCAL_TLB, meet, offsetOf, registerAt, type RegisterLocal,
} from './function-writer.ts';
import {
  CALL, DROP, ELSE, END, I32_LOAD, I32_STORE, I64_LOAD, I64_LOAD32_U, I64_STORE, V128_LOAD, V128_STORE,
} from './opcodes.ts';
import type { VectorOperation } from './vector-operations.ts';

export class StateWriter {
  readonly #writer: FunctionWriter;
  readonly #processor: number;

  constructor(writer: FunctionWriter, processor: number) {
    this.#writer = writer;
    this.#processor = processor;
  }

  /** Gives the registers of an instruction their locals, so that all are known before the first one is written. */
  allot(record: Decoded): void {
    const { operation } = record;
    if (operation !== undefined) {
      if (operation.usesTarget) this.#use(record.target);
      if (operation.usesOperand) this.#use(record.operand);
      if (operation.usesThird) this.#use(record.third);
      if (operation.inMemory) this.#useAddress(record);
      for (const register of operation.implied) this.#use(register);
    } else if (record.vector !== undefined) this.#allotVector(record, record.vector);
    else if (record.isProduct) {
      this.#use(RAX);
      this.#use(RDX);
      if (record.addressKind === 1) this.#useAddress(record);
      else this.#use(record.target);
    }
  }

  #allotVector(record: Decoded, vector: VectorOperation): void {
    if (vector.kind === 'zeroUpper') return;
    if (record.first >= XMM) this.#use(record.first);
    if (vector.kind === 'call' && CORE_CALLS[vector.name] === 'three') this.#use(XMM);
    if (record.op !== OP_VECTOR_STORE) this.#use(record.target);
    if (record.op !== OP_VECTOR_LOAD) this.#use(record.operand);
    if (record.op !== OP_VECTOR) this.#useAddress(record);
  }

  #useAddress({ base, index }: Decoded): void {
    this.#use(base);
    this.#use(index);
  }

  #use(offset: number): void {
    const number = registerAt(offset);
    if (number >= 0) this.#writer.register(number);
  }

  /**
   * The core does the instruction: the processor's memory is made current, and read again where it may change. Leaves 1
   * on the stack when the instruction has changed the code that runs, else 0.
   */
  step(record: Decoded): void {
    const { code, knowledge } = this.#writer;
    this.storeField(I32_STORE, BUDGET, LOCAL_BUDGET);
    const registers = this.#writer.registers();
    for (const register of registers)
      if ((knowledge.dirty & (1 << register.number)) !== 0) this.#storeRegister(register);
    if (knowledge.dirtyFlags) this.#storeFlags();
    knowledge.dirty = 0;
    knowledge.dirtyFlags = false;
    if (record.op === OP_SYSTEM) knowledge.vectors = 0;
    // Translations may be forgotten meanwhile, and code may change.
    knowledge.pointers.windows = [];
    knowledge.pages = [];
    code.constant32(record.at);
    code.byte(CALL);
    code.unsigned(CALL_STEP);
    for (const register of registers) {
      if (!changesRegister(record, register.number)) continue;
      this.#loadRegister(register);
      knowledge.upperZero &= ~(1 << register.number);
      if (register.number < FIRST_VECTOR) knowledge.pointers.setRegister(register.number, undefined);
    }
    if (CHOOSES_TLB.has(record.system ?? '')) this.#loadField(I32_LOAD, TLB_BASE, LOCAL_TLB);
    if (changesFlags(record)) {
      this.#loadFlags();
      knowledge.flags = FLAGS_RAW;
    }
  }

  /** The core does the instruction when the i32 on the stack is not 0, which it hardly ever is, else `quickly`. */
  unless(record: Decoded, quickly: () => void): void {
    const { code } = this.#writer;
    const before = this.#writer.knowledge;
    this.#writer.knowledge = copyOf(before);
    this.#writer.ifUnlikely();
    this.step(record);
    code.byte(DROP);
    const slow = this.#writer.knowledge;
    this.#writer.knowledge = before;
    code.byte(ELSE);
    quickly();
    code.byte(END);
    this.#writer.knowledge = meet(slow, this.#writer.knowledge);
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
    this.#writer.code.loadFrom(this.#processor + offset, opcode);
    this.#writer.set(local);
  }

  #loadRegister({ number, local }: RegisterLocal): void {
    this.#loadField(number < FIRST_VECTOR ? I64_LOAD : V128_LOAD, offsetOf(number), local);
  }

  #storeRegister({ number, local }: RegisterLocal): void {
    this.storeField(number < FIRST_VECTOR ? I64_STORE : V128_STORE, offsetOf(number), local);
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
    for (const register of this.#writer.registers()) this.#loadRegister(register);
  }

  /** The region's end: the record to go on at lies on the stack; when it is 0 LOCAL_ADDRESS is where. */
  leave(): void {
    this.#storeAll();
    this.storeField(I64_STORE, RIP, LOCAL_ADDRESS);
  }

  #storeAll(): void {
    this.storeField(I32_STORE, BUDGET, LOCAL_BUDGET);
    this.#storeFlags();
    for (const register of this.#writer.registers())
      if (this.#writer.isWritten(register.number)) this.#storeRegister(register);
  }
}

/** General registers that string instructions change which regions have the core do. */
const STRING_REGISTERS: ReadonlySet<number> = new Set([RCX, RSI, RDI].map(registerAt));
/** System instructions that change neither general registers nor arithmetic flags. */
const KEEPS_REGISTERS: ReadonlySet<string> = new Set(['cli', 'clac', 'stac', 'swapgs', 'cld', 'std']);
/** Those behind which another TLB may be in use. */
const CHOOSES_TLB: ReadonlySet<string> = new Set(['clac', 'stac']);

/** Whether the core's doing of an instruction may change a register. */
function changesRegister(record: Decoded, number: number): boolean {
  if (record.op === OP_SYSTEM_END) return STRING_REGISTERS.has(number);
  if (record.op === OP_SYSTEM) return !KEEPS_REGISTERS.has(record.system ?? '');
  return record.comparesVectors || registerAt(record.target) === number;
}

/** Whether it may change arithmetic flags: vector instructions are taken to when they have no vector destination. */
function changesFlags(record: Decoded): boolean {
  if (record.op === OP_SYSTEM_END) return false;
  if (record.op === OP_SYSTEM) return !KEEPS_REGISTERS.has(record.system ?? '');
  return record.target < XMM || record.comparesVectors;
}
