/**
 * A QCOW2 image as a read-only disk, for import: versions 2 and 3, plain, zero and deflated clusters, a backing file
 * below [QEMU docs/interop/qcow2.txt]. Encryption, external data files, extended entries and other compressions are
 * refused; snapshots inside the image are not looked at.
 */

import { inflateRawSync } from 'node:zlib';
import { L2_COMPRESSED_HIGH, L2_ZERO_LOW, OFFSET_HIGH_MASK, OFFSET_LOW_MASK } from '../../protocols/qcow2.ts';
import { assert } from '../../kit/assert.ts';
import { viewOf } from '../../kit/view.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { damaged } from '../damaged.ts';
import type { Disk, DiskGeometry, DiskKind, Extent } from '../disk.ts';
import { checkRange, readBelow } from '../disk-range.ts';
import type { OpenedQcow2 } from './open-qcow2.ts';

/** Second-level tables in memory: 16 MiB, and at least two. */
const TABLES_BYTES_MAX = 0x100_0000;
const SECTOR_BYTES = 512;

const ClusterKind = { Absent: 0, Zero: 1, Plain: 2, Compressed: 3 } as const;
type ClusterKind = (typeof ClusterKind)[keyof typeof ClusterKind];

export class Qcow2Disk implements Disk {
  readonly format = 'qcow2';
  readonly name: string;
  readonly kind: DiskKind;
  readonly isReadOnly = true;
  readonly parent: Disk | undefined;
  readonly blockBytes: number;
  readonly geometry: DiskGeometry;
  readonly #file: BlockFile;
  readonly #opened: OpenedQcow2;
  readonly #level1: DataView;
  readonly #level2 = new Map<number, DataView>();
  /** The cluster that was inflated last. */
  #inflated: Uint8Array | undefined;
  #inflatedEntry = -1;
  /** Of the cluster that was looked up last. */
  #offset = 0;
  #compressedBytes = 0;
  #isRowAbsent = false;

