import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { damaged } from '../damaged.ts';
import { FileSystem } from '../file-system.ts';
import { CrashFile, Medium } from '../testing/crash-file.ts';
import { diskOf } from '../testing/disk-layout.ts';
import { Volume } from '../volume.ts';
import { Iso9660, isIso9660 } from './iso9660.ts';
import { IsoWriter } from './iso-writer.ts';

function written(files: Readonly<Record<string, Uint8Array>>, label: string): Uint8Array {
  const file = new CrashFile(new Medium());
  const writer = new IsoWriter(file, { label, modifiedMs: Date.UTC(2026, 1, 3) });
  for (const [name, data] of Object.entries(files)) writer.addFile(name, data);
  writer.finish();
  const bytes = new Uint8Array(file.sizeBytes);
  file.readSync(bytes, 0, bytes.length, 0);
  return bytes;
}

function filesOf(bytes: Uint8Array): FileSystem {
  const volume = new Volume(diskOf(bytes), 'the test', 0, bytes.length);
  assert.ok(isIso9660(volume));
  return new FileSystem(new Iso9660(volume), (what) => damaged(volume, what));
}

const FILES = Object.fromEntries(Array.from({ length: 200 }, (_, index) =>
  [`a-rather-long-name_of.package+${index}~1.deb`, new Uint8Array(randomBytes(index * 37))]));

test('what was written reads back, by the names of Rock Ridge', () => {
  const files = filesOf(written({ ...FILES, 'user-data': Buffer.from('#cloud-config\n') }, 'cidata'));
  assert.deepEqual(files.list('/'), [...Object.keys(FILES), 'user-data'].sort());
  for (const [name, data] of Object.entries(FILES)) assert.deepEqual(files.readFile(name, 10_000), data);
  assert.deepEqual([files.label, files.readText('user-data', 100)], ['CIDATA', '#cloud-config\n']);
});

test('without Rock Ridge the names are those of Joliet, without Joliet the short ones', () => {
  const bytes = written({ 'meta-data': Buffer.from('a'), 'USER-data': Buffer.from('b') }, 'x');
  const buffer = Buffer.from(bytes.buffer);
  // "SP" is what says that there are long names.
  buffer.write('XX', buffer.indexOf(Buffer.from([0x53, 0x50, 7, 1, 0xbe, 0xef])), 'latin1');
  assert.deepEqual(filesOf(bytes).list('/'), ['USER-data', 'meta-data']);
  assert.equal(filesOf(bytes).readText('meta-data', 10), 'a');
  bytes[17 * 2048 + 88] = 0;
  assert.deepEqual(filesOf(bytes).list('/'), ['meta0001', 'user0000']);
});

test('names that a disc cannot have are refused', () => {
  for (const name of ['', 'a/b', 'a b', 'ä', 'x'.repeat(200)]) {
    assert.throws(() => written({ [name]: new Uint8Array(1) }, 'x'), /is no name of one more file on a disc/);
  }
});
