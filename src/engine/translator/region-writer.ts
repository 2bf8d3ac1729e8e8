/**
 * A region's function, `() → i32`: loads what it needs of the processor into locals, runs, writes it back, and returns
 * the record at which the interpreter is to go on, or 0 when RIP says where.
 */

import { EXIT_REQUEST, RECORD_SIZE, RIP } from '../core/layout.ts';
import { CodeBuffer } from './code-buffer.ts';
import type { Decoded } from './decoded.ts';
import {
  copyOf, FunctionWriter, type Knowledge, LOCAL_ADDRESS, LOCAL_BUDGET, meet, nothingKnown,
} from './function-writer.ts';
import { InstructionWriter } from './instruction-writer.ts';
import { Labels } from './labels.ts';
import { findLiveFlags } from './liveness.ts';
import { Lookahead } from './lookahead.ts';
import {
  BLOCK, BR, ELSE, END, I32_LE_S, I32_LOAD, I32_OR, I32_SUB, I64_LOAD, I64_NE, IF, LOOP, NO_RESULT, TYPE_I32,
  UNREACHABLE,
} from './opcodes.ts';
import type { Operation } from './operation.ts';
import { PageWriter } from './page-writer.ts';
import type { Block, Edge } from './region-graph.ts';
import { type Shape, shapeOf } from './region-order.ts';
import { StateWriter } from './state-writer.ts';
import { type Value } from './value.ts';

const PAGE = 0x1000;

/** A region's function. */
export interface RegionBody {
  /** Locals and code, without their size. */
  readonly bytes: Uint8Array;
  /** Where in them the branches lie that are hardly ever taken, in order. */
  readonly unlikely: readonly number[];
  /** It calls functions of core-calls.ts. */
  readonly callsCore: boolean;
}

export class RegionWriter {
  readonly #writer = new FunctionWriter();
  readonly #whole = new CodeBuffer();
  readonly #processor: number;
  readonly #instructions: InstructionWriter;
  readonly #lookahead = new Lookahead();
  readonly #state: StateWriter;
  readonly #pages: PageWriter;
  #blocks: readonly Block[] = [];
  #pageNumbers!: { codePageNumber(distance: number): number };
  #shape!: Shape;
  readonly #labels = new Labels();
  /** What is known where a merge begins, by the branches to it so far. */
  #known: (Knowledge | undefined)[] = [];
  /** The record that is being written. */
  #record = 0;

