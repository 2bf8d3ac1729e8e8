/**
 * The blocks of a region: straight-line code found from an entry by following direct branches, also into other pages,
 * into functions that are called and out of them, what runs most first. A block is made of records that the interpreter
 * has decoded, so that it can take over at any of them.
 *
 * Places are linear addresses from the beginning of the page that the region is entered in.
 */

import { OP_CROSS, OP_NEXT, RECORD_SIZE, RSP } from '../core/layout.ts';
import type { Decoded } from './decoded.ts';
import { movementOf, SLOT } from './movement.ts';
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
  /** How often the block that the record opens has run, about. */
  heat(opening: number): number;
  decode(record: number, page: number): Decoded;
  /** The instruction that an OP_CROSS record stands for; undefined when a region is not to do it. */
  crossing(record: Decoded): Decoded | undefined;
  /** Where the return address leads that now lies so far behind the stack pointer; undefined: not known. */
  returnPlace(depth: number): number | undefined;
}

/** Where a function that the region is in, or calls, returns to. */
interface Continuation {
  readonly place: number;
  readonly caller: FunctionCode;
  /** Of the stack pointer, from where it is at the region's entry; NaN: not known. */
  readonly depth: number;
}

/** A function's part of the region, and where it returns to. */
class FunctionCode {
  readonly continuations: Continuation[] = [];
  returns = false;
  /** The region is entered in it, or returns to it: only the guest's stack says where it was called. */
  readonly isOuter: boolean;

  constructor(isOuter: boolean) {
    this.isOuter = isOuter;
  }
}

/** A block that may become part of the region. */
interface Candidate {
  readonly place: number;
  readonly opening: number;
  readonly heat: number;
  readonly code: FunctionCode;
  readonly depth: number;
}

/** How far a region grows. */
export interface Limits {
  readonly records: number;
  readonly blocks: number;
  /** It goes on where the function that it is entered in returns to now: mostly that is where it does again. */
  readonly followsReturns: boolean;
}

export const NARROW: Limits = { records: 64, blocks: 24, followsReturns: false };
export const WIDE: Limits = { records: 160, blocks: 48, followsReturns: true };
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
  /** Opening records of the blocks that instructions reach into from the page before. */
  readonly #reached = new Set<number>();
  readonly #leaders = new Set<number>();
  /** By where they begin. */
  readonly #functions = new Map<number, FunctionCode>();
  /** By where they return. */
  readonly #returns = new Map<number, FunctionCode>();
  readonly #index = new Map<number, number>();
  readonly #candidates: Candidate[] = [];
  #limits: Limits = NARROW;

  constructor(source: CodeSource) {
    this.#source = source;
  }

  /** Finds the blocks; the first is the entry. */
  find(entry: number, limits: Limits): Block[] {
    for (const of of [this.#known, this.#openings, this.#reached, this.#leaders, this.#index]) of.clear();
    this.#functions.clear();
    this.#returns.clear();
    this.#candidates.length = 0;
    this.#limits = limits;
    this.#enqueue({ place: entry, code: new FunctionCode(true), depth: 0 });
    for (let next = this.#hottest(); next !== undefined; next = this.#hottest()) {
      this.#leaders.add(next.place);
      this.#walk(next);
      if (this.#known.size > limits.records || this.#leaders.size > limits.blocks) break;
    }
    return this.#blocks(entry);
  }

  /** Takes the candidate that has run most, the first of several. */
  #hottest(): Candidate | undefined {
    let best = 0;
    for (let n = 1; n < this.#candidates.length; n++)
      if ((this.#candidates[n] as Candidate).heat > (this.#candidates[best] as Candidate).heat) best = n;
    return this.#candidates.splice(best, 1)[0];
  }

  /** Opening records of the interpreter's blocks that the blocks found last stand on; 0 is none. */
  get openings(): Iterable<number> {
    return [...this.#openings.values(), ...this.#reached];
  }

  #enqueue({ place, code, depth }: { place: number; code: FunctionCode; depth: number }): void {
    if (Math.abs(place) >= REACH || this.#openings.has(place)) return;
    const opening = this.#source.openingAt(place);
    this.#openings.set(place, opening);
    if (opening !== 0) this.#candidates.push({ place, opening, heat: this.#source.heat(opening), code, depth });
  }

  /** Takes in straight-line code. */
  #walk({ place: start, opening, code, depth: first }: Candidate): void {
    if (this.#known.has(start)) return;
    const page = Math.floor(start / PAGE) * PAGE;
    let depth = first;
    for (let at = opening + RECORD_SIZE; ; at += RECORD_SIZE) {
      let record = this.#source.decode(at, page);
      if (record.op === OP_NEXT) return this.#enqueue({ place: record.place, code, depth });
      if (record.op === OP_CROSS) record = this.#source.crossing(record) ?? record;
      if (this.#known.has(record.place)) {
        this.#leaders.add(record.place);
        return;
      }
      this.#known.set(record.place, record);
      const end = endOf(record);
      const next = record.place + record.length;
      // It is the last of its block, whatever it is.
      const crosses = record.nextOpening !== 0;
      if (crosses) this.#reached.add(record.nextOpening);
      if (end === 'indirect') return this.#return(record, code, depth);
      if (end === 'call') return this.#call(targetOf(record), { place: next, caller: code, depth });
      // What the core does for a region hardly ever moves the stack.
      if (record.operation !== undefined) depth += movementOf(record, RSP);
      if (end === undefined && !crosses) continue;
      if (end === undefined || end === 'string') return this.#enqueue({ place: next, code, depth });
      if (end === 'jump' || end === 'branch') this.#enqueue({ place: targetOf(record), code, depth });
      if (end !== 'branch') return;
      if (crosses) return this.#enqueue({ place: next, code, depth });
      this.#leaders.add(next);
    }
  }

  #call(place: number, continuation: Continuation): void {
    let code = this.#functions.get(place);
    if (code === undefined) {
      code = new FunctionCode(false);
      this.#functions.set(place, code);
    }
    if (code.continuations.length < MAXIMUM_RETURNS) code.continuations.push(continuation);
    this.#enqueue({ place, code, depth: NaN });
    if (code.returns) this.#continue(continuation);
  }

  /** A function returns: what it returns to is part of the region, too. */
  #return(record: Decoded, code: FunctionCode, depth: number): void {
    if (record.operation?.family.startsWith('RET') !== true) return;
    let returning = code;
    if (code.isOuter) {
      const isFollowed = this.#limits.followsReturns && !Number.isNaN(depth);
      const place = isFollowed ? this.#source.returnPlace(depth) : undefined;
      if (place === undefined) return;
      returning = new FunctionCode(false);
      returning.continuations.push({ place, caller: new FunctionCode(true), depth: depth + SLOT });
    }
    this.#returns.set(record.place, returning);
    returning.returns = true;
    for (const continuation of returning.continuations) this.#continue(continuation);
  }

  #continue({ place, caller, depth }: Continuation): void {
    this.#enqueue({ place, code: caller, depth });
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
  #returnsOf({ place, page }: Decoded): Edge[] {
    const places = new Set(this.#returns.get(place)?.continuations.map((continuation) => continuation.place));
    return [...places].map((to) => this.#edge(to, page)).filter(({ to }) => to >= 0);
  }
}
