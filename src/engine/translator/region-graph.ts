/**
 * The blocks of a region: straight-line code found from an entry by following direct branches, also into other pages
 * and into functions that are called. A block is made of records that the interpreter has decoded, so that it can take
 * over at any of them.
 *
 * Places are linear addresses from the beginning of the page that the region is entered in.
 */

import { OP_CROSS, OP_NEXT, RECORD_SIZE } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import type { Ending } from './operation.ts';

/** Where execution goes from a block's end. */
export interface Edge {
  /** Index of a block of the region; -1: the region is left. */
  to: number;
  readonly place: number;
}

export interface Block {
  readonly records: Decoded[];
  /**
   * fall: into the only edge · jump: an unconditional branch · branch: taken edge, other edge · call: as jump, behind
   * pushing the return address · indirect: the region is left to a computed address, of a return unless that is one of
   * the edges · leave: the interpreter goes on at the last record, which the region does not do
   */
  readonly end: 'fall' | Ending;
  /** Its page's place. */
  readonly page: number;
  readonly edges: Edge[];
  /** The opening record of the interpreter's block that begins here; 0: none is known to. */
  readonly opening: number;
}

/** What the graph is made from. */
export interface CodeSource {
  /** Opening record of the interpreter's block at a place; 0 when it is not to be part of a region. */
  openingAt(place: number): number;
  decode(record: number, page: number): Decoded;
  /** The instruction that an OP_CROSS record stands for; undefined when a region is not to do it. */
  crossing(record: Decoded): Decoded | undefined;
}

/** How far a region grows. */
export interface Limits {
  readonly records: number;
  readonly blocks: number;
}

export const NARROW: Limits = { records: 64, blocks: 24 };
export const WIDE: Limits = { records: 160, blocks: 48 };
/** Return addresses that a return is compared with. */
const MAXIMUM_RETURNS = 4;
const PAGE = 0x1000;
const REACH = 0x7fff_0000;

/** String instructions that regions have the core do; they set no flags. */
const STRINGS: ReadonlySet<string> = new Set(['movs8', 'movs', 'stos8', 'stos']);

/** How a record ends a block; undefined: it does not. */
function endOf({ hasHandler, system, operation, addressKind }: Decoded): Ending | undefined {
  if (hasHandler) return undefined;
  if (operation === undefined) return STRINGS.has(system ?? '') ? 'string' : 'leave';
  // Addresses that are masked or checked are the interpreter's.
  if (operation.inMemory && addressKind !== 1 && !(operation.isAddress && addressKind === 2)) return 'leave';
  return operation.end;
}

/** Place of a direct branch's target. */
function targetOf(record: Decoded): number {
  if (record.operation?.far !== true) return record.page + record.displacement;
  return record.page + record.immediateHigh * 0x1_0000_0000 + (record.immediateLow >>> 0);
}

/** Finds one region after the other. */
export class RegionGraph {
  readonly #source: CodeSource;
  readonly #known = new Map<number, Decoded>();
  readonly #openings = new Map<number, number>();
  readonly #leaders = new Set<number>();
  readonly #returns = new Set<number>();
  readonly #index = new Map<number, number>();
  readonly #queue: number[] = [];
  #limits: Limits = NARROW;

  constructor(source: CodeSource) {
    this.#source = source;
  }

  /** Finds the blocks; the first is the entry. */
  find(entry: number, limits: Limits): Block[] {
    for (const of of [this.#known, this.#openings, this.#leaders, this.#returns, this.#index]) of.clear();
    this.#queue.length = 0;
    this.#limits = limits;
    this.#leaders.add(entry);
    this.#walk(entry);
    for (let at = 0; at < this.#queue.length; at++) {
      const next = this.#queue[at] as number;
      if (this.#leaders.has(next) && (this.#known.has(next) || this.#openings.has(next))) continue;
      if (this.#known.size > this.#limits.records || this.#leaders.size > this.#limits.blocks) break;
      this.#leaders.add(next);
      this.#walk(next);
    }
    return this.#blocks(entry);
  }

  /** Opening records of the interpreter's blocks that the blocks found last are made of; 0 is none. */
  get openings(): Iterable<number> {
    return this.#openings.values();
  }

  #enqueue(place: number): void {
    if (Math.abs(place) < REACH) this.#queue.push(place);
  }

  /** Takes in straight-line code. */
  #walk(start: number): void {
    const opening = this.#source.openingAt(start);
    this.#openings.set(start, opening);
    if (opening === 0 || this.#known.has(start)) return;
    const page = Math.floor(start / PAGE) * PAGE;
    for (let at = opening + RECORD_SIZE; ; at += RECORD_SIZE) {
      let record = this.#source.decode(at, page);
      if (record.op === OP_NEXT) return this.#enqueue(record.place);
      if (record.op === OP_CROSS) record = this.#source.crossing(record) ?? record;
      if (this.#known.has(record.place)) {
        this.#leaders.add(record.place);
        return;
      }
      this.#known.set(record.place, record);
      const end = endOf(record);
      const next = record.place + record.length;
      if (end === undefined && record.nextOpening === 0) continue;
      // The region stands on that block too, whether it goes there or not.
      if (record.nextOpening !== 0) this.#openings.set(next, record.nextOpening);
      if (end === undefined || end === 'string') return this.#enqueue(next);
      if (end === 'jump' || end === 'branch' || end === 'call') this.#enqueue(targetOf(record));
      if (end === 'call') {
        this.#returns.add(next);
        this.#enqueue(next);
      }
      if (end !== 'branch') return;
      this.#leaders.add(next);
    }
  }

  #blocks(entry: number): Block[] {
    const starts = [entry];
    for (const place of this.#leaders) if (place !== entry && this.#known.has(place)) starts.push(place);
    const index = this.#index;
    for (let n = 0; n < starts.length; n++) index.set(starts[n] as number, n);
    return starts.map((start) => this.#block(start));
  }

  #block(start: number): Block {
    const records: Decoded[] = [];
    const opening = this.#openings.get(start) ?? 0;
    for (let place = start; ;) {
      const record = this.#known.get(place) as Decoded;
      records.push(record);
      const end = endOf(record);
      const next = place + record.length;
      const { page } = record;
      switch (end) {
        case 'leave': return { records, end, edges: [], opening, page };
        case 'indirect': return { records, end, edges: this.#returnsOf(record), opening, page };
        case 'branch':
          return { records, end, edges: [this.#edge(targetOf(record), page), this.#edge(next, page)], opening, page };
        case 'string': return { records, end, edges: [this.#edge(next, page)], opening, page };
        case 'jump': case 'call': return { records, end, edges: [this.#edge(targetOf(record), page)], opening, page };
        default:
      }
      if (this.#index.has(next) || !this.#known.has(next))
        return { records, end: 'fall', edges: [this.#edge(next, page)], opening, page };
      place = next;
    }
  }

  #edge(place: number, from: number): Edge {
    const to = this.#index.get(place) ?? -1;
    // Into another page only where a block is known to begin: its record says whether it still holds.
    const isNear = place >= from && place < from + PAGE;
    const enters = to >= 0 && (isNear || (this.#openings.get(place) ?? 0) !== 0);
    return { to: enters ? to : -1, place };
  }

  /** Where a return may go to within the region. */
  #returnsOf({ operation, page }: Decoded): Edge[] {
    if (operation?.family.startsWith('RET') !== true) return [];
    const known = [...this.#returns].filter((place) => this.#index.has(place)).slice(0, MAXIMUM_RETURNS);
    return known.map((place) => this.#edge(place, page)).filter(({ to }) => to >= 0);
  }
}
