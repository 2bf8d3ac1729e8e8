/** A FAT12, FAT16 or FAT32 file system, read, with long names [Microsoft FAT32 File System Specification 1.03]. */

import { viewOf } from '../../kit/view.ts';
import {
  FAT12_CLUSTERS, FAT16_CLUSTERS, FAT_BOOT_BYTES, FAT_ENTRY_FREE, FAT_SIGNATURE, Fat32Parameters, FatAttribute,
  FatEntry, FatParameters, LONG_NAME_LAST, LONG_NAME_OFFSETS, LONG_NAME_ORDER_MASK,
} from '../../protocols/fat.ts';
import { damaged } from '../damaged.ts';
import type { FileNode, FileSystemFormat } from '../file-system.ts';
import type { Volume } from '../volume.ts';

interface FatNode extends FileNode {
  /** Where its content begins; 0 is the root of FAT12 and FAT16, and nothing for a file. */
  readonly cluster: number;
}

interface Entry extends FatNode {
  readonly names: readonly string[];
}

const FOLDER_BYTES_MAX = 2 ** 21;
const LONG_NAME_PARTS_MAX = 20;

/** What the parameters say, in bytes. */
interface Geometry {
  readonly bits: 12 | 16 | 32;
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly tableStart: number;
  readonly tableBytes: number;
  readonly rootStart: number;
  readonly rootBytes: number;
  readonly dataStart: number;
  readonly rootCluster: number;
  readonly serial: number;
  readonly label: string;
}

export function isFat(volume: Volume): boolean {
  return volume.sizeBytes >= FAT_BOOT_BYTES && geometryOf(volume) !== undefined;
}

export class Fat implements FileSystemFormat<FatNode> {
  readonly kind = 'fat';
  readonly root: FatNode;
  readonly #volume: Volume;
  readonly #geometry: Geometry;
  readonly #table: DataView;

  constructor(volume: Volume) {
    const geometry = geometryOf(volume);
    if (geometry === undefined) throw damaged(volume, 'it does not begin as a FAT file system');
    this.#volume = volume;
    this.#geometry = geometry;
    this.#table = viewOf(volume.read(geometry.tableStart, geometry.tableBytes));
    this.root = { kind: 'folder', sizeBytes: geometry.rootBytes, cluster: geometry.rootCluster };
  }

  /** As Linux shows it. */
  get uuid(): string {
    return this.#geometry.serial.toString(16).toUpperCase().padStart(8, '0').replace(/^(.{4})/, '$1-');
  }

  get label(): string {
    return this.#geometry.label;
  }

  find(folder: FatNode, name: string): FatNode | undefined {
    const wanted = name.toLowerCase();
    return this.#entries(folder).find(({ names }) => names.some((each) => each.toLowerCase() === wanted));
  }

  names(folder: FatNode): string[] {
    return this.#entries(folder).map(({ names }) => names[0]!).filter((name) => name !== '.' && name !== '..');
  }

  read(node: FatNode, lengthBytes: number): Uint8Array {
    const target = new Uint8Array(lengthBytes);
    const { clusterBytes } = this.#geometry;
    let cluster = node.cluster;
    for (let done = 0; done < lengthBytes; done += clusterBytes) {
      const length = Math.min(clusterBytes, lengthBytes - done);
      this.#volume.readInto(target, done, length, this.#positionOf(cluster));
      if (done + clusterBytes < lengthBytes) cluster = this.#nextOf(cluster) ?? this.#endsEarly();
    }
    return target;
  }

  #endsEarly(): never {
    throw damaged(this.#volume, 'a file in it ends before it has its size');
  }

  #positionOf(cluster: number): number {
    const { clusters, dataStart, clusterBytes } = this.#geometry;
    if (cluster < 2 || cluster >= clusters + 2) throw damaged(this.#volume, `it has no cluster ${cluster}`);
    return dataStart + (cluster - 2) * clusterBytes;
  }

