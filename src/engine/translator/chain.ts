/**
 * The way from region to region, `(region) → i32`: runs the region at that place of the table, and those that the
 * known jumps (core/jumps.ts) lead to behind it, without going back to the core between. What the core looks at there
 * is looked at here. Returns what the last region did: the record at which the interpreter goes on, or 0 when RIP says
 * where.
 *
 * Hot path. The code of a busy guest does not fit in the processor's caches, so what counts is how many lines of them a
 * jump touches: its entry of the known jumps says all that is asked, and is one.
 */

import {
  BUDGET, CODE_BASE, CODE_PHYSICAL, EXIT_REQUEST, JUMP_CACHE, JUMP_ENTRIES, JUMP_ENTRY, JUMP_ENTRY_LEASE,
  JUMP_ENTRY_PAGE, JUMP_ENTRY_REGION, JUMP_ENTRY_TAG, JUMP_TAG, RIP, STOP,
} from '../core/layout.ts';
import { CodeBuffer } from './code-buffer.ts';
import { ModuleSections, type Signature } from './module-sections.ts';
import {
  BR, CALL_INDIRECT, END, I32_AND, I32_EQZ, I32_LE_S, I32_LOAD, I32_NE, I32_OR, I32_SHL, I32_STORE, I32_SUB,
  I32_WRAP, I32_XOR, I64_AND, I64_LOAD, I64_LOAD32_U, I64_NE, I64_SHL, I64_SHR_U, I64_STORE, IF, LOCAL_GET, LOCAL_SET,
  LOCAL_TEE, LOOP, NO_RESULT, RETURN, TYPE_I32, TYPE_I64,
} from './opcodes.ts';

export type Chain = (region: number) => number;

const SIGNATURES: readonly Signature[] = [[[TYPE_I32], [TYPE_I32]], [[], [TYPE_I32]]];
const REGION_TYPE = 1;
const TABLE = 0;
const [LOCAL_REGION, LOCAL_ENTRY, LOCAL_LEFT, LOCAL_RIP] = [0, 1, 2, 3] as const;
const ADDED_LOCALS = [2, 2, TYPE_I32, 1, TYPE_I64];
const PAGE_SHIFT = 12;
const WASM_PAGE = 0x10000;

export interface ChainOptions {
  readonly memory: WebAssembly.Memory;
  /** The core's, of regions. */
  readonly table: WebAssembly.Table;
  /** Address of the processor. */
  readonly processor: number;
  /** False: always goes back to the core. */
  readonly jumps: boolean;
}

export function chainOf({ memory, table, processor, jumps }: ChainOptions): Chain {
  const sections = new ModuleSections();
  sections.start();
  sections.types(SIGNATURES);
  sections.imports([], memory.buffer.byteLength / WASM_PAGE, true);
  sections.functions(1, 0);
  sections.code([new ChainWriter(processor).write(jumps)]);
  const module = new WebAssembly.Module(sections.bytes.slice());
  return new WebAssembly.Instance(module, { c: { memory, table } }).exports['0'] as Chain;
}

class ChainWriter {
  readonly #code = new CodeBuffer();
  readonly #processor: number;

  constructor(processor: number) {
    this.#processor = processor;
  }

  write(jumps: boolean): Uint8Array {
    const code = this.#code;
    for (const byte of ADDED_LOCALS) code.byte(byte);
    code.byte(LOOP);
    code.byte(NO_RESULT);
    this.#get(LOCAL_REGION);
    code.byte(CALL_INDIRECT);
    code.unsigned(REGION_TYPE);
    code.unsigned(TABLE);
    if (jumps) this.#jump();
    else code.byte(RETURN);
    code.byte(END);
    code.constant32(0);
    code.byte(END);
    return code.bytes;
  }

