/**
 * The log of a VHDX file, as its writer sees it: a ring of sectors, into which entries go before the pages that they
 * hold go to their places [MS-VHDX 2.3].
 *
 *     kept          tail            head
 *     | durable     | not known to be in place | free …
 *
 * Each entry names the tail: where a replay that finds it last has to begin. The sequence of the last entry that is
 * certainly on the medium is never written over, so that a torn entry always leaves one behind to be found.
 */

import { viewOf } from '../../kit/view.ts';
import {
  LOG_DATA_SIGNATURE, LOG_DESCRIPTOR_SIGNATURE, LOG_ENTRY_SIGNATURE, LOG_SECTOR_BYTES, LogDataDescriptor,
  LogDataSector, LogEntryHeader,
} from '../../protocols/vhdx.ts';
import type { BlockFile } from '../block-file.ts';
import { crc32c } from '../crc32c.ts';
import { guidBytes } from '../guid.ts';
import type { Page } from './metadata-pages.ts';

/** Their descriptors fill the first sector of an entry, and the whole takes less than half of the smallest log. */
export const PAGES_PER_ENTRY_MAX = 126;
/** An entry without pages, which moves the tail when the ring is full. */
const EMPTY_ENTRY_SECTORS = 1;

export interface LogRegion {
  readonly logOffset: number;
  readonly logLength: number;
  readonly logGuid: string;
}

export interface FileSizes {
  /** What the file had at its last flush. */
  readonly flushedBytes: number;
  readonly sizeBytes: number;
}

export class LogWriter {
  readonly #file: BlockFile;
  readonly #region: LogRegion;
  readonly #guid: Uint8Array;
  readonly #buffer = new Uint8Array((1 + PAGES_PER_ENTRY_MAX) * LOG_SECTOR_BYTES);
  readonly #view = viewOf(this.#buffer);
  #sequenceNumber = 1;
  /** Bytes since the log began; places are these modulo its length. */
  #head = 0;
  #tail = 0;
  #kept = 0;
  /** The tail that the last entry named. */
  #named = 0;
  /** Where the entries begin whose pages are not in their places. */
  #settledFrom: number | undefined;

  constructor(file: BlockFile, region: LogRegion) {
    this.#file = file;
    this.#region = region;
    this.#guid = guidBytes(region.logGuid);
  }

  hasRoomFor(pageCount: number): boolean {
    return this.#freeSectors >= 1 + pageCount + EMPTY_ENTRY_SECTORS;
  }

  /** Writes an entry behind the others; it counts once the file is flushed. */
  append(pages: readonly Page[], { flushedBytes, sizeBytes }: FileSizes): void {
    const length = (1 + pages.length) * LOG_SECTOR_BYTES;
    const buffer = this.#buffer.fill(0, 0, LOG_SECTOR_BYTES);
    LogEntryHeader.encode(this.#view, 0, {
      signature: LOG_ENTRY_SIGNATURE, checksum: 0, entryLength: length, tail: this.#place(this.#tail),
      sequenceNumber: this.#sequenceNumber, descriptorCount: pages.length, logGuid: this.#guid,
      flushedFileOffset: flushedBytes, lastFileOffset: sizeBytes,
    });
    pages.forEach((page, index) => this.#encodePage(page, index));
    LogEntryHeader.checksum.set(this.#view, 0, crc32c(buffer, 0, length));
    const place = this.#place(this.#head);
    const beforeWrap = Math.min(length, this.#region.logLength - place);
    this.#file.writeSync(buffer, 0, beforeWrap, this.#region.logOffset + place);
    if (beforeWrap < length) this.#file.writeSync(buffer, beforeWrap, length - beforeWrap, this.#region.logOffset);
    this.#named = this.#tail;
    this.#settledFrom ??= this.#head;
    this.#head += length;
    this.#sequenceNumber++;
  }

  /** The file was flushed: every entry is on the medium, and so are the pages that were in place by then. */
  noteFlush(): void {
    this.#kept = this.#named;
    this.#tail = this.#settledFrom ?? this.#head;
  }

  /** The pages of all entries have been written to their places. */
  noteApplied(): void {
    this.#settledFrom = undefined;
  }

  #encodePage({ bytes, position }: Page, index: number): void {
    const view = this.#view;
    const descriptor = LogEntryHeader.$size + index * LogDataDescriptor.$size;
    LogDataDescriptor.encode(view, descriptor, {
      signature: LOG_DESCRIPTOR_SIGNATURE, trailingBytes: bytes.subarray(LOG_SECTOR_BYTES - 4),
      leadingBytes: bytes.subarray(0, 8), fileOffset: position, sequenceNumber: this.#sequenceNumber,
    });
    const sector = (1 + index) * LOG_SECTOR_BYTES;
    LogDataSector.signature.set(view, sector, LOG_DATA_SIGNATURE);
    LogDataSector.sequenceHigh.set(view, sector, Math.floor(this.#sequenceNumber / 2 ** 32));
    this.#buffer.set(bytes.subarray(8, LOG_SECTOR_BYTES - 4), sector + LogDataSector.data.offset);
    LogDataSector.sequenceLow.set(view, sector, this.#sequenceNumber >>> 0);
  }

  get #freeSectors(): number {
    return (this.#region.logLength - (this.#head - this.#kept)) / LOG_SECTOR_BYTES;
  }

  #place(bytesSinceStart: number): number {
    return bytesSinceStart % this.#region.logLength;
  }
}
