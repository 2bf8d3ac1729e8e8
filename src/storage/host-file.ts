/** A file of the host as a `BlockFile`. */

import {
  closeSync, constants, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync,
} from 'node:fs';
import { OperatingError, systemError } from '../kit/errors.ts';
import type { BlockFile, Holes } from './block-file.ts';
import { DirectAccess } from './direct-access.ts';
import { FileHoles } from './file-holes.ts';
import { lockForWriting } from './image-lock.ts';

/** No system call of the hosts moves more in one go. */
const TRANSFER_BYTES_MAX = 0x4000_0000;

/** Whether what is read and written stays in the host's memory: as the host likes, or not at all. */
export type CacheMode = 'host' | 'none';

export interface HostFileOptions {
  readonly readOnly: boolean;
  /** 'host' by default. */
  readonly cache?: CacheMode | undefined;
  /** Makes a new file; one that is there is refused. */
  readonly create?: boolean;
}

export class HostFile implements BlockFile {
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly #descriptor: number;
  readonly #lock: Disposable | undefined;
  readonly #direct: DirectAccess | undefined;
  #holes: FileHoles | undefined;
  #hasLookedForHoles = false;
  #sizeBytes: number;
  #hasFlushFailed = false;

  /** @throws OperatingError when the file cannot be opened so, or another process writes to it. */
  constructor(path: string, { readOnly, cache = 'host', create = false }: HostFileOptions) {
    this.name = path;
    this.isReadOnly = readOnly;
    this.#descriptor = openFile(path, readOnly, create);
    try {
      const status = fstatSync(this.#descriptor);
      if (!status.isFile()) {
        throw new OperatingError('bad-input', `${path} is not an ordinary file: a disk image is needed`);
      }
      this.#sizeBytes = status.size;
      this.#lock = readOnly ? undefined : lockForWriting(path, status);
      this.#direct = cache === 'none' ? new DirectAccess(path, accessFlags(readOnly)) : undefined;
    } catch (error) {
      this.#lock?.[Symbol.dispose]();
      closeSync(this.#descriptor);
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get holes(): Holes | undefined {
    if (!this.#hasLookedForHoles) this.#holes = FileHoles.of(this.name, this.#descriptor, this.#sizeBytes);
    this.#hasLookedForHoles = true;
    return this.#holes;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    try {
      for (let done = 0; done < lengthBytes;) {
        const length = Math.min(lengthBytes - done, TRANSFER_BYTES_MAX);
        const count = this.#direct?.read(target, targetOffset + done, length, position + done)
          ?? readSync(this.#descriptor, target, targetOffset + done, length, position + done);
        if (count === 0) {
          target.fill(0, targetOffset + done, targetOffset + lengthBytes);
          return;
        }
        done += count;
      }
    } catch (error) {
      throw systemError(`read ${this.name}`, error);
    }
  }

  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void {
    try {
      for (let done = 0; done < lengthBytes;) {
        const length = Math.min(lengthBytes - done, TRANSFER_BYTES_MAX);
        done += this.#direct?.write(source, sourceOffset + done, length, position + done)
          ?? writeSync(this.#descriptor, source, sourceOffset + done, length, position + done);
      }
    } catch (error) {
      throw systemError(`write to ${this.name}`, error);
    }
    if (position + lengthBytes > this.#sizeBytes) this.#sizeBytes = position + lengthBytes;
  }

  truncateSync(sizeBytes: number): void {
    try {
      ftruncateSync(this.#descriptor, sizeBytes);
    } catch (error) {
      throw systemError(`resize ${this.name}`, error);
    }
    this.#sizeBytes = sizeBytes;
  }

  /** After a failure the system may have dropped what it could not write, so that no later flush can be believed. */
  flushSync(): void {
    if (this.#hasFlushFailed) {
      throw new OperatingError('host', `an earlier flush of ${this.name} failed: close it, then check it`);
    }
    // Every write was over when it was on the medium.
    if (flushIsRefused()) return;
    try {
      fdatasyncSync(this.#descriptor);
    } catch (error) {
      this.#hasFlushFailed = true;
      throw systemError(`flush ${this.name}`, error);
    }
  }

  closeSync(): void {
    this.#lock?.[Symbol.dispose]();
    this.#direct?.close();
    closeSync(this.#descriptor);
  }
}

/** Node's permission model refuses fsync and fdatasync, whatever else it allows. */
export function flushIsRefused(): boolean {
  return (process as { permission?: unknown }).permission !== undefined;
}

function accessFlags(readOnly: boolean): number {
  if (readOnly) return constants.O_RDONLY;
  return flushIsRefused() ? constants.O_RDWR | constants.O_SYNC : constants.O_RDWR;
}

function openFile(path: string, readOnly: boolean, create: boolean): number {
  try {
    return openSync(path, create ? accessFlags(false) | constants.O_CREAT | constants.O_EXCL : accessFlags(readOnly));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new OperatingError('bad-input', `${path} is there already: give another name, or remove it`,
        { cause: error });
    }
    throw systemError(`open ${path}${readOnly ? '' : ' for writing'}`, error);
  }
}
