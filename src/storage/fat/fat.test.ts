import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { damaged } from '../damaged.ts';
import { FileSystem } from '../file-system.ts';
import { diskOf } from '../testing/disk-layout.ts';
import { fatImage } from '../testing/fat-image.ts';
import { Volume } from '../volume.ts';
import { Fat, isFat } from './fat.ts';

function volumeOf(bytes: Uint8Array): Volume {
  return new Volume(diskOf(bytes), 'the test', 0, bytes.length);
}

for (const bits of [12, 16, 32] as const) {
  test(`a FAT${bits} gives its files by long and short names, in any case`, (context) => {
    const data = randomBytes(5000);
    const image = fatImage(bits, { 'a file with a long name.conf': data, 'LOADER.CFG': Buffer.from('x') });
    const volume = volumeOf(image);
    assert.ok(isFat(volume));
    const files = new FileSystem(new Fat(volume), (what) => damaged(volume, what));
    assert.deepEqual([files.uuid, files.label], ['1234-ABCD', 'THE LABEL']);
    assert.deepEqual(files.list('/Loader'), ['LOADER.CFG', 'a file with a long name.conf']);
    assert.deepEqual(files.readFile('/loader/A FILE with a long name.conf', 5000), new Uint8Array(data));
    assert.equal(files.kindOf('/loader/AFILEW~1'), 'file');
    assert.equal(files.kindOf('/loader/none'), undefined);
    assert.equal(files.readText('/LOADER/./loader.cfg', 10), 'x');
    if (spawnSync('fsck.vfat', ['-n', '/dev/null']).error !== undefined) {
      context.diagnostic('fsck.vfat is not here to judge the test itself');
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'partout-fat-'));
    writeFileSync(join(folder, 'image'), image);
    assert.ok((spawnSync('fsck.vfat', ['-n', join(folder, 'image')]).status ?? 8) <= 1);
    rmSync(folder, { recursive: true });
  });
}

test('a chain of clusters that goes in a circle is refused', () => {
  const image = fatImage(12, { 'a': new Uint8Array(100) });
  const table = new DataView(image.buffer, 4 * 512);
  // The folder, behind the file's one cluster, goes on with itself.
  table.setUint16(6, (table.getUint16(6, true) & 0xf000) | 4, true);
  const at = 4 + (4 >> 1);
  table.setUint16(at, (table.getUint16(at, true) & 0xf000) | 4, true);
  const volume = volumeOf(image);
  const files = new FileSystem(new Fat(volume), (what) => damaged(volume, what));
  assert.throws(() => files.list('/loader'), /a folder in it has no end/);
});