  constructor(opened: OpenedQcow2, parent: Disk | undefined) {
    this.#opened = opened;
    this.#file = opened.file;
    this.name = opened.file.name;
    this.parent = parent;
    this.kind = parent === undefined ? 'dynamic' : 'differencing';
    this.blockBytes = opened.clusterBytes;
    const sizeBytes = Math.ceil(opened.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
    this.geometry = { sizeBytes, logicalSectorBytes: SECTOR_BYTES, physicalSectorBytes: SECTOR_BYTES };
    this.#level1 = viewOf(readBytes(opened.file, opened.level1Offset, opened.level1Entries * 8));
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    checkRange(this.geometry, position, lengthBytes);
    for (let done = 0; done < lengthBytes;) {
      const cluster = Math.floor((position + done) / this.blockBytes);
      const within = position + done - cluster * this.blockBytes;
      const run = Math.min(lengthBytes - done, this.blockBytes - within);
      const at = targetOffset + done;
      const kind = this.#lookUp(cluster);
      if (kind === ClusterKind.Plain) this.#file.readSync(target, at, run, this.#offset + within);
      else if (kind === ClusterKind.Compressed) target.set(this.#inflate(cluster).subarray(within, within + run), at);
      else if (kind === ClusterKind.Absent) readBelow(this.parent, target, at, run, position + done);
      else target.fill(0, at, at + run);
      done += run;
    }
  }

  extentAt(position: number, extent: Extent): void {
    const cluster = Math.floor(position / this.blockBytes);
    const kind = this.#lookUp(cluster);
    let end = (cluster + 1) * this.blockBytes;
    // Where there is no second-level table, nothing of its whole range is there.
    if (this.#isRowAbsent)
      end = (Math.floor(cluster * 8 / this.blockBytes) + 1) * this.blockBytes / 8 * this.blockBytes;
    extent.state = kind === ClusterKind.Absent ? 'absent' : kind === ClusterKind.Zero ? 'zero' : 'data';
    extent.lengthBytes = Math.min(end, this.geometry.sizeBytes) - position;
  }

  writeSync(): void {
    assert(false, 'a qcow2 image is read-only');
  }

  flushSync(): void {}

  settleSync(): void {}

  discardSync(): void {
    assert(false, 'a qcow2 image is read-only');
  }

  resizeSync(): void {
    assert(false, 'a qcow2 image is read-only');
  }

  closeSync(): void {
    this.#file.closeSync();
    this.parent?.closeSync();
  }

  describe(): Readonly<Record<string, string | number | boolean>> {
    return { version: this.#opened.version };
  }

  #lookUp(cluster: number): ClusterKind {
    const perTable = this.blockBytes / 8;
    const row = Math.floor(cluster / perTable);
    if (row >= this.#opened.level1Entries)
      throw damaged(this.#file, `cluster ${cluster} is not in its first-level table`);
    const tableOffset = this.#offsetIn(this.#level1, row * 8);
    this.#isRowAbsent = tableOffset === 0;
    if (this.#isRowAbsent) return ClusterKind.Absent;
    const table = this.#tableAt(tableOffset);
    const at = (cluster % perTable) * 8;
    const high = table.getUint32(at);
    if ((high & L2_COMPRESSED_HIGH) !== 0) return this.#noteCompressed(high, table.getUint32(at + 4));
    if (this.#opened.version > 2 && (table.getUint32(at + 4) & L2_ZERO_LOW) !== 0) return ClusterKind.Zero;
    this.#offset = this.#offsetIn(table, at);
    if (this.#offset === 0) return ClusterKind.Absent;
    if (this.#offset % this.blockBytes !== 0 || this.#offset >= this.#file.sizeBytes) {
      throw damaged(this.#file, `cluster ${cluster} is said to be at ${this.#offset} of ${this.#file.sizeBytes} bytes`);
    }
    return ClusterKind.Plain;
  }

  /** The offset takes the low bits, above it is the number of further sectors ["Compressed Clusters Descriptor"]. */
  #noteCompressed(high: number, low: number): ClusterKind {
    const offsetBits = 62 - (Math.log2(this.blockBytes) - 8);
    const highBits = offsetBits - 32;
    this.#offset = (high & (2 ** highBits - 1)) * 2 ** 32 + low;
    const sectors = (high & 0x3fff_ffff) >>> highBits;
    this.#compressedBytes = (sectors + 1) * SECTOR_BYTES - this.#offset % SECTOR_BYTES;
    return ClusterKind.Compressed;
  }

  #inflate(cluster: number): Uint8Array {
    if (this.#inflated !== undefined && this.#inflatedEntry === cluster) return this.#inflated;
    const packed = readBytes(this.#file, this.#offset, this.#compressedBytes);
    let bytes: Uint8Array;
    try {
      bytes = inflateRawSync(packed, { maxOutputLength: this.blockBytes, finishFlush: 2 });
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      throw damaged(this.#file, `cluster ${cluster} cannot be inflated (${code})`);
    }
    if (bytes.length !== this.blockBytes)
      throw damaged(this.#file, `cluster ${cluster} inflates to ${bytes.length} bytes`);
    this.#inflated = bytes;
    this.#inflatedEntry = cluster;
    return bytes;
  }

  #tableAt(offset: number): DataView {
    const known = this.#level2.get(offset);
    if (known !== undefined) return known;
    if (offset % this.blockBytes !== 0 || offset + this.blockBytes > this.#file.sizeBytes) {
      throw damaged(this.#file, `a second-level table is said to be at ${offset} of ${this.#file.sizeBytes} bytes`);
    }
    const kept = Math.max(2, TABLES_BYTES_MAX / this.blockBytes);
    const oldest = this.#level2.keys().next().value;
    if (this.#level2.size >= kept && oldest !== undefined) this.#level2.delete(oldest);
    const table = viewOf(readBytes(this.#file, offset, this.blockBytes));
    this.#level2.set(offset, table);
    return table;
  }

  #offsetIn(table: DataView, at: number): number {
    return (table.getUint32(at) & OFFSET_HIGH_MASK) * 2 ** 32 + ((table.getUint32(at + 4) & OFFSET_LOW_MASK) >>> 0);
  }
}
