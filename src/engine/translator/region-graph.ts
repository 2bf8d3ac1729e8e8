/**
 * The blocks of a region: straight-line code found from an entry by following direct branches, also into other pages
 * and into functions that are called. A block is made of records that the interpreter has decoded, so that it can take
 * over at any of them.
 *
 * Places are linear addresses from the beginning of the page that the region is entered in.
 */

import { OP_NEXT, RECORD_SIZE } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import { hasHandler, isTranslatable } from './instruction-writer.ts';

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
  readonly end: 'fall' | 'jump' | 'branch' | 'call' | 'indirect' | 'leave';
  readonly edges: Edge[];
  /** The opening record of the interpreter's block that begins here; 0: none is known to. */
  readonly opening: number;
}

/** What the graph is made from. */
export interface CodeSource {
  /** Opening record of the interpreter's block at a place; 0 when it is not to be part of a region. */
  openingAt(place: number): number;
  decode(record: number, page: number): Decoded;
}

/** How far a region grows. */
export interface Limits {
  readonly records: number;
  readonly blocks: number;
  /** Into calls and other pages. */
  readonly far: boolean;
}

export const NARROW: Limits = { records: 64, blocks: 24, far: false };
export const WIDE: Limits = { records: 160, blocks: 48, far: true };
/** Return addresses that a return is compared with. */
const MAXIMUM_RETURNS = 4;
const PAGE = 0x1000;
const REACH = 0x7fff_0000;

const INDIRECT = new Set(['JMPE', 'CALLE', 'RET', 'RETI']);

/** How a record ends a block; undefined: it does not. */
function endOf(record: Decoded): Block['end'] | undefined {
  const { operation } = record;
  if (hasHandler(record)) return undefined;
  if (operation === undefined) return 'leave';
  const { family, form, size } = operation;
  if (INDIRECT.has(family)) {
    const plain = size === 64 && (form !== 'm' || record.addressKind === 1);
    return plain ? 'indirect' : 'leave';
  }
  if (form === 'j') {
    if (size !== 64) return 'leave';
    return family === 'JMP' ? 'jump' : family === 'CALL' ? 'call' : 'branch';
  }
  return isTranslatable(record) ? undefined : 'leave';
}

/** Place of a direct branch's target. */
function targetOf(record: Decoded): number {
  if (record.operation?.far !== true) return record.page + record.displacement;
  return record.page + record.immediateHigh * 0x1_0000_0000 + (record.immediateLow >>> 0);
}

export class RegionGraph {
  readonly #source: CodeSource;
  readonly #known = new Map<number, Decoded>();
  readonly #openings = new Map<number, number>();
  readonly #leaders = new Set<number>();
  readonly #returns = new Set<number>();
  readonly #queue: number[] = [];

  readonly #limits: Limits;

  constructor(source: CodeSource, limits: Limits) {
    this.#source = source;
    this.#limits = limits;
  }

  /** Finds the blocks; the first is the entry. */
  find(entry: number): Block[] {
    this.#leaders.add(entry);
    this.#walk(entry);
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (this.#leaders.has(next) && (this.#known.has(next) || this.#openings.has(next))) continue;
      if (this.#known.size > this.#limits.records || this.#leaders.size > this.#limits.blocks) break;
      this.#leaders.add(next);
      this.#walk(next);
    }
    return this.#blocks(entry);
  }

  #enqueue(place: number): void {
    if (this.#limits.far ? Math.abs(place) < REACH : place >= 0 && place < PAGE) this.#queue.push(place);
  }

  /** Takes in straight-line code. */
  #walk(start: number): void {
    const opening = this.#source.openingAt(start);
    this.#openings.set(start, opening);
    if (opening === 0 || this.#known.has(start)) return;
    const page = Math.floor(start / PAGE) * PAGE;
    for (let at = opening + RECORD_SIZE; ; at += RECORD_SIZE) {
      const record = this.#source.decode(at, page);
      if (record.op === OP_NEXT) return this.#enqueue(record.place);
      if (this.#known.has(record.place)) {
        this.#leaders.add(record.place);
        return;
      }
      this.#known.set(record.place, record);
      const end = endOf(record);
      if (end === undefined) continue;
      if (end === 'jump' || end === 'branch' || (end === 'call' && this.#limits.far)) this.#enqueue(targetOf(record));
      const next = record.place + record.length;
      if (end === 'call' && this.#limits.far) {
        this.#returns.add(next);
        this.#enqueue(next);
      }
      if (end !== 'branch') return;
      this.#leaders.add(next);
    }
  }

  #blocks(entry: number): Block[] {
    const starts = [entry, ...[...this.#leaders].filter((place) => place !== entry && this.#known.has(place))];
    const index = new Map(starts.map((place, n) => [place, n]));
    const page = (place: number): number => Math.floor(place / PAGE);
    const edge = (place: number, from: Decoded): Edge => {
      const to = index.get(place) ?? -1;
      // Into another page only where a block is known to begin: its record says whether it still holds.
      const enters = to >= 0 && (page(place) === from.page / PAGE || (this.#openings.get(place) ?? 0) !== 0);
      return { to: enters ? to : -1, place };
    };
    const returns = [...this.#returns].filter((place) => index.has(place)).slice(0, MAXIMUM_RETURNS);
    return starts.map((start): Block => {
      const records: Decoded[] = [];
      const opening = this.#openings.get(start) ?? 0;
      for (let place = start; ;) {
        const record = this.#known.get(place) as Decoded;
        records.push(record);
        const end = endOf(record);
        const next = place + record.length;
        if (end === 'leave') return { records, end, edges: [], opening };
        if (end === 'indirect') {
          const family = record.operation?.family ?? '';
          const edges = family.startsWith('RET') ? returns.map((to) => edge(to, record)) : [];
          return { records, end, edges: edges.filter(({ to }) => to >= 0), opening };
        }
        if (end === 'branch')
          return { records, end, edges: [edge(targetOf(record), record), edge(next, record)], opening };
        if (end !== undefined) return { records, end, edges: [edge(targetOf(record), record)], opening };
        if (index.has(next) || !this.#known.has(next))
          return { records, end: 'fall', edges: [edge(next, record)], opening };
        place = next;
      }
    });
  }
}
