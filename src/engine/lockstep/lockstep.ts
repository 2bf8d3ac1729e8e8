/**
 * Lockstep: each region also runs in the interpreter, from a copy of what it began with, and what both leave behind is
 * compared: registers, memory, exceptions. What the processor asks of the hypervisor is answered as it was the first
 * time. For one processor whose memory nobody else writes to while it runs.
 *
 * Pages are copied before they are written first: the core tells which (core/replay.ts).
 */

import {
  CODE_BASE, COUNT, FAULT_ADDRESS, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_VECTOR, OFFSET, RECORD_SIZE, RIP,
} from '../core/layout.ts';
import { type EngineMemoryHandle, processorAddress } from '../memory-handle.ts';
import { ProcessorCopy } from './processor-copy.ts';
import type { RecordedImports } from './recorded-imports.ts';
import { trampolineTo } from './trampoline.ts';

const PAGE = 0x1000;
/** Entries of a region that are all compared; of those behind, one in EVERY. */
const FIRST = 500;
const EVERY = 16;
/** Differences that are told. */
const MOST_REPORTED = 40;

function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** What lockstep uses of the core. */
export interface LockstepCore {
  journalWrites(on: number): void;
  replayInstruction(): void;
  settleFlags(): void;
  settleFault(): void;
  readFlags(): number;
}

export interface LockstepOptions {
  readonly handle: EngineMemoryHandle;
  readonly index: number;
  readonly core: LockstepCore;
  readonly imports: RecordedImports;
  /** Whether what was thrown is the core's unwinding. */
  readonly isUnwinding: (thrown: unknown) => boolean;
}

export class Lockstep {
  readonly #core: LockstepCore;
  readonly #imports: RecordedImports;
  readonly #isUnwinding: (thrown: unknown) => boolean;
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  readonly #at: number;
  readonly #before: ProcessorCopy;
  readonly #after: ProcessorCopy;
  readonly #replayed: ProcessorCopy;
  /** Pages that were written, as they were. */
  readonly #pages = new Map<number, Uint8Array>();
  /** Regions, instructions and entries that were compared. */
  readonly counters = { entries: 0, compared: 0, instructions: 0 };

  constructor({ handle, index, core, imports, isUnwinding }: LockstepOptions) {
    this.#core = core;
    this.#imports = imports;
    this.#isUnwinding = isUnwinding;
    this.#memory = new Uint8Array(handle.memory.buffer);
    this.#view = new DataView(handle.memory.buffer);
    const at = processorAddress(index);
    this.#at = at;
    this.#before = new ProcessorCopy(handle.memory, at);
    this.#after = new ProcessorCopy(handle.memory, at);
    this.#replayed = new ProcessorCopy(handle.memory, at);
  }

  /** A function for the core's table that runs the region, which begins at `offset` of its page, and compares. */
  wrap(region: () => number, offset: number): () => number {
    let entries = 0;
    return trampolineTo(() => {
      entries++;
      this.counters.entries++;
      if (entries > FIRST && entries % EVERY !== 0) return region();
      this.#enter(offset);
      return this.#compare(region);
    });
  }

