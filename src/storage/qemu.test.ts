import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { pattern } from './contract.ts';
import { convertDisk } from './convert.ts';
import type { NewDisk } from './create-disk.ts';
import { contentOf, qemuImg, skipWithoutQemu as skip, withDisk, withFolder } from './testing/images.ts';

const MIB = 0x10_0000;
const SIZE = 40 * MIB + 8192;

/** Data at both ends, across blocks, and zeros between. */
function content(): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  bytes.set(pattern(5 * MIB, 1), 0);
  bytes.set(pattern(3 * MIB + 512, 2), 17 * MIB - 1536);
  bytes.set(pattern(512, 3), SIZE - 512);
  return bytes;
}

const THEIRS: readonly [format: string, options: string[]][] = [
  ['vhdx', ['-o', 'subformat=dynamic']],
  ['vhdx', ['-o', 'subformat=dynamic,block_size=1M']],
  ['vhdx', ['-o', 'subformat=fixed']],
  ['vhdx', ['-o', 'log_size=4M,block_state_zero=off,subformat=fixed']],
  ['vpc', ['-o', 'subformat=dynamic,force_size=on']],
  ['vpc', ['-o', 'subformat=fixed,force_size=on']],
  ['qcow2', ['-o', 'cluster_size=4k']],
  ['qcow2', ['-c']],
  ['vmdk', []],
  ['vmdk', ['-o', 'subformat=streamOptimized']],
  ['vmdk', ['-o', 'subformat=monolithicFlat']],
  ['vmdk', ['-o', 'subformat=twoGbMaxExtentSparse']],
  ['vmdk', ['-o', 'subformat=monolithicSparse,zeroed_grain=on']],
];

for (const [format, options] of THEIRS) {
  test(`what qemu-img made as ${format} ${options.join(' ')} reads back identical`, { skip }, () => withFolder((at) => {
    writeFileSync(at('raw'), content());
    qemuImg('convert', '-f', 'raw', '-O', format, ...options, at('raw'), at('image'));
    assert.ok(Buffer.compare(contentOf(at('image')), content()) === 0);
    if (format === 'qcow2' || format === 'vmdk') return;
    const more = pattern(2 * MIB, 9);
    withDisk(at('image'), false, (disk) => {
      disk.writeSync(more, 0, more.length, 10 * MIB - 512);
      disk.discardSync(MIB, 2 * MIB);
    });
    const expected = content();
    expected.set(more, 10 * MIB - 512);
    expected.fill(0, MIB, 3 * MIB);
    writeFileSync(at('expected'), expected);
    assert.match(qemuImg('compare', '-f', 'raw', '-F', format, at('expected'), at('image')), /identical/);
    if (format === 'vhdx') assert.match(qemuImg('check', '-f', format, at('image')), /No errors/);
  }));
}

const OURS: readonly [string, Omit<NewDisk, 'sizeBytes'>][] = [
  ['raw', { format: 'raw' }],
  ['vpc', { format: 'vhd' }],
  ['vpc', { format: 'vhd', isFixed: true }],
  ['vpc', { format: 'vhd', blockBytes: 0x8_0000 }],
  ['vhdx', { format: 'vhdx' }],
  ['vhdx', { format: 'vhdx', isFixed: true }],
  ['vhdx', { format: 'vhdx', blockBytes: MIB, physicalSectorBytes: 512 }],
  ['vhdx', { format: 'vhdx', blockBytes: 256 * MIB }],
];

for (const [qemuFormat, shape] of OURS) {
  const name =
    `${shape.format}${shape.isFixed === true ? ' fixed' : ''} in blocks of ${shape.blockBytes ?? 'usual'} bytes`;
  test(`what we convert to ${name} is identical for qemu-img, and after it wrote`, { skip }, () =>
    withFolder(async (at) => {
    writeFileSync(at('raw'), content());
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', at('raw'), at('qcow2'));
    await convertDisk(at('qcow2'), at('image'), shape);
    assert.match(qemuImg('compare', '-f', 'raw', '-F', qemuFormat, at('raw'), at('image')), /identical/);
    const info = JSON.parse(qemuImg('info', '--output=json', '-f', qemuFormat, at('image'))) as Record<string, unknown>;
    assert.equal(info['virtual-size'], SIZE);
    if (qemuFormat === 'vhdx') assert.match(qemuImg('check', '-f', 'vhdx', at('image')), /No errors/);
    qemuImg('bench', '-w', '-c', '20', '-d', '1', '-s', '4096', '-o', String(9 * MIB), '--pattern=90',
      '-f', qemuFormat, at('image'));
    const expected = content();
    expected.fill(90, 9 * MIB, 9 * MIB + 20 * 4096);
    assert.ok(Buffer.compare(contentOf(at('image')), expected) === 0);
  }));
}

test('a VHDX that grew, moved its BAT and was compacted is right for qemu-img', { skip }, () =>
  withFolder(async (at) => {
  const { createDisk } = await import('./create-disk.ts');
  const { compactDisk } = await import('./compact.ts');
  createDisk(at('image'), { format: 'vhdx', sizeBytes: SIZE, blockBytes: MIB });
  withDisk(at('image'), false, (disk) => {
    disk.writeSync(content(), 0, SIZE, 0);
    // One MiB of BAT stands for 128 GiB: beyond, it has to move.
    disk.resizeSync(300 * 1024 * MIB);
    disk.writeSync(pattern(MIB, 4), 0, MIB, 299 * 1024 * MIB);
    disk.discardSync(0, 5 * MIB);
  });
  const { bytesBefore, bytesAfter } = await compactDisk(at('image'));
  assert.ok(bytesAfter < bytesBefore - 20 * MIB, `${bytesBefore} -> ${bytesAfter}`);
  assert.match(qemuImg('check', '-f', 'vhdx', at('image')), /No errors/);
  const expected = content().fill(0, 0, 5 * MIB);
  writeFileSync(at('head'), expected);
  qemuImg('dd', '-f', 'vhdx', '-O', 'raw', `if=${at('image')}`, `of=${at('start')}`, 'bs=8192', `count=${SIZE / 8192}`);
  assert.match(qemuImg('compare', '-f', 'raw', '-F', 'raw', at('head'), at('start')), /identical/);
}));

const skipWithoutVhdi = spawnSync('vhdiinfo', ['-V']).error !== undefined
  && 'vhdiinfo (libvhdi-utils) is not installed';

for (const format of ['vhd', 'vhdx'] as const) {
  for (const kind of ['Fixed', 'Dynamic', 'Differential'] as const) {
    test(`libvhdi agrees on what a ${kind.toLowerCase()} ${format} is`, { skip: skipWithoutVhdi }, () =>
      withFolder(async (at) => {
      const { createChild, createDisk } = await import('./create-disk.ts');
      createDisk(at('base'), { format, sizeBytes: SIZE, isFixed: kind === 'Fixed' });
      if (kind === 'Differential') createChild(at('child'), at('base'));
      const path = kind === 'Differential' ? at('child') : at('base');
      withDisk(path, false, (disk) => disk.writeSync(content(), 0, 5 * MIB, 0));
      const { status, stdout, stderr } = spawnSync('vhdiinfo', [path], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      assert.match(stdout, new RegExp(`Disk type\\s*: ${kind}`));
      assert.match(stdout, new RegExp(`Media size\\s*: .*\\(${SIZE} bytes\\)`));
      assert.match(stdout, /Bytes per sector\s*: 512/);
      if (kind === 'Differential') assert.match(stdout, /Parent (?:filename|identifier)\s*: .*\S/);
    }));
  }
}
