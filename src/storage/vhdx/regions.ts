/** The region tables of a VHDX file: where its BAT and its metadata are [MS-VHDX 2.2.3]. */

import { viewOf } from '../../kit/view.ts';
import {
  MIB, REGION_BAT, REGION_ENTRIES_MAX, REGION_METADATA, REGION_REQUIRED, REGION_SIGNATURE, REGION_TABLE_BYTES,
  REGION_TABLE_OFFSETS, RegionTableEntry, RegionTableHeader,
} from '../../protocols/vhdx.ts';
import { readBytes, type BlockFile } from '../block-file.ts';
import { crc32cWithout } from '../crc32c.ts';
import { damaged, unsupported } from '../damaged.ts';
import { guidBytes, guidText } from '../guid.ts';

export interface Region {
  readonly guid: string;
  readonly fileOffset: number;
  readonly lengthBytes: number;
  readonly isRequired: boolean;
}

export interface Regions {
  readonly all: readonly Region[];
  readonly bat: Region;
  readonly metadata: Region;
  /** Both copies are whole and the same. */
  readonly copiesAgree: boolean;
}

/** @throws OperatingError when no copy is whole, or it names places that cannot be. */
export function readRegions(file: BlockFile): Regions {
  const copies = REGION_TABLE_OFFSETS.map((offset) => readBytes(file, offset, REGION_TABLE_BYTES));
  const whole = copies.filter(isWhole);
  const table = whole[0];
  if (table === undefined) throw damaged(file, 'neither of its two region tables is whole');
  const all = parseTable(table);
  checkRegions(file, all);
  const find = (guid: string, name: string): Region => {
    const found = all.find((region) => region.guid === guid);
    if (found === undefined) throw damaged(file, `its region table does not name a ${name} region`);
    return found;
  };
  return {
    all, bat: find(REGION_BAT, 'BAT'), metadata: find(REGION_METADATA, 'metadata'),
    copiesAgree: whole.length === 2 && Buffer.compare(whole[0] as Uint8Array, whole[1] as Uint8Array) === 0,
  };
}

export function encodeRegions(regions: readonly Region[]): Uint8Array {
  const bytes = new Uint8Array(REGION_TABLE_BYTES);
  const view = viewOf(bytes);
  RegionTableHeader.encode(view, 0, { signature: REGION_SIGNATURE, entryCount: regions.length });
  regions.forEach((region, index) => RegionTableEntry.encode(view, entryOffset(index), {
    guid: guidBytes(region.guid), fileOffset: region.fileOffset, length: region.lengthBytes,
    flags: region.isRequired ? REGION_REQUIRED : 0,
  }));
  RegionTableHeader.checksum.set(view, 0, crc32cWithout(bytes, RegionTableHeader.checksum.offset));
  return bytes;
}

function isWhole(table: Uint8Array): boolean {
  const header = RegionTableHeader.decode(viewOf(table), 0);
  return header.signature === REGION_SIGNATURE && header.entryCount <= REGION_ENTRIES_MAX
    && header.checksum === crc32cWithout(table, RegionTableHeader.checksum.offset);
}

function parseTable(table: Uint8Array): Region[] {
  const view = viewOf(table);
  return Array.from({ length: RegionTableHeader.entryCount.get(view, 0) }, (_, index) => {
    const entry = RegionTableEntry.decode(view, entryOffset(index));
    return {
      guid: guidText(entry.guid), fileOffset: entry.fileOffset, lengthBytes: entry.length,
      isRequired: (entry.flags & REGION_REQUIRED) !== 0,
    };
  });
}

function checkRegions(file: BlockFile, regions: readonly Region[]): void {
  let end = MIB;
  for (const { guid, fileOffset, lengthBytes, isRequired } of
    [...regions].sort((a, b) => a.fileOffset - b.fileOffset)) {
    const where = `its region ${guid} of ${lengthBytes} bytes at ${fileOffset}`;
    if (fileOffset % MIB !== 0 || lengthBytes % MIB !== 0 || lengthBytes === 0) {
      throw damaged(file, `${where} is not of whole MiB`);
    }
    if (fileOffset < end) throw damaged(file, `${where} overlaps what is before it`);
    if (fileOffset + lengthBytes > file.sizeBytes) throw damaged(file, `${where} lies beyond the end of the file`);
    if (isRequired && guid !== REGION_BAT && guid !== REGION_METADATA) {
      throw unsupported(file, `it requires a region ${guid}, which this version does not know`);
    }
    end = fileOffset + lengthBytes;
  }
}

function entryOffset(index: number): number {
  return RegionTableHeader.$size + index * RegionTableEntry.$size;
}
