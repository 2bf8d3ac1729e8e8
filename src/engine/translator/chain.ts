/**
 * The way from a region to the next, `(rip, budget) → i32`, which regions end with: when the block at RIP is known
 * (core/jumps.ts) and has a region, that is jumped to, without going back to the core between. What the core looks at
 * there is looked at here. Else RIP is set, and 0 returned to whoever has entered the first region.
 *
 * One function for all regions of a processor, in a module of its own: V8 keeps a copy of the table for each module
 * that imports it.
 */

import {
  BLOCK_HEADER, BLOCK_KEY, CODE_BASE, CODE_PHYSICAL, ENTER_COUNT, ENTER_REGION, EXIT_REQUEST, JUMP_CACHE, JUMP_ENTRIES,
  JUMP_ENTRY, JUMP_ENTRY_RECORD, JUMP_ENTRY_TAG, JUMP_TAG, OP, OP_ENTER, RIP, STOP,
} from '../core/layout.ts';
import { CodeBuffer } from './code-buffer.ts';
import { ModuleSections, type Signature } from './module-sections.ts';
import {
  BLOCK, BR_IF, END, I32_AND, I32_EQZ, I32_LE_S, I32_LOAD, I32_LOAD16_U, I32_NE, I32_OR, I32_SHL, I32_STORE, I32_SUB,
  I32_WRAP, I32_XOR, I64_AND, I64_LOAD, I64_NE, I64_SHR_U, I64_STORE, LOCAL_GET, LOCAL_TEE, NO_RESULT,
  RETURN_CALL_INDIRECT, TYPE_I32, TYPE_I64,
} from './opcodes.ts';

export type Chain = (rip: bigint, budget: number) => number;

const SIGNATURES: readonly Signature[] = [[[TYPE_I64, TYPE_I32], [TYPE_I32]], [[], [TYPE_I32]]];
const REGION_TYPE = 1;
const TABLE = 0;
const [LOCAL_RIP, LOCAL_BUDGET, LOCAL_ENTRY, LOCAL_RECORD] = [0, 1, 2, 3] as const;
const ADDED_LOCALS = [1, 2, TYPE_I32];

export interface ChainOptions {
  readonly memory: WebAssembly.Memory;
  /** The memory's size in pages of WebAssembly. */
  readonly pages: number;
  /** The core's, of regions. */
  readonly table: WebAssembly.Table;
  /** Address of the processor. */
  readonly processor: number;
  /** False: always goes back to the core. */
  readonly jumps: boolean;
}

export function chainOf({ memory, pages, table, processor, jumps }: ChainOptions): Chain {
  const sections = new ModuleSections();
  sections.start();
  sections.types(SIGNATURES);
  sections.imports([], pages, true);
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
    if (jumps) this.#jump();
    code.constant32(0);
    this.#get(LOCAL_RIP);
    code.memory(I64_STORE, this.#processor + RIP);
    code.constant32(0);
    code.byte(END);
    return code.bytes;
  }

  #jump(): void {
    const code = this.#code;
    code.byte(BLOCK);
    code.byte(NO_RESULT);
    this.#mayGoOn();
    this.#findRecord();
    this.#count();
    this.#enterPage();
    this.#get(LOCAL_RECORD);
    code.memory(I32_LOAD, ENTER_REGION);
    code.byte(RETURN_CALL_INDIRECT);
    code.unsigned(REGION_TYPE);
    code.unsigned(TABLE);
    code.byte(END);
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

  /** Ends the attempt when the i32 on the stack is not 0. */
  #unless(): void {
    this.#code.byte(BR_IF);
    this.#code.unsigned(0);
  }

  #mayGoOn(): void {
    const code = this.#code;
    this.#get(LOCAL_BUDGET);
    code.constant32(0);
    code.byte(I32_LE_S);
    this.#field(I32_LOAD, EXIT_REQUEST);
    this.#field(I32_LOAD, STOP);
    code.byte(I32_OR);
    code.byte(I32_OR);
    this.#unless();
  }

  /** Finds the opening record of a known block with a region. */
  #findRecord(): void {
    const code = this.#code;
    const entries = this.#processor + JUMP_CACHE;
    this.#get(LOCAL_RIP);
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
    this.#tee(LOCAL_ENTRY);
    code.memory(I64_LOAD, entries);
    this.#get(LOCAL_RIP);
    code.byte(I64_NE);
    this.#unless();
    this.#get(LOCAL_ENTRY);
    code.memory(I32_LOAD, entries + JUMP_ENTRY_TAG);
    this.#field(I32_LOAD, JUMP_TAG);
    code.byte(I32_NE);
    this.#unless();
    this.#get(LOCAL_ENTRY);
    code.memory(I32_LOAD, entries + JUMP_ENTRY_RECORD);
    this.#tee(LOCAL_RECORD);
    code.memory(I32_LOAD16_U, OP);
    code.constant32(OP_ENTER);
    code.byte(I32_NE);
    this.#unless();
    this.#get(LOCAL_RECORD);
    code.memory(I32_LOAD, ENTER_REGION);
    code.byte(I32_EQZ);
    this.#unless();
  }

  /** Counts the entry; the core does so when it is the one at which the region is to be made anew. */
  #count(): void {
    const code = this.#code;
    this.#get(LOCAL_RECORD);
    code.memory(I32_LOAD, ENTER_COUNT);
    code.constant32(1);
    code.byte(I32_SUB);
    this.#tee(LOCAL_ENTRY);
    code.byte(I32_EQZ);
    this.#unless();
    this.#get(LOCAL_RECORD);
    this.#get(LOCAL_ENTRY);
    code.memory(I32_STORE, ENTER_COUNT);
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
    this.#get(LOCAL_RECORD);
    code.constant32(BLOCK_HEADER);
    code.byte(I32_SUB);
    code.memory(I64_LOAD, BLOCK_KEY);
    code.constant64(-0x1000, 0x0fff_ffff);
    code.byte(I64_AND);
    code.memory(I64_STORE, this.#processor + CODE_PHYSICAL);
  }
}
