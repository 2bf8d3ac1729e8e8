/** A VMDK image as a read-only disk, for import [VMware Virtual Disk Format 5.0]. */

import { assert } from '../../kit/assert.ts';
import type { BlockFile } from '../block-file.ts';
import { damaged } from '../damaged.ts';
import type { Disk, DiskGeometry, Extent } from '../disk.ts';
import { checkRange } from '../disk-range.ts';
import { closeExtents, type OpenedExtent, type OpenedVmdk } from './open-vmdk.ts';

const SECTOR_BYTES = 512;
/** Of all extents together: beyond it, sizes are no longer exact numbers of bytes. */
const DISK_BYTES_MAX = 2 ** 52;

export class VmdkDisk implements Disk {
  readonly format = 'vmdk';
  readonly name: string;
  readonly kind = 'dynamic';
  readonly isReadOnly = true;
  readonly parent = undefined;
  readonly blockBytes: number;
  readonly geometry: DiskGeometry;
  readonly #file: BlockFile;
  readonly #extents: readonly OpenedExtent[];
  readonly #createType: string;

  constructor({ file, extents, createType }: OpenedVmdk) {
    const sizeBytes = extents.reduce((sum, extent) => sum + extent.sizeBytes, 0);
    if (sizeBytes === 0 || sizeBytes > DISK_BYTES_MAX) {
      closeExtents(extents);
      throw damaged(file, `its size is said to be ${sizeBytes} bytes`);
    }
    this.#file = file;
    this.#extents = extents;
    this.#createType = createType;
    this.name = file.name;
    this.geometry = { sizeBytes, logicalSectorBytes: SECTOR_BYTES, physicalSectorBytes: SECTOR_BYTES };
    const [first] = extents;
    this.blockBytes = first?.content.kind === 'sparse' ? first.content.extent.grainBytes : 0;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.geometry, position, lengthBytes);
    let start = 0;
    for (const { sizeBytes, content } of this.#extents) {
      const from = Math.max(position, start);
      const run = Math.min(position + lengthBytes, start + sizeBytes) - from;
      if (run > 0) {
        const at = targetOffset + from - position;
        if (content.kind === 'sparse') content.extent.readSync(target, at, run, from - start);
        else if (content.kind === 'flat') content.file.readSync(target, at, run, content.offset + from - start);
        else target.fill(0, at, at + run);
      }
      start += sizeBytes;
    }
  }

  extentAt(position: number, extent: Extent): void {
    let start = 0;
    for (const { sizeBytes, content } of this.#extents) {
      const end = start + sizeBytes;
      if (position < end) {
        const within = content.kind === 'sparse' ? content.extent.extentAt(position - start) : undefined;
        const hasData = within?.hasData ?? content.kind === 'flat';
        extent.state = hasData ? 'data' : 'zero';
        extent.lengthBytes = Math.min(end, start + (within?.endBytes ?? sizeBytes)) - position;
        return;
      }
      start = end;
    }
    assert(false, 'a position is not inside the disk');
  }

  writeSync(): void {
    assert(false, 'a VMDK image is read-only');
  }

  flushSync(): void {}

  settleSync(): void {}

  discardSync(): void {
    assert(false, 'a VMDK image is read-only');
  }

  resizeSync(): void {
    assert(false, 'a VMDK image is read-only');
  }

  closeSync(): void {
    closeExtents(this.#extents);
    // The file of a monolithic image is its extent.
    const isOwn = this.#extents.some(({ content }) => content.kind === 'sparse' && content.extent.file === this.#file);
    if (!isOwn) this.#file.closeSync();
  }

  describe(): Readonly<Record<string, string | number | boolean>> {
    return { createType: this.#createType };
  }
}
