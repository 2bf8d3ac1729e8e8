/** Whatever bytes an archive is changed to, its reader ends, and refuses with an operating error or not at all. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { OperatingError } from '../kit/errors.ts';
import { readAr } from './ar.ts';
import { writeCpio, readCpio } from './cpio.ts';
import { decompress } from './compression.ts';
import { FileTree } from './file-tree.ts';
import { readTar } from './tar.ts';

const RUNS = 2000;
const MAX_BYTES = 1 << 20;

function sampleCpio(): Buffer {
  const tree = new FileTree();
  tree.addFile('bin/a', 'content');
  tree.add('bin/b', tree.get('bin/a')!);
  tree.addSymlink('sbin', 'bin');
  return Buffer.concat([...writeCpio(tree)]);
}

/** Two ustar entries: a file of five bytes in `bin`, a symbolic link. */
function sampleTar(): Buffer {
  const entry = (name: string, type: string, data: string, target: string): Buffer => {
    const bytes = Buffer.alloc(data === '' ? 512 : 1024);
    bytes.write(`${name.padEnd(100, '\0')}0000755\x000000000\x000000000\0`, 'latin1');
    bytes.write(`${data.length.toString(8).padStart(11, '0')}\x0000000000000\0        ${type}${target}`, 124, 'latin1');
    bytes.write('ustar\x0000', 257, 'latin1');
    const sum = bytes.reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    bytes.write(data, 512, 'latin1');
    return bytes;
  };
  return Buffer.concat([entry('bin/x', '0', 'hello', ''), entry('l', '2', '', 'bin/x'), Buffer.alloc(1024)]);
}

/** The checksum of each header put right again, so that a change reaches what lies behind that check. */
function mendTar(archive: Buffer): Buffer {
  for (let offset = 0; offset + 512 <= archive.length; offset += 512) {
    if (archive.toString('latin1', offset + 257, offset + 262) !== 'ustar') continue;
    archive.fill(' ', offset + 148, offset + 156);
    const sum = archive.subarray(offset, offset + 512).reduce((total, byte) => total + byte, 0);
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, offset + 148, 'latin1');
  }
  return archive;
}

const AR = Buffer.from(
  `!<arch>\n${'a'.padEnd(48)}${'4'.padEnd(10)}\`\n2.0\n${'b/'.padEnd(48)}${'3'.padEnd(10)}\`\nabc\n`,
);

const READERS: readonly (readonly [name: string, sample: Buffer, read: (archive: Buffer) => void])[] = [
  ['ar', AR, (archive) => readAr(archive)],
  ['tar', sampleTar(), (archive) => new FileTree().unpack(readTar(mendTar(archive)))],
  ['cpio', sampleCpio(), (archive) => new FileTree().unpack(readCpio(archive))],
];

/** Some bytes of a sample changed, and its end cut off. */
function damaged(sample: Buffer): fc.Arbitrary<Buffer> {
  const changes = fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { maxLength: 6 });
  return fc.tuple(changes, fc.nat(sample.length)).map(([bytes, cut]) => {
    const copy = Buffer.from(sample);
    for (const [offset, value] of bytes) copy[offset] = value;
    return cut % 3 === 0 ? copy.subarray(0, cut) : copy;
  });
}

for (const [name, sample, read] of READERS) {
  test(`a damaged ${name} archive is read or refused`, () => {
    read(Buffer.from(sample));
    fc.assert(fc.property(damaged(sample), (archive) => {
      try {
        read(archive);
      } catch (error) {
        assert.ok(error instanceof OperatingError, String(error));
      }
    }), { numRuns: RUNS });
  });
}

const COMPRESSED: readonly (readonly [name: string, base64: string])[] = [
  ['gzip', gzipSync('partout gzip').toString('base64')],
  ['xz', '/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAJcGFydG91dCB4egAAACI657TjevCrAAEiChUa4WcftvN9AQAAAAAEWVo='],
  ['zstd', 'KLUv/QRYYQAAcGFydG91dCB6c3Rk/AknjQ=='],
];

for (const [name, base64] of COMPRESSED) {
  test(`damaged ${name} data is decompressed or refused`, async () => {
    await fc.assert(fc.asyncProperty(damaged(Buffer.from(base64, 'base64')), async (data) => {
      const output = await decompress(data, MAX_BYTES, 'it').catch((error: unknown) => {
        assert.ok(error instanceof OperatingError, String(error));
        return data;
      });
      assert.ok(output.length <= MAX_BYTES);
    }), { numRuns: RUNS });
  });
}
