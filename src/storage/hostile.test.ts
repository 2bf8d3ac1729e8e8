import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../kit/errors.ts';
import {
  HEADER_OFFSETS, LogEntryHeader, MetadataTableEntry, MIB, REGION_TABLE_OFFSETS, RegionTableEntry, RegionTableHeader,
  VhdxHeader,
} from '../protocols/vhdx.ts';
import { VhdDynamicHeader, VhdFooter } from '../protocols/vhd.ts';
import { Findings } from './check.ts';
import { pattern } from './contract.ts';
import { crc32cWithout } from './crc32c.ts';
import type { Disk } from './disk.ts';
import { NULL_GUID, guidBytes } from './guid.ts';
import { CrashFile, type Medium } from './testing/crash-file.ts';
import { CRASH_FORMATS, type CrashFormat } from './testing/crash-formats.ts';
import { checkVhd } from './vhd/check-vhd.ts';
import { checkVhdx } from './vhdx/check-vhdx.ts';

const format = (name: string): CrashFormat => CRASH_FORMATS.find((some) => some.name === name) as CrashFormat;

/** An image with data in its first two MiB. */
function image(name: string): Medium {
  const { make, open } = format(name);
  const file = new CrashFile(make());
  const disk = open(file);
  disk.writeSync(pattern(2 * MIB, 1), 0, 2 * MIB, 0);
  disk.closeSync();
  return file.survivors(() => 1);
}

/** Changes some bytes of an image, as a structure at a place. */
function change(
  medium: Medium, at: number, lengthBytes: number, act: (view: DataView, bytes: Uint8Array) => void,
): void {
  const bytes = new Uint8Array(lengthBytes);
  medium.read(bytes, 0, lengthBytes, at);
  act(new DataView(bytes.buffer), bytes);
  medium.write(bytes, 0, lengthBytes, at);
}

/** Changes both headers of a VHDX, and makes their checksums right. */
function changeHeaders(medium: Medium, act: (view: DataView) => void): void {
  for (const offset of HEADER_OFFSETS) {
    change(medium, offset, 4096, (view, bytes) => {
      act(view);
      VhdxHeader.checksum.set(view, 0, crc32cWithout(bytes, VhdxHeader.checksum.offset));
    });
  }
}

/** Changes the n-th entry of both region tables of a VHDX, and makes their checksums right. */
function changeRegion(medium: Medium, index: number, act: (view: DataView, at: number) => void): void {
  for (const offset of REGION_TABLE_OFFSETS) {
    change(medium, offset, 0x1_0000, (view, bytes) => {
      act(view, RegionTableHeader.$size + index * RegionTableEntry.$size);
      RegionTableHeader.checksum.set(view, 0, crc32cWithout(bytes, RegionTableHeader.checksum.offset));
    });
  }
}

function changeVhd(medium: Medium, at: number, size: number, checksumAt: number, act: (view: DataView) => void): void {
  change(medium, at, size, (view, bytes) => {
    act(view);
    view.setUint32(checksumAt, 0);
    view.setUint32(checksumAt, ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0);
  });
}

const METADATA = 2 * MIB;
const BAT = 3 * MIB;
const setWord = (at: number, value: number) => (view: DataView): void => view.setUint32(at, value, true);

