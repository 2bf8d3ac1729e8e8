/**
 * An ISO 9660 file system, read: by its Rock Ridge names where it has them, else by Joliet's, else by its own
 * [ECMA-119; RRIP; Joliet]. Symbolic links, files in several pieces and folders that were moved are not read.
 */

import { viewOf } from '../../kit/view.ts';
import {
  DESCRIPTOR_SECTOR, DescriptorType, DirectoryRecord, ISO_SECTOR_BYTES, RecordFlag, STANDARD_ID, SystemUseEntry,
  VolumeDescriptor,
} from '../../protocols/iso9660.ts';
import { damaged } from '../damaged.ts';
import type { FileNode, FileSystemFormat } from '../file-system.ts';
import type { Volume } from '../volume.ts';

interface IsoNode extends FileNode {
  readonly sector: number;
}

interface Entry extends IsoNode {
  readonly name: string;
}

const DESCRIPTORS_MAX = 32;
const FOLDER_BYTES_MAX = 16 * 2 ** 20;
const CONTINUATIONS_MAX = 8;

export function isIso9660(volume: Volume): boolean {
  return descriptorOf(volume, DescriptorType.Primary) !== undefined;
}

export class Iso9660 implements FileSystemFormat<IsoNode> {
  readonly kind = 'iso9660';
  readonly root: IsoNode;
  readonly uuid: string;
  readonly label: string;
  readonly #volume: Volume;
  readonly #hasRockRidge: boolean;
  readonly #isJoliet: boolean;

  constructor(volume: Volume) {
    const primary = descriptorOf(volume, DescriptorType.Primary);
    if (primary === undefined) throw damaged(volume, 'it does not begin as an ISO 9660 file system');
    this.#volume = volume;
    const plain = nodeOf(viewOf(VolumeDescriptor.rootRecord.get(viewOf(primary), 0)), 0);
    this.#hasRockRidge = [...this.#records(plain)].slice(0, 1).some(({ systemUse }) => hasEntry(systemUse, 'SP'));
    const joliet = descriptorOf(volume, DescriptorType.Supplementary);
    this.#isJoliet = !this.#hasRockRidge && joliet !== undefined;
    const root = this.#isJoliet ? VolumeDescriptor.rootRecord.get(viewOf(joliet!), 0) : undefined;
    this.root = root === undefined ? plain : nodeOf(viewOf(root), 0);
    const { volumeId, modified } = VolumeDescriptor.decode(viewOf(primary), 0);
    this.label = Buffer.from(volumeId).toString('latin1').trimEnd();
    // As Linux shows it: the time of the last change.
    this.uuid = Buffer.from(modified).toString('latin1').slice(0, 16)
      .replace(/^(....)(..)(..)(..)(..)(..)(..)$/, '$1-$2-$3-$4-$5-$6-$7');
  }

  find(folder: IsoNode, name: string): IsoNode | undefined {
    return this.#entries(folder).find((entry) => entry.name === name);
  }

  names(folder: IsoNode): string[] {
    return this.#entries(folder).map(({ name }) => name);
  }

  read(node: IsoNode, lengthBytes: number): Uint8Array {
    return this.#volume.read(node.sector * ISO_SECTOR_BYTES, lengthBytes);
  }

