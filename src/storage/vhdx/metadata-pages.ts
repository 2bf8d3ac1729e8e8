/**
 * The pages of a VHDX file that only change through its log: BAT, sector bitmaps, metadata and region tables. They are
 * read when they are needed; the ones that have not changed make room for others.
 *
 * A page is clean (as in the file), dirty (changed in memory), or settled: it is in the log, but not in its place,
 * since that log entry is not known to be on the medium. A settled page that changes again is dirty and settled.
 */

import { viewOf } from '../../kit/view.ts';
import type { BlockFile } from '../block-file.ts';

export const PAGE_BYTES = 4096;
/** 8 MiB: the BAT of 32 TiB in blocks of 32 MiB, or the bitmap of 32 GiB. */
const PAGES_KEPT_MAX = 2048;

export interface Page {
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Pages of lower order are logged first, when one entry does not hold all. */
  readonly order: PageOrder;
  isDirty: boolean;
  isSettled: boolean;
  /** What the log holds of a settled page that has changed since. */
  settledBytes: Uint8Array | undefined;
}

/** A BAT entry that names a partial block must not be in force before the bits that say which part. */
export const PageOrder = { Bitmap: 0, Table: 1 } as const;
export type PageOrder = (typeof PageOrder)[keyof typeof PageOrder];

export class MetadataPages {
  readonly #file: BlockFile;
  readonly #pages = new Map<number, Page>();
  readonly #dirty = new Set<Page>();
  readonly #settled = new Set<Page>();
  /** The page of the last call: the next is often in it. */
  #last: Page | undefined;

  constructor(file: BlockFile) {
    this.#file = file;
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  get settledCount(): number {
    return this.#settled.size;
  }

  /** The page that holds this place of the file. */
  at(position: number, order: PageOrder): Page {
    const start = position - position % PAGE_BYTES;
    if (this.#last !== undefined && this.#last.position === start) return this.#last;
    const page = this.#pages.get(start) ?? this.#load(start, order);
    this.#last = page;
    return page;
  }

  /** To be called before the page's bytes are changed. */
  willChange(page: Page): void {
    if (page.isDirty) return;
    if (page.isSettled) page.settledBytes = page.bytes.slice();
    page.isDirty = true;
    this.#dirty.add(page);
  }

  /** Up to `count` pages to log next. */
  takeDirty(count: number): Page[] {
    const taken: Page[] = [];
    for (const order of [PageOrder.Bitmap, PageOrder.Table]) {
      for (const page of this.#dirty) {
        if (taken.length === count) return taken;
        if (page.order === order) taken.push(page);
      }
    }
    return taken;
  }

  /** What the pages hold is in the log. */
  markSettled(pages: readonly Page[]): void {
    for (const page of pages) {
      page.isDirty = false;
      page.isSettled = true;
      page.settledBytes = undefined;
      this.#dirty.delete(page);
      this.#settled.add(page);
    }
  }

  /** Writes what the log holds to its places; the log must be on the medium. */
  applySettled(): void {
    for (const page of this.#settled) {
      this.#file.writeSync(page.settledBytes ?? page.bytes, 0, PAGE_BYTES, page.position);
      page.isSettled = false;
      page.settledBytes = undefined;
      this.#settled.delete(page);
    }
  }

  /** Forgets clean pages, for a file that changed below them. */
  forgetClean(): void {
    this.#last = undefined;
    for (const [position, page] of this.#pages) {
      if (!page.isDirty && !page.isSettled) this.#pages.delete(position);
    }
  }

  #load(position: number, order: PageOrder): Page {
    if (this.#pages.size >= PAGES_KEPT_MAX) this.#makeRoom();
    const bytes = new Uint8Array(PAGE_BYTES);
    this.#file.readSync(bytes, 0, PAGE_BYTES, position);
    const page = { position, bytes, view: viewOf(bytes), order, isDirty: false, isSettled: false,
      settledBytes: undefined };
    this.#pages.set(position, page);
    return page;
  }

  /** The oldest quarter of the clean pages goes. */
  #makeRoom(): void {
    let toDrop = PAGES_KEPT_MAX / 4;
    for (const [position, page] of this.#pages) {
      if (toDrop === 0) return;
      if (page.isDirty || page.isSettled) continue;
      this.#pages.delete(position);
      toDrop--;
    }
  }
}
