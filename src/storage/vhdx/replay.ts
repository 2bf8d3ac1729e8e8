/**
 * Doing again what the log says: into the file where that may be written to, otherwise into memory, as a layer over the
 * file, so that an image that was not closed can be read without changing it.
 */

import type { BlockFile } from '../block-file.ts';
import { assert } from '../../kit/assert.ts';
import { writeZeros } from '../zeros.ts';
import type { LogOperation, LogReplay } from './log-reader.ts';

const PAGE_BYTES = 4096;

/** The log may be marked as empty afterwards. */
export function replayInto(file: BlockFile, { operations, lastFileOffset }: LogReplay): void {
  if (file.sizeBytes < lastFileOffset) file.truncateSync(lastFileOffset);
  for (const { position, lengthBytes, bytes } of operations) {
    if (bytes === undefined) writeZeros(file, position, lengthBytes);
    else file.writeSync(bytes, 0, lengthBytes, position);
  }
  file.flushSync();
}

/** A file as it will be once its log is replayed. */
export class ReplayedFile implements BlockFile {
  readonly name: string;
  readonly isReadOnly = true;
  readonly sizeBytes: number;
  readonly #file: BlockFile;
  /** By position; no bytes are zeros. */
  readonly #pages = new Map<number, Uint8Array | undefined>();

  constructor(file: BlockFile, { operations, lastFileOffset }: LogReplay) {
    this.#file = file;
    this.name = file.name;
    this.sizeBytes = Math.max(file.sizeBytes, lastFileOffset);
    for (const operation of operations) this.#add(operation);
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    this.#file.readSync(target, targetOffset, lengthBytes, position);
    const end = position + lengthBytes;
    for (let page = position - position % PAGE_BYTES; page < end; page += PAGE_BYTES) {
      if (!this.#pages.has(page)) continue;
      const from = Math.max(page, position);
      const to = Math.min(page + PAGE_BYTES, end);
      const at = targetOffset + from - position;
      const bytes = this.#pages.get(page);
      if (bytes === undefined) target.fill(0, at, at + to - from);
      else target.set(bytes.subarray(from - page, to - page), at);
    }
  }

  writeSync(): void {
    assert(false, 'a file with a replayed log over it is read-only');
  }

  truncateSync(): void {
    assert(false, 'a file with a replayed log over it is read-only');
  }

  flushSync(): void {
    assert(false, 'a file with a replayed log over it is read-only');
  }

  closeSync(): void {
    this.#file.closeSync();
  }

  #add({ position, lengthBytes, bytes }: LogOperation): void {
    for (let done = 0; done < lengthBytes; done += PAGE_BYTES) this.#pages.set(position + done, bytes);
  }
}
