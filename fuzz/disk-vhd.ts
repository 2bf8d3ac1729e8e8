/**
 * Damaged VHD files, with checksums made right again so that the damage is seen: each is used or refused in a
 * sentence.
 */
import { VHD_SECTOR_BYTES, VhdDynamicHeader, VhdFooter } from '../src/protocols/vhd.ts';
import { Findings } from '../src/storage/check.ts';
import { CrashFile, generator, type Medium } from '../src/storage/testing/crash-file.ts';
import { CRASH_FORMATS, openVhdDisk } from '../src/storage/testing/crash-formats.ts';
import { damage } from '../src/storage/testing/damage.ts';
import { checkVhd } from '../src/storage/vhd/check-vhd.ts';
import { checkRefusal, tryDisk } from './disk-use.ts';

const HEADER_OFFSET = 512;
const TABLE_OFFSET = 1536;

export const target = {
  name: 'disk-vhd',
  covers: [
    'src/storage/vhd/check-vhd', 'src/storage/vhd/structures', 'src/storage/vhd/open-vhd',
    'src/storage/vhd/vhd-blocks',
  ],
  run(seed: number, iterations: number): void {
    const next = generator(seed);
    const seeds = CRASH_FORMATS.filter(({ name }) => name.startsWith('VHD ')).map(({ make, open }) => {
      const file = new CrashFile(make());
      const disk = open(file);
      disk.writeSync(new Uint8Array(0x1_2000).fill(7), 0, 0x1_2000, 0xf_f000);
      disk.closeSync();
      return file.survivors(() => 1);
    });
    for (let iteration = 0; iteration < iterations; iteration++) {
      const seedImage = seeds[next(seeds.length)] as Medium;
      const end = seedImage.sizeBytes - VHD_SECTOR_BYTES;
      const image = damage(seedImage, [0, HEADER_OFFSET, HEADER_OFFSET + 0x200, TABLE_OFFSET, 0xa00, end, end], next);
      if (next(5) > 0) {
        correct(image, 0, VHD_SECTOR_BYTES, VhdFooter.checksum.offset);
        correct(image, end, VHD_SECTOR_BYTES, VhdFooter.checksum.offset);
        correct(image, HEADER_OFFSET, VhdDynamicHeader.$size, VhdDynamicHeader.checksum.offset);
      }
      tryDisk(new CrashFile(image, undefined, { readOnly: true }), openVhdDisk, next);
      tryDisk(new CrashFile(image), openVhdDisk, next);
      try {
        checkVhd(new CrashFile(image), new Findings(next(2) === 0));
      } catch (error) {
        checkRefusal(error);
      }
    }
  },
};

function correct(image: Medium, offset: number, lengthBytes: number, checksumOffset: number): void {
  if (offset + lengthBytes > image.sizeBytes) return;
  const bytes = new Uint8Array(lengthBytes);
  image.read(bytes, 0, lengthBytes, offset);
  const view = new DataView(bytes.buffer);
  view.setUint32(checksumOffset, 0);
  view.setUint32(checksumOffset, ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0);
  image.write(bytes, 0, lengthBytes, offset);
}
