/** A part of a file as a file: an image inside an archive. Only read. */

import { assert } from '../kit/assert.ts';
import type { BlockFile } from './block-file.ts';

export class SliceFile implements BlockFile {
  readonly name: string;
  readonly isReadOnly = true;
  readonly sizeBytes: number;
  readonly #file: BlockFile;
  readonly #start: number;

  /** @param file stays its owner's, who closes it. */
  constructor(file: BlockFile, name: string, startBytes: number, sizeBytes: number) {
    this.#file = file;
    this.name = name;
    this.#start = startBytes;
    this.sizeBytes = sizeBytes;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    const inside = Math.max(0, Math.min(lengthBytes, this.sizeBytes - position));
    if (inside > 0) this.#file.readSync(target, targetOffset, inside, this.#start + position);
    target.fill(0, targetOffset + inside, targetOffset + lengthBytes);
  }

  writeSync(): void {
    assert(false, 'a part of an archive is only read');
  }

  truncateSync(): void {
    assert(false, 'a part of an archive is only read');
  }

  flushSync(): void {}

  closeSync(): void {}
}
