/** A sparse extent of a VMDK: grains, deflated or not, found by tables of two levels. */

import { inflateSync } from 'node:zlib';
import { viewOf } from '../../kit/view.ts';
import {
  VMDK_AT_END, VMDK_COMPRESSION_DEFLATE, VMDK_ENTRIES_PER_TABLE_MAX, VMDK_FOOTER_FROM_END, VMDK_GRAIN_BYTES_MAX,
  VMDK_MAGIC, VMDK_SECTOR_BYTES, VMDK_ZERO_GRAIN, VmdkFlag, VmdkGrainMarker, VmdkSparseHeader,
} from '../../protocols/vmdk.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { damaged, unsupported } from '../damaged.ts';

export interface SparseHeader {
  readonly sizeBytes: number;
  readonly grainBytes: number;
  readonly entriesPerTable: number;
  readonly directoryOffset: number;
  readonly tables: number;
  readonly flags: number;
  readonly descriptorOffset: number;
  readonly descriptorBytes: number;
}

const VERSION_MAX = 3;
const SECTORS_MAX = 2 ** 43;
/** Tables in memory: 16 MiB, and at least two. */
const TABLES_BYTES_MAX = 0x100_0000;
const DIRECTORY_BYTES_MAX = 0x400_0000;

/** @throws OperatingError when it is damaged, or needs what this version does not know. */
export function readSparseHeader(file: BlockFile): SparseHeader {
  const first = decodeHeader(file, 0);
  const isAtEnd = first.directorySectorLow === VMDK_AT_END && first.directorySectorHigh === VMDK_AT_END;
  if (isAtEnd && file.sizeBytes < 2 * VMDK_FOOTER_FROM_END) throw damaged(file, 'it ends before its last header');
  const header = isAtEnd ? decodeHeader(file, file.sizeBytes - VMDK_FOOTER_FROM_END) : first;
  const { version, capacity, grainSectors, entriesPerTable, flags, compression } = header;
  if (version < 1 || version > VERSION_MAX) {
    throw unsupported(file, `it is of VMDK version ${version}; 1 to ${VERSION_MAX} are known`);
  }
  if ((flags & VmdkFlag.Compressed) !== 0 && compression !== VMDK_COMPRESSION_DEFLATE) {
    throw unsupported(file, 'its grains are not compressed with deflate, the one compression that is known');
  }
  const grainBytes = grainSectors * VMDK_SECTOR_BYTES;
  const isPower = grainSectors > 0 && grainBytes <= VMDK_GRAIN_BYTES_MAX && (grainSectors & (grainSectors - 1)) === 0;
  if (!isPower) throw damaged(file, `its grains are said to have ${grainBytes} bytes`);
  if (entriesPerTable === 0 || entriesPerTable > VMDK_ENTRIES_PER_TABLE_MAX) {
    throw damaged(file, `its tables are said to have ${entriesPerTable} entries`);
  }
  if (capacity === 0 || capacity > SECTORS_MAX) throw damaged(file, `its size is said to be ${capacity} sectors`);
  const tables = Math.ceil(capacity / grainSectors / entriesPerTable);
  const directoryOffset = (header.directorySectorLow + header.directorySectorHigh * 0x1_0000_0000) * VMDK_SECTOR_BYTES;
  if (tables * 4 > DIRECTORY_BYTES_MAX || directoryOffset + tables * 4 > file.sizeBytes) {
    throw damaged(file, `its directory of ${tables} tables at ${directoryOffset} does not fit`);
  }
  return {
    sizeBytes: capacity * VMDK_SECTOR_BYTES, grainBytes, entriesPerTable, directoryOffset, tables, flags,
    descriptorOffset: first.descriptorSector * VMDK_SECTOR_BYTES,
    descriptorBytes: first.descriptorSectors * VMDK_SECTOR_BYTES,
  };
}

function decodeHeader(file: BlockFile, offset: number): ReturnType<typeof VmdkSparseHeader.decode> {
  const header = VmdkSparseHeader.decode(viewOf(readBytes(file, offset, VmdkSparseHeader.$size)), 0);
  if (header.magic !== VMDK_MAGIC) throw damaged(file, `it has no VMDK header at ${offset}`);
  return header;
}

export class SparseExtent {
  readonly grainBytes: number;
  readonly file: BlockFile;
  readonly #header: SparseHeader;
  readonly #directory: DataView;
  readonly #tables = new Map<number, DataView>();
  #inflated: Uint8Array | undefined;
  #inflatedGrain = -1;

