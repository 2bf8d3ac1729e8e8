/**
 * Writes a saved state: under a temporary name beside its own, which it gets when all of it is on the medium. What
 * cannot be written leaves nothing behind.
 */

import { closeSync, constants as files, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { constants, crc32, deflateRawSync } from 'node:zlib';
import { CHUNK_BYTES, CHUNK_PAGES } from '../../engine/absent-memory.ts';
import { systemError } from '../../kit/errors.ts';
import { viewOf } from '../../kit/view.ts';
import { ChunkEntry, DiskStamp, FORMAT_VERSION, HEADER_BYTES, MAGIC, RECENT, StateHeader } from './layout.ts';
import type { MachineState } from './machine-state.ts';
import { toText } from './value-text.ts';

const PAGE = 4096;
/** A write is over when it is on the medium: fsync is not to be had where Node's permission model is on. */
const SYNCHRONOUS = files.O_WRONLY | files.O_CREAT | files.O_TRUNC | files.O_DSYNC;
/** Small writes are gathered. */
const BUFFER_BYTES = 4 << 20;
/** Twice the size of level 6's result would still be read faster than level 6 is made. */
const DEFLATE = { level: constants.Z_BEST_SPEED };
/** What the guest has used shortly before is stored as it is, see stored-blocks.ts. */
const STORE = { level: constants.Z_NO_COMPRESSION };

/** RAM in the order of the engine's chunks. */
export interface SavedRam {
  readonly sizeBytes: number;
  /** The bytes of a chunk, as they are now; the last one may be short. */
  chunk(index: number): Uint8Array;
  /** Chunks that the guest has used lately. */
  readonly recent: ReadonlySet<number>;
}

export class StateWriter {
  readonly #path: string;
  readonly #temporary: string;
  #file: number | undefined;
  #position = HEADER_BYTES;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #buffered = 0;
  readonly #header = Buffer.alloc(HEADER_BYTES);

  /** @throws OperatingError when there can be no such file. */
  constructor(path: string) {
    this.#path = path;
    this.#temporary = `${path}.${process.pid}.partial`;
    this.#file = this.#try(() => openSync(this.#temporary, SYNCHRONOUS, 0o600));
  }

  /**
   * Everything but what is only known when the guest is gone.
   * @throws OperatingError when it cannot be written; the file is gone then.
   */
  write(state: MachineState, ram: SavedRam): void {
    this.#try(() => {
      const entries = this.#writeMemory(ram);
      const table = Buffer.concat(entries);
      const tableOffset = this.#position;
      this.#append(table);
      const text = Buffer.from(toText(state));
      const value = deflateRawSync(text, DEFLATE);
      const valueOffset = this.#position;
      this.#append(value);
      this.#flush();
      StateHeader.encode(viewOf(this.#header), 0, {
        magic: MAGIC, formatVersion: FORMAT_VERSION, memoryBytes: ram.sizeBytes,
        tableOffset, chunkCount: entries.length, tableChecksum: crc32(table),
        valueOffset, valueBytes: value.length, valueTextBytes: text.length, valueChecksum: crc32(value),
      });
      this.#writeHeader();
    });
  }

  /** The guest has let go of its disks, which are these files: the state gets its name. */
  finish(disks: readonly string[]): void {
    this.#try(() => {
      const view = viewOf(this.#header);
      StateHeader.stampCount.set(view, 0, disks.length);
      disks.forEach((path, index) => {
        DiskStamp.encode(view, StateHeader.$size + index * DiskStamp.$size, stampOf(path));
      });
      this.#writeHeader();
      closeSync(this.#file as number);
      this.#file = undefined;
      renameSync(this.#temporary, this.#path);
    });
  }

  /** Nothing is left of it. */
  abandon(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    unlinkSync(this.#temporary);
  }

  #writeMemory(ram: SavedRam): Buffer[] {
    const entries: Buffer[] = [];
    const zeros = Buffer.alloc(PAGE);
    const packed = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let chunk = 0; chunk * CHUNK_BYTES < ram.sizeBytes; chunk++) {
      const bytes = ram.chunk(chunk);
      let pages = 0;
      let packedBytes = 0;
      for (let page = 0; page < CHUNK_PAGES && page * PAGE < bytes.length; page++) {
        const contents = bytes.subarray(page * PAGE, page * PAGE + PAGE);
        if (zeros.equals(contents)) continue;
        pages |= 1 << page;
        packed.set(contents, packedBytes);
        packedBytes += PAGE;
      }
      if (pages === 0) continue;
      const isRecent = ram.recent.has(chunk);
      if (isRecent) pages |= RECENT;
      const contents = packed.subarray(0, packedBytes);
      const stored = deflateRawSync(contents, isRecent ? STORE : DEFLATE);
      const entry = Buffer.alloc(ChunkEntry.$size);
      ChunkEntry.encode(viewOf(entry), 0, { chunk, pages, storedBytes: stored.length, checksum: crc32(stored) });
      entries.push(entry);
      this.#append(stored);
    }
    return entries;
  }

  #writeHeader(): void {
    const view = viewOf(this.#header);
    StateHeader.checksum.set(view, 0, 0);
    StateHeader.checksum.set(view, 0, crc32(this.#header));
    writeAll(this.#file as number, this.#header, 0);
  }

  #append(bytes: Uint8Array): void {
    if (this.#buffered + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) writeAll(this.#file as number, bytes, this.#position);
    else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
    this.#position += bytes.length;
  }

  #flush(): void {
    const start = this.#position - this.#buffered;
    writeAll(this.#file as number, this.#buffer.subarray(0, this.#buffered), start);
    this.#buffered = 0;
  }

  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      this.abandon();
      throw systemError(`write the state to ${this.#path}`, error);
    }
  }
}

/** What a file is now, as its stamp. */
export function stampOf(path: string): { sizeBytes: number; modifiedMicroseconds: number } {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  return { sizeBytes: Number(size), modifiedMicroseconds: Number(mtimeNs / 1000n) };
}

function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}
