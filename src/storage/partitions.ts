/** The partitions of a disk, by its GPT or its MBR; a disk without either is one volume. */

import { viewOf } from '../kit/view.ts';
import {
  GPT_SIGNATURE, GptEntry, GptHeader, MBR_ACTIVE, MBR_BYTES, MBR_ENTRIES, MBR_EXTENDED_TYPES, MBR_SIGNATURE,
  MBR_SIGNATURE_OFFSET, MBR_TABLE_OFFSET, MBR_TYPE_GPT, MbrEntry,
} from '../protocols/partition-tables.ts';
import type { Disk } from './disk.ts';
import { NULL_GUID } from './guid.ts';
import { Volume } from './volume.ts';

export interface Partition {
  /** As the kernel counts them: `sda1` is 1. The disk itself is 0. */
  readonly number: number;
  /** As the kernel names it (`root=PARTUUID=`); empty for a disk without partitions. */
  readonly partitionUuid: string;
  readonly volume: Volume;
}

const LOGICAL_MAX = 60;
const GPT_ENTRIES_MAX = 1024;

export function readPartitions(disk: Disk): Partition[] {
  const whole = new Volume(disk, disk.name, 0, disk.geometry.sizeBytes);
  if (whole.sizeBytes < MBR_BYTES) return [];
  const gpt = readGpt(disk, whole);
  if (gpt !== undefined) return gpt;
  const mbr = readMbr(disk, whole);
  return mbr.length > 0 ? mbr : [{ number: 0, partitionUuid: '', volume: whole }];
}

function volumeOf(disk: Disk, number: number, startSector: number, sectors: number): Volume {
  const { logicalSectorBytes } = disk.geometry;
  const name = `partition ${number} of ${disk.name}`;
  return new Volume(disk, name, startSector * logicalSectorBytes, sectors * logicalSectorBytes);
}

/** The first table, or the one at the end where that is damaged. */
function readGpt(disk: Disk, whole: Volume): Partition[] | undefined {
  const { logicalSectorBytes, sizeBytes } = disk.geometry;
  for (const place of [logicalSectorBytes, sizeBytes - logicalSectorBytes]) {
    if (place < logicalSectorBytes || place + logicalSectorBytes > sizeBytes) continue;
    const header = GptHeader.decode(viewOf(whole.read(place, GptHeader.$size)), 0);
    const { signature, entries, entryBytes, entriesSector } = header;
    const start = entriesSector * logicalSectorBytes;
    const isRight = signature === GPT_SIGNATURE && entries <= GPT_ENTRIES_MAX && entryBytes >= GptEntry.$size
      && entryBytes <= 4096 && start + entries * entryBytes <= sizeBytes;
    if (isRight) return gptEntries(disk, whole.read(start, entries * entryBytes), entryBytes);
  }
  return undefined;
}

function gptEntries(disk: Disk, table: Uint8Array, entryBytes: number): Partition[] {
  const partitions: Partition[] = [];
  for (let index = 0; (index + 1) * entryBytes <= table.length; index++) {
    const entry = GptEntry.decode(viewOf(table), index * entryBytes);
    const { firstSector, lastSector } = entry;
    if (entry.type === NULL_GUID || lastSector < firstSector) continue;
    const volume = volumeOf(disk, index + 1, firstSector, lastSector - firstSector + 1);
    partitions.push({ number: index + 1, partitionUuid: entry.id, volume });
  }
  return partitions;
}

function readMbr(disk: Disk, whole: Volume): Partition[] {
  const signature = viewOf(whole.read(0, MBR_BYTES)).getUint32(440, true);
  const uuid = (number: number): string =>
    `${signature.toString(16).padStart(8, '0')}-${number.toString(16).padStart(2, '0')}`;
  const partitions: Partition[] = [];
  for (const [index, entry] of tableAt(disk, whole, 0).entries()) {
    const { type, firstSector, sectors } = entry;
    if (type === 0 || type === MBR_TYPE_GPT || sectors === 0) continue;
    if (MBR_EXTENDED_TYPES.includes(type)) {
      for (const logical of logicalPartitions(disk, whole, firstSector)) {
        const number = 5 + partitions.filter((each) => each.number >= 5).length;
        const volume = volumeOf(disk, number, logical.firstSector, logical.sectors);
        partitions.push({ number, partitionUuid: uuid(number), volume });
      }
      continue;
    }
    const volume = volumeOf(disk, index + 1, firstSector, sectors);
    partitions.push({ number: index + 1, partitionUuid: uuid(index + 1), volume });
  }
  return partitions.filter(({ volume }) => volume.sizeBytes > 0);
}

interface MbrRow {
  readonly type: number;
  readonly firstSector: number;
  readonly sectors: number;
}

/** Each table holds one partition, and where in the extended one the next table is. */
function logicalPartitions(disk: Disk, whole: Volume, extended: number): MbrRow[] {
  const found: MbrRow[] = [];
  let table = extended;
  for (let count = 0; count < LOGICAL_MAX; count++) {
    const rows = tableAt(disk, whole, table);
    const own = rows.find(({ type, sectors }) => type !== 0 && sectors > 0 && !MBR_EXTENDED_TYPES.includes(type));
    if (own !== undefined) found.push({ ...own, firstSector: table + own.firstSector });
    const next = rows.find(({ type }) => MBR_EXTENDED_TYPES.includes(type));
    if (next === undefined) break;
    table = extended + next.firstSector;
  }
  return found;
}

/** No rows where there is no table. */
function tableAt(disk: Disk, whole: Volume, sector: number): MbrRow[] {
  const place = sector * disk.geometry.logicalSectorBytes;
  if (place + MBR_BYTES > whole.sizeBytes) return [];
  const view = viewOf(whole.read(place, MBR_BYTES));
  if (view.getUint16(MBR_SIGNATURE_OFFSET, true) !== MBR_SIGNATURE) return [];
  const rows = Array.from({ length: MBR_ENTRIES }, (_, index) =>
    MbrEntry.decode(view, MBR_TABLE_OFFSET + index * MbrEntry.$size));
  // A file system on the whole disk may begin with a boot sector of its own, which has the same signature.
  return rows.every(({ status }) => (status & ~MBR_ACTIVE) === 0) ? rows : [];
}
