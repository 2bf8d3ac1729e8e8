/**
 * A file beside the host's page cache [open(2), O_DIRECT]: what is read and written goes between the medium and memory,
 * and takes no room of the host. Positions, lengths and memory are then in whole sectors of the host. What is not goes
 * through the page cache, which Linux keeps in step: whoever uses both sees one file.
 *
 * Where memory lies cannot be asked in Node. A buffer is tried; one that was refused goes through ours from then on.
 */

import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { OperatingError, systemError } from '../kit/errors.ts';
import { pageAlignedBytes } from '../kit/page-aligned.ts';

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;
const BOUNCE_BYTES = 0x4_0000;

export class DirectAccess {
  readonly #descriptor: number;
  /** What positions, lengths and places in memory are multiples of. */
  readonly #unitBytes: number;
  readonly #bounce = pageAlignedBytes(BOUNCE_BYTES);
  readonly #unaligned = new WeakSet<ArrayBufferLike>();

  /**
   * @param extraFlags how the file is opened otherwise.
   * @throws OperatingError when its file system has no such access.
   */
  constructor(path: string, extraFlags: number) {
    this.#descriptor = openDirectly(path, extraFlags);
    try {
      readSync(this.#descriptor, this.#bounce, 0, PAGE_BYTES, 0);
      this.#unitBytes = this.#takesSectors() ? SECTOR_BYTES : PAGE_BYTES;
    } catch (error) {
      closeSync(this.#descriptor);
      throw isRefused(error) ? unsupported(path, error) : systemError(`read ${path}`, error);
    }
  }

  // Hot path: one or two a request. Nothing is allocated for memory that is aligned.
  /** As the system call: how many bytes came, 0 at the end; undefined when it has to go through the page cache. */
  read(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): number | undefined {
    const length = this.#wholeUnits(lengthBytes, position);
    if (length === 0) return undefined;
    if (this.#isAligned(target, targetOffset)) {
      try {
        return readSync(this.#descriptor, target, targetOffset, length, position);
      } catch (error) {
        if (!isRefused(error)) throw error;
        this.#unaligned.add(target.buffer);
      }
    }
    const count = readSync(this.#descriptor, this.#bounce, 0, Math.min(length, BOUNCE_BYTES), position);
    target.set(this.#bounce.subarray(0, count), targetOffset);
    return count;
  }

  /** As the system call: how many bytes went; undefined when it has to go through the page cache. */
  write(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): number | undefined {
    const length = this.#wholeUnits(lengthBytes, position);
    if (length === 0) return undefined;
    if (this.#isAligned(source, sourceOffset)) {
      try {
        return writeSync(this.#descriptor, source, sourceOffset, length, position);
      } catch (error) {
        if (!isRefused(error)) throw error;
        this.#unaligned.add(source.buffer);
      }
    }
    const part = Math.min(length, BOUNCE_BYTES);
    this.#bounce.set(source.subarray(sourceOffset, sourceOffset + part));
    return writeSync(this.#descriptor, this.#bounce, 0, part, position);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** How much from there on can be moved directly. */
  #wholeUnits(lengthBytes: number, position: number): number {
    return position % this.#unitBytes === 0 ? lengthBytes - lengthBytes % this.#unitBytes : 0;
  }

  #isAligned(bytes: Uint8Array, offset: number): boolean {
    return (bytes.byteOffset + offset) % this.#unitBytes === 0 && !this.#unaligned.has(bytes.buffer);
  }

  /** A file of less than two sectors does not tell. */
  #takesSectors(): boolean {
    try {
      return readSync(this.#descriptor, this.#bounce, SECTOR_BYTES, SECTOR_BYTES, SECTOR_BYTES) === SECTOR_BYTES;
    } catch (error) {
      if (isRefused(error)) return false;
      throw error;
    }
  }
}

function openDirectly(path: string, flags: number): number {
  // Only Linux has it.
  if (constants.O_DIRECT === undefined) throw unsupported(path, undefined);
  try {
    return openSync(path, flags | constants.O_DIRECT);
  } catch (error) {
    throw isRefused(error) ? unsupported(path, error) : systemError(`open ${path}`, error);
  }
}

function isRefused(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EINVAL';
}

function unsupported(path: string, cause: unknown): OperatingError {
  return new OperatingError('unsupported', `${path} is on a file system that has only cached access: leave `
    + 'cache=none out', { cause });
}