  /** The core enters regions without having written RIP. */
  #enter(offset: number): void {
    const base = this.#view.getBigUint64(this.#at + CODE_BASE, true);
    this.#view.setBigUint64(this.#at + RIP, base + BigInt(offset), true);
  }

  /** The page at the host address is about to be written. */
  notePage(host: number): void {
    const page = host >>> 0;
    if (!this.#pages.has(page)) this.#pages.set(page, this.#memory.slice(page, page + PAGE));
  }

  #compare(region: () => number): number {
    const core = this.#core;
    this.#pages.clear();
    core.journalWrites(1);
    this.#before.take();
    this.#imports.record();
    const first = this.#outcome(region);
    this.#imports.through();
    const flags = this.#keep(this.#after);
    const executed = this.#before.budget - this.#after.budget + this.#inBlock(first.record);
    const written = this.#rewind();
    this.#before.putBack();
    core.settleFlags();
    this.#imports.replay();
    const second = this.#replay(executed, first.thrown !== undefined);
    this.#imports.through();
    const replayedFlags = this.#keep(this.#replayed);
    core.journalWrites(0);
    const found = this.#after.differences(this.#replayed);
    const place = this.#placeBehind(first.record);
    if (place !== this.#replayed.rip) found.push(`rip: ${hex(place)} and ${hex(this.#replayed.rip)}`);
    if (flags !== replayedFlags) found.push(`flags: ${hex(flags)} and ${hex(replayedFlags)}`);
    if (first.thrown !== undefined)
      for (const at of [FAULT_VECTOR, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_ADDRESS, FAULT_ADDRESS + 4])
        if (this.#after.word(at) !== this.#replayed.word(at)) found.push(`of the exception, 0x${at.toString(16)}`);
    found.push(...this.#memoryDifferences(written), ...second, ...this.#imports.left.map((name) => `asks for ${name}`));
    if (found.length > 0) throw new Error(this.#report(executed, found));
    this.counters.compared++;
    this.counters.instructions += executed;
    this.#after.putBack();
    if (first.thrown !== undefined) throw first.thrown;
    return first.record;
  }

  #outcome(region: () => number): { record: number; thrown?: unknown } {
    try {
      return { record: region() };
    } catch (thrown) {
      if (!this.#isUnwinding(thrown)) throw thrown;
      this.#core.settleFault();
      return { record: 0, thrown };
    }
  }

  /** Copies the processor; answers its flags. */
  #keep(copy: ProcessorCopy): number {
    copy.take();
    this.#core.settleFlags();
    return this.#core.readFlags() & 0x8d5;
  }

  /** Instructions of the interpreter's block in front of the record that a region was left at. */
  #inBlock(record: number): number {
    return record === 0 ? 0 : this.#view.getUint8(record - RECORD_SIZE + COUNT);
  }

  /** Puts memory back as it was; what was written. */
  #rewind(): Map<number, Uint8Array> {
    const written = new Map<number, Uint8Array>();
    for (const [page, bytes] of this.#pages) {
      written.set(page, this.#memory.slice(page, page + PAGE));
      this.#memory.set(bytes, page);
    }
    return written;
  }

  /** Interprets as many instructions, and one more that raises an exception; what went wrong. */
  #replay(instructions: number, raises: boolean): string[] {
    for (let n = 0; n < instructions; n++) {
      try {
        this.#core.replayInstruction();
      } catch (thrown) {
        if (!this.#isUnwinding(thrown)) return [String(thrown)];
        this.#core.settleFault();
        return [`instruction ${n} of ${instructions} raises an exception`];
      }
    }
    if (!raises) return [];
    try {
      this.#core.replayInstruction();
    } catch (thrown) {
      if (!this.#isUnwinding(thrown)) return [String(thrown)];
      this.#core.settleFault();
      return [];
    }
    return ['raises no exception'];
  }

  #memoryDifferences(written: ReadonlyMap<number, Uint8Array>): string[] {
    const found: string[] = [];
    for (const [page, before] of this.#pages) {
      const expected = written.get(page) ?? before;
      const now = this.#memory.subarray(page, page + PAGE);
      for (let at = 0; at < PAGE; at++)
        if (now[at] !== expected[at]) found.push(`host 0x${(page + at).toString(16)}: ${expected[at]} and ${now[at]}`);
    }
    return found;
  }

  /** Where a region that was left at the record goes on. */
  #placeBehind(record: number): bigint {
    if (record === 0) return this.#after.rip;
    return this.#after.long(CODE_BASE) + BigInt(this.#view.getUint16(record + OFFSET, true));
  }

  #report(executed: number, found: readonly string[]): string {
    return `the region at ${hex(this.#before.rip)} differs from the interpreter behind ${executed} instructions ` +
      `(region and interpreter):\n  ${found.slice(0, MOST_REPORTED).join('\n  ')}`;
  }
}