  #entries(folder: IsoNode): Entry[] {
    return [...this.#records(folder)].slice(2).flatMap(({ node, name, systemUse }) => {
      const text = this.#hasRockRidge ? this.#longName(systemUse) ?? plainName(name)
        : this.#isJoliet ? Buffer.from(name).swap16().toString('utf16le').replace(/;\d+$/, '') : plainName(name);
      return text === '' ? [] : [{ ...node, name: text }];
    });
  }

  *#records(folder: IsoNode): Generator<{ node: IsoNode; name: Uint8Array; systemUse: Uint8Array }> {
    if (folder.sizeBytes > FOLDER_BYTES_MAX) throw damaged(this.#volume, `a folder has ${folder.sizeBytes} bytes`);
    const data = this.read(folder, folder.sizeBytes);
    for (let at = 0; at + DirectoryRecord.$size <= data.length;) {
      const length = data[at]!;
      if (length === 0) {
        at = (Math.floor(at / ISO_SECTOR_BYTES) + 1) * ISO_SECTOR_BYTES;
        continue;
      }
      const record = data.subarray(at, at + length);
      const nameBytes = record[DirectoryRecord.nameBytes.offset] ?? 0;
      const nameEnd = DirectoryRecord.$size + nameBytes;
      if (nameBytes === 0 || nameEnd > record.length) throw damaged(this.#volume, `a folder has a record of ${length}`);
      yield {
        node: nodeOf(viewOf(record), 0), name: record.slice(DirectoryRecord.$size, nameEnd),
        systemUse: record.subarray(nameEnd + (nameEnd & 1)),
      };
      at += length;
    }
  }

  /** The pieces of the alternate name, which may go on elsewhere [RRIP 4.1.4; SUSP 5.1]. */
  #longName(systemUse: Uint8Array): string | undefined {
    let name: string | undefined;
    let area = systemUse;
    for (let count = 0; count < CONTINUATIONS_MAX; count++) {
      let next: Uint8Array | undefined;
      for (const { signature, data } of systemEntries(area)) {
        if (signature === 'NM') name = (name ?? '') + Buffer.from(data.subarray(1)).toString('utf8');
        if (signature === 'CE' && data.length >= 24) {
          const view = viewOf(data);
          const place = view.getUint32(0, true) * ISO_SECTOR_BYTES + view.getUint32(8, true);
          next = this.#volume.read(place, Math.min(view.getUint32(16, true), ISO_SECTOR_BYTES));
        }
      }
      if (next === undefined) break;
      area = next;
    }
    return name;
  }
}

function* systemEntries(area: Uint8Array): Generator<{ signature: string; data: Uint8Array }> {
  for (let at = 0; at + SystemUseEntry.$size <= area.length;) {
    const { signature, lengthBytes } = SystemUseEntry.decode(viewOf(area), at);
    if (lengthBytes < SystemUseEntry.$size || at + lengthBytes > area.length) return;
    yield { signature, data: area.subarray(at + SystemUseEntry.$size, at + lengthBytes) };
    at += lengthBytes;
  }
}

function hasEntry(area: Uint8Array, wanted: string): boolean {
  return [...systemEntries(area)].some(({ signature }) => signature === wanted);
}

/** "NAME.TXT;1" is name.txt, as Linux shows it. */
function plainName(name: Uint8Array): string {
  return Buffer.from(name).toString('latin1').replace(/;\d+$/, '').replace(/\.$/, '').toLowerCase();
}

function nodeOf(view: DataView, at: number): IsoNode {
  const { extentSector, dataBytes, flags } = DirectoryRecord.decode(view, at);
  if ((flags & RecordFlag.MultiExtent) !== 0) return { kind: 'other', sizeBytes: 0, sector: extentSector };
  const kind = (flags & RecordFlag.Directory) === 0 ? 'file' : 'folder';
  return { kind, sizeBytes: dataBytes, sector: extentSector };
}

/** The first descriptor of a type; of supplementary ones, of Joliet's. */
function descriptorOf(volume: Volume, type: number): Uint8Array | undefined {
  for (let index = 0; index < DESCRIPTORS_MAX; index++) {
    const at = (DESCRIPTOR_SECTOR + index) * ISO_SECTOR_BYTES;
    if (at + ISO_SECTOR_BYTES > volume.sizeBytes) return undefined;
    const bytes = volume.read(at, ISO_SECTOR_BYTES);
    const { type: found, standardId, escapes } = VolumeDescriptor.decode(viewOf(bytes), 0);
    if (standardId !== STANDARD_ID || found === DescriptorType.Terminator) return undefined;
    if (found === type && (type === DescriptorType.Primary || /^%\/[@CE]/.test(escapes))) return bytes;
  }
  return undefined;
}
