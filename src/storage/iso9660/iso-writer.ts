/**
 * Writes an ISO 9660 file system whose files all lie in its root, with long names by Rock Ridge for Linux and by Joliet
 * for everybody else [ECMA-119; RRIP; Joliet]. Files are written as they come, and the directories behind them at the
 * end, so that an image of any size takes no memory. It writes no folders and no boot records.
 */

import { OperatingError } from '../../kit/errors.ts';
import { viewOf } from '../../kit/view.ts';
import {
  BigPathRecord, DESCRIPTOR_SECTOR, DescriptorType, DirectoryRecord, ISO_SECTOR_BYTES, JOLIET_ESCAPE, LittlePathRecord,
  PosixAttributes, ROCK_RIDGE_ID, RecordFlag, SHARING_CHECK, STANDARD_ID, VolumeDescriptor,
} from '../../protocols/iso9660.ts';
import type { BlockFile } from '../block-file.ts';

/** Behind the two descriptors and their terminator. */
const FIRST_DATA_SECTOR = DESCRIPTOR_SECTOR + 3;
/** A directory record has 255 bytes: so much is left for a name in it twice, in 8 bit and in its Rock Ridge entry. */
const NAME_BYTES_MAX = 120;
const JOLIET_NAME_CHARACTERS_MAX = 64;
const FILE_BYTES_MAX = 0xffff_f800;
const FILE_MODE = 0o100444;
const FOLDER_MODE = 0o040555;
const ROOT_NAME = Uint8Array.of(0);
const PARENT_NAME = Uint8Array.of(1);

interface WrittenFile {
  readonly name: string;
  readonly sector: number;
  readonly sizeBytes: number;
}

interface Folder {
  readonly sector: number;
  readonly sizeBytes: number;
}

/**
 * @example
 * const writer = new IsoWriter(file, { label: 'cidata', modifiedMs: Date.now() });
 * writer.addFile('meta-data', bytes);
 * writer.finish();
 */
export class IsoWriter {
  readonly #file: BlockFile;
  readonly #label: string;
  readonly #recordedAt: Uint8Array;
  readonly #files: WrittenFile[] = [];
  #nextSector = FIRST_DATA_SECTOR;

  constructor(file: BlockFile, { label, modifiedMs }: { readonly label: string; readonly modifiedMs: number }) {
    this.#file = file;
    this.#label = label;
    this.#recordedAt = recordTime(modifiedMs);
  }

  addFile(name: string, data: Uint8Array): void {
    const isTaken = this.#files.some((file) => file.name === name);
    if (!/^[\x21-\x7e]+$/.test(name) || name.includes('/') || name.length > NAME_BYTES_MAX || isTaken) {
      throw new OperatingError('bad-input', `${JSON.stringify(name)} is no name of one more file on a disc`);
    }
    if (data.length > FILE_BYTES_MAX) throw new OperatingError('bad-input', `${name} is too large for a disc`);
    const sector = this.#nextSector;
    this.#files.push({ name, sector, sizeBytes: data.length });
    this.#append(data);
  }

