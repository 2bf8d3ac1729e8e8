import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeChecksum, FrameHeaders } from './frame.ts';

const HEADERS = 14 + 20 + 20;

/** The checksum of a TCP segment over IPv4, word by word [RFC 9293 3.1]. */
function tcpChecksum(frame: Uint8Array): number {
  const segment = frame.length - 34;
  const words = [...frame.subarray(26, 34), 0, 6, segment >>> 8, segment & 0xff, ...frame.subarray(34), 0];
  let sum = 0;
  for (let i = 0; i + 1 < words.length; i += 2) sum += (words[i]! << 8) | words[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

test('checksums of segments of any length hold, wherever in memory they lie', () => {
  for (const payload of [0, 1, 2, 235, 236, 237, 238, 239, 1448, 1449, 65_000]) {
    for (let skip = 0; skip < 5; skip++) {
      for (const fill of [undefined, 0, 0xff]) {
        const length = HEADERS + payload;
        const bytes = new Uint8Array(skip + length + 3).map((_, i) => fill ?? (i * 77 + (i >>> 7)) & 0xff);
        bytes.set([8, 0, 0x45, 0, (length - 14) >>> 8, (length - 14) & 0xff, 0, 0, 0, 0, 64, 6], skip + 12);
        bytes[skip + 46] = 0x50;
        assert.equal(completeChecksum(bytes, skip, length, new FrameHeaders()), true);
        const frame = bytes.subarray(skip, skip + length);
        assert.equal(tcpChecksum(frame), 0xffff, `${payload} bytes at ${skip}`);
      }
    }
  }
});