const DAMAGE: readonly [what: string, format: string, damage: (medium: Medium) => void, sentence: RegExp][] = [
  ['cut to nothing', 'VHDX dynamic', (medium) => medium.truncate(100), /100 bytes are no size of a VHDX/],
  ['cut in a block', 'VHDX dynamic', (medium) => medium.truncate(5 * MIB - 512), /block 0 is said to be at/],
  ['without whole headers', 'VHDX dynamic',
    (medium) => HEADER_OFFSETS.forEach((at) => change(medium, at, 8, setWord(4, 1))), /neither of its two headers/],
  ['of a later version', 'VHDX dynamic',
    (medium) => changeHeaders(medium, (view) => VhdxHeader.version.set(view, 0, 2)), /of VHDX version 2/],
  ['with a log of 4 GiB', 'VHDX dynamic',
    (medium) => changeHeaders(medium, (view) => VhdxHeader.logLength.set(view, 0, 0xfff0_0000)),
    /log of 4293918720 bytes/],
  ['with a log of no size', 'VHDX dynamic',
    (medium) => changeHeaders(medium, (view) => VhdxHeader.logLength.set(view, 0, 0)), /both are whole MiB/],
  ['with a log over the metadata', 'VHDX dynamic',
    (medium) => changeHeaders(medium, (view) => VhdxHeader.logOffset.set(view, 0, 2 * MIB)), /log overlaps the region/],
  ['whose log has an entry that is not whole', 'VHDX dynamic', (medium) => {
    const guid = guidBytes('00000000-0000-0000-0000-000000000005');
    changeHeaders(medium, (view) => VhdxHeader.logGuid.set(view, 0, guid));
    change(medium, MIB, 64, (view) => {
      LogEntryHeader.encode(view, 0, { signature: 'loge', entryLength: 4096, sequenceNumber: 1, logGuid: guid });
    });
  }, /nothing whole is left in it/],
  ['without region tables', 'VHDX dynamic',
    (medium) => REGION_TABLE_OFFSETS.forEach((at) => change(medium, at, 8, setWord(4, 1))),
    /two region tables is whole/],
  ['with a BAT beyond the end', 'VHDX dynamic', (medium) => changeRegion(medium, 0, (view, at) =>
    RegionTableEntry.fileOffset.set(view, at, 2 ** 50)), /lies beyond the end/],
  ['with regions over each other', 'VHDX dynamic', (medium) => changeRegion(medium, 0, (view, at) =>
    RegionTableEntry.fileOffset.set(view, at, METADATA)), /overlaps what is before it/],
  ['with a region that it requires', 'VHDX dynamic', (medium) => changeRegion(medium, 0, (view, at) =>
    RegionTableEntry.guid.set(view, at, guidBytes(NULL_GUID))), /requires a region 0{8}/],
  ['with blocks of 3 MiB', 'VHDX dynamic', (medium) => change(medium, METADATA + 0x1_0000, 8, setWord(0, 3 * MIB)),
    /its block size is 3145728/],
  ['of 16 EiB', 'VHDX dynamic', (medium) => change(medium, METADATA + 0x1_0008, 8, (view) => {
    view.setUint32(0, 0xffff_fe00, true);
    view.setUint32(4, 0xffff_ffff, true);
  }), /its size is/],
  ['of 60 TiB with a BAT of 1 MiB', 'VHDX dynamic',
    (medium) => change(medium, METADATA + 0x1_0008, 8, setWord(4, 60 * 256)), /its BAT of 1048576 bytes is too small/],
  ['with an item out of its region', 'VHDX dynamic', (medium) => change(medium, METADATA + 32, 32, (view) =>
    MetadataTableEntry.offset.set(view, 0, 0xffff_0000)), /is out of its region/],
  ['with an item that it requires', 'VHDX dynamic', (medium) => change(medium, METADATA + 32, 32, (view) =>
    MetadataTableEntry.itemId.set(view, 0, guidBytes(NULL_GUID))), /requires a metadata item 0{8}/],
  ['with a block beyond the end', 'VHDX dynamic', (medium) => change(medium, BAT, 8, setWord(4, 0xffff)),
    /block 0 is said to be at 2814/],
  ['with a block in an unknown state', 'VHDX dynamic', (medium) => change(medium, BAT, 8, setWord(0, 5)),
    /unknown state 5/],
  ['with a partial block and no bitmap', 'VHDX differencing', (medium) => change(medium, BAT, 8, (view) =>
    view.setUint32(0, view.getUint32(0, true) | 7, true)), /no sector bitmap for it/],
  ['cut to nothing', 'VHD dynamic', (medium) => medium.truncate(0), /no whole VHD footer/],
  ['cut before its header', 'VHD dynamic', (medium) => medium.truncate(700), /dynamic header at 512 is missing/],
  ['whose header is changed', 'VHD dynamic', (medium) => change(medium, 512, 1024, setWord(32, 7)),
    /checksum of its dynamic/],
  ['with blocks of 3 bytes', 'VHD dynamic', (medium) => changeVhd(medium, 512, 1024, 36, (view) =>
    VhdDynamicHeader.blockSize.set(view, 0, 3)), /its block size is 3:/],
  ['with a BAT of 16 GiB', 'VHD dynamic', (medium) => changeVhd(medium, 512, 1024, 36, (view) =>
    VhdDynamicHeader.maxTableEntries.set(view, 0, 0xffff_ffff)), /does not fit into the file/],
  ['with a block beyond the end', 'VHD dynamic', (medium) => change(medium, 1536, 4, setWord(0, 0x7f)),
    /block 0 is said to be at/],
  ['of an unknown type', 'VHD fixed', (medium) => changeVhd(medium, medium.sizeBytes - 512, 512, 64, (view) =>
    VhdFooter.diskType.set(view, 0, 9)), /of VHD type 9/],
  ['that is larger than its file', 'VHD fixed', (medium) => changeVhd(medium, medium.sizeBytes - 512, 512, 64, (view) =>
    VhdFooter.currentSize.set(view, 0, 2 ** 40)), /a fixed disk of 1099511627776 has more/],
];