  /** Writes what leads to the files. Once. */
  finish(): void {
    this.#files.sort((a, b) => (a.name < b.name ? -1 : 1));
    const plain = this.#writeFolder((file, index) => shortName(file.name, index), true);
    const joliet = this.#writeFolder((file) => jolietName(file.name), false);
    const volumes = [
      { type: DescriptorType.Primary, folder: plain, label: padded(this.#label.toUpperCase(), 32), escapes: '' },
      {
        type: DescriptorType.Supplementary, folder: joliet, label: utf16(this.#label.padEnd(16, ' ')),
        escapes: JOLIET_ESCAPE,
      },
    ];
    const tables = volumes.map(({ folder }) => this.#writePathTables(folder));
    const volumeSectors = this.#nextSector;
    const descriptors = new Uint8Array(3 * ISO_SECTOR_BYTES);
    for (const [index, volume] of volumes.entries()) {
      this.#describe(viewOf(descriptors), index * ISO_SECTOR_BYTES, { ...volume, ...tables[index]!, volumeSectors });
    }
    VolumeDescriptor.encode(viewOf(descriptors), 2 * ISO_SECTOR_BYTES, {
      type: DescriptorType.Terminator, standardId: STANDARD_ID, version: 1,
    });
    this.#file.writeSync(descriptors, 0, descriptors.length, DESCRIPTOR_SECTOR * ISO_SECTOR_BYTES);
    this.#file.truncateSync(volumeSectors * ISO_SECTOR_BYTES);
  }

  #append(data: Uint8Array): void {
    this.#file.writeSync(data, 0, data.length, this.#nextSector * ISO_SECTOR_BYTES);
    this.#nextSector += Math.ceil(data.length / ISO_SECTOR_BYTES);
  }

  #writeFolder(nameOf: (file: WrittenFile, index: number) => Uint8Array, hasRockRidge: boolean): Folder {
    const folder = { sector: this.#nextSector, isFolder: true };
    const make = (sizeBytes: number): Uint8Array[] => [
      this.#record({
        ...folder, sizeBytes, name: ROOT_NAME,
        systemUse: hasRockRidge ? Buffer.concat([sharing(), reference(), attributes(FOLDER_MODE)]) : undefined,
      }),
      this.#record({
        ...folder, sizeBytes, name: PARENT_NAME, systemUse: hasRockRidge ? attributes(FOLDER_MODE) : undefined,
      }),
      ...this.#files.map((file, index) => this.#record({
        ...file, isFolder: false, name: nameOf(file, index),
        systemUse: hasRockRidge ? Buffer.concat([attributes(FILE_MODE), alternateName(file.name)]) : undefined,
      })),
    ];
    const sizeBytes = inSectors(make(0)).length;
    const content = inSectors(make(sizeBytes));
    this.#append(content);
    return { sector: folder.sector, sizeBytes };
  }

  #record({ name, sector, sizeBytes, isFolder, systemUse = new Uint8Array(0) }: {
    readonly name: Uint8Array; readonly sector: number; readonly sizeBytes: number; readonly isFolder: boolean;
    readonly systemUse?: Uint8Array | undefined;
  }): Uint8Array {
    const nameEnd = DirectoryRecord.$size + name.length;
    const start = nameEnd + (nameEnd & 1);
    const record = new Uint8Array(start + systemUse.length + (systemUse.length & 1));
    DirectoryRecord.encode(viewOf(record), 0, {
      recordBytes: record.length, extentSector: sector, dataBytes: sizeBytes, recordedAt: this.#recordedAt,
      flags: isFolder ? RecordFlag.Directory : 0, volumeNumber: 1, nameBytes: name.length,
    });
    record.set(name, DirectoryRecord.$size);
    record.set(systemUse, start);
    return record;
  }

  /** The root alone, in both byte orders. */
  #writePathTables(folder: Folder): { littlePathTable: number; bigPathTable: number } {
    const place = this.#nextSector;
    for (const layout of [LittlePathRecord, BigPathRecord]) {
      const table = new Uint8Array(layout.$size + 2);
      layout.encode(viewOf(table), 0, { nameBytes: 1, extentSector: folder.sector, parentNumber: 1 });
      this.#append(table);
    }
    return { littlePathTable: place, bigPathTable: place + 1 };
  }

  #describe(view: DataView, at: number, { folder, type, label, escapes, ...values }: {
    readonly folder: Folder; readonly type: number; readonly label: Uint8Array; readonly escapes: string;
    readonly volumeSectors: number; readonly littlePathTable: number; readonly bigPathTable: number;
  }): void {
    const blank = type === DescriptorType.Primary ? padded : (text: string, size: number): Uint8Array =>
      utf16(text.padEnd(size / 2, ' '));
    const blanks = (size: number): Uint8Array => blank('', size);
    VolumeDescriptor.encode(view, at, {
      ...values, type, standardId: STANDARD_ID, version: 1, systemId: blanks(32), volumeId: label, escapes, setSize: 1,
      sequenceNumber: 1, sectorBytes: ISO_SECTOR_BYTES, pathTableBytes: LittlePathRecord.$size + 2,
      rootRecord: this.#record({ ...folder, name: ROOT_NAME, isFolder: true }), volumeSetId: blanks(128),
      publisherId: blanks(128), preparerId: blanks(128), applicationId: blanks(128), copyrightFile: blanks(37),
      abstractFile: blanks(37), bibliographicFile: blanks(37), created: NO_TIME, modified: NO_TIME, expires: NO_TIME,
      effective: NO_TIME, structureVersion: 1,
    });
  }
}

