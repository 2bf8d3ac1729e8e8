/**
 * The order of writes that keeps a VHDX file whole whatever moment the power goes [MS-VHDX 2.2.2, 2.3]:
 *
 *     data blocks  →  flush  →  log entry with the changed pages  →  flush  →  the pages in their places
 *
 * The last step needs no flush of its own: the next one covers it, and until then the log repeats it. A session begins
 * with an empty entry in a log of a new identifier, which the headers then name; it ends with headers that name none.
 */

import type { BlockFile } from '../block-file.ts';
import { NULL_GUID, type NewGuid } from '../guid.ts';
import type { Headers } from './headers.ts';
import { LogWriter, PAGES_PER_ENTRY_MAX } from './log-writer.ts';
import type { MetadataPages } from './metadata-pages.ts';

export class Journal {
  readonly #file: BlockFile;
  readonly #headers: Headers;
  readonly #pages: MetadataPages;
  readonly #newGuid: NewGuid;
  #log: LogWriter | undefined;
  #isDataMarked = false;
  /** The file was written to since its last flush. */
  #isUnflushed = false;
  #flushedBytes: number;

  constructor(file: BlockFile, headers: Headers, pages: MetadataPages, newGuid: NewGuid) {
    this.#file = file;
    this.#headers = headers;
    this.#pages = pages;
    this.#newGuid = newGuid;
    this.#flushedBytes = file.sizeBytes;
  }

  get hasBegun(): boolean {
    return this.#log !== undefined;
  }

  /** To be called before anything in the file changes. */
  begin(): void {
    if (this.#log !== undefined) return;
    const { logOffset, logLength } = this.#headers.current;
    const logGuid = this.#newGuid();
    const log = new LogWriter(this.#file, { logOffset, logLength, logGuid });
    log.append([], this.#sizes());
    this.#headers.update({ logGuid, fileWriteGuid: this.#newGuid() });
    log.noteFlush();
    log.noteApplied();
    this.#log = log;
  }

  /** Something was written that the next flush has to wait for. */
  noteWritten(): void {
    this.#isUnflushed = true;
  }

  /** To be called before what the disk holds changes: children made before are no longer children. */
  beginData(): void {
    if (!this.#isDataMarked) this.setDataWriteGuid(this.#newGuid());
    this.#isUnflushed = true;
  }

  /** What the disk holds stays the same, whatever is written from now on: children stay children. */
  keepDataWriteGuid(): void {
    this.#isDataMarked = true;
  }

  setDataWriteGuid(dataWriteGuid: string): void {
    this.begin();
    this.#headers.update({ dataWriteGuid });
    this.#isDataMarked = true;
  }

  flush(): void {
    const log = this.#log;
    if (log === undefined) return;
    if (!this.#isUnflushed && this.#pages.dirtyCount === 0 && this.#pages.settledCount === 0) return;
    this.#flushFile(log);
    this.#apply(log);
    while (this.#pages.dirtyCount > 0) {
      const batch = this.#pages.takeDirty(PAGES_PER_ENTRY_MAX);
      if (!log.hasRoomFor(batch.length)) this.#makeRoom(log);
      log.append(batch, this.#sizes());
      this.#pages.markSettled(batch);
      this.#flushFile(log);
      this.#apply(log);
    }
  }

  /**
   * Logs the changed pages without waiting for the medium.
   * @param flushesData because a block that is newly in use might otherwise show what was there before.
   */
  settle(flushesData: boolean): void {
    const log = this.#log;
    if (log === undefined || this.#pages.dirtyCount === 0) return;
    if (flushesData) this.#file.flushSync();
    while (this.#pages.dirtyCount > 0) {
      const batch = this.#pages.takeDirty(PAGES_PER_ENTRY_MAX);
      if (!log.hasRoomFor(batch.length)) return this.flush();
      log.append(batch, this.#sizes());
      this.#pages.markSettled(batch);
      this.#isUnflushed = true;
    }
  }

  /** Everything to its place, and the log marked as empty. */
  end(): void {
    if (this.#log === undefined) return;
    this.flush();
    // The first flush of the update covers the pages that the last one put in place.
    this.#headers.update({ logGuid: NULL_GUID });
    this.#log = undefined;
  }

  /**
   * Cuts the file behind what is in use. The log says how long the file was: it has to be out of force before.
   */
  cut(sizeBytes: number): void {
    this.end();
    this.#file.truncateSync(sizeBytes);
    this.#file.flushSync();
  }

  #apply(log: LogWriter): void {
    if (this.#pages.settledCount > 0) {
      this.#pages.applySettled();
      this.#isUnflushed = true;
    }
    log.noteApplied();
  }

  #makeRoom(log: LogWriter): void {
    this.#flushFile(log);
    log.append([], this.#sizes());
    this.#flushFile(log);
    log.noteApplied();
  }

  #flushFile(log: LogWriter): void {
    this.#file.flushSync();
    this.#flushedBytes = this.#file.sizeBytes;
    this.#isUnflushed = false;
    log.noteFlush();
  }

  #sizes(): { flushedBytes: number; sizeBytes: number } {
    const { sizeBytes } = this.#file;
    return { flushedBytes: Math.min(this.#flushedBytes, sizeBytes), sizeBytes };
  }
}
