/** Makes regions of the blocks that a processor runs often, and puts them where its core finds them. */

import { setFlagsFromString } from 'node:v8';
import {
  BLOCK_HEADER, BLOCK_KEPT, COUNT, ENTER_COUNT, ENTER_REGION, ENTER_ROUNDS, ENTER_SINCE, GENERATION, INSTRUCTIONS,
  LENGTH, MODE, MODE_64, OFFSET, OP, OP_ENTER, PROCESSOR_COUNT, RECORD_SIZE, TRANSLATE_AFTER,
} from '../core/layout.ts';
import { configurationAddress, type EngineMemoryHandle, processorAddress } from '../memory-handle.ts';
import { Decoded, operationsByNumber, RecordMemory } from './decoded.ts';
import { NARROW, RegionGraph, WIDE } from './region-graph.ts';
import { RegionModule, WITH_CORE_CALLS } from './region-module.ts';
import { type RegionBody, RegionWriter } from './region-writer.ts';

const WASM_PAGE = 0x10000;
const NEVER = 0x7fff_ffff;
/**
 * WebAssembly of a machine's processors together, until a processor gives up all of its own, and its blocks with it:
 * V8 keeps several times as much for it.
 */
const MAXIMUM_BYTES = 12 << 20;
/** About bytes of machine code that V8 runs of a function until it optimizes it. */
const TIERING_BUDGET = 6_000_000;
/** Of a processor at least. */
const LEAST_BYTES = 1 << 19;
const TABLE_STEP = 1024;

/** When blocks are translated. Compiling costs a thousand times what interpreting a block does. */
export interface Policy {
  /** Entries of a block until it is translated, when there were at most `pace` instructions to each. */
  readonly entries: number;
  readonly pace: number;
  /** Else so many entries are waited for so often. */
  readonly rounds: number;
  /** Entries of a block before it becomes part of others' regions. */
  readonly warm: number;
  /** Entries of a region until it is made anew, with more of what it leads to. */
  readonly entriesUntilWide: number;
  /** Entries of a written region's block until it is compiled without waiting for more. */
  readonly waiting: number;
  /** Regions that are compiled at once: a module costs as much as several of them. */
  readonly batch: number;
  /** Instructions until the first that a region can't do, below which entering and leaving costs more than it saves. */
  readonly minimum: number;
}

export const POLICIES = {
  hot: {
    entries: 3000, pace: 4000, rounds: 4, warm: 100, entriesUntilWide: 100_000, waiting: 2000, batch: 32, minimum: 3,
  },
  /** For tests: as `hot`, after a few entries. */
  soon: { entries: 3, pace: 0, rounds: 1, warm: 1, entriesUntilWide: 6, waiting: 1, batch: 1, minimum: 0 },
  /** For tests: no block is interpreted first, so that regions are single blocks. */
  'at once': { entries: 1, pace: 0, rounds: 1, warm: 0, entriesUntilWide: NEVER, waiting: 1, batch: 1, minimum: 0 },
  /** For tests: the interpreter alone. */
  never: { entries: NEVER, pace: 0, rounds: 1, warm: 0, entriesUntilWide: NEVER, waiting: 1, batch: 1, minimum: 0 },
} as const satisfies Record<string, Policy>;

/** What the translator uses of the core. */
export interface TranslatorCore {
  /** Opening record of the decoded block at a distance from the page that runs; 0 when there is none. */
  knownBlock(distance: number): number;
  /** Where the return address at a distance from the stack pointer leads, from the page that runs; NaN: not known. */
  returnPlace(distance: number): number;
  /** Forgets all decoded code. */
  flushBlocks(): void;
  /** The instruction at a distance that reaches into the next page, decoded, until the next one is; 0: none is. */
  decodeCrossing(distance: number): number;
  /** Guest-physical number of the page at a distance from the page that runs. */
  codePageNumber(distance: number): number;
}

export interface TranslatorOptions {
  readonly handle: EngineMemoryHandle;
  readonly index: number;
  readonly core: TranslatorCore & Record<string, unknown>;
  readonly table: WebAssembly.Table;
  readonly policy: Policy;
  /** What is put into the table for a region that begins at `offset` of its page; usually the region. */
  readonly wrap?: ((region: () => number, offset: number) => () => number) | undefined;
}