  constructor(file: BlockFile, header: SparseHeader) {
    this.file = file;
    this.#header = header;
    this.grainBytes = header.grainBytes;
    this.#directory = viewOf(readBytes(file, header.directoryOffset, header.tables * 4));
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    for (let done = 0; done < lengthBytes;) {
      const grain = Math.floor((position + done) / this.grainBytes);
      const within = position + done - grain * this.grainBytes;
      const run = Math.min(lengthBytes - done, this.grainBytes - within);
      const at = targetOffset + done;
      const offset = this.#offsetOf(grain);
      if (offset === 0) target.fill(0, at, at + run);
      else if ((this.#header.flags & VmdkFlag.Compressed) === 0) this.file.readSync(target, at, run, offset + within);
      else target.set(this.#inflate(grain, offset).subarray(within, within + run), at);
      done += run;
    }
  }

  /** Whether there is data at a position, and how far one can say so. */
  extentAt(position: number): { hasData: boolean; endBytes: number } {
    const { entriesPerTable } = this.#header;
    const grain = Math.floor(position / this.grainBytes);
    const table = Math.floor(grain / entriesPerTable);
    if (this.#directory.getUint32(table * 4, true) === 0) {
      return { hasData: false, endBytes: (table + 1) * entriesPerTable * this.grainBytes };
    }
    return { hasData: this.#offsetOf(grain) !== 0, endBytes: (grain + 1) * this.grainBytes };
  }

  closeSync(): void {
    this.file.closeSync();
  }

  /** Where a grain begins in the file; 0 when it reads as zeros. */
  #offsetOf(grain: number): number {
    const { entriesPerTable, flags } = this.#header;
    const table = Math.floor(grain / entriesPerTable);
    const sector = this.#directory.getUint32(table * 4, true);
    if (sector === 0) return 0;
    const entry = this.#tableAt(sector * VMDK_SECTOR_BYTES).getUint32((grain % entriesPerTable) * 4, true);
    if (entry === 0 || (entry === VMDK_ZERO_GRAIN && (flags & VmdkFlag.ZeroGrains) !== 0)) return 0;
    const offset = entry * VMDK_SECTOR_BYTES;
    if (offset >= this.file.sizeBytes) {
      throw damaged(this.file, `grain ${grain} is said to be at ${offset} of ${this.file.sizeBytes} bytes`);
    }
    return offset;
  }

  #tableAt(offset: number): DataView {
    const known = this.#tables.get(offset);
    if (known !== undefined) return known;
    const tableBytes = this.#header.entriesPerTable * 4;
    if (offset + tableBytes > this.file.sizeBytes) {
      throw damaged(this.file, `a table is said to be at ${offset} of ${this.file.sizeBytes} bytes`);
    }
    const oldest = this.#tables.keys().next().value;
    const kept = Math.max(2, TABLES_BYTES_MAX / tableBytes);
    if (this.#tables.size >= kept && oldest !== undefined) this.#tables.delete(oldest);
    const table = viewOf(readBytes(this.file, offset, tableBytes));
    this.#tables.set(offset, table);
    return table;
  }

  #inflate(grain: number, offset: number): Uint8Array {
    if (this.#inflated !== undefined && this.#inflatedGrain === grain) return this.#inflated;
    const marker = VmdkGrainMarker.decode(viewOf(readBytes(this.file, offset, VmdkGrainMarker.$size)), 0);
    const start = offset + VmdkGrainMarker.$size;
    const isRight = marker.sector * VMDK_SECTOR_BYTES === grain * this.grainBytes
      && marker.dataBytes > 0 && marker.dataBytes <= 2 * this.grainBytes + VMDK_SECTOR_BYTES
      && start + marker.dataBytes <= this.file.sizeBytes;
    if (!isRight) throw damaged(this.file, `at ${offset} is not grain ${grain}, as its table says`);
    let bytes: Uint8Array;
    try {
      bytes = inflateSync(readBytes(this.file, start, marker.dataBytes), { maxOutputLength: this.grainBytes });
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      throw damaged(this.file, `grain ${grain} cannot be inflated (${code})`);
    }
    // The last grain may end with the disk.
    const whole = new Uint8Array(this.grainBytes);
    whole.set(bytes);
    this.#inflated = whole;
    this.#inflatedGrain = grain;
    return whole;
  }
}
