/**
 * Holes of a file of the host: they read as zeros and take no room [Linux fallocate(2), lseek(2)]. Node has no function
 * for them: they can be made and found only where the optional native calls are there.
 */

import { constants } from 'node:os';
import { systemError } from '../kit/errors.ts';
import { loadNativeCalls, type NativeCalls } from '../kit/native-calls.ts';
import type { Holes } from './block-file.ts';

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

export class FileHoles implements Holes {
  readonly canMake: boolean;
  readonly #name: string;
  readonly #descriptor: number;
  readonly #native: NativeCalls;
  readonly #allocate: (...parameters: unknown[]) => number;
  readonly #seek: (...parameters: unknown[]) => number;

  private constructor(native: NativeCalls, name: string, descriptor: number, sizeBytes: number) {
    this.#name = name;
    this.#descriptor = descriptor;
    this.#native = native;
    this.#allocate = native.function('int fallocate(int descriptor, int mode, int64_t offset, int64_t length)');
    this.#seek = native.function('int64_t lseek(int descriptor, int64_t offset, int whence)');
    // Behind the end there is nothing to change: this asks whether it could be.
    this.canMake = this.#punch(sizeBytes, 1) === 0;
  }

  /** Undefined where there are no native calls. All else that uses the descriptor gives positions of its own. */
  static of(name: string, descriptor: number, sizeBytes: number): FileHoles | undefined {
    const native = loadNativeCalls();
    return native && new FileHoles(native, name, descriptor, sizeBytes);
  }

  makeSync(position: number, lengthBytes: number): void {
    if (this.#punch(position, lengthBytes) !== 0) throw this.#error('make a hole in');
  }

  rangeAt(position: number): { isHole: boolean; end: number } {
    const data = this.#find(SEEK_DATA, position);
    if (data > position) return { isHole: true, end: data };
    return { isHole: false, end: this.#find(SEEK_HOLE, position) };
  }

  #punch(position: number, lengthBytes: number): number {
    return this.#allocate(this.#descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, position, lengthBytes);
  }

  /** Infinity when there is none up to the end. */
  #find(what: number, position: number): number {
    const found = this.#seek(this.#descriptor, position, what);
    if (found >= 0) return found;
    if (this.#native.errno() === constants.errno.ENXIO) return Infinity;
    throw this.#error('look for holes in');
  }

  #error(what: string): unknown {
    const number = this.#native.errno();
    const code = Object.entries(constants.errno).find(([, each]) => each === number)?.[0];
    return systemError(`${what} ${this.#name}`, Object.assign(new Error(`error ${number}`), { code }));
  }
}