/** Sixteen digits "0" and an offset of zero: no time [8.4.26.1]. */
const NO_TIME = Uint8Array.from([...'0'.repeat(16)].map(() => 0x30).concat(0));

/** Years since 1900, month, day, hour, minute, second, offset from UTC [9.1.5]. */
function recordTime(timeMs: number): Uint8Array {
  const time = new Date(timeMs);
  return Uint8Array.of(
    time.getUTCFullYear() - 1900, time.getUTCMonth() + 1, time.getUTCDate(), time.getUTCHours(), time.getUTCMinutes(),
    time.getUTCSeconds(), 0,
  );
}

/** A name of the plain tree, different for every file: "META_DATA" becomes "META_000.;1". */
function shortName(name: string, index: number): Uint8Array {
  const start = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_').slice(0, 4);
  return Buffer.from(`${start}${index.toString(36).toUpperCase().padStart(4, '0')}.;1`, 'latin1');
}

function jolietName(name: string): Uint8Array {
  return utf16(name.slice(0, JOLIET_NAME_CHARACTERS_MAX));
}

/** Big-endian UCS-2. */
function utf16(text: string): Uint8Array {
  return Buffer.from(text, 'utf16le').swap16();
}

function padded(text: string, size: number): Uint8Array {
  return Buffer.from(text.padEnd(size, ' ').slice(0, size), 'latin1');
}

function sharing(): Uint8Array {
  return Uint8Array.of(0x53, 0x50, 7, 1, ...SHARING_CHECK, 0);
}

/** "ER": whose system use entries these are, without describing them [SUSP 5.5]. */
function reference(): Uint8Array {
  const id = Buffer.from(ROCK_RIDGE_ID, 'latin1');
  return Uint8Array.of(0x45, 0x52, 8 + id.length, 1, id.length, 0, 0, 1, ...id);
}

function attributes(mode: number): Uint8Array {
  const entry = new Uint8Array(PosixAttributes.$size);
  PosixAttributes.encode(viewOf(entry), 0, {
    signature: 'PX', lengthBytes: PosixAttributes.$size, version: 1, mode, links: 1,
  });
  return entry;
}

/** "NM" [RRIP 4.1.4]. */
function alternateName(name: string): Uint8Array {
  const text = Buffer.from(name, 'latin1');
  return Uint8Array.of(0x4e, 0x4d, 5 + text.length, 1, 0, ...text);
}

/** No record crosses the end of a sector [6.8.1.1]. */
function inSectors(records: readonly Uint8Array[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  let at = 0;
  const pad = (bytes: number): void => {
    pieces.push(new Uint8Array(bytes));
    at += bytes;
  };
  for (const record of records) {
    const left = ISO_SECTOR_BYTES - (at % ISO_SECTOR_BYTES);
    if (record.length > left) pad(left);
    pieces.push(record);
    at += record.length;
  }
  if (at % ISO_SECTOR_BYTES !== 0) pad(ISO_SECTOR_BYTES - (at % ISO_SECTOR_BYTES));
  return Buffer.concat(pieces);
}
