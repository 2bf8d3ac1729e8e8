/**
 * Finds what the log of a VHDX file asks to be done again after a loss of power [MS-VHDX 2.3.2, 2.3.3]. An entry counts
 * when its checksum, its descriptors and its data sectors agree. The active sequence is the one with the highest number
 * among those in which each entry follows the one before, from the tail that the last one names.
 *
 * The log's content is hostile: entries that are whole cannot overlap (each sector has one signature), so that the
 * search takes time in proportion to the log.
 */

import { viewOf } from '../../kit/view.ts';
import {
  LOG_DATA_SIGNATURE, LOG_DESCRIPTOR_SIGNATURE, LOG_ENTRY_SIGNATURE, LOG_SECTOR_BYTES, LOG_ZERO_SIGNATURE,
  LogDataDescriptor, LogDataSector, LogEntryHeader, LogZeroDescriptor, REGION_TABLE_OFFSETS,
} from '../../protocols/vhdx.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { crc32c } from '../crc32c.ts';
import { damaged } from '../damaged.ts';
import { guidText, NULL_GUID } from '../guid.ts';
import type { HeaderValues } from './headers.ts';

/** Put this at that place; no bytes means zeros. */
export interface LogOperation {
  readonly position: number;
  readonly lengthBytes: number;
  readonly bytes: Uint8Array | undefined;
}

export interface LogReplay {
  readonly operations: readonly LogOperation[];
  /** The file has at least this size afterwards. */
  readonly lastFileOffset: number;
}

interface LogEntry {
  readonly offset: number;
  readonly length: number;
  readonly tail: number;
  readonly sequenceNumber: number;
  readonly flushedFileOffset: number;
  readonly lastFileOffset: number;
  readonly descriptorCount: number;
}

/** Zeros are written by us when the log says so; no writer asks for more than a BAT's worth. */
const ZERO_BYTES_MAX = 1 << 30;
/** How far a file may grow at replay; a file that a log extends holds blocks that were just allocated. */
const GROWTH_BYTES_MAX = 2 ** 40;

/**
 * @returns undefined when the log is empty.
 * @throws OperatingError when there should be something in it and there is not, or it asks for nonsense.
 */
export function readLog(file: BlockFile, header: HeaderValues): LogReplay | undefined {
  if (header.logGuid === NULL_GUID) return undefined;
  const log = readBytes(file, header.logOffset, header.logLength);
  const scan = new LogScan(log, header.logGuid);
  const entries = scan.entries();
  const active = activeSequence(entries, log.length);
  if (active === undefined) {
    // A writer that ended between setting the log's identifier and its first entry has changed nothing yet.
    if (!scan.hasTraces) return undefined;
    throw damaged(file, 'its log was in use when it was last written, and nothing whole is left in it');
  }
  const { flushedFileOffset, lastFileOffset } = active[active.length - 1] as LogEntry;
  if (file.sizeBytes < flushedFileOffset) {
    throw damaged(file,
      `it has ${file.sizeBytes} bytes, and its log says that it had ${flushedFileOffset}: it is cut off`);
  }
  if (lastFileOffset > file.sizeBytes + GROWTH_BYTES_MAX) {
    throw damaged(file, `its log says that it should have ${lastFileOffset} bytes`);
  }
  const operations = active.flatMap((entry) => scan.operationsOf(entry));
  checkOperations(file, operations, header, Math.max(file.sizeBytes, lastFileOffset));
  return { operations, lastFileOffset };
}

function checkOperations(
  file: BlockFile, operations: readonly LogOperation[], header: HeaderValues, end: number,
): void {
  let zeroBytes = 0;
  for (const { position, lengthBytes, bytes } of operations) {
    if (bytes === undefined) zeroBytes += lengthBytes;
    const overlapsLog = position < header.logOffset + header.logLength && position + lengthBytes > header.logOffset;
    if (position < REGION_TABLE_OFFSETS[0] || overlapsLog || position + lengthBytes > end
      || position % LOG_SECTOR_BYTES !== 0 || lengthBytes % LOG_SECTOR_BYTES !== 0 || zeroBytes > ZERO_BYTES_MAX) {
      throw damaged(file, `its log wants ${lengthBytes} bytes written at ${position}, which no log may`);
    }
  }
}

/**
 * An entry follows the one that ends where it begins and has the number before. Runs of such entries are numbered, so
 * that whether a tail belongs to its head is seen without a walk.
 */
function activeSequence(entries: readonly LogEntry[], logLength: number): LogEntry[] | undefined {
  const byOffset = new Map(entries.map((entry) => [entry.offset, entry]));
  const byEnd = new Map(entries.map((entry) => [(entry.offset + entry.length) % logLength, entry]));
  const runs = new Map<LogEntry, LogEntry[]>();
  const ascending = [...entries].sort((a, b) => a.sequenceNumber - b.sequenceNumber);
  for (const entry of ascending) {
    const before = byEnd.get(entry.offset);
    const run = before?.sequenceNumber === entry.sequenceNumber - 1 ? runs.get(before) ?? [] : [];
    run.push(entry);
    runs.set(entry, run);
  }
  for (const head of ascending.reverse()) {
    const tail = byOffset.get(head.tail);
    const run = runs.get(head) as LogEntry[];
    if (tail !== undefined && tail.sequenceNumber <= head.sequenceNumber && runs.get(tail) === run) {
      return run.slice(run.indexOf(tail), run.indexOf(head) + 1);
    }
  }
  return undefined;
}