  constructor(processor: number) {
    this.#processor = processor;
    this.#state = new StateWriter(this.#writer, processor);
    this.#instructions = new InstructionWriter({
      writer: this.#writer, processor, lookahead: this.#lookahead, leaveIf: (depth) => this.#leaveIf(depth),
      unless: (record, quickly) => this.#state.unless(record, quickly),
    });
    this.#pages = new PageWriter({
      writer: this.#writer, instructions: this.#instructions, processor, ifUnlikely: (body) => this.#ifUnlikely(body),
    });
  }

  write(blocks: readonly Block[], pages: { codePageNumber(distance: number): number }): RegionBody {
    this.#blocks = blocks;
    this.#pageNumbers = pages;
    this.#shape = shapeOf(blocks);
    findLiveFlags(blocks, this.#shape);
    this.#lookahead.start(blocks, this.#shape.place);
    this.#known = blocks.map(() => undefined);
    this.#writer.start();
    this.#labels.start();
    for (const { records } of blocks) for (const record of records) this.#state.allot(record);
    this.#tree(0);
    const whole = this.#whole;
    whole.clear();
    const types = this.#writer.localTypes;
    whole.unsigned(types.length);
    for (const type of types) {
      whole.byte(1);
      whole.byte(type);
    }
    const body = this.#writer.code.bytes.slice();
    const unlikely = [...this.#writer.unlikely];
    this.#writer.code.clear();
    this.#state.enter();
    whole.append(this.#writer.code.bytes);
    whole.byte(BLOCK);
    whole.byte(TYPE_I32);
    const start = whole.length;
    whole.append(body);
    whole.byte(UNREACHABLE);
    whole.byte(END);
    this.#writer.code.clear();
    this.#state.leave();
    whole.append(this.#writer.code.bytes);
    whole.byte(END);
    return { bytes: whole.bytes.slice(), unlikely: unlikely.map((at) => start + at),
      callsCore: this.#writer.callsCore };
  }

  /** Branches out of so many labels. */
  #branchOut(depth: number): void {
    this.#writer.code.byte(BR);
    this.#writer.code.unsigned(depth);
  }

  #leaveAt(record: number): void {
    this.#writer.code.constant32(record);
    this.#branchOut(this.#labels.end);
  }

  /** Leaves at this instruction when the i32 on the stack is not 0; `depth` blocks are open that nobody knows of. */
  #leaveIf(depth: number): void {
    for (let n = 0; n < depth; n++) this.#labels.open('if');
    this.#ifUnlikely(() => this.#leaveAt(this.#record));
    for (let n = 0; n < depth; n++) this.#labels.close();
  }

  /** Does what `body` writes when the i32 on the stack is not 0, which it hardly ever is. */
  #ifUnlikely(body: () => void): void {
    this.#writer.ifUnlikely();
    this.#labels.open('if');
    body();
    this.#labels.close();
    this.#writer.code.byte(END);
  }

  /** Does what `body` writes when the i32 on the stack is not 0. */
  #if(body: () => void): void {
    const { code } = this.#writer;
    code.byte(IF);
    code.byte(NO_RESULT);
    this.#labels.open('if');
    body();
    this.#labels.close();
    code.byte(END);
  }

  /** A block and all that it dominates. */
  #tree(index: number): void {
    const before = this.#writer.windows;
    if (this.#shape.isLoop[index] === true) this.#loop(index);
    else this.#within(index, this.#shape.merges[index] as number[], 0);
    // What was found in it is not known behind it.
    this.#writer.windows = before;
  }

  #loop(index: number): void {
    const { code } = this.#writer;
    code.byte(LOOP);
    code.byte(NO_RESULT);
    this.#labels.open('loop', index);
    // The way back to the head brings what is not known yet.
    this.#writer.knowledge = nothingKnown();
    this.#within(index, this.#shape.merges[index] as number[], 0);
    this.#labels.close();
    code.byte(END);
  }

  #within(index: number, merges: readonly number[], next: number): void {
    const merge = merges[next];
    if (merge === undefined) return this.#block(index);
    const { code } = this.#writer;
    code.byte(BLOCK);
    code.byte(NO_RESULT);
    this.#labels.open('block', merge);
    this.#within(index, merges, next + 1);
    this.#labels.close();
    code.byte(END);
    this.#writer.knowledge = copyOf(this.#known[merge] as Knowledge);
    this.#tree(merge);
  }

  #block(index: number): void {
    const block = this.#blocks[index] as Block;
    const last = block.records.length - 1;
    for (let n = 0; n <= last; n++) {
      const record = block.records[n] as Decoded;
      this.#record = record.at;
      this.#lookahead.at(index, n);
      if (record.nextOpening !== 0) this.#holdNextPage(record);
      if (record.isStep) {
        this.#state.step(record);
        // It has changed this code: the interpreter looks what is there now.
        this.#ifUnlikely(() => this.#leaveAt(record.at + RECORD_SIZE));
      }
      else if (n < last || block.end === 'fall') this.#instructions.write(record);
      else this.#end(index, block, record);
    }
    if (block.end === 'fall') this.#branch(index, block.edges[0] as Edge);
    this.#writer.endInstruction();
  }

  #end(index: number, { end, edges }: Block, record: Decoded): void {
    const { code } = this.#writer;
    const [first, second] = edges as [Edge, Edge];
    switch (end) {
      case 'leave':
        this.#leaveAt(record.at);
        return;
      case 'indirect':
        this.#indirect(index, edges, record, record.operation as Operation);
        return;
      case 'call':
        this.#instructions.push(this.#instructions.pointer(record.offset + record.length));
        this.#branch(index, first);
        return;
      case 'jump':
        this.#branch(index, first);
        return;
      case 'string':
        this.#string(record);
        this.#branch(index, first);
        return;
      default: {
        const { condition } = record.operation as Operation;
        this.#writer.values.condition(this.#instructions.flags.condition(condition));
        const before = copyOf(this.#writer.knowledge);
        code.byte(IF);
        code.byte(NO_RESULT);
        this.#labels.open('if');
        this.#branch(index, first);
        code.byte(ELSE);
        this.#writer.knowledge = before;
        this.#branch(index, second);
        this.#labels.close();
        code.byte(END);
      }
    }
  }

  #indirect(index: number, edges: readonly Edge[], record: Decoded, operation: Operation): void {
    const { family } = operation;
    const returns = family.startsWith('RET');
    const instructions = this.#instructions;
    const target = returns ? instructions.peek() : instructions.indirectTarget(record, operation);
    const drop = (): void => instructions.drop(8 + (family === 'RETI' ? record.immediateLow & 0xffff : 0));
    for (const edge of edges) {
      const before = copyOf(this.#writer.knowledge);
      this.#writer.values.condition(instructions.same(target, instructions.pointer(edge.place - record.page)));
      this.#if(() => {
        drop();
        this.#branch(index, edge);
      });
      this.#writer.knowledge = before;
    }
    this.#writer.values.condition(instructions.notCanonical(target));
    this.#record = record.at;
    this.#leaveIf(0);
    if (family === 'CALLE') instructions.push(instructions.pointer(record.offset + record.length));
    else if (returns) drop();
    this.#spend(record.count);
    this.#leaveTo(target);
  }

  #leaveTo(target: Value): void {
    const { code } = this.#writer;
    this.#writer.setTo(LOCAL_ADDRESS, target);
    code.constant32(0);
    this.#branchOut(this.#labels.end);
  }

  #spend(instructions: number): void {
    if (instructions === 0) return;
    this.#writer.get(LOCAL_BUDGET);
    this.#writer.code.constant32(instructions);
    this.#writer.code.byte(I32_SUB);
    this.#writer.set(LOCAL_BUDGET);
  }

  /** Instructions of the interpreter's block before a block of the region. */
  #before(index: number): number {
    return ((this.#blocks[index] as Block).records[0] as Decoded).count - 1;
  }

  /** Goes from the end of a block along an edge. The code behind it is not reached. */
  #branch(from: number, { to, place: target }: Edge): void {
    const { records } = this.#blocks[from] as Block;
    const { place, isMerge } = this.#shape;
    const last = records[records.length - 1] as Decoded;
    if (to < 0) {
      this.#spend(last.count);
      this.#leaveTo(this.#instructions.pointer(target - last.page));
      return;
    }
    const before = this.#before(to);
    this.#spend(last.count - before);
    const back = (place[to] as number) <= (place[from] as number);
    if (back) this.#poll(before, target - last.page);
    const { page } = this.#blocks[to] as Block;
    if (page !== last.page) this.#turnPage(to, page - last.page, before, target - last.page);
    if (back) this.#branchOut(this.#labels.depthOf('loop', to));
    else if (isMerge[to] === true) {
      this.#known[to] = meet(this.#known[to], this.#writer.knowledge);
      this.#branchOut(this.#labels.depthOf('block', to));
    } else this.#tree(to);
  }

  /** The core does some of its elements, or all; unless it does the latter the region is left to where RIP is. */
  #string(record: Decoded): void {
    const { code } = this.#writer;
    this.#state.step(record);
    code.loadFrom(this.#processor + RIP, I64_LOAD);
    this.#writer.values.wide(this.#instructions.pointer(record.offset + record.length));
    code.byte(I64_NE);
    code.byte(I32_OR);
    this.#ifUnlikely(() => {
      this.#spend(record.count);
      this.#leaveTo(this.#instructions.memory.field(RIP));
    });
  }

  /** Leaves the region before an instruction whose second part is not what it was. */
  #holdNextPage({ at, page, nextOpening }: Decoded): void {
    const number = this.#pageNumbers.codePageNumber(page + PAGE);
    this.#pages.hold({ place: page + PAGE, number, distance: PAGE, opening: nextOpening }, () => this.#leaveAt(at));
  }

  /** Goes on in another page when it still is where it was and its code what it was; else leaves the region. */
  #turnPage(to: number, distance: number, before: number, offset: number): void {
    const { opening, page } = this.#blocks[to] as Block;
    const number = this.#pageNumbers.codePageNumber(page);
    const base = this.#pages.hold({ place: page, number, distance, opening }, () => {
      this.#spend(before);
      this.#leaveTo(this.#instructions.pointer(offset));
    });
    this.#pages.enter(number, base);
  }

  /** On the way back in a loop: leaves the region when the slice is over or another thread asks for something. */
  #poll(before: number, offset: number): void {
    const { code } = this.#writer;
    this.#writer.get(LOCAL_BUDGET);
    code.constant32(before);
    code.byte(I32_LE_S);
    code.loadFrom(this.#processor + EXIT_REQUEST, I32_LOAD);
    code.byte(I32_OR);
    this.#ifUnlikely(() => {
      this.#spend(before);
      this.#leaveTo(this.#instructions.pointer(offset));
    });
  }
}