  #nextOf(cluster: number): number | undefined {
    const { bits, clusters } = this.#geometry;
    let next: number;
    if (bits === 32) next = this.#table.getUint32(cluster * 4, true) & 0x0fff_ffff;
    else if (bits === 16) next = this.#table.getUint16(cluster * 2, true);
    else next = this.#table.getUint16(cluster + (cluster >>> 1), true) >>> ((cluster & 1) * 4) & 0xfff;
    return next >= 2 && next < clusters + 2 ? next : undefined;
  }

  #folderContent(folder: FatNode): Uint8Array {
    const { rootStart, rootBytes, clusterBytes } = this.#geometry;
    if (folder.cluster === 0) return this.#volume.read(rootStart, rootBytes);
    const pieces: Uint8Array[] = [];
    for (let cluster: number | undefined = folder.cluster; cluster !== undefined; cluster = this.#nextOf(cluster)) {
      if (pieces.length * clusterBytes >= FOLDER_BYTES_MAX) throw damaged(this.#volume, 'a folder in it has no end');
      pieces.push(this.#volume.read(this.#positionOf(cluster), clusterBytes));
    }
    return Buffer.concat(pieces);
  }

  #entries(folder: FatNode): Entry[] {
    const data = this.#folderContent(folder);
    const view = viewOf(data);
    const entries: Entry[] = [];
    let long = new LongName();
    for (let at = 0; at + FatEntry.$size <= data.length && data[at] !== 0; at += FatEntry.$size) {
      const { name, attributes, clusterHigh, clusterLow, sizeBytes } = FatEntry.decode(view, at);
      if (data[at] === FAT_ENTRY_FREE) {
        long = new LongName();
      } else if ((attributes & FatAttribute.LongNameMask) === FatAttribute.LongName) {
        long.add(view, at);
      } else {
        const isFolder = (attributes & FatAttribute.Directory) !== 0;
        const isVolume = (attributes & FatAttribute.Volume) !== 0;
        const short = [name.slice(0, 8).trimEnd(), name.slice(8).trimEnd()].filter((part) => part !== '').join('.');
        const names = [...long.text === undefined ? [] : [long.text], short];
        // The parent of a folder in the root is cluster 0 in FAT32, too.
        const high = this.#geometry.bits === 32 ? clusterHigh : 0;
        const cluster = clusterLow + high * 0x1_0000 || (isFolder ? this.#geometry.rootCluster : 0);
        if (!isVolume) entries.push({ names, kind: isFolder ? 'folder' : 'file', sizeBytes, cluster });
        long = new LongName();
      }
    }
    return entries;
  }
}

/** Gathers the parts of a long name, of which the last comes first. */
class LongName {
  readonly #parts: string[] = [];
  #expected = 0;

  add(view: DataView, at: number): void {
    const order = view.getUint8(at);
    const number = order & LONG_NAME_ORDER_MASK;
    if ((order & LONG_NAME_LAST) !== 0) {
      this.#parts.length = 0;
      this.#expected = number;
    }
    if (number === 0 || number > LONG_NAME_PARTS_MAX || number !== this.#expected) {
      this.#expected = -1;
      return;
    }
    this.#expected--;
    const units = LONG_NAME_OFFSETS.map((offset) => view.getUint16(at + offset, true));
    const end = units.indexOf(0);
    this.#parts.unshift(String.fromCharCode(...end < 0 ? units : units.slice(0, end)));
  }

  /** Once all of its parts are there. */
  get text(): string | undefined {
    return this.#expected === 0 && this.#parts.length > 0 ? this.#parts.join('') : undefined;
  }
}

/** Undefined for what is no FAT file system. */
function geometryOf(volume: Volume): Geometry | undefined {
  const view = viewOf(volume.read(0, FAT_BOOT_BYTES));
  const common = FatParameters.decode(view, 0);
  const wide = Fat32Parameters.decode(view, 0);
  const { sectorBytes, clusterSectors, tables, reservedSectors } = common;
  const isPower = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;
  if (view.getUint16(FAT_BOOT_BYTES - 2, true) !== FAT_SIGNATURE) return undefined;
  if (!isPower(sectorBytes) || sectorBytes < 512 || sectorBytes > 4096 || !isPower(clusterSectors)) return undefined;
  if (tables === 0 || tables > 4 || reservedSectors === 0) return undefined;
  const tableSectors = common.tableSectors16 === 0 ? wide.tableSectors32 : common.tableSectors16;
  const totalSectors = common.totalSectors16 === 0 ? common.totalSectors32 : common.totalSectors16;
  const rootStart = (reservedSectors + tables * tableSectors) * sectorBytes;
  const rootBytes = common.rootEntries * FatEntry.$size;
  const dataStart = rootStart + Math.ceil(rootBytes / sectorBytes) * sectorBytes;
  const clusterBytes = sectorBytes * clusterSectors;
  const room = Math.min(totalSectors * sectorBytes, volume.sizeBytes) - dataStart;
  const clusters = Math.floor(room / clusterBytes);
  if (tableSectors === 0 || clusters < 1) return undefined;
  const is32 = common.tableSectors16 === 0;
  const bits = is32 ? 32 : clusters < FAT12_CLUSTERS ? 12 : 16;
  if (bits === 16 && clusters >= FAT16_CLUSTERS) return undefined;
  // With room for the two bytes that the last entry of 12 bits is read with.
  const tableBytes = Math.min(tableSectors * sectorBytes, Math.ceil((clusters + 2) * bits / 8) + 2);
  if (tableBytes * 8 < (clusters + 2) * bits) return undefined;
  return {
    bits, clusterBytes, clusters, tableStart: reservedSectors * sectorBytes, tableBytes: tableBytes, rootStart,
    rootBytes, dataStart, rootCluster: is32 ? wide.rootCluster : 0, serial: is32 ? wide.serial : common.serial,
    label: is32 ? wide.label : common.label,
  };
}
