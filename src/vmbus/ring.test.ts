/** Rings where a large guest's memory lies: beyond the second gigabyte of the buffer. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { GuestPages, PAGE_SIZE } from './guest-pages.ts';
import { IncomingRing, MIN_RING_PAGES, ReadResult } from './ring.ts';

test('a ring works at offsets that do not fit a signed 32-bit number', () => {
  const start = 0x8000_0000;
  const buffer = new SharedArrayBuffer(start + MIN_RING_PAGES * PAGE_SIZE); // reserved, and touched only at its end
  const offsets = Uint32Array.of(start, start + PAGE_SIZE);
  const pages = new GuestPages({ buffer, offsets, skip: 0, byteCount: MIN_RING_PAGES * PAGE_SIZE });
  const ring = new IncomingRing(pages, { maxPacketBytes: PAGE_SIZE });
  assert.equal(ring.next(), ReadResult.Empty);
});
