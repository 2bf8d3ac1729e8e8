/** A fixed VHD: the bytes of the disk, then the footer. */

import { VHD_DISK_BYTES_MAX, VHD_SECTOR_BYTES } from '../../protocols/vhd.ts';
import { assert } from '../../kit/assert.ts';
import { OperatingError } from '../../kit/errors.ts';
import type { BlockFile } from '../block-file.ts';
import type { Disk, DiskGeometry, Extent } from '../disk.ts';
import { checkRange } from '../disk-range.ts';
import { clearRange, writeZeros } from '../zeros.ts';
import type { OpenedVhd } from './open-vhd.ts';
import { encodeFooter, type FooterValues } from './structures.ts';

const SCRATCH_BYTES = 0x1_0000;

export class FixedVhdDisk implements Disk {
  readonly format = 'vhd';
  readonly kind = 'fixed';
  readonly parent = undefined;
  readonly blockBytes = 0;
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly #file: BlockFile;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #footer: FooterValues;
  #geometry: DiskGeometry;
  #isUnflushed = false;

  constructor({ file, footer }: OpenedVhd) {
    this.#file = file;
    this.#footer = footer;
    this.#geometry = geometryOf(footer.sizeBytes);
    this.name = file.name;
    this.isReadOnly = file.isReadOnly;
  }

  get geometry(): DiskGeometry {
    return this.#geometry;
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
    clearRange(this.#file, position, lengthBytes, this.#scratch);
  }

  extentAt(position: number, extent: Extent): void {
    extent.state = 'data';
    extent.lengthBytes = this.#footer.sizeBytes - position;
  }

  /** The new footer is whole before the old one goes; it is what makes the file longer. */
  resizeSync(sizeBytes: number): void {
    checkVhdSize(sizeBytes);
    const oldBytes = this.#footer.sizeBytes;
    if (sizeBytes === oldBytes) return;
    const footer = { ...this.#footer, sizeBytes };
    const file = this.#file;
    file.writeSync(encodeFooter(footer), 0, VHD_SECTOR_BYTES, sizeBytes);
    file.flushSync();
    if (sizeBytes > oldBytes) writeZeros(file, oldBytes, Math.min(VHD_SECTOR_BYTES, sizeBytes - oldBytes));
    else file.truncateSync(sizeBytes + VHD_SECTOR_BYTES);
    file.flushSync();
    this.#footer = footer;
    this.#geometry = geometryOf(sizeBytes);
  }

  closeSync(): void {
    try {
      this.flushSync();
    } finally {
      this.#file.closeSync();
    }
  }

  describe(): Readonly<Record<string, string | number | boolean>> {
    return { diskId: this.#footer.uniqueId };
  }
}

/** VHD knows nothing of larger sectors. */
export function geometryOf(sizeBytes: number): DiskGeometry {
  return { sizeBytes, logicalSectorBytes: VHD_SECTOR_BYTES, physicalSectorBytes: VHD_SECTOR_BYTES };
}

/** @throws OperatingError */
export function checkVhdSize(sizeBytes: number): void {
  if (sizeBytes > 0 && sizeBytes <= VHD_DISK_BYTES_MAX && sizeBytes % VHD_SECTOR_BYTES === 0) return;
  throw new OperatingError('bad-input',
    `${sizeBytes} bytes is no size of a VHD: whole sectors of 512 bytes up to 2040 GiB are right; VHDX holds more`);
}
