/** The blocks of an ext4 file system, as they are once the journal has been replayed: in memory, nothing is written. */

import { damaged } from '../damaged.ts';
import type { Volume } from '../volume.ts';

/** A journalled block, by its place on the volume. A block that began as a journal's own was changed there. */
export interface LoggedBlock {
  readonly position: number;
  readonly isEscaped: boolean;
}

const JOURNAL_MAGIC_BYTES = [0xc0, 0x3b, 0x39, 0x98];

export class Blocks {
  readonly volume: Volume;
  readonly blockBytes: number;
  readonly #blockCount: number;
  readonly #logged = new Map<number, LoggedBlock>();

  constructor(volume: Volume, blockBytes: number, blockCount: number) {
    this.volume = volume;
    this.blockBytes = blockBytes;
    this.#blockCount = Math.min(blockCount, Math.floor(volume.sizeBytes / blockBytes));
  }

  /** From now on the logged block is read in place of the one of that number. */
  replace(block: number, logged: LoggedBlock): void {
    this.#logged.set(block, logged);
  }

  read(block: number): Uint8Array {
    const target = new Uint8Array(this.blockBytes);
    this.readInto(target, 0, block, 1);
    return target;
  }

  /** @throws OperatingError when the file system does not have these blocks. */
  readInto(target: Uint8Array, targetOffset: number, block: number, count: number): void {
    if (!(block >= 0) || block + count > this.#blockCount) {
      throw damaged(this.volume, `its ext4 file system names block ${block}, and it has ${this.#blockCount}`);
    }
    const { blockBytes } = this;
    this.volume.readInto(target, targetOffset, count * blockBytes, block * blockBytes);
    if (this.#logged.size === 0) return;
    for (let index = 0; index < count; index++) {
      const logged = this.#logged.get(block + index);
      if (logged === undefined) continue;
      const at = targetOffset + index * blockBytes;
      this.volume.readInto(target, at, blockBytes, logged.position);
      if (logged.isEscaped) target.set(JOURNAL_MAGIC_BYTES, at);
    }
  }
}
