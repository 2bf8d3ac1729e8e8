/** Damaged VMDK images: each is read or refused in a sentence. */
import { deflateSync } from 'node:zlib';
import { VMDK_AT_END, VMDK_MAGIC, VmdkFlag, VmdkGrainMarker, VmdkSparseHeader } from '../src/protocols/vmdk.ts';
import type { BlockFile } from '../src/storage/block-file.ts';
import type { Disk } from '../src/storage/disk.ts';
import { CrashFile, generator, type Medium } from '../src/storage/testing/crash-file.ts';
import { damage, mediumOf } from '../src/storage/testing/damage.ts';
import { openVmdk } from '../src/storage/vmdk/open-vmdk.ts';
import { VmdkDisk } from '../src/storage/vmdk/vmdk-disk.ts';
import { tryDisk } from './disk-use.ts';

const SECTOR = 512;
const GRAIN_SECTORS = 8;
const ENTRIES = 16;
const CAPACITY = GRAIN_SECTORS * ENTRIES * 2;
const DESCRIPTOR = 1;
const DIRECTORY = 3;
const TABLE = 4;
const GRAINS = 5;
const TEXT = 'version=1\nparentCID=ffffffff\ncreateType="monolithicSparse"\nRW 256 SPARSE "x.vmdk"\n';
const OUTSIDE = '# Disk DescriptorFile\nparentCID=ffffffff\ncreateType="custom"\nRW 64 FLAT "a" 2\nRW 128 SPARSE "b"\n'
  + 'RW 9 ZERO\n';

export const target = {
  name: 'disk-vmdk',
  covers: ['src/storage/vmdk/'],
  run(seed: number, iterations: number): void {
    const next = generator(seed);
    const plain = mediumOf(image(false, false));
    const seeds = [plain, mediumOf(image(true, false)), mediumOf(image(true, true)), mediumOf(Buffer.from(OUTSIDE))];
    for (let iteration = 0; iteration < iterations; iteration++) {
      const which = next(seeds.length);
      const places = [0, 0, DESCRIPTOR, DIRECTORY, TABLE, TABLE, GRAINS].map((sector) => sector * SECTOR);
      const damaged = damage(seeds[which] as Medium, which === 3 ? [0] : places, next);
      const beside = damage(plain, places, next);
      const open = (file: BlockFile): Disk =>
        new VmdkDisk(openVmdk(file, () => new CrashFile(beside, undefined, { readOnly: true })));
      tryDisk(new CrashFile(damaged, undefined, { readOnly: true }), open, next);
    }
  },
};

/** One grain, one of zeros, and nothing else. */
function image(isDeflated: boolean, isAtEnd: boolean): Uint8Array {
  const bytes = new Uint8Array((GRAINS + 2 * GRAIN_SECTORS) * SECTOR + 3 * SECTOR);
  const view = new DataView(bytes.buffer);
  const header = {
    magic: VMDK_MAGIC, version: isDeflated ? 3 : 1, capacity: CAPACITY, grainSectors: GRAIN_SECTORS,
    flags: 3 | VmdkFlag.ZeroGrains | (isDeflated ? VmdkFlag.Compressed | VmdkFlag.Markers : 0),
    descriptorSector: DESCRIPTOR, descriptorSectors: 2, entriesPerTable: ENTRIES, directorySectorLow: DIRECTORY,
    compression: isDeflated ? 1 : 0,
  };
  VmdkSparseHeader.encode(view, bytes.length - 1024, header);
  const atEnd = isAtEnd ? { directorySectorLow: VMDK_AT_END, directorySectorHigh: VMDK_AT_END } : {};
  VmdkSparseHeader.encode(view, 0, { ...header, ...atEnd });
  bytes.set(Buffer.from(TEXT), DESCRIPTOR * SECTOR);
  view.setUint32(DIRECTORY * SECTOR, TABLE, true);
  view.setUint32(TABLE * SECTOR, GRAINS, true);
  view.setUint32(TABLE * SECTOR + 4, 1, true);
  const grain = new Uint8Array(GRAIN_SECTORS * SECTOR).fill(7);
  const data = isDeflated ? deflateSync(grain) : grain;
  if (isDeflated) VmdkGrainMarker.encode(view, GRAINS * SECTOR, { sector: 0, dataBytes: data.length });
  bytes.set(data, GRAINS * SECTOR + (isDeflated ? VmdkGrainMarker.$size : 0));
  return bytes;
}
