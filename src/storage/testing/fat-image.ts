/** A FAT file system in memory for tests, with one folder below the root and long names. */

import { viewOf } from '../../kit/view.ts';
import {
  FAT_SIGNATURE, Fat32Parameters, FatAttribute, FatEntry, FatParameters, LONG_NAME_LAST, LONG_NAME_OFFSETS,
} from '../../protocols/fat.ts';

const SECTOR = 512;
const RESERVED = 4;
const ROOT_ENTRIES = 64;
const CLUSTERS = { 12: 200, 16: 5000, 32: 66_000 } as const;
const PER_PART = LONG_NAME_OFFSETS.length;

/** @param files by their names, in one folder. */
export function fatImage(
  bits: 12 | 16 | 32, files: Readonly<Record<string, Uint8Array>>, folderName = 'loader',
): Uint8Array {
  const clusters = CLUSTERS[bits];
  const tableSectors = Math.ceil((clusters + 2) * bits / 8 / SECTOR);
  const rootSectors = bits === 32 ? 0 : ROOT_ENTRIES * FatEntry.$size / SECTOR;
  const dataSector = RESERVED + tableSectors + rootSectors;
  const image = new Uint8Array((dataSector + clusters) * SECTOR);
  const view = viewOf(image);
  FatParameters.encode(view, 0, {
    sectorBytes: SECTOR, clusterSectors: 1, reservedSectors: RESERVED, tables: 1, totalSectors32: image.length / SECTOR,
    rootEntries: bits === 32 ? 0 : ROOT_ENTRIES, tableSectors16: bits === 32 ? 0 : tableSectors, serial: 0x1234abcd,
    label: 'THE LABEL',
  });
  if (bits === 32) {
    Fat32Parameters.encode(view, 0, {
      tableSectors32: tableSectors, rootCluster: 2, serial: 0x1234abcd, label: 'THE LABEL', common: image.slice(0, 36),
    });
  }
  view.setUint16(SECTOR - 2, FAT_SIGNATURE, true);
  let next = bits === 32 ? 3 : 2;
  const link = (cluster: number, value: number): void => {
    const at = RESERVED * SECTOR + Math.floor(cluster * bits / 8);
    if (bits === 32) view.setUint32(at, value, true);
    else if (bits === 16) view.setUint16(at, value, true);
    else {
      const old = view.getUint16(at, true);
      view.setUint16(at, (cluster & 1) === 0 ? (old & 0xf000) | value : (old & 0xf) | (value << 4), true);
    }
  };
  const end = 2 ** Math.min(bits, 28) - 1;
  const put = (data: Uint8Array): number => {
    const first = next;
    const count = Math.max(1, Math.ceil(data.length / SECTOR));
    // Every second cluster, so that nobody takes them for one piece.
    for (let index = 0; index < count; index++) {
      const cluster = first + 2 * index;
      image.set(data.subarray(index * SECTOR, (index + 1) * SECTOR), (dataSector + cluster - 2) * SECTOR);
      link(cluster, index + 1 < count ? cluster + 2 : end);
    }
    next = first + 2 * count;
    return first;
  };
  const names = Object.entries(files).map(([name, data]) => entryOf(name, put(data), data.length, 0));
  const folder = Buffer.concat([entryOf('.', 0, 0, FatAttribute.Directory), ...names]);
  const root = Buffer.concat([
    entryOf('THE LABEL', 0, 0, FatAttribute.Volume), entryOf(folderName, put(folder), 0, FatAttribute.Directory),
  ]);
  if (bits === 32) link(2, end);
  image.set(root, bits === 32 ? dataSector * SECTOR : (dataSector - rootSectors) * SECTOR);
  return image;
}

function entryOf(name: string, cluster: number, sizeBytes: number, attributes: number): Uint8Array {
  const isShort = name === name.toUpperCase();
  const parts = isShort ? [] : Array.from({ length: Math.ceil(name.length / PER_PART) }, (_, index) => {
    const part = new Uint8Array(FatEntry.$size);
    FatEntry.encode(viewOf(part), 0, { attributes: FatAttribute.LongName });
    const isLast = (index + 1) * PER_PART >= name.length;
    part[0] = (index + 1) | (isLast ? LONG_NAME_LAST : 0);
    const text = `${name}\0`.slice(index * PER_PART, (index + 1) * PER_PART).padEnd(PER_PART, '\uffff');
    for (const [at, offset] of LONG_NAME_OFFSETS.entries()) {
      viewOf(part).setUint16(offset, text.charCodeAt(at), true);
    }
    return part;
  });
  const entry = new Uint8Array(FatEntry.$size);
  FatEntry.encode(viewOf(entry), 0, {
    name: isShort ? shortName(name) : `${name.toUpperCase().replaceAll(/[^A-Z]/g, '').slice(0, 6)}~1`.padEnd(8),
    attributes, clusterLow: cluster & 0xffff, clusterHigh: cluster >>> 16, sizeBytes,
  });
  return Buffer.concat([...parts.reverse(), entry]);
}

/** Eight characters, and three behind the dot that is not there. */
function shortName(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? name : name.slice(0, dot).padEnd(8) + name.slice(dot + 1);
}
