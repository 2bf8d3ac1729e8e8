/**
 * A raw image: the bytes of the disk, one after another. What was never written is a hole in the host's file, and what
 * is discarded becomes one. Where holes are out of reach, discarding writes zeros where there are others, and all of it
 * counts as data.
 */

import { assert } from '../../kit/assert.ts';
import { OperatingError } from '../../kit/errors.ts';
import type { BlockFile } from '../block-file.ts';
import type { Disk, DiskGeometry, Extent } from '../disk.ts';
import { checkRange } from '../disk-range.ts';
import { clearRange } from '../zeros.ts';

const SCRATCH_BYTES = 0x1_0000;
/** In less than its pages, a file has no holes. */
const HOLE_BYTES = 4096;
/** Beyond it, sizes are no longer exact numbers of bytes. */
const DISK_BYTES_MAX = 2 ** 52;

export interface RawDiskOptions {
  readonly file: BlockFile;
  readonly logicalSectorBytes?: number;
  readonly physicalSectorBytes?: number;
}

export class RawDisk implements Disk {
  readonly format = 'raw';
  readonly kind = 'fixed';
  readonly parent = undefined;
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly #file: BlockFile;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #geometry: DiskGeometry;
  #isUnflushed = false;

  constructor({ file, logicalSectorBytes = 512, physicalSectorBytes = 4096 }: RawDiskOptions) {
    this.#file = file;
    this.name = file.name;
    this.isReadOnly = file.isReadOnly;
    // A file that ends within a sector is continued with zeros to its end.
    const sizeBytes = Math.ceil(file.sizeBytes / logicalSectorBytes) * logicalSectorBytes;
    this.#geometry = { sizeBytes, logicalSectorBytes, physicalSectorBytes };
  }

  get geometry(): DiskGeometry {
    return this.#geometry;
  }

  get blockBytes(): number {
    return this.#file.holes?.canMake === true ? HOLE_BYTES : 0;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    this.#file.readSync(target, targetOffset, lengthBytes, position);
  }

  writeSync(source: Uint8Array, sourceOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    assert(!this.isReadOnly, 'a read-only disk is written to');
    this.#isUnflushed = true;
    this.#file.writeSync(source, sourceOffset, lengthBytes, position);
  }

  flushSync(): void {
    if (!this.#isUnflushed) return;
    this.#file.flushSync();
    this.#isUnflushed = false;
  }

  /** What was written is the operating system's already. */
  settleSync(): void {}

  discardSync(position: number, lengthBytes: number): void {
    checkRange(this.#geometry, position, lengthBytes);
    assert(!this.isReadOnly, 'a read-only disk is written to');
    this.#isUnflushed = true;
    const { holes } = this.#file;
    if (holes?.canMake === true) holes.makeSync(position, lengthBytes);
    else clearRange(this.#file, position, lengthBytes, this.#scratch);
  }

  extentAt(position: number, extent: Extent): void {
    const { isHole, end } = this.#file.holes?.rangeAt(position) ?? { isHole: false, end: Infinity };
    extent.state = isHole ? 'zero' : 'data';
    extent.lengthBytes = Math.min(end, this.#geometry.sizeBytes) - position;
  }

  resizeSync(sizeBytes: number): void {
    const { logicalSectorBytes } = this.#geometry;
    if (sizeBytes <= 0 || sizeBytes > DISK_BYTES_MAX || sizeBytes % logicalSectorBytes !== 0) {
      throw new OperatingError('bad-input', `${sizeBytes} bytes is no size of a disk: whole sectors of `
        + `${logicalSectorBytes} bytes are right`);
    }
    this.#file.truncateSync(sizeBytes);
    this.#file.flushSync();
    this.#geometry = { ...this.#geometry, sizeBytes };
  }

  closeSync(): void {
    try {
      this.flushSync();
    } finally {
      this.#file.closeSync();
    }
  }

  describe(): Readonly<Record<string, string | number | boolean>> {
    return {};
  }
}
