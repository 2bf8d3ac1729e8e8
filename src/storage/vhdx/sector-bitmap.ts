/** Bits of a sector bitmap block: 1 is a sector that the disk holds itself, the lowest bit first [MS-VHDX 2.4]. */

import { PAGE_BYTES, type MetadataPages, PageOrder } from './metadata-pages.ts';

const BITS_PER_PAGE = PAGE_BYTES * 8;

export class SectorBitmap {
  /** Of the run that was looked up last. */
  isPresent = false;

  readonly #pages: MetadataPages;

  constructor(pages: MetadataPages) {
    this.#pages = pages;
  }

  /** How many sectors from `from` on, `limit` at most and all in one page, are as the first, whose bit it keeps. */
  runAt(bitmapOffset: number, from: number, limit: number): number {
    const { bytes } = this.#pages.at(bitmapOffset + Math.floor(from / 8), PageOrder.Bitmap);
    const first = from % BITS_PER_PAGE;
    const end = Math.min(BITS_PER_PAGE, first + limit);
    const bit = ((bytes[first >> 3] as number) >> (first & 7)) & 1;
    this.isPresent = bit === 1;
    const whole = bit === 1 ? 0xff : 0;
    let at = first + 1;
    while (at < end) {
      const byte = bytes[at >> 3] as number;
      if ((at & 7) === 0 && byte === whole) at += 8;
      else if (((byte >> (at & 7)) & 1) === bit) at++;
      else break;
    }
    return Math.min(at, end) - first;
  }

  /** Pages whose bits are right already are not changed. */
  set(bitmapOffset: number, from: number, count: number, isPresent: boolean): void {
    for (let at = from; at < from + count;) {
      const run = this.runAt(bitmapOffset, at, from + count - at);
      if (this.isPresent !== isPresent) this.#setInPage(bitmapOffset, at, run, isPresent);
      at += run;
    }
  }

  #setInPage(bitmapOffset: number, from: number, count: number, isPresent: boolean): void {
    const page = this.#pages.at(bitmapOffset + Math.floor(from / 8), PageOrder.Bitmap);
    this.#pages.willChange(page);
    const { bytes } = page;
    const first = from % BITS_PER_PAGE;
    for (let at = first; at < first + count;) {
      if ((at & 7) === 0 && at + 8 <= first + count) {
        bytes[at >> 3] = isPresent ? 0xff : 0;
        at += 8;
        continue;
      }
      const mask = 1 << (at & 7);
      const byte = bytes[at >> 3] as number;
      bytes[at >> 3] = isPresent ? byte | mask : byte & ~mask;
      at++;
    }
  }
}