class LogScan {
  readonly #log: Uint8Array;
  readonly #view: DataView;
  readonly #guid: string;
  /** Some sector begins as an entry of this log would. */
  hasTraces = false;

  constructor(log: Uint8Array, guid: string) {
    this.#log = log;
    this.#view = viewOf(log);
    this.#guid = guid;
  }

  entries(): LogEntry[] {
    const found: LogEntry[] = [];
    for (let offset = 0; offset < this.#log.length; offset += LOG_SECTOR_BYTES) {
      const entry = this.#entryAt(offset);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  operationsOf(entry: LogEntry): LogOperation[] {
    const operations: LogOperation[] = [];
    let sector = descriptorSectors(entry.descriptorCount);
    for (let index = 0; index < entry.descriptorCount; index++) {
      const at = this.#descriptorAt(entry, index);
      if (LogZeroDescriptor.signature.get(this.#view, at) === LOG_ZERO_SIGNATURE) {
        operations.push({
          position: LogZeroDescriptor.fileOffset.get(this.#view, at),
          lengthBytes: LogZeroDescriptor.zeroLength.get(this.#view, at), bytes: undefined,
        });
        continue;
      }
      const bytes = new Uint8Array(LOG_SECTOR_BYTES);
      const data = this.#wrap(entry.offset + sector++ * LOG_SECTOR_BYTES);
      bytes.set(LogDataDescriptor.leadingBytes.get(this.#view, at), 0);
      bytes.set(LogDataSector.data.get(this.#view, data), 8);
      bytes.set(LogDataDescriptor.trailingBytes.get(this.#view, at), LOG_SECTOR_BYTES - 4);
      const position = LogDataDescriptor.fileOffset.get(this.#view, at);
      operations.push({ position, lengthBytes: LOG_SECTOR_BYTES, bytes });
    }
    return operations;
  }

  #entryAt(offset: number): LogEntry | undefined {
    const view = this.#view;
    if (LogEntryHeader.signature.get(view, offset) !== LOG_ENTRY_SIGNATURE) return undefined;
    if (guidText(LogEntryHeader.logGuid.get(view, offset)) !== this.#guid) return undefined;
    this.hasTraces = true;
    const { entryLength: length, ...header } = LogEntryHeader.decode(view, offset);
    const entry = { ...header, offset, length };
    const isPlausible = length >= LOG_SECTOR_BYTES && length <= this.#log.length && length % LOG_SECTOR_BYTES === 0
      && entry.tail % LOG_SECTOR_BYTES === 0 && entry.tail < this.#log.length
      && entry.sequenceNumber > 0 && Number.isSafeInteger(entry.sequenceNumber)
      && descriptorSectors(entry.descriptorCount) * LOG_SECTOR_BYTES <= length;
    if (!isPlausible || !this.#partsAgree(entry)) return undefined;
    return this.#checksum(entry) === header.checksum ? entry : undefined;
  }

  /** Descriptors and data sectors have their signatures and the entry's number, and fill the entry. */
  #partsAgree(entry: LogEntry): boolean {
    const view = this.#view;
    let dataSectors = 0;
    for (let index = 0; index < entry.descriptorCount; index++) {
      const at = this.#descriptorAt(entry, index);
      const signature = LogDataDescriptor.signature.get(view, at);
      if (signature !== LOG_DESCRIPTOR_SIGNATURE && signature !== LOG_ZERO_SIGNATURE) return false;
      if (LogDataDescriptor.sequenceNumber.get(view, at) !== entry.sequenceNumber) return false;
      if (signature === LOG_DESCRIPTOR_SIGNATURE) dataSectors++;
    }
    const first = descriptorSectors(entry.descriptorCount);
    if ((first + dataSectors) * LOG_SECTOR_BYTES !== entry.length) return false;
    for (let sector = first; sector < first + dataSectors; sector++) {
      const at = this.#wrap(entry.offset + sector * LOG_SECTOR_BYTES);
      const number = LogDataSector.sequenceHigh.get(view, at) * 2 ** 32 + LogDataSector.sequenceLow.get(view, at);
      if (LogDataSector.signature.get(view, at) !== LOG_DATA_SIGNATURE || number !== entry.sequenceNumber) return false;
    }
    return true;
  }

  #checksum({ offset, length }: LogEntry): number {
    const header = this.#log.slice(offset, offset + LOG_SECTOR_BYTES);
    LogEntryHeader.checksum.set(viewOf(header), 0, 0);
    const beforeWrap = Math.min(length, this.#log.length - offset);
    let crc = crc32c(header);
    crc = crc32c(this.#log, offset + LOG_SECTOR_BYTES, beforeWrap - LOG_SECTOR_BYTES, crc);
    return crc32c(this.#log, 0, length - beforeWrap, crc);
  }

  /** Descriptors follow the entry's header without a gap, over sectors and over the end of the log. */
  #descriptorAt(entry: LogEntry, index: number): number {
    return this.#wrap(entry.offset + LogEntryHeader.$size + index * LogDataDescriptor.$size);
  }

  #wrap(offset: number): number {
    return offset % this.#log.length;
  }
}

function descriptorSectors(count: number): number {
  return Math.ceil((LogEntryHeader.$size + count * LogDataDescriptor.$size) / LOG_SECTOR_BYTES);
}
