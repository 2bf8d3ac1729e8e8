/**
 * Reads a saved state. Whatever is wrong with the file, one sentence says so before anything is made of it: every byte
 * of it is under a checksum, and all are looked at.
 */

import { closeSync, fstatSync, openSync } from 'node:fs';
import { crc32, inflateRawSync } from 'node:zlib';
import { CHUNK_BYTES } from '../../engine/absent-memory.ts';
import { OperatingError, systemError } from '../../kit/errors.ts';
import { viewOf } from '../../kit/view.ts';
import {
  ALL_PAGES, ChunkEntry, DiskStamp, FORMAT_VERSION, HEADER_BYTES, MAGIC, MAXIMUM_STAMPS, MAXIMUM_STORED_BYTES,
  MAXIMUM_VALUE_BYTES, RECENT, StateHeader,
} from './layout.ts';
import { type MachineState, machineStateOf, NewerState } from './machine-state.ts';
import { BadShape } from './shape.ts';
import { readUpTo, type SavedMemory } from './memory-source.ts';
import { fromText } from './value-text.ts';

const READ_BYTES = 4 << 20;

type Header = ReturnType<typeof StateHeader.decode>;

export interface Stamp {
  readonly sizeBytes: number;
  readonly modifiedMicroseconds: number;
}

export class StateFile implements Disposable {
  readonly path: string;
  readonly state: MachineState;
  /** What the disks were, in order. */
  readonly stamps: readonly Stamp[];
  /** For every thread of the machine; valid while this is open. */
  readonly memory: SavedMemory;
  readonly #file: number;
  #isOpen = true;

  /** @throws OperatingError when the file cannot be read, or is no state that this program can go on from. */
  constructor(path: string) {
    this.path = path;
    this.#file = opened(path);
    try {
      const header = this.#header();
      this.stamps = header.stamps;
      const table = this.#table(header);
      this.state = this.#state(header);
      if (this.state.configuration.memoryBytes !== header.memoryBytes) throw this.#damaged('its sizes disagree');
      this.memory = { file: this.#file, table, chunkCount: header.chunkCount, firstOffset: HEADER_BYTES };
    } catch (error) {
      this[Symbol.dispose]();
      if (error instanceof NewerState) throw this.#refused(error.message);
      throw systemError(`read the state ${path}`, error);
    }
  }

  /**
   * Looks at every byte of the memory.
   * @throws OperatingError when one is not as it was written.
   */
  verifyMemory(): void {
    const { table, chunkCount } = this.memory;
    const view = new DataView(table);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let position = HEADER_BYTES;
    let start = 0;
    let end = 0;
    for (let index = 0; index < chunkCount; index++) {
      const { storedBytes, checksum } = ChunkEntry.decode(view, index * ChunkEntry.$size);
      if (end - start < storedBytes) {
        buffer.copyWithin(0, start, end);
        end -= start;
        start = 0;
        const count = readUpTo(this.#file, buffer.subarray(end), position);
        end += count;
        position += count;
        if (end < storedBytes) throw this.#damaged('it ends too early');
      }
      if (crc32(buffer.subarray(start, start + storedBytes)) !== checksum) {
        throw this.#damaged('its memory has changed since it was written');
      }
      start += storedBytes;
    }
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#file);
    this.#isOpen = false;
  }

  #header(): Header & { readonly stamps: readonly Stamp[] } {
    const block = this.#read(0, HEADER_BYTES, `it has fewer than ${HEADER_BYTES} bytes`);
    const view = viewOf(block);
    const header = StateHeader.decode(view, 0);
    if (!MAGIC.every((byte, index) => header.magic[index] === byte)) {
      throw new OperatingError(
        'bad-input', `${this.path} is no saved state: give a file that partout boot --save wrote`);
    }
    if (header.formatVersion > FORMAT_VERSION) {
      throw new NewerState(`format version ${header.formatVersion}`, `${FORMAT_VERSION}`);
    }
    StateHeader.checksum.set(view, 0, 0);
    if (crc32(block) !== header.checksum) throw this.#damaged('its header has changed since it was written');
    if (header.stampCount > MAXIMUM_STAMPS) throw this.#damaged('it has more disks than a guest can have');
    const stamps = Array.from({ length: header.stampCount }, (_, index) =>
      DiskStamp.decode(view, StateHeader.$size + index * DiskStamp.$size));
    return { ...header, stamps };
  }

  /** The table of chunks, in memory that threads can share. */
  #table({ tableOffset, chunkCount, tableChecksum, memoryBytes }: Header): SharedArrayBuffer {
    const chunks = Math.ceil(memoryBytes / CHUNK_BYTES);
    if (chunkCount > chunks || chunks > 2 ** 16) throw this.#damaged('it has more memory than a guest can have');
    const bytes = this.#read(tableOffset, chunkCount * ChunkEntry.$size, 'it ends before its table of memory');
    if (crc32(bytes) !== tableChecksum) throw this.#damaged('its table of memory has changed since it was written');
    const table = new SharedArrayBuffer(Math.max(bytes.length, 1));
    new Uint8Array(table).set(bytes);
    const view = new DataView(table);
    let offset = HEADER_BYTES;
    let last = -1;
    for (let index = 0; index < chunkCount; index++) {
      const { chunk, pages, storedBytes } = ChunkEntry.decode(view, index * ChunkEntry.$size);
      const isKnown = (pages & ALL_PAGES) !== 0 && pages <= (ALL_PAGES | RECENT);
      const isRight = chunk > last && chunk < chunks && isKnown && storedBytes > 0;
      if (!isRight || storedBytes > MAXIMUM_STORED_BYTES) throw this.#damaged('its table of memory makes no sense');
      last = chunk;
      offset += storedBytes;
    }
    if (offset !== tableOffset) throw this.#damaged('its table of memory does not fit the memory');
    return table;
  }

  #state({ valueOffset, valueBytes, valueTextBytes, valueChecksum }: Header): MachineState {
    const isRight = valueBytes <= MAXIMUM_VALUE_BYTES && valueTextBytes > 0 && valueTextBytes <= MAXIMUM_VALUE_BYTES;
    if (!isRight) throw this.#damaged('the size of its value makes no sense');
    const bytes = this.#read(valueOffset, valueBytes, 'it ends before its value');
    if (crc32(bytes) !== valueChecksum) throw this.#damaged('its value has changed since it was written');
    try {
      const text = inflateRawSync(bytes, { maxOutputLength: valueTextBytes });
      return machineStateOf(fromText(text.toString()));
    } catch (error) {
      if (error instanceof NewerState) throw error;
      if (error instanceof BadShape) throw this.#damaged(`in its value, ${error.message}`);
      throw this.#damaged('its value cannot be read');
    }
  }

  #read(position: number, length: number, otherwise: string): Buffer {
    const { size } = fstatSync(this.#file);
    if (position + length > size) throw this.#damaged(otherwise);
    const bytes = Buffer.alloc(length);
    if (readUpTo(this.#file, bytes, position) < length) throw this.#damaged(otherwise);
    return bytes;
  }

  #damaged(how: string): OperatingError {
    return new OperatingError('bad-input', `${this.path} is damaged: ${how}; restore from another copy of it, or ` +
      'start the guest anew');
  }

  #refused(why: string): OperatingError {
    return new OperatingError('unsupported', `cannot go on from ${this.path}: ${why}`);
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw systemError(`read the state ${path}`, error);
  }
}