/** Opens, reads everything, and writes a little. */
function use(disk: Disk): void {
  const bytes = new Uint8Array(disk.geometry.sizeBytes);
  disk.readSync(bytes, 0, bytes.length, 0);
  disk.closeSync();
}

for (const [what, name, damage, sentence] of DAMAGE) {
  test(`a ${name} image ${what} is refused in a sentence`, () => {
    const medium = image(name);
    use(format(name).open(new CrashFile(medium)));
    damage(medium);
    assert.throws(() => use(format(name).open(new CrashFile(medium))), (error) =>
      error instanceof OperatingError && sentence.test(error.message) && error.message.startsWith('image '));
  });
}

test('two blocks at one place are refused before one writes over the other', () => {
  const medium = image('VHDX dynamic');
  change(medium, BAT, 16, (_, bytes) => bytes.copyWithin(8, 0, 8));
  const disk = format('VHDX dynamic').open(new CrashFile(medium));
  assert.throws(() => disk.writeSync(pattern(512, 1), 0, 512, 0), /entry 1 of its BAT names a place at .* in use/);
});

const REPAIRS: readonly [what: string, format: string, damage: (medium: Medium) => void, sentence: RegExp][] = [
  ['one header', 'VHDX dynamic', (medium) => change(medium, HEADER_OFFSETS[0], 8, setWord(4, 1)),
    /One of the two headers/],
  ['one region table', 'VHDX dynamic', (medium) => change(medium, REGION_TABLE_OFFSETS[0], 8, setWord(4, 1)),
    /two region tables are not the same/],
  ['a block out of the file', 'VHDX dynamic', (medium) => change(medium, BAT, 8, setWord(4, 0xffff)),
    /^Block 0 .* lost/],
  ['a block at the place of another', 'VHDX dynamic',
    (medium) => change(medium, BAT, 16, (_, bytes) => bytes.copyWithin(8, 0, 8)), /^Block 1 .* in use by another/],
  ['a partial block without a bitmap', 'VHDX dynamic', (medium) => change(medium, BAT, 8, (view) =>
    view.setUint32(0, view.getUint32(0, true) | 7, true)), /^Block 0 is partly present/],
  ['the footer', 'VHD dynamic', (medium) => change(medium, medium.sizeBytes - 512, 512, setWord(0, 1)),
    /footer at the end/],
  ['the copy of the footer', 'VHD dynamic', (medium) => change(medium, 0, 512, setWord(0, 1)), /copy of the footer/],
  ['a block out of the file', 'VHD dynamic', (medium) => change(medium, 1536, 4, setWord(0, 0x7f)), /^Block 0 .* lost/],
  ['a block at the place of another', 'VHD dynamic',
    (medium) => change(medium, 1536, 8, (_, bytes) => bytes.copyWithin(4, 0, 4)), /^Block 1 .* as another block is/],
];

for (const [what, name, damage, sentence] of REPAIRS) {
  test(`a check of a ${name} image finds ${what}, changes nothing, and puts it right when told so`, () => {
    const check = name.startsWith('VHDX') ? checkVhdx : checkVhd;
    const medium = image(name);
    const clean = new Findings(false);
    check(new CrashFile(medium, undefined, { readOnly: true }), clean);
    assert.deepEqual(clean.problems, []);
    damage(medium);
    const found = new Findings(false);
    check(new CrashFile(medium, undefined, { readOnly: true }), found);
    assert.equal(found.problems.length, 1);
    assert.match(found.problems[0]?.what ?? '', sentence);
    assert.equal(found.problems[0]?.isRepaired, false);
    const file = new CrashFile(medium);
    const repaired = new Findings(true);
    check(file, repaired);
    assert.deepEqual(repaired.problems.map(({ isRepaired }) => isRepaired), [true]);
    const again = new Findings(false);
    const left = file.survivors(() => 0);
    check(new CrashFile(left, undefined, { readOnly: true }), again);
    assert.deepEqual(again.problems, []);
    use(format(name).open(new CrashFile(left)));
  });
}
