/** Disks in memory for tests: file systems put into partitions of a GPT or an MBR. */

import { crc32 } from 'node:zlib';
import { assert } from '../../kit/assert.ts';
import { viewOf } from '../../kit/view.ts';
import { GPT_SIGNATURE, GptEntry, GptHeader, MBR_SIGNATURE, MBR_SIGNATURE_OFFSET, MBR_TABLE_OFFSET, MBR_TYPE_GPT,
  MbrEntry } from '../../protocols/partition-tables.ts';
import type { BlockFile } from '../block-file.ts';
import type { Disk } from '../disk.ts';
import { RawDisk } from '../raw/raw-disk.ts';

const SECTOR = 512;
const FIRST_SECTOR = 2048;
const ENTRIES = 128;

export function diskOf(bytes: Uint8Array): Disk {
  return new RawDisk({ file: new BytesFile(bytes) });
}

/** Bytes as a file that is only read. */
class BytesFile implements BlockFile {
  readonly name = 'memory';
  readonly isReadOnly = true;
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.sizeBytes = bytes.length;
  }

  readSync(target: Uint8Array, targetOffset: number, lengthBytes: number, position: number): void {
    const found = this.#bytes.subarray(position, position + lengthBytes);
    target.set(found, targetOffset);
    target.fill(0, targetOffset + found.length, targetOffset + lengthBytes);
  }

  writeSync(): void {
    assert(false, 'a disk of a test is written to');
  }

  truncateSync(): void {
    assert(false, 'a disk of a test is cut');
  }

  flushSync(): void {}

  closeSync(): void {}
}

/** Partitions from 1 on, each as large as its content. */
export function gptDisk(contents: readonly Uint8Array[]): Uint8Array {
  const { bytes, places } = laidOut(contents, 34);
  const view = viewOf(bytes);
  MbrEntry.encode(view, MBR_TABLE_OFFSET, { type: MBR_TYPE_GPT, firstSector: 1, sectors: bytes.length / SECTOR - 1 });
  view.setUint16(MBR_SIGNATURE_OFFSET, MBR_SIGNATURE, true);
  const lastSector = bytes.length / SECTOR - 1;
  for (const [own, table] of [[1, 2], [lastSector, lastSector - 32]] as const) {
    GptHeader.encode(view, own * SECTOR, {
      signature: GPT_SIGNATURE, revision: 0x1_0000, headerBytes: GptHeader.$size, ownSector: own,
      otherSector: own === 1 ? lastSector : 1, firstUsable: FIRST_SECTOR, lastUsable: lastSector - 33,
      entriesSector: table, entries: ENTRIES, entryBytes: GptEntry.$size,
    });
    for (const [index, { start, sectors }] of places.entries()) {
      GptEntry.encode(view, table * SECTOR + index * GptEntry.$size, {
        type: '0fc63daf-8483-4772-8e79-3d69d8477de4', id: `00000000-0000-0000-0000-00000000000${index + 1}`,
        firstSector: start, lastSector: start + sectors - 1,
      });
    }
    const entries = bytes.subarray(table * SECTOR, (table + ENTRIES * GptEntry.$size / SECTOR) * SECTOR);
    GptHeader.entriesChecksum.set(view, own * SECTOR, crc32(entries));
    const header = bytes.subarray(own * SECTOR, own * SECTOR + GptHeader.$size);
    GptHeader.checksum.set(view, own * SECTOR, crc32(header));
  }
  return bytes;
}

/** Partitions 1 to 3, and from the fourth on logical ones, from 5 on. */
export function mbrDisk(contents: readonly Uint8Array[]): Uint8Array {
  const { bytes, places } = laidOut(contents, 0);
  const view = viewOf(bytes);
  const write = (sector: number, row: number, type: number, firstSector: number, sectors: number): void => {
    MbrEntry.encode(view, sector * SECTOR + MBR_TABLE_OFFSET + row * MbrEntry.$size, { type, firstSector, sectors });
    view.setUint16(sector * SECTOR + MBR_SIGNATURE_OFFSET, MBR_SIGNATURE, true);
  };
  for (const [row, { start, sectors }] of places.slice(0, 3).entries()) write(0, row, 0x83, start, sectors);
  const logical = places.slice(3);
  const extended = (logical[0]?.start ?? 0) - 1;
  if (logical.length > 0) write(0, 3, 0x05, extended, bytes.length / SECTOR - extended);
  for (const [index, { start, sectors }] of logical.entries()) {
    // The table of each is in the sector before it.
    write(start - 1, 0, 0x83, 1, sectors);
    const next = logical[index + 1];
    if (next !== undefined) write(start - 1, 1, 0x05, next.start - 1 - extended, next.sectors + 1);
  }
  return bytes;
}

function laidOut(contents: readonly Uint8Array[], sectorsBehind: number): {
  bytes: Uint8Array; places: { start: number; sectors: number }[];
} {
  let next = FIRST_SECTOR;
  const places = contents.map((content) => {
    const place = { start: next, sectors: Math.ceil(content.length / SECTOR) };
    next += place.sectors + 1;
    return place;
  });
  const bytes = new Uint8Array((next + sectorsBehind) * SECTOR);
  for (const [index, content] of contents.entries()) bytes.set(content, places[index]!.start * SECTOR);
  return { bytes, places };
}