/** A region that is written and not yet compiled. */
interface Pending {
  /** The opening record of its block. */
  readonly opening: number;
  readonly body: RegionBody;
  readonly wide: boolean;
}

export class Translator {
  readonly #core: TranslatorCore;
  readonly #table: WebAssembly.Table;
  readonly #view: DataView;
  readonly #configuration: number;
  readonly #processor: number;
  readonly #writer: RegionWriter;
  readonly #modules = new RegionModule();
  readonly #imports: Record<string, WebAssembly.ImportValue>;
  readonly #pages: number;
  readonly #mostBytes: number;
  readonly #policy: Policy;
  readonly #wrap: TranslatorOptions['wrap'];
  readonly #graph: RegionGraph;
  #pending: Pending[] = [];
  #generation = -1;
  /** Of the modules that are in use. */
  #bytes = 0;
  #next = 1;
  /** Counters for statistics. */
  readonly counters = { regions: 0, modules: 0, instructions: 0, bytes: 0, refused: 0, writing: 0, compiling: 0 };

  constructor({ handle, index, core, table, policy, wrap }: TranslatorOptions) {
    this.#wrap = wrap;
    this.#policy = policy;
    this.#core = core;
    this.#table = table;
    this.#view = new DataView(handle.memory.buffer);
    const records = new RecordMemory(handle.memory.buffer, operationsByNumber());
    this.#graph = new RegionGraph({
      openingAt: (place) => this.#warmBlock(place), heat: (opening) => this.#heat(opening),
      decode: (at, page) => new Decoded(records, at, page),
      crossing: (record) => this.#crossing(record, records),
      returnPlace: (depth) => this.#returnPlace(depth),
    });
    this.#configuration = configurationAddress(handle, index);
    this.#view.setInt32(this.#configuration + TRANSLATE_AFTER, policy.entries, true);
    this.#processor = processorAddress(index);
    const processors = this.#view.getUint32(this.#configuration + PROCESSOR_COUNT, true);
    this.#mostBytes = Math.max(LEAST_BYTES, MAXIMUM_BYTES / processors);
    // V8 then keeps registers across what hardly ever runs; without it regions are right, too, but slower.
    setFlagsFromString('--experimental-wasm-branch-hinting');
    // V8 11 optimizes functions after a seventh of what later ones let them run: much of a boot is not worth it.
    if (Number.parseInt(process.versions.v8, 10) < 12) setFlagsFromString(`--wasm-tiering-budget=${TIERING_BUDGET}`);
    this.#writer = new RegionWriter(this.#processor);
    this.#pages = handle.memory.buffer.byteLength / WASM_PAGE;
    this.#imports = {
      memory: handle.memory,
      ...Object.fromEntries(WITH_CORE_CALLS.map(([name]) => [name, core[name] as WebAssembly.ImportValue])),
    };
  }

  /** The block that the record opens has become hot. Sets its region, or a count until it is asked for again. */
  translate(opening: number): void {
    this.#followArena();
    if (this.#bytes > this.#mostBytes) {
      this.#core.flushBlocks();
      return;
    }
    const started = performance.now();
    // One that is still hot while it waits for company waits no longer.
    const waiting = this.#pending.some((pending) => pending.opening === opening);
    if (!waiting && this.#isWorthIt(opening)) this.#write(opening);
    const written = performance.now();
    this.counters.writing += written - started;
    if (!waiting && this.#pending.length < this.#policy.batch) return;
    this.#compile();
    this.counters.compiling += performance.now() - written;
  }

  /** The block runs at a pace at which a region soon pays, or has run often enough; else it is asked for again. */
  #isWorthIt(opening: number): boolean {
    const view = this.#view;
    if (view.getUint32(opening + ENTER_REGION, true) !== 0) return true;
    const { entries, pace, rounds, warm } = this.#policy;
    const round = view.getUint8(opening + ENTER_ROUNDS) + 1;
    const now = view.getUint32(this.#processor + INSTRUCTIONS, true);
    if (round >= rounds || (now - view.getUint32(opening + ENTER_SINCE, true)) >>> 0 <= entries * pace) return true;
    view.setUint32(opening + ENTER_SINCE, now, true);
    view.setUint8(opening + ENTER_ROUNDS, round);
    view.setInt32(opening + ENTER_COUNT, entries - warm, true);
    return false;
  }

  /** When the arena has begun anew all regions are gone. */
  #followArena(): void {
    const generation = this.#view.getUint32(this.#configuration + GENERATION, true);
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#pending = [];
    this.#bytes = 0;
    for (; this.#next > 1; this.#next--) this.#table.set(this.#next - 1, null);
  }

  #write(opening: number): void {
    const view = this.#view;
    const again = (count: number): void => view.setInt32(opening + ENTER_COUNT, count, true);
    if (view.getUint32(this.#processor + MODE, true) !== MODE_64) return again(NEVER);
    const wide = view.getUint32(opening + ENTER_REGION, true) !== 0;
    const blocks = this.#graph.find(view.getUint16(opening + OFFSET, true), wide ? WIDE : NARROW);
    const [entry] = blocks;
    if (entry === undefined || entry.end === 'leave' && entry.records.length <= this.#policy.minimum + 1) {
      this.counters.refused++;
      return again(NEVER);
    }
    this.#pending.push({ opening, body: this.#writer.write(blocks, this.#core), wide });
    again(this.#policy.waiting);
    for (const used of this.#graph.openings) if (used !== 0) view.setUint32(used - BLOCK_HEADER + BLOCK_KEPT, 1, true);
    this.counters.instructions += blocks.reduce((sum, block) => sum + block.records.length, 0);
  }

  /** Opening record of the block at a place; 0 when it has hardly run. */
  #warmBlock(place: number): number {
    const opening = this.#core.knownBlock(place);
    if (opening === 0 || this.#view.getUint16(opening + OP, true) !== OP_ENTER) return 0;
    const left = this.#view.getInt32(opening + ENTER_COUNT, true);
    const { entries, warm } = this.#policy;
    return left > entries - warm && left <= entries ? 0 : opening;
  }

  /** Where the processor is going to return to when the stack pointer has moved so far. */
  #returnPlace(depth: number): number | undefined {
    const place = this.#core.returnPlace(depth);
    return Number.isNaN(place) ? undefined : place;
  }

  /** Entries of a block, up to those that make a region of it. */
  #heat(opening: number): number {
    const { entries, rounds } = this.#policy;
    const left = this.#view.getInt32(opening + ENTER_COUNT, true);
    return left > entries ? entries * rounds : entries * (this.#view.getUint8(opening + ENTER_ROUNDS) + 1) - left;
  }

  /**
   * The instruction that reaches into the next page from where the record is. Only integer ones, which regions do
   * themselves.
   */
  #crossing({ at, page, place, count }: Decoded, records: RecordMemory): Decoded | undefined {
    const scratch = this.#core.decodeCrossing(place);
    if (scratch === 0) return undefined;
    const next = place + (records.bytes[scratch + LENGTH] as number);
    const opening = this.#warmBlock(next);
    if (opening === 0) return undefined;
    const copy = records.bytes.slice(scratch, scratch + RECORD_SIZE);
    copy[COUNT] = count;
    const decoded = new Decoded(new RecordMemory(copy.buffer, records.operations), at, page, 0, opening);
    return decoded.operation === undefined ? undefined : decoded;
  }

  #compile(): void {
    if (this.#pending.length === 0) return;
    const view = this.#view;
    // Blocks that were invalidated meanwhile are not worth it.
    const wanted = this.#pending.filter(({ opening }) => view.getUint16(opening + OP, true) === OP_ENTER);
    this.#pending = [];
    const bytes = this.#modules.write(wanted.map(({ body }) => body), this.#pages);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { c: this.#imports });
    if (this.#next + wanted.length > this.#table.length) this.#table.grow(TABLE_STEP);
    for (const [n, { opening, wide }] of wanted.entries()) {
      const region = instance.exports[n] as () => number;
      this.#table.set(this.#next, this.#wrap?.(region, view.getUint16(opening + OFFSET, true)) ?? region);
      view.setUint32(opening + ENTER_REGION, this.#next++, true);
      view.setInt32(opening + ENTER_COUNT, wide ? NEVER : this.#policy.entriesUntilWide, true);
    }
    this.counters.regions += wanted.length;
    this.counters.modules++;
    this.counters.bytes += bytes.length;
    this.#bytes += bytes.length;
  }
}
