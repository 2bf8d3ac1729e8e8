/** gzip, xz and zstd data comes out right; damaged, truncated and absurdly large data is refused. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { OperatingError } from '../kit/errors.ts';
import { decompress } from './compression.ts';

const KIB = 1024;
const ZEROS = 100_000;
const GIVEN = {
  gzip: gzipSync('partout gzip'),
  xz: base64('/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAJcGFydG91dCB4egAAACI657TjevCrAAEiChUa4WcftvN9AQAAAAAEWVo='),
  zstd: base64('KLUv/QRYYQAAcGFydG91dCB6c3Rk/AknjQ=='),
};
/** 100,000 zero bytes. */
const BOMBS = {
  gzip: gzipSync(Buffer.alloc(ZEROS)),
  xz: base64('/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4YafAFNdAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7kHoLTL8U6PAFLsX7JiopNL6MN2X+m'
    + '44wjEVPgWRjFdYrid/i2lH8MasDedElk4ulcU7IE1rH1lwAAAACPxpSiGONw8QABb6CNBgAAkORuUbHEZ/sCAAAAAARZWg=='),
  zstd: base64('KLUv/QRYVQAAEAAAAQCbhjnAAtsjTvM='),
};

function base64(text: string): Buffer {
  return Buffer.from(text, 'base64');
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof OperatingError && message.test(error.message);
}

for (const kind of ['gzip', 'xz', 'zstd'] as const) {
  test(`${kind} data comes out as it went in`, async () => {
    assert.equal(Buffer.from(await decompress(GIVEN[kind], KIB, 'it')).toString(), `partout ${kind}`);
  });

  test(`${kind} data may be as large as the limit and no larger`, async () => {
    assert.equal((await decompress(BOMBS[kind], ZEROS, 'it')).length, ZEROS);
    await assert.rejects(decompress(BOMBS[kind], ZEROS - 1, 'it'), refusal(/^it unpacks to more than/));
  });

  test(`truncated ${kind} data is refused wherever it ends`, async () => {
    for (let length = 6; length < GIVEN[kind].length; length++) {
      await assert.rejects(decompress(GIVEN[kind].subarray(0, length), KIB, 'it'), refusal(/damaged|ends within/));
    }
  });
}

test('uncompressed data is given as it is, and another compression is named', async () => {
  const plain = Buffer.from('plain');
  assert.equal(await decompress(plain, 1, 'it'), plain);
  await assert.rejects(decompress(Buffer.from('BZh91AY'), KIB, 'data.tar.bz2'), refusal(/data\.tar\.bz2 .* bzip2/));
});

test('a zstd frame that asks for a huge window is refused before anything is allocated', async () => {
  const frame = Buffer.from(GIVEN.zstd);
  frame[5] = 0xf8;
  await assert.rejects(decompress(frame, KIB, 'it'), refusal(/window of more than 128 MiB/));
});

test('two zstd frames and a skippable one between them are one content', async () => {
  const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex');
  const both = Buffer.concat([GIVEN.zstd, skippable, GIVEN.zstd]);
  assert.equal(Buffer.from(await decompress(both, KIB, 'it')).toString(), 'partout zstdpartout zstd');
  const beyond = Buffer.from('502a4d18ffffffffaabbcc', 'hex');
  await assert.rejects(decompress(Buffer.concat([GIVEN.zstd, beyond]), KIB, 'it'), refusal(/ends within a frame/));
});
