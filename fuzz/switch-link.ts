/**
 * A stream of bytes that a client of the switch process may send, cut anywhere: nothing throws, nothing grows beyond a
 * message, every frame that comes out lies within what came in, and good messages come out whole.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LinkMessage, MAX_LINK_BODY_BYTES } from '../src/protocols/switch-link.ts';
import { FrameBatch } from '../src/vswitch/link/frame-batch.ts';
import { controlMessage, MessageReader } from '../src/vswitch/link/message-reader.ts';
import { readRequest } from '../src/vswitch/service/requests.ts';
import { OperatingError } from '../src/kit/errors.ts';
import type { FuzzTarget } from '../tools/fuzz-target.ts';

const word = fc.oneof(fc.nat({ max: 100 }), fc.constantFrom(0xffff_ffff, MAX_LINK_BODY_BYTES, 65_600, 0x1_0000));
const request = fc.record({
  version: fc.constantFrom(1, 2),
  kind: fc.constantFrom('attach', 'capture', 'trace', 'status', 'reload', 'process', 'x'),
  switch: fc.oneof(fc.constant('lab'), fc.string(), fc.nat()), nic: fc.oneof(fc.constant('a'), fc.string()),
  mac: fc.oneof(fc.constant(5), fc.double(), fc.string()), points: fc.anything(), frame: fc.oneof(fc.constant('00ff'),
    fc.string()),
  settings: fc.oneof(fc.object(), fc.record({ vlan: fc.object(), stormLimit: fc.double() }, { requiredKeys: [] })),
}, { requiredKeys: ['version', 'kind'] });
const piece = fc.oneof(
  fc.record({ kind: fc.constant('frames' as const), sizes: fc.array(fc.nat({ max: 3000 }), { maxLength: 8 }) }),
  fc.record({ kind: fc.constant('control' as const), value: fc.oneof(request, fc.object()) }),
  fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ maxLength: 60 }) }),
  fc.record({
    kind: fc.constant('header' as const), bodyBytes: word, type: fc.nat({ max: 5 }), count: fc.nat({ max: 9 }),
  }),
);
type Piece = typeof piece extends fc.Arbitrary<infer T> ? T : never;

function bytesOf(each: Piece): Uint8Array {
  if (each.kind === 'bytes') return each.bytes;
  if (each.kind === 'control') return controlMessage(each.value);
  if (each.kind === 'header') {
    const bytes = new Uint8Array(LinkMessage.$size + (each.bodyBytes % 64));
    LinkMessage.encode(new DataView(bytes.buffer), 0, {
      bodyBytes: each.bodyBytes, kind: each.type, reserved: 0, count: each.count,
    });
    return bytes;
  }
  const messages: Uint8Array[] = [];
  const batch = new FrameBatch((bytes) => messages.push(bytes) === 0);
  for (const size of each.sizes) batch.add(new Uint8Array(size).fill(size), 0, size, size & 7, size & 0xffff);
  batch.flush();
  return Buffer.concat(messages);
}

function run(pieces: readonly Piece[], cut: number): void {
  const frames: string[] = [];
  const reader = new MessageReader({
    control: (value) => {
      try {
        readRequest(value);
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error;
      }
    },
    frames: {
      deliver: (bytes, offset, length, offload, segment) => {
        assert.ok(offset >= 0 && length >= 0 && offset + length <= bytes.length);
        frames.push(`${length} ${bytes[offset + length - 1] ?? 0} ${offload} ${segment}`);
        return true;
      },
    },
    capture: () => {},
  });
  const stream = Buffer.concat(pieces.map(bytesOf));
  let isSound = true;
  for (let at = 0; at < stream.length && isSound; at += cut) {
    isSound = reader.push(stream.subarray(at, at + cut));
    assert.ok(reader.waitingBytes <= MAX_LINK_BODY_BYTES + LinkMessage.$size);
  }
  if (pieces.some(({ kind }) => kind === 'bytes' || kind === 'header')) return;
  // Of a frame of no bytes there is no last byte to compare.
  const wanted = pieces.flatMap((each) => each.kind !== 'frames' ? [] : each.sizes.filter((size) => size > 0)
    .map((size) => `${size} ${size & 255} ${size & 7} ${size & 0xffff}`));
  assert.deepEqual(frames.filter((each) => !each.startsWith('0 ')), wanted);
}

export const target: FuzzTarget = {
  name: 'switch-link',
  covers: ['src/vswitch/link/', 'src/protocols/switch-link'],
  run(seed, iterations) {
    fc.assert(fc.property(
      fc.array(piece, { maxLength: 8 }), fc.integer({ min: 1, max: 5000 }), (pieces, cut) => run(pieces, cut),
    ), { seed, numRuns: iterations });
  },
};
