import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guid, isGuid } from './guid.ts';

test('the first three fields are little-endian, the rest is as written', () => {
  const view = new DataView(new ArrayBuffer(20));
  guid.set(view, 4, 'f8615163-df3e-46c5-913f-f2d2f965ed0e');
  assert.deepEqual([...new Uint8Array(view.buffer, 4)], [
    0x63, 0x51, 0x61, 0xf8, 0x3e, 0xdf, 0xc5, 0x46, 0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e,
  ]);
});

test('any sixteen bytes come back', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
    const text = guid.get(new DataView(bytes.slice().buffer), 0);
    assert.ok(isGuid(text));
    const view = new DataView(new ArrayBuffer(16));
    guid.set(view, 0, text);
    assert.deepEqual(new Uint8Array(view.buffer), Uint8Array.from(bytes));
  }));
});

test('text that is no GUID is refused', () => {
  const view = new DataView(new ArrayBuffer(16));
  assert.throws(() => guid.set(view, 0, 'F8615163-DF3E-46C5-913F-F2D2F965ED0E'), /no GUID/);
  assert.throws(() => guid.set(view, 0, ''), /no GUID/);
});