  /** Goes on with the region that RIP leads to; leaves the loop when that is not known. */
  #jump(): void {
    const code = this.#code;
    code.byte(LOCAL_TEE);
    code.unsigned(LOCAL_LEFT);
    code.byte(IF);
    code.byte(NO_RESULT);
    this.#get(LOCAL_LEFT);
    code.byte(RETURN);
    code.byte(END);
    this.#mayGoOn();
    this.#findRegion();
    this.#count();
    this.#enterPage();
    code.byte(BR);
    code.unsigned(0);
  }

  #get(local: number): void {
    this.#code.byte(LOCAL_GET);
    this.#code.unsigned(local);
  }

  #tee(local: number): void {
    this.#code.byte(LOCAL_TEE);
    this.#code.unsigned(local);
  }

  #field(opcode: number, offset: number): void {
    this.#code.loadFrom(this.#processor + offset, opcode);
  }

  /** A field of the jump's entry. */
  #entry(opcode: number, offset: number): void {
    this.#get(LOCAL_ENTRY);
    this.#code.memory(opcode, this.#processor + JUMP_CACHE + offset);
  }

  /** Returns 0 when the i32 on the stack is not 0. */
  #unless(): void {
    const code = this.#code;
    code.byte(IF);
    code.byte(NO_RESULT);
    code.constant32(0);
    code.byte(RETURN);
    code.byte(END);
  }

  #mayGoOn(): void {
    const code = this.#code;
    this.#field(I32_LOAD, BUDGET);
    code.constant32(0);
    code.byte(I32_LE_S);
    this.#field(I32_LOAD, EXIT_REQUEST);
    this.#field(I32_LOAD, STOP);
    code.byte(I32_OR);
    code.byte(I32_OR);
    this.#unless();
  }

  #findRegion(): void {
    const code = this.#code;
    this.#field(I64_LOAD, RIP);
    this.#tee(LOCAL_RIP);
    code.byte(I32_WRAP);
    this.#get(LOCAL_RIP);
    code.constant64(11, 0);
    code.byte(I64_SHR_U);
    code.byte(I32_WRAP);
    code.byte(I32_XOR);
    code.constant32(JUMP_ENTRIES - 1);
    code.byte(I32_AND);
    code.constant32(Math.log2(JUMP_ENTRY));
    code.byte(I32_SHL);
    code.byte(LOCAL_SET);
    code.unsigned(LOCAL_ENTRY);
    this.#entry(I64_LOAD, 0);
    this.#get(LOCAL_RIP);
    code.byte(I64_NE);
    this.#entry(I32_LOAD, JUMP_ENTRY_TAG);
    this.#field(I32_LOAD, JUMP_TAG);
    code.byte(I32_NE);
    code.byte(I32_OR);
    this.#entry(I32_LOAD, JUMP_ENTRY_REGION);
    this.#tee(LOCAL_REGION);
    code.byte(I32_EQZ);
    code.byte(I32_OR);
    this.#unless();
  }

  /** Counts the entry; the core does so when the lease is used up. */
  #count(): void {
    const code = this.#code;
    this.#entry(I32_LOAD, JUMP_ENTRY_LEASE);
    this.#tee(LOCAL_LEFT);
    code.byte(I32_EQZ);
    this.#unless();
    this.#get(LOCAL_ENTRY);
    this.#get(LOCAL_LEFT);
    code.constant32(1);
    code.byte(I32_SUB);
    code.memory(I32_STORE, this.#processor + JUMP_CACHE + JUMP_ENTRY_LEASE);
  }

  /** The page that runs becomes the target's. */
  #enterPage(): void {
    const code = this.#code;
    code.constant32(0);
    this.#get(LOCAL_RIP);
    code.constant64(-0x1000, -1);
    code.byte(I64_AND);
    code.memory(I64_STORE, this.#processor + CODE_BASE);
    code.constant32(0);
    this.#entry(I64_LOAD32_U, JUMP_ENTRY_PAGE);
    code.constant64(PAGE_SHIFT, 0);
    code.byte(I64_SHL);
    code.memory(I64_STORE, this.#processor + CODE_PHYSICAL);
  }
}
