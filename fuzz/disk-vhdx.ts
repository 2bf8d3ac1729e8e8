/**
 * Damaged VHDX files, with checksums made right again so that the damage is seen: each is used or refused in a
 * sentence. Closed ones, and ones whose log is to be replayed.
 */
import { HEADER_OFFSETS, MIB, REGION_TABLE_OFFSETS } from '../src/protocols/vhdx.ts';
import { Findings } from '../src/storage/check.ts';
import { crc32cWithout } from '../src/storage/crc32c.ts';
import { CrashFile, generator, type Medium } from '../src/storage/testing/crash-file.ts';
import { CRASH_FORMATS, openVhdxDisk } from '../src/storage/testing/crash-formats.ts';
import { damage } from '../src/storage/testing/damage.ts';
import { checkVhdx } from '../src/storage/vhdx/check-vhdx.ts';
import { checkRefusal, tryDisk } from './disk-use.ts';

const CHECKSUM_OFFSET = 4;
/** Headers, region tables, log, metadata table and items, BAT. */
const HOTSPOTS = [0, ...HEADER_OFFSETS, ...REGION_TABLE_OFFSETS, MIB, MIB + 4096, MIB + 0x4000, 2 * MIB,
  2 * MIB + 0x1_0000, 2 * MIB + 0x1_0000, 3 * MIB, 3 * MIB];

export const target = {
  name: 'disk-vhdx',
  covers: [
    'src/storage/vhdx/check-vhdx', 'src/storage/vhdx/headers', 'src/storage/vhdx/regions',
    'src/storage/vhdx/metadata', 'src/storage/vhdx/log-reader', 'src/storage/vhdx/replay',
    'src/storage/vhdx/parent-locator', 'src/storage/vhdx/block-table', 'src/storage/vhdx/open-vhdx',
  ],
  run(seed: number, iterations: number): void {
    const next = generator(seed);
    const seeds = CRASH_FORMATS.filter(({ name }) => name.startsWith('VHDX')).flatMap(({ make, open }) => {
      const file = new CrashFile(make());
      const disk = open(file);
      disk.writeSync(new Uint8Array(0x1_2000).fill(7), 0, 0x1_2000, MIB - 0x1000);
      disk.flushSync();
      disk.discardSync(0, 2 * MIB);
      disk.settleSync();
      const open1 = file.survivors(() => 1);
      disk.closeSync();
      return [open1, file.survivors(() => 1)];
    });
    for (let iteration = 0; iteration < iterations; iteration++) {
      const image = damage(seeds[next(seeds.length)] as Medium, HOTSPOTS, next);
      if (next(5) > 0) correctChecksums(image);
      tryDisk(new CrashFile(image, undefined, { readOnly: true }), openVhdxDisk, next);
      tryDisk(new CrashFile(image), openVhdxDisk, next);
      try {
        checkVhdx(new CrashFile(image), new Findings(next(2) === 0));
      } catch (error) {
        checkRefusal(error);
      }
    }
  },
};

function correctChecksums(image: Medium): void {
  for (const offset of HEADER_OFFSETS) correct(image, offset, 4096);
  for (const offset of REGION_TABLE_OFFSETS) correct(image, offset, 0x1_0000);
  const sector = new Uint8Array(16);
  for (let offset = MIB; offset < 2 * MIB && offset < image.sizeBytes; offset += 4096) {
    image.read(sector, 0, 16, offset);
    if (Buffer.from(sector.subarray(0, 4)).toString('latin1') !== 'loge') continue;
    const length = new DataView(sector.buffer).getUint32(8, true);
    if (length >= 4096 && offset + length <= 2 * MIB) correct(image, offset, length);
  }
}

function correct(image: Medium, offset: number, lengthBytes: number): void {
  if (offset + lengthBytes > image.sizeBytes) return;
  const bytes = new Uint8Array(lengthBytes);
  image.read(bytes, 0, lengthBytes, offset);
  new DataView(bytes.buffer).setUint32(CHECKSUM_OFFSET, crc32cWithout(bytes, CHECKSUM_OFFSET), true);
  image.write(bytes, 0, lengthBytes, offset);
}
