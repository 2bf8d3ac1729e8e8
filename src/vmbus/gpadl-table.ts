/**
 * GPADLs: the guest's numbered lists of pages, arriving in a header and bodies. A list lives until the guest tears it
 * down, independent of whether its channel is open; bounded in number and in pages, because the lists cost us memory.
 */
import type { GuestMemory } from '../hypervisor/guest-memory.ts';
import { GuestPages, PAGE_SIZE } from './guest-pages.ts';

export const MAX_GPADLS = 4096;
/** Pages of all lists together: 4 GiB, which is more than a guest has. */
export const MAX_GPADL_PAGES = 1 << 20;

export const GpadlResult = { Complete: 0, More: 1, Refused: 2 } as const;
export type GpadlResult = (typeof GpadlResult)[keyof typeof GpadlResult];

interface Gpadl {
  readonly relid: number;
  readonly byteCount: number;
  readonly byteOffset: number;
  readonly pageNumbers: Float64Array;
  received: number;
  pages: GuestPages | undefined;
}

export interface GpadlState {
  readonly id: number;
  readonly relid: number;
  readonly byteCount: number;
  readonly byteOffset: number;
  readonly received: number;
  readonly pageNumbers: readonly number[];
}

export class GpadlTable {
  readonly #memory: GuestMemory;
  readonly #gpadls = new Map<number, Gpadl>();
  #pages = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  get count(): number {
    return this.#gpadls.size;
  }

  /** Begins a list of one range; `tail` holds the first page numbers, 8 bytes each. */
  begin(id: number, relid: number, byteCount: number, byteOffset: number, tail: DataView): GpadlResult {
    if (this.#gpadls.has(id) || this.#gpadls.size >= MAX_GPADLS) return GpadlResult.Refused;
    if (byteCount === 0 || byteOffset >= PAGE_SIZE) return GpadlResult.Refused;
    const pageCount = Math.ceil((byteOffset + byteCount) / PAGE_SIZE);
    if (this.#pages + pageCount > MAX_GPADL_PAGES) return GpadlResult.Refused;
    const gpadl: Gpadl = {
      relid, byteCount, byteOffset, pageNumbers: new Float64Array(pageCount), received: 0, pages: undefined,
    };
    this.#pages += pageCount;
    this.#gpadls.set(id, gpadl);
    return this.#add(id, gpadl, tail);
  }

  /** Goes on with a list; Refused also when nothing of that number was begun. */
  extend(id: number, tail: DataView): GpadlResult {
    const gpadl = this.#gpadls.get(id);
    if (gpadl === undefined || gpadl.pages !== undefined) return GpadlResult.Refused;
    return this.#add(id, gpadl, tail);
  }

  /** The channel of an unfinished or finished list, or -1. */
  relidOf(id: number): number {
    return this.#gpadls.get(id)?.relid ?? -1;
  }

  /** The pages of a finished list of the channel. */
  pagesOf(id: number, relid: number): GuestPages | undefined {
    const gpadl = this.#gpadls.get(id);
    return gpadl?.relid === relid ? gpadl.pages : undefined;
  }

  /** The finished lists of the channel. */
  listsOf(relid: number): { readonly gpadl: number; readonly pages: GuestPages }[] {
    return [...this.#gpadls].flatMap(([gpadl, { relid: of, pages }]) =>
      of === relid && pages !== undefined ? [{ gpadl, pages }] : []);
  }

  remove(id: number): void {
    const gpadl = this.#gpadls.get(id);
    if (gpadl === undefined) return;
    this.#pages -= gpadl.pageNumbers.length;
    this.#gpadls.delete(id);
  }

  removeOf(relid: number): void {
    for (const [id, gpadl] of this.#gpadls) if (gpadl.relid === relid) this.remove(id);
  }

  clear(): void {
    this.#gpadls.clear();
    this.#pages = 0;
  }

  save(): GpadlState[] {
    return [...this.#gpadls].map(([id, { relid, byteCount, byteOffset, received, pageNumbers }]) =>
      ({ id, relid, byteCount, byteOffset, received, pageNumbers: [...pageNumbers] }));
  }

  restore(states: readonly GpadlState[]): void {
    this.clear();
    for (const { id, relid, byteCount, byteOffset, received, pageNumbers } of states) {
      const numbers = Float64Array.from(pageNumbers);
      const pages = received < numbers.length
        ? undefined : GuestPages.of(this.#memory, numbers, byteOffset, byteCount);
      this.#gpadls.set(id, { relid, byteCount, byteOffset, received, pageNumbers: numbers, pages });
      this.#pages += numbers.length;
    }
  }

  #add(id: number, gpadl: Gpadl, tail: DataView): GpadlResult {
    const total = gpadl.pageNumbers.length;
    const count = Math.min(tail.byteLength >> 3, total - gpadl.received);
    for (let i = 0; i < count; i++) {
      const number = tail.getUint32(i * 8 + 4, true) * 0x1_0000_0000 + tail.getUint32(i * 8, true);
      gpadl.pageNumbers[gpadl.received++] = number;
    }
    if (gpadl.received < total) return GpadlResult.More;
    gpadl.pages = GuestPages.of(this.#memory, gpadl.pageNumbers, gpadl.byteOffset, gpadl.byteCount);
    if (gpadl.pages !== undefined) return GpadlResult.Complete;
    this.remove(id);
    return GpadlResult.Refused;
  }
}
