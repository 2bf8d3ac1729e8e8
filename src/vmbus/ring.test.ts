/** Rings where and when it is hard: beyond the second gigabyte, and with a guest that writes while we read. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { PacketType, RingControl } from '../protocols/vmbus/ring-layout.ts';
import { GuestPages, PAGE_SIZE } from './guest-pages.ts';
import { IncomingRing, MIN_RING_PAGES, OutgoingRing, ReadResult, WriteResult } from './ring.ts';

test('a ring works at offsets that do not fit a signed 32-bit number', () => {
  const start = 0x8000_0000;
  const buffer = new SharedArrayBuffer(start + MIN_RING_PAGES * PAGE_SIZE); // reserved, and touched only at its end
  const offsets = Uint32Array.of(start, start + PAGE_SIZE);
  const pages = new GuestPages({ buffer, offsets, skip: 0, byteCount: MIN_RING_PAGES * PAGE_SIZE });
  const ring = new IncomingRing(pages, { maxPacketBytes: PAGE_SIZE });
  assert.equal(ring.next(), ReadResult.Empty);
});

/** Pages that a guest writes to in the middle of our reading. */
class BusyPages extends GuestPages {
  meanwhile: (() => void) | undefined;

  override read(at: number, target: Uint8Array, targetAt: number, length: number): void {
    super.read(at, target, targetAt, length);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    meanwhile?.();
  }
}

test('a writer that fills the ring while its first packet is read, and waits, is told of the room', () => {
  const options = {
    buffer: new SharedArrayBuffer(MIN_RING_PAGES * PAGE_SIZE), offsets: Uint32Array.of(0, PAGE_SIZE), skip: 0,
    byteCount: MIN_RING_PAGES * PAGE_SIZE,
  };
  const guest = new OutgoingRing(new GuestPages(options));
  const payload = new Uint8Array(1000);
  const send = (): WriteResult => guest.write(PacketType.InBand, 0, 0, 0, 16, payload);
  const pages = new BusyPages(options);
  const ring = new IncomingRing(pages, { maxPacketBytes: PAGE_SIZE });
  assert.equal(send(), WriteResult.Written);
  pages.meanwhile = () => {
    while (send() === WriteResult.Written);
    assert.notEqual(pages.words[RingControl.pendingSendSize.offset >> 2], 0);
  };
  assert.equal(ring.next(), ReadResult.Packet);
  assert.equal(ring.writerWaits, false, 'whoever reads may still end and be replaced');
  ring.release();
  assert.ok(ring.writerWaits);
});
